# SPDX-License-Identifier: Apache-2.0
"""The programs of the image at their work, as nobody, read-only and without capabilities."""

import base64
import contextlib
import http.client
import pathlib
import sys
import time

import yaml

import servers

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "controller"))

import controller_harness as harness  # noqa: E402

HOST = ["--read-only", "--cap-drop=all", "--security-opt=no-new-privileges", "--network=host"]


def folder_for_nobody(tmp_path):
    folder = tmp_path / "given"
    folder.mkdir()
    for path in (tmp_path, folder):
        path.chmod(0o755)
    return folder


def give(folder, name, content):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    path.chmod(0o644)
    return path


def kubeconfig_of(server):
    """One file that holds all: the paths of this machine are not the image's."""
    ca = base64.b64encode(pathlib.Path(server.ca_file).read_bytes()).decode()
    cluster = {"server": server.url, "certificate-authority-data": ca}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": cluster}],
        "users": [{"name": "u", "user": {"token": harness.account_token(server)}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    return yaml.safe_dump(config)


def answers(port, path):
    with contextlib.suppress(OSError, http.client.HTTPException):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        with contextlib.closing(connection):
            connection.request("GET", path)
            return connection.getresponse().status == 200
    return False


@contextlib.contextmanager
def container(podman, *args):
    """Runs a container behind; yields its id, and removes it whatever happens."""
    name = podman("run", "--detach", *HOST, *args).stdout.strip()
    try:
        yield name
    finally:
        podman("rm", "--force", "--time=0", name, check=False)


def wait(podman, name, what, is_true):
    end = time.monotonic() + 120
    while not is_true():
        if time.monotonic() > end:
            log = podman("logs", name, check=False)
            raise AssertionError(f"{what}: {log.stdout}{log.stderr}")
        time.sleep(0.2)


def stop(podman, name):
    """Ends it as a kubelet does; returns its exit status."""
    podman("stop", "--time=30", name)
    return int(podman("wait", name).stdout)


def plan(podman, image):
    examples = servers.REPO / "docs" / "examples" / "all-kinds"
    args = ["plan", "-f", "/e/pools.yaml", "-f", "/e/classes.yaml"]
    # A copy would do as well: the folder may be one that nobody may look into.
    pools, classes = (examples / name for name in ("pools.yaml", "classes.yaml"))
    mounts = ["-v", f"{pools}:/e/pools.yaml:ro", "-v", f"{classes}:/e/classes.yaml:ro"]
    return podman("run", "--rm", *HOST, *mounts, image, *args).stdout


def controller(podman, image, server, tmp_path):
    """A NodePool's class is made right by the controller in a container."""
    harness.install(server)
    folder = folder_for_nobody(tmp_path)
    give(folder, "kubeconfig", kubeconfig_of(server))
    (port,) = servers.free_ports(1)
    args = [arg for arg in harness.deployment_args() if "-listen" not in arg]
    args += ["--kubeconfig=/given/kubeconfig", f"--health-listen=127.0.0.1:{port}"]
    args += [f"--leader-elect-resource-namespace={harness.SYSTEM}"]
    with container(podman, "-v", f"{folder}:/given:ro", image, *args) as name:
        wait(podman, name, "/readyz", lambda: answers(port, "/readyz"))
        server.create_namespace("image")
        body = {"apiVersion": f"{servers.GROUP}/v1alpha6", "kind": "VirtualMachineClass"}
        body |= {"metadata": {"name": "gpu"}, "spec": harness.gpu_class()}
        server.must("POST", harness.classes_path("image"), body)
        harness.put_pool(server, "image")
        harness.wait_reason(server, "image", "Configured")
        server.must("DELETE", harness.pool_path("image", "workers"))
        harness.wait_gone(server, harness.pool_path("image", "workers"))
        return stop(podman, name)


def hookd(podman, image, server, tmp_path):
    folder = folder_for_nobody(tmp_path)
    certs = server._certs
    give(folder, "tls.crt", pathlib.Path(certs.server).read_bytes())
    give(folder, "tls.key", pathlib.Path(certs.server_key).read_bytes())
    hooks, metrics = servers.free_ports(2)
    args = [f"--listen=127.0.0.1:{hooks}", f"--metrics-listen=127.0.0.1:{metrics}"]
    args += ["--tls-cert-file=/given/tls.crt", "--tls-private-key-file=/given/tls.key"]
    entry = ["--entrypoint=/nodeprep-hookd", "-v", f"{folder}:/given:ro"]
    with container(podman, *entry, image, *args) as name:
        wait(podman, name, "/readyz", lambda: answers(metrics, "/readyz"))
        return stop(podman, name)
