# SPDX-License-Identifier: Apache-2.0
"""Bare roots of Debian releases, with git and make added, and the project cloned into them.

They are made by mmdebstrap from the sources of the machine's own apt. The packed root is kept in the
build folder; each run unpacks it again.
"""

import contextlib
import hashlib
import os
import pathlib
import platform
import shutil
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


class Root:
    """A root of its own, from nothing; `seconds` is how long each command took."""

    def __init__(self, codename, folder):
        self.folder, self.codename = folder, codename
        self.seconds = {}
        run(["tar", "-C", folder, "--exclude=./dev/*", "-xf", packed_root(codename)])
        run(["git", "clone", "--quiet", "--no-hardlinks", servers.REPO, f"{folder}{PROJECT}"], env=GIT_ENV)
        # The clone is as the working tree is, also where that has changes that are not committed.
        patch = folder / "root" / "patch"
        run(["git", "-C", servers.REPO, "diff", "--binary", f"--output={patch}", "HEAD"], env=GIT_ENV)
        if patch.stat().st_size:
            run(["git", "-C", f"{folder}{PROJECT}", "apply", "--whitespace=nowarn", patch])

    def sh(self, command, cwd=PROJECT):
        """Runs a shell command in the root, which has to succeed; returns what it printed."""
        start = time.monotonic()
        try:
            return run([HERE / "enter.sh", self.folder, "sh", "-c", f"cd {cwd} && {command}"], RUN_S)
        finally:
            self.seconds[command] = time.monotonic() - start


@contextlib.contextmanager
def root(codename):
    with contextlib.ExitStack() as stack:
        folder = servers.make_folder(stack)
        folder.chmod(0o755)
        yield Root(codename, folder)
        shutil.rmtree(folder)
