# SPDX-License-Identifier: Apache-2.0
"""Ordinary containers of plain Debian releases, with git and make added, and the project cloned into them.

podman runs them without extra privileges. mmdebstrap makes their images from the sources of the machine's own apt;
the packed root is kept in the build folder.
"""

import contextlib
import hashlib
import os
import pathlib
import platform
import subprocess
import time

import servers

HERE = pathlib.Path(__file__).parent
MAKE_ROOT_S = 600
RUN_S = 1800
PROJECT = "/src/nodeprep"
# The folder may be another user's.
GIT_ENV = os.environ | {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*"}


def run(argv, timeout=MAKE_ROOT_S, **options):
    """Runs a command that has to succeed; its output is in the error if it does not."""
    done = subprocess.run([str(a) for a in argv], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, encoding="utf-8", errors="replace", timeout=timeout,
                          check=False, **options)
    assert done.returncode == 0, f"{argv[0]} exited with {done.returncode}:\n{done.stdout[-8000:]}"
    return done.stdout


def sources(codename):
    """The machine's apt sources of its own release, as lines for that of `codename`; none if the
    machine is no Debian, and mmdebstrap then uses its own."""
    own = platform.freedesktop_os_release().get("VERSION_CODENAME", "")
    listed = run(["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)",
                  "Created-By: Packages"])
    lines = []
    for line in listed.splitlines():
        uri, suite, component = line.split()
        if own and suite in (own, f"{own}-updates", f"{own}-security") and component == "main":
            lines.append(f"deb {uri} {codename}{suite.removeprefix(own)} main")
    return list(dict.fromkeys(lines))


def apt_options():
    """How the machine's apt fetches: proxies and checks, as lines of apt's configuration."""
    wanted = ("Acquire::http", "Acquire::https", "Acquire::Check-", "Acquire::Retries")
    lines = run(["apt-config", "dump"]).splitlines()
    return [line for line in lines if line.startswith(wanted) and not line.endswith(' "";')]


def packed_root(codename):
    lines, options = sources(codename), apt_options()
    key = hashlib.sha256("\n".join([codename, *lines, *options]).encode()).hexdigest()[:8]
    path = servers.BIN_DIR / "real" / "debian" / f"{codename}-{platform.machine()}-{key}.tar"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_name(f"new-{path.name}")
        argv = ["mmdebstrap", "--quiet", "--variant=minbase", "--include=git,make"]
        argv += [f"--aptopt={option}" for option in options]
        run([*argv, codename, new, *lines])
        new.rename(path)
    return path


class Container:
    """A container of its own, of an image of which nothing is changed; `seconds` is how long each command took."""

    def __init__(self, podman, codename):
        self.podman, self.codename = podman, codename
        self.seconds = {}
        image = f"localhost/plain-{codename}"
        if podman("image", "exists", image, check=False).returncode:
            podman("import", "--quiet", packed_root(codename), image, timeout=MAKE_ROOT_S)
        # The machine's network, since its apt sources may be a mirror or proxy there.
        self.id = podman("run", "--detach", "--network=host", image, "sleep", "infinity").stdout.strip()

    def clone_project(self):
        """Clones the working tree as it is, also where it has changes that are not committed."""
        with contextlib.ExitStack() as stack:
            folder = servers.make_folder(stack)
            run(["git", "clone", "--quiet", "--no-hardlinks", servers.REPO, folder / "nodeprep"], env=GIT_ENV)
            patch = folder / "patch"
            run(["git", "-C", servers.REPO, "diff", "--binary", f"--output={patch}", "HEAD"], env=GIT_ENV)
            if patch.stat().st_size:
                run(["git", "-C", folder / "nodeprep", "apply", "--whitespace=nowarn", patch])
            self.sh("mkdir /src", cwd="/")
            self.copy_in(folder / "nodeprep", PROJECT)
        self.sh("chown -R root: /src", cwd="/")

    def copy_in(self, path, target):
        self.podman("cp", path, f"{self.id}:{target}")

    def copy_out(self, path, target):
        self.podman("cp", f"{self.id}:{path}", target)

    def sh(self, command, cwd=PROJECT, user="root"):
        """Runs a shell command, which has to succeed; returns what it printed."""
        start = time.monotonic()
        argv = ["exec", f"--user={user}", f"--workdir={cwd}", self.id, "sh", "-c", f"{{ {command}\n}} 2>&1"]
        done = self.podman(*argv, check=False, timeout=RUN_S)
        self.seconds[f"{user}: {command}"] = time.monotonic() - start
        assert done.returncode == 0, f"{command} exited with {done.returncode}:\n{(done.stdout + done.stderr)[-8000:]}"
        return done.stdout


@contextlib.contextmanager
def container(podman, codename):
    made = Container(podman, codename)
    try:
        yield made
    finally:
        podman("rm", "--force", "--time=0", made.id)
