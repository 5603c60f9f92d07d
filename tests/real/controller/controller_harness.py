# SPDX-License-Identifier: Apache-2.0
"""The controller as a process: with its manifest's arguments and rights, on a real kube-apiserver."""

import contextlib
import http.client
import itertools
import json
import os
import re
import select
import signal
import socket
import subprocess
import threading
import urllib.parse
import urllib.request

import yaml
from fixtures import classes_path as classes_path  # what tests take from here
from fixtures import servers

MANIFESTS = servers.REPO / "deploy" / "manifests"
CRD = MANIFESTS / "crd" / "nodepools.nodeprep.dev.yaml"
POOLS = "/apis/nodeprep.dev/v1alpha1"
EVENTS = "/apis/events.k8s.io/v1"
LEASES = "/apis/coordination.k8s.io/v1"
SYSTEM = "nodeprep-system"
ACCOUNT = "nodeprep-controller"
PCI = {"vendorID": 0x10DE, "deviceID": 0x20B0}
WAIT_S = 60  # what takes a second may take long on a machine that others use too


def kubectl_binary():
    return servers.find_apiserver().with_name("kubectl")


def run_kubectl(server, *args, input=None, must=True):
    argv = [str(kubectl_binary()), f"--kubeconfig={server.kubeconfig}", *map(str, args)]
    done = subprocess.run(
        argv, input=input, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0 or not must, done.stderr
    return done


def render(folder):
    """Returns the objects that `kubectl kustomize` makes of a folder."""
    argv = [str(kubectl_binary()), "kustomize", str(folder)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return [doc for doc in yaml.safe_load_all(done.stdout) if doc]


def deployment_args():
    """Returns what the manifest's container is started with, behind the binary."""
    for doc in render(MANIFESTS / "controller"):
        if doc["kind"] == "Deployment" and doc["metadata"]["name"] == ACCOUNT:
            (container,) = doc["spec"]["template"]["spec"]["containers"]
            return container["args"]
    raise AssertionError("deploy/manifests/controller has no Deployment of the controller")


def install(server):
    """Applies CRD, namespace and rights: what a cluster has before the controller's pods run."""
    server.create_crd(yaml.safe_load(CRD.read_text()))
    kinds = ("Namespace", "ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role")
    kinds += ("RoleBinding",)
    docs = [doc for doc in render(MANIFESTS / "controller") if doc["kind"] in kinds]
    run_kubectl(server, "apply", "-f", "-", input=yaml.safe_dump_all(docs))


def install_foreign_crds(server):
    """Creates the CRDs of cert-manager, the Prometheus operator and Cluster API, and the latter's namespace."""
    server.create_namespace("capi-system")
    script = servers.REPO / "tests" / "real" / "controller" / "crds.sh"
    done = subprocess.run(
        [str(script), str(servers.BIN_DIR / "real")],
        stdout=subprocess.PIPE,
        text=True,
        timeout=1200,
        check=False,
    )
    assert done.returncode == 0
    for file in sorted(servers.pathlib.Path(done.stdout.strip()).glob("*.yaml")):
        crd = yaml.safe_load(file.read_text())
        # cert-manager's are a template of helm's; its labels are no labels yet.
        crd["metadata"] = {
            "name": crd["metadata"]["name"],
            "annotations": crd["metadata"].get("annotations", {}),
        }
        crd["spec"].pop("conversion", None)
        server.create_crd(crd)


def account_token(server, name=ACCOUNT):
    path = f"/api/v1/namespaces/{SYSTEM}/serviceaccounts/{name}/token"
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest"}
    return server.must("POST", path, {**body, "spec": {"expirationSeconds": 7200}})["status"][
        "token"
    ]


class Controller:
    """A replica. Times of the lease are shortened, so that tests need not wait for 15 seconds."""

    numbers = itertools.count(1)

    def __init__(self, server, *args, url=None, token=None, binary=None):
        self.server = server
        name = f"controller-{next(self.numbers)}"
        self.log = server.folder / f"{name}.log"
        kubeconfig = server.folder / f"{name}.kubeconfig"
        server.write_kubeconfig(kubeconfig, token or account_token(server))
        if url:
            kubeconfig.write_text(kubeconfig.read_text().replace(server.url, url))
        self.args = [arg for arg in deployment_args() if "-listen" not in arg]
        self.args += ["--kubeconfig", str(kubeconfig), "--health-listen=127.0.0.1:0"]
        self.args += ["--metrics-listen=127.0.0.2:0"]
        self.args += [f"--leader-elect-resource-namespace={SYSTEM}"]
        self.args += ["--leader-elect-lease-duration=4s", "--leader-elect-renew-deadline=2s"]
        self.args += ["--leader-elect-retry-period=500ms", *args]
        self.process = None
        self.binary = binary or servers.BIN_DIR / "nodeprep"

    def __enter__(self):
        self.stack = contextlib.ExitStack()
        self.start()
        return self

    def __exit__(self, *exc_info):
        self.stack.close()

    def start(self):
        # An earlier run's lines tell of an earlier run's addresses.
        self.begins = self.log.stat().st_size if self.log.exists() else 0
        argv = [self.binary, *self.args]
        env = {"PATH": os.environ["PATH"], "HOME": str(self.server.folder)}
        self.process = servers.start(self.stack, argv, self.log, env=env)
        for option in ("health-listen", "metrics-listen"):
            self.address(option)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(30)

    def stop(self):
        """Ends it as a kubelet does, and returns its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)

    def lines(self):
        text = self.log.read_bytes()[self.begins :].decode(errors="replace")
        return [json.loads(line) for line in text.splitlines() if line.startswith("{")]

    def address(self, option):
        def find():
            found = [
                line["msg"]
                for line in self.lines()
                if line["msg"].startswith(f"{option}: listening on ")
            ]
            return found and found[-1].rpartition(" ")[2]

        return servers.wait_until(option, find, self.process, self.log)

    def get(self, path, option="health-listen"):
        parts = urllib.parse.urlsplit(self.address(option))
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=10)
        with contextlib.closing(connection):
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read().decode()

    def metric(self, name):
        status, text = self.get("/metrics", "metrics-listen")
        assert status == 200
        found = re.search(rf"^nodeprep_controller_{re.escape(name)} (\d+)$", text, re.M)
        assert found, text
        return int(found[1])

    def is_leading(self):
        return self.metric("leader") == 1

    def wait_ready(self):
        servers.wait_until("/readyz", lambda: self.get("/readyz")[0] == 200, self.process, self.log)
        return self


def start_hookd(stack, server, folder):
    """Starts nodeprep-hookd without any API server, and returns the address of its metrics."""
    (port,) = servers.free_ports(1)
    argv = [servers.BIN_DIR / "nodeprep-hookd", "--listen=127.0.0.1:0"]
    argv += [f"--metrics-listen=127.0.0.1:{port}"]
    argv += [f"--tls-cert-file={server._certs.server}"]
    argv += [f"--tls-private-key-file={server._certs.server_key}"]
    env = {"PATH": os.environ["PATH"], "HOME": str(folder)}
    servers.start(stack, argv, folder / "hookd.log", env=env)
    return f"127.0.0.1:{port}"


class RestartableServer(servers.RealServer):
    """A kube-apiserver that can be stopped and started over the same etcd, which can be compacted."""

    def _start_etcd(self, stack, url, peer_url):
        self.etcd_url = url
        super()._start_etcd(stack, url, peer_url)

    def _start_processes(self, stack):
        super()._start_processes(stack)
        self.inner = contextlib.ExitStack()
        stack.callback(self.inner.close)

    def stop_api(self):
        """Stops the API server, the first or a later one."""
        for process in self._api_processes():
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(20)
            process.kill()
            process.wait()
        self.api = []

    def _api_processes(self):
        return getattr(self, "api", [])

    def start_api(self):
        log = self.folder / "apiserver.log"
        argv = [self._apiserver, *self._apiserver_flags(self.etcd_url)]
        process = servers.start(self.inner, argv, log)
        self.api = [process]
        servers.wait_until("kube-apiserver", self._is_ready, process, log, timeout=120)

    def compact(self):
        """Makes etcd forget every revision but the last."""
        newest = self._etcd("/v3/kv/range", {"key": "AA=="})["header"]["revision"]
        self._etcd("/v3/kv/compaction", {"revision": newest, "physical": True})

    def _etcd(self, path, body):
        request = urllib.request.Request(self.etcd_url + path, json.dumps(body).encode())
        with urllib.request.urlopen(request, timeout=30) as response:
            return json.load(response)


class FirstServer(RestartableServer):
    """Takes hold of the first API server's process as well."""

    def _start_processes(self, stack):
        started = []
        real = servers.start

        def start(inner, argv, log, **options):
            process = real(inner, argv, log, **options)
            started.append((str(argv[0]), process))
            return process

        servers.start = start
        try:
            super()._start_processes(stack)
        finally:
            servers.start = real
        self.api = [p for name, p in started if name.endswith("kube-apiserver")][-1:]


class Proxy:
    """Hands bytes on to the API server; cut() closes what is open, pause() takes nothing new."""

    def __init__(self, port):
        self.port_to = port
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.pairs = set()
        self.lock = threading.Lock()
        self.paused = False
        self.closed = False
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self.closed = True
        self.listener.close()
        self.cut()

    def cut(self):
        with self.lock:
            pairs, self.pairs = self.pairs, set()
        for pair in pairs:
            for sock in pair:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)

    def pause(self):
        self.paused = True
        self.cut()

    def go_on(self):
        self.paused = False

    def _accept(self):
        while not self.closed:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            if self.paused:
                client.close()
                continue
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        with contextlib.closing(client):
            try:
                server = socket.create_connection(("127.0.0.1", self.port_to), timeout=5)
            except OSError:
                return
            with contextlib.closing(server):
                with self.lock:
                    self.pairs.add((client, server))
                with contextlib.suppress(OSError, ValueError):
                    self._pump(client, server)
                with self.lock:
                    self.pairs.discard((client, server))

    @staticmethod
    def _pump(client, server):
        server.settimeout(None)
        to = {client: server, server: client}
        while True:
            for sock in select.select(list(to), [], [])[0]:
                data = sock.recv(1 << 16)
                if not data:
                    return
                to[sock].sendall(data)


def pool_path(ns, name=None):
    path = f"{POOLS}/namespaces/{ns}/nodepools"
    return f"{path}/{name}" if name else path


def pool_body(ns, name, spec):
    return {
        "apiVersion": "nodeprep.dev/v1alpha1",
        "kind": "NodePool",
        "metadata": {"name": name, "namespace": ns},
        "spec": {"vmClass": "gpu", **spec},
    }


def put_pool(server, ns, name="workers", **spec):
    return server.must("POST", pool_path(ns), pool_body(ns, name, spec))


def gpu_class(count=4, pci=None, memory="64Gi", **more):
    devices = {"dynamicDirectPathIODevices": [pci or PCI] * count}
    return {"hardware": {"cpus": 8, "memory": memory, "devices": devices}, **more}


def conditions(pool):
    found = (pool.get("status") or {}).get("conditions") or []
    return {c["type"]: c for c in found}


def reasons(pool):
    return {name: (c["status"], c["reason"]) for name, c in conditions(pool).items()}


def wait_pool(server, ns, is_good, name="workers", timeout=WAIT_S):
    """Waits until the pool is as asked, and returns it."""
    last = {}

    def look():
        last["pool"] = server.must("GET", pool_path(ns, name))
        return last["pool"] if is_good(last["pool"]) else None

    try:
        return servers.wait_until(f"pool {ns}/{name}", look, timeout=timeout)
    except servers.StartError as error:
        raise AssertionError(f"{error}: {json.dumps(last.get('pool'), indent=1)}") from None


def wait_reason(server, ns, reason, name="workers", condition="Ready", timeout=WAIT_S):
    def is_there(pool):
        # What an earlier spec brought about does not count.
        return (
            conditions(pool).get(condition, {}).get("reason") == reason
            and pool["status"].get("observedGeneration") == pool["metadata"]["generation"]
        )

    return wait_pool(server, ns, is_there, name, timeout)


def managed_of(vm_class):
    text = vm_class["metadata"].get("annotations", {}).get("nodeprep.dev/managed")
    return text and json.loads(text)


def events_of(server, ns, name=None):
    items = server.must("GET", f"{EVENTS}/namespaces/{ns}/events")["items"]
    return [e for e in items if name is None or e["regarding"]["name"] == name]


def wait_event(server, ns, reason, name=None):
    """Waits for an Event, which comes after the status that it tells of, and returns it."""

    def find():
        return [e for e in events_of(server, ns, name) if e["reason"] == reason]

    return servers.wait_until(f"an Event {reason} of {name}", find, timeout=WAIT_S)[0]


def wait_gone(server, path):
    def is_gone():
        return server.request("GET", path)[0] == 404

    servers.wait_until(f"{path} to go", is_gone, timeout=WAIT_S)


def drop_pools(server, ns):
    """Deletes the namespace's pools, whatever holds them."""
    for item in server.must("GET", pool_path(ns))["items"]:
        name = item["metadata"]["name"]
        server.request("PATCH", pool_path(ns, name), {"metadata": {"finalizers": None}})
        server.request("DELETE", pool_path(ns, name))
