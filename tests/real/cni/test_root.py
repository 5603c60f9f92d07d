# SPDX-License-Identifier: Apache-2.0
"""The plugin in a root with nothing but the binary, a kubeconfig and its configuration; what it opens."""

import json
import os
import pathlib
import re
import shutil
import socket
import struct
import subprocess
import threading

import pytest
import yaml

import servers
from builders import A100, SIZE, hardware, keys_of, plain
from runtime import finish, plugin

NAME = "supervisor.nodeprep.test"
RESOLVER = "127.0.0.77"


@pytest.fixture
def root(tmp_path, server):
    """root(host) makes a folder with the binary and a kubeconfig for that name of the server."""

    def make(host):
        folder = tmp_path / "root"
        (folder / "etc").mkdir(parents=True)
        shutil.copy2(servers.BIN_DIR / "nodeprep", folder / "nodeprep")
        config = yaml.safe_load(pathlib.Path(server.kubeconfig).read_text())
        cluster = config["clusters"][0]["cluster"]
        cluster["server"] = f"https://{host}:{server.port}"
        cluster["tls-server-name"] = "localhost"
        ca = pathlib.Path(cluster.pop("certificate-authority"))
        (folder / "ca.crt").write_text(ca.read_text())
        cluster["certificate-authority"] = "/ca.crt"
        (folder / "kubeconfig").write_text(yaml.safe_dump(config))
        return folder

    return make


def call(folder, command, config, timeout=120):
    """Runs the plugin in that root, with an empty environment but for the protocol's."""
    process = subprocess.Popen(
        ["/nodeprep"], executable="/nodeprep", stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, env={"CNI_COMMAND": command}, cwd="/", preexec_fn=lambda: os.chroot(folder),
    )
    process.stdin.write(json.dumps(config).encode())
    process.stdin.close()
    return finish(process, timeout)


def conf(ns):
    more = {"supervisor": {"kubeconfig": "/kubeconfig"}, "timeout": "20s"}
    return {"cniVersion": "1.1.0", "name": "gpu", **plugin(ns, **more)}


def add_and_del(folder, ns, get_class):
    before = plain(get_class(ns, "gpu"))
    rc, out, err = call(folder, "ADD", conf(ns))
    assert rc == 0, (out, err)
    assert (SIZE, "512") in keys_of(get_class(ns, "gpu"))
    assert call(folder, "CHECK", conf(ns))[0] == call(folder, "STATUS", conf(ns))[0] == 0
    assert call(folder, "DEL", conf(ns))[0] == 0
    assert plain(get_class(ns, "gpu")) == before


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_nothing_but_the_binary_and_a_kubeconfig(ns, root, put_class, get_class, host):
    put_class(ns, "gpu", hardware(A100))
    folder = root(host)
    shutil.rmtree(folder / "etc")
    add_and_del(folder, ns, get_class)


def test_name_out_of_the_hosts_file(ns, root, put_class, get_class):
    put_class(ns, "gpu", hardware(A100))
    folder = root(NAME)
    (folder / "etc" / "hosts").write_text(f"127.0.0.1 {NAME}\n")
    add_and_del(folder, ns, get_class)


def answer_names(sock):
    """Answers every question for NAME's IPv4 address with 127.0.0.1, and any other with nothing."""
    while True:
        try:
            query, sender = sock.recvfrom(512)
        except OSError:
            return
        end = query.index(b"\0", 12) + 1
        question = query[12 : end + 4]
        labels, at = [], 12
        while query[at]:
            labels.append(query[at + 1 : at + 1 + query[at]].decode())
            at += 1 + query[at]
        found = ".".join(labels) == NAME and struct.unpack("!H", query[end : end + 2])[0] == 1
        header = query[:2] + struct.pack("!HHHHH", 0x8180, 1, int(found), 0, 0)
        record = b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 60, 4) + socket.inet_aton("127.0.0.1")
        sock.sendto(header + question + (record if found else b""), sender)


def test_name_out_of_the_dns(ns, root, put_class, get_class):
    put_class(ns, "gpu", hardware(A100))
    folder = root(NAME)
    (folder / "etc" / "resolv.conf").write_text(f"nameserver {RESOLVER}\noptions timeout:2 attempts:5\n")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((RESOLVER, 53))
        threading.Thread(target=answer_names, args=(sock,), daemon=True).start()
        add_and_del(folder, ns, get_class)


def test_name_that_nobody_knows_is_told(ns, root):
    folder = root(NAME)
    rc, out, _ = call(folder, "ADD", {**conf(ns), "timeout": "3s"})
    assert rc == 1 and json.loads(out)["code"] == 11 and NAME in json.loads(out)["msg"]


def test_certificate_of_another_name_is_refused(ns, root):
    folder = root("127.0.0.1")
    text = (folder / "kubeconfig").read_text().replace("tls-server-name: localhost", "tls-server-name: elsewhere.test")
    (folder / "kubeconfig").write_text(text)
    rc, out, _ = call(folder, "ADD", conf(ns))
    assert rc == 1 and json.loads(out)["code"] == 50, out


# Whatever else it opens would be a surprise.
EXPECTED = {
    "/etc/hosts",  # the name of the API server
    "/etc/resolv.conf",  # its DNS servers, where that name is no address
    "/etc/nsswitch.conf",  # read by the C library; what it says is then overruled: files and dns
    "/etc/host.conf",  # likewise
    "/etc/gai.conf",  # the order of addresses
    "/etc/localtime",  # OpenSSL compares a certificate's dates with the local time's zone
    "/dev/urandom",
}


def test_what_it_opens(server, ns, put_class, tmp_path):
    put_class(ns, "gpu", hardware(A100))
    given = {name: str(tmp_path / name) for name in ("plan", "log", "kubeconfig", "pools")}
    pathlib.Path(given["pools"]).write_text(json.dumps(plugin(ns)["nodePool"][0]))
    text = pathlib.Path(server.kubeconfig).read_text().replace("127.0.0.1", "localhost")
    pathlib.Path(given["kubeconfig"]).write_text(text)
    config = {"cniVersion": "1.1.0", "name": "gpu", "type": "nodeprep", "specFile": given["pools"]}
    config |= {"planFile": given["plan"], "logFile": given["log"]}
    config |= {"supervisor": {"kubeconfig": given["kubeconfig"]}}
    trace = tmp_path / "trace"
    argv = ["strace", "-f", "-qq", "-e", "trace=%file,connect,bind,execve", "-o", trace, servers.BIN_DIR / "nodeprep"]
    done = subprocess.run(
        [str(word) for word in argv], input=json.dumps(config).encode(), capture_output=True,
        env={"CNI_COMMAND": "ADD"}, timeout=120, check=False,
    )
    assert done.returncode == 0, (done.stdout, done.stderr)
    lines = trace.read_text().splitlines()
    opened = {m[1] for line in lines if (m := re.search(r"open(?:at)?\((?:AT_FDCWD, )?\"([^\"]*)\"", line))}
    surprises = {
        path for path in opened - EXPECTED - set(given.values()) - {str(server.ca_file), str(tmp_path)}
        # The plan's file is replaced whole, and its folder synced.
        if not re.fullmatch(re.escape(f"{tmp_path}/.plan.") + r"\w{6}", path)
    }
    assert surprises == set(), surprises
    assert given["kubeconfig"] in opened and str(server.ca_file) in opened
    # It starts no program, and speaks to the API server alone.
    assert len([line for line in lines if "execve(" in line]) == 1
    assert not [line for line in lines if "bind(" in line]
    ports = {m[1] for line in lines if (m := re.search(r"connect\(.*htons\((\d+)\)", line))}
    assert ports == {str(server.port)}, ports


def test_it_is_one_static_file():
    done = subprocess.run(["readelf", "-l", str(servers.BIN_DIR / "nodeprep")], capture_output=True, text=True, timeout=60, check=True)
    assert "INTERP" not in done.stdout


@pytest.mark.parametrize(("error", "status"), [("EINVAL", 0), ("EACCES", 0), ("EIO", 3)])
def test_folder_that_cannot_be_synced(tmp_path, error, status):
    """The file is there already; what the disk itself cannot do is reported."""
    argv = ["strace", "-qq", "-e", "trace=fsync", "-e", f"inject=fsync:error={error}:when=2", "-o", tmp_path / "trace"]
    argv += [servers.BIN_DIR / "nodeprep", "install-cni", f"--bin-dir={tmp_path}/bin"]
    done = subprocess.run([str(word) for word in argv], capture_output=True, text=True, timeout=120, check=False)
    assert (tmp_path / "trace").read_text().count("INJECTED") == 1
    assert done.returncode == status and (tmp_path / "bin" / "nodeprep").stat().st_mode & 0o777 == 0o755
    assert ("installed" in done.stdout) == (status == 0)
