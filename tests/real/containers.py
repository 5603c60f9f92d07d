# SPDX-License-Identifier: Apache-2.0
"""podman, with all of its storage in a folder of the test's own."""

import contextlib
import subprocess

import servers

LIMITS = '[containers]\ndefault_ulimits=["nofile=1024:1024","nproc=4096:4096"]\n[engine]\nruntime="runc"\n'


class Podman:
    def __init__(self, folder):
        self.folder = folder
        (folder / "containers.conf").write_text(LIMITS)
        (folder / "storage.conf").write_text(
            f'[storage]\ndriver = "overlay"\ngraphroot = "{folder}/root"\nrunroot = "{folder}/run"\n'
        )
        self.env = {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": str(folder),
            "CONTAINERS_CONF": str(folder / "containers.conf"),
            "CONTAINERS_STORAGE_CONF": str(folder / "storage.conf"),
        }

    def __call__(self, *args, check=True, timeout=300):
        return subprocess.run(
            ["podman", *(str(a) for a in args)],
            env=self.env,
            capture_output=True,
            encoding="utf-8",
            check=check,
            timeout=timeout,
        )


@contextlib.contextmanager
def podman():
    with contextlib.ExitStack() as stack:
        subprocess.run([servers.REPO / "hack/deps.sh", "image"], check=True, cwd=servers.REPO)
        run = Podman(servers.make_folder(stack))
        # Not `system reset`, which would take the machine's own networks along.
        stack.callback(subprocess.run, ["umount", run.folder / "root/overlay"],
                       stderr=subprocess.DEVNULL, check=False)
        stack.callback(run, "rmi", "--all", "--force", check=False)
        yield run
