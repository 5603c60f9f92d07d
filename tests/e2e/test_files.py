# SPDX-License-Identifier: Apache-2.0
"""Files that are no regular files: as inputs they end in time, as outputs they stay as they are."""

import json
import os
import pathlib
import socket
import stat
import subprocess
import tempfile

import pytest
import yaml

import servers
from builders import A100, dump, hardware, pool
from fixtures import PATH
from hookd import Hookd

POOL = pool("ml", "w", "gpu")
# By the shell: which descriptors of the program are closed when it starts.
CLOSED = ("sh", "-c", 'exec "$0" "$@" <&- >&-')


@pytest.fixture
def fifo(tmp_path):
    """A FIFO that nobody writes."""
    path = tmp_path / "fifo"
    os.mkfifo(path)
    return path


def kind_of(path):
    return stat.S_IFMT(os.lstat(path).st_mode)


# --- inputs ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("argv", [
    ["plan", "-f", "FIFO"],
    ["plan", "-f", "LINK"],
    ["plan", "-f", "-", "--catalogue", "FIFO"],
    ["plan", "-f", "-", "--kubeconfig", "FIFO"],
    ["plan", "-f", "-", "--certificate-authority", "FIFO"],
    ["check", "-f", "-", "--kubeconfig", "FIFO"],
    ["gpus", "--catalogue", "FIFO"],
    ["host-check", "FIFO"],
    ["node-check", "-f", "FIFO"],
], ids=" ".join)
def test_fifo_as_input_ends_at_the_deadline(nodeprep, fifo, tmp_path, argv):
    link = tmp_path / "link"
    link.symlink_to(fifo)
    argv = [{"FIFO": fifo, "LINK": link}.get(word, word) for word in argv]
    done = nodeprep(*argv, "--timeout=1s", input=dump(POOL))
    assert (done.rc, done.out) == (3, "")
    assert "timed out before the end of the FIFO" in done.err


@pytest.mark.parametrize("member", ["certificate-authority", "tokenFile"])
def test_fifo_in_a_kubeconfig_ends_at_the_deadline(server, nodeprep, fifo, tmp_path, member):
    config = yaml.safe_load(pathlib.Path(server.kubeconfig).read_text())
    if member == "tokenFile":
        config["users"] = [{"name": user["name"], "user": {member: str(fifo)}} for user in config["users"]]
    else:
        config["clusters"][0]["cluster"] = {"server": server.url, member: str(fifo)}
    path = tmp_path / "config"
    path.write_text(json.dumps(config))
    done = nodeprep("plan", "-f", "-", "--timeout=1s", input=dump(POOL), env={"KUBECONFIG": str(path)})
    assert done.rc == 3 and "timed out before the end of the FIFO" in done.err


def test_socket_and_device_as_input_are_errors(nodeprep, tmp_path):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
        done = nodeprep("plan", "-f", tmp_path / "socket")
    assert done.rc == 3 and "is a socket" in done.err
    done = nodeprep("plan", "-f", "/dev/zero")
    assert done.rc == 3 and "'/dev/zero': larger than" in done.err


def test_standard_input_that_never_ends(server):
    argv = [servers.BIN_DIR / "nodeprep", "plan", "-f", "-", "--timeout=1s"]
    reader, writer = os.pipe()
    done = subprocess.run(argv, stdin=reader, capture_output=True, encoding="utf-8", timeout=60,
                          env={"PATH": PATH, "KUBECONFIG": server.kubeconfig}, check=False)
    os.close(reader)
    os.close(writer)
    assert (done.returncode, done.stdout) == (3, "")
    assert "standard input: timed out before the end of the FIFO" in done.stderr


@pytest.fixture
def cni(server):
    """cni(config) calls ADD and returns the process's result and its answer."""

    def call(config):
        env = {"CNI_COMMAND": "ADD", "CNI_CONTAINERID": "c", "CNI_IFNAME": "e", "PATH": PATH}
        config = {"cniVersion": "1.1.0", "name": "gpu", "type": "nodeprep", "instance": "host", **config}
        config.setdefault("supervisor", {"kubeconfig": server.kubeconfig})
        done = subprocess.run([servers.BIN_DIR / "nodeprep"], input=json.dumps(config), capture_output=True,
                              encoding="utf-8", env=env, timeout=60, check=False)
        return done, json.loads(done.stdout)

    return call


@pytest.mark.parametrize("given", [
    {"specFile": "FIFO"},
    {"nodePool": POOL, "supervisor": {"kubeconfig": "FIFO"}},
    {"nodePool": POOL, "supervisor": {"server": "https://127.0.0.1:1", "tokenFile": "FIFO", "caFile": "CA"}},
    {"nodePool": POOL, "supervisor": {"server": "https://127.0.0.1:1", "tokenFile": "TOKEN", "caFile": "FIFO"}},
], ids=["specFile", "kubeconfig", "tokenFile", "caFile"])
def test_fifo_as_input_of_the_cni_plugin_ends_at_the_deadline(server, cni, fifo, tmp_path, given):
    (tmp_path / "token").write_text("token")
    text = json.dumps(given).replace('"FIFO"', json.dumps(str(fifo))).replace('"CA"', json.dumps(server.ca_file))
    text = text.replace('"TOKEN"', json.dumps(str(tmp_path / "token")))
    done, answer = cni({"timeout": "1s", **json.loads(text)})
    assert done.returncode == 1 and answer["code"] == 5, answer
    assert "timed out before the end of the FIFO" in answer["msg"]


def test_spec_file_is_bounded_like_the_configuration(cni, tmp_path):
    path = tmp_path / "pools.yaml"
    path.write_text("#" * (1 << 20) + "\n")
    _, answer = cni({"specFile": str(path)})
    assert answer["code"] == 5 and f"'{path}': larger than 1048576 bytes" in answer["msg"]


# --- outputs --------------------------------------------------------------------------------------


@pytest.fixture
def targets(tmp_path, fifo):
    """Paths at which no regular file is, and what each is called."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "socket"))
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(fifo)
    yield {fifo: "FIFO", tmp_path / "folder": "directory", tmp_path / "socket": "socket", tmp_path / "link": "is a"}
    listener.close()


@pytest.mark.parametrize("key", ["planFile", "logFile"])
def test_only_regular_files_are_outputs_of_the_cni_plugin(ns, put_class, cni, targets, tmp_path, key):
    put_class(ns, "gpu", hardware(A100))
    before = {path: kind_of(path) for path in targets}
    for path, kind in targets.items():
        done, answer = cni({key: str(path), "nodePool": pool(ns, "w", "gpu")})
        assert answer["code"] == 5 and key in answer["msg"] and kind in answer["msg"], answer
        assert str(path) in answer["msg"]
    assert {path: kind_of(path) for path in targets} == before
    done, _ = cni({key: str(tmp_path / "file"), "nodePool": pool(ns, "w", "gpu")})
    assert done.returncode == 0 and kind_of(tmp_path / "file") == stat.S_IFREG


def test_log_file_follows_no_link(ns, put_class, cni, tmp_path):
    put_class(ns, "gpu", hardware(A100))
    (tmp_path / "other").write_text("mine\n")
    (tmp_path / "log").symlink_to(tmp_path / "other")
    _, answer = cni({"logFile": str(tmp_path / "log"), "nodePool": pool(ns, "w", "gpu")})
    assert answer["code"] == 5 and "is a symbolic link" in answer["msg"]
    assert (tmp_path / "other").read_text() == "mine\n"


def test_termination_log_is_a_regular_file(nodeprep, targets, tmp_path):
    (tmp_path / "sys/bus/pci/devices").mkdir(parents=True)
    before = {path: kind_of(path) for path in targets}
    for path in targets:
        done = nodeprep("node-check", "--sysfs", tmp_path / "sys", "--termination-log", path)
        assert f"'{path}': is a " in done.err and "expected a regular file" in done.err
        assert done.out
    assert {path: kind_of(path) for path in targets} == before


# --- closed descriptors ---------------------------------------------------------------------------


def descriptors(pid):
    """What the process has open, by number."""
    folder = pathlib.Path(f"/proc/{pid}/fd")
    found = {}
    for entry in folder.iterdir():
        try:
            found[int(entry.name)] = os.readlink(entry)
        except FileNotFoundError:  # closed meanwhile
            continue
    return found


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_descriptors_of_a_command(fifo, closed):
    """The program reads a FIFO, which must not get the number of a standard descriptor."""
    argv = ["sh", "-c", f'exec "$0" "$@" {closed}', str(servers.BIN_DIR / "nodeprep"), "plan", "-f", str(fifo)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            found = servers.wait_until("the FIFO", lambda: (
                found if str(fifo) in (found := descriptors(process.pid)).values() else None), process)
        finally:
            process.kill()
    numbers = {number for number, target in found.items() if target == str(fifo)}
    assert min(numbers) > 2, found
    words = {"<&-": 0, ">&-": 1, "2>&-": 2}
    assert all(found[words[word]] == "/dev/null" for word in closed.split())


def make_pools(folder):
    pathlib.Path(folder, "pools").write_text(dump(POOL))
    return folder


def test_no_log_line_reaches_the_server():
    """The API's socket would be the first descriptor that is free."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        argv = ["sh", "-c", 'exec "$0" "$@" <&- >&- 2>&-', str(servers.BIN_DIR / "nodeprep"), "plan", "-f", "pools",
                "--server", f"http://127.0.0.1:{port}", "-v=9", "--timeout=5s"]
        with tempfile.TemporaryDirectory() as folder, subprocess.Popen(
                argv, cwd=make_pools(folder), env={"PATH": PATH}) as process:
            listener.settimeout(30)
            sent = b""
            while b"\r\n\r\n" not in sent:
                connection, _ = listener.accept()
                with connection:
                    connection.settimeout(30)
                    while b"\r\n\r\n" not in sent and (some := connection.recv(65536)):
                        sent += some
                    # A server that cannot be used, of which the program tells the user.
                    connection.sendall(b"HTTP/1.1 401 no\r\nContent-Length: 0\r\n\r\n")
                    while some := connection.recv(65536):
                        sent += some
            process.wait(60)
    lines = sent.decode().split("\r\n")
    assert all(line == "" or line.startswith("GET ") or ": " in line for line in lines)
    assert not any(line.startswith(("info:", "error:", "warning:")) for line in sent.decode().splitlines())


def test_closed_descriptors_of_the_servers(tmp_path):
    with Hookd(wrapper=CLOSED) as hookd:
        found = descriptors(hookd.process.pid)
        assert (found[0], found[1]) == ("/dev/null", "/dev/null")
    config = tmp_path / "kubeconfig"
    argv = ["sh", "-c", 'exec "$0" "$@" <&- 2>&-', servers.BIN_DIR / "nodeprep-sim", "--kubeconfig-out", config]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline().startswith(b"listening on")
        found = descriptors(process.pid)
        process.terminate()
    assert (found[0], found[2]) == ("/dev/null", "/dev/null")
