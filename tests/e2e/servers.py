# SPDX-License-Identifier: Apache-2.0
"""The API servers that the end-to-end tests talk to.

SimServer is the project's own embedded Supervisor, RealServer a kube-apiserver on an etcd of its
own. Both are context managers with one interface, so that a test need not know which one it has.
Whatever they start is stopped by the process id they got, also when starting fails half-way, and
dies with the test run should that be killed.
"""

import base64
import contextlib
import ctypes
import http.client
import json
import os
import pathlib
import secrets
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
import urllib.parse

import yaml

REPO = pathlib.Path(__file__).resolve().parents[2]
BIN_DIR = pathlib.Path(os.environ.get("NODEPREP_BIN_DIR", REPO / "build")).resolve()
GROUP = "vmoperator.vmware.com"
VERSIONS = [f"v1alpha{n}" for n in range(1, 7)]
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
RBAC = "/apis/rbac.authorization.k8s.io/v1"

START_S = 60  # an API server is ready in 2 to 5 seconds; a busy machine takes longer
STOP_S = 10
BUILD_S = 3600
PORT_TRIES = 3

PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)


class StartError(RuntimeError):
    """A server did not start; the text ends with the last lines of its log."""


def die_with_parent():
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def wait_until(what, is_true, process=None, log=None, timeout=START_S):
    """Calls is_true until it gives something true, and returns that."""
    end = time.monotonic() + timeout
    while True:
        if process and process.poll() is not None:
            raise StartError(f"{what}: exited with {process.returncode}\n{tail(log)}")
        result = is_true()
        if result:
            return result
        if time.monotonic() > end:
            raise StartError(f"{what}: not within {timeout} s\n{tail(log)}")
        time.sleep(0.05)


def tail(log, lines=30):
    if log is None or not pathlib.Path(log).exists():
        return ""
    return "\n".join(pathlib.Path(log).read_text(errors="replace").splitlines()[-lines:])


def stop(process):
    """Stops by SIGTERM, after STOP_S by SIGKILL, and returns only when the process is gone."""
    process.terminate()
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        pass
    finally:
        process.kill()
        process.wait()


def start(stack, argv, log, **options):
    """Starts a process that the exit stack stops; its output goes to the file `log`."""
    with open(log, "ab") as out:
        process = subprocess.Popen(
            [str(arg) for arg in argv],
            stdin=subprocess.DEVNULL,
            stdout=options.pop("stdout", out),
            stderr=out,
            preexec_fn=die_with_parent,
            **options,
        )
    stack.callback(stop, process)
    return process


def make_folder(stack):
    folder = pathlib.Path(tempfile.mkdtemp(prefix="nodeprep-e2e-"))
    stack.callback(shutil.rmtree, folder, ignore_errors=True)
    return folder


def free_ports(count, host="127.0.0.1"):
    """Picks ports nobody listens on; all are held until the last is found, so that they differ."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with contextlib.ExitStack() as stack:
        held = [stack.enter_context(socket.socket(family)) for _ in range(count)]
        for sock in held:
            sock.bind((host, 0))
        return [sock.getsockname()[1] for sock in held]


def bracketed(host):
    return f"[{host}]" if ":" in host else host


def parse_body(raw):
    try:
        return json.loads(raw)
    except ValueError:
        return raw.decode(errors="replace")


def complete_lines(path, offset):
    """Returns the whole lines of a growing file from `offset` on, and where they end."""
    with open(path, "rb") as file:
        file.seek(offset)
        data = file.read()
    data = data[: data.rfind(b"\n") + 1]
    return data.splitlines(), offset + len(data)


class Server:
    """What both servers have; a subclass sets the fields in _start and reads its request log."""

    kind = None  # "sim" or "real"
    host = "127.0.0.1"  # where it listens; "::1" is the other one
    url = port = None
    kubeconfig = ca_file = token = None  # kubeconfig and token are an administrator's
    tokens = None  # user name -> token
    folder = None

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            self.folder = make_folder(stack)
            self._start(stack)
            self.mark()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exc_info):
        self._stack.close()

    def request(self, method, path, body=None, headers=None, content_type=None, timeout=30):
        """Sends one request and returns (status, headers, parsed body; text where it is no JSON).

        A body that is neither text nor bytes is sent as JSON. A header given as None is left out,
        Authorization included.
        """
        status, got, raw = self.request_raw(method, path, body, headers, content_type, timeout)
        return status, got, parse_body(raw)

    def request_raw(self, method, path, body=None, headers=None, content_type=None, timeout=30):
        """Does the same and returns the body's bytes as they came."""
        if body is not None and not isinstance(body, (str, bytes)):
            body = json.dumps(body)
        if body is not None and content_type is None:
            is_patch = method == "PATCH"
            content_type = "application/merge-patch+json" if is_patch else "application/json"
        sent = {
            "Accept": "application/json",
            "Authorization": f"Bearer {self.token}",
            "Content-Type": content_type,
            "User-Agent": "nodeprep-e2e",
            **(headers or {}),
        }
        sent = {name: value for name, value in sent.items() if value is not None}
        context = ssl.create_default_context(cafile=str(self.ca_file))
        connection = http.client.HTTPSConnection(
            self.host, self.port, context=context, timeout=timeout
        )
        with contextlib.closing(connection):
            connection.request(method, path, body=body, headers=sent)
            response = connection.getresponse()
            return response.status, response.headers, response.read()

    def must(self, method, path, body=None, **options):
        """Sends a request that has to succeed and returns the parsed body.

        A kube-apiserver is ready before its caches are, and puts lists off until then.
        """
        status, _, answer = self.request(method, path, body, **options)
        end = time.monotonic() + START_S
        while status == 429 and time.monotonic() < end:
            time.sleep(0.2)
            status, _, answer = self.request(method, path, body, **options)
        if not 200 <= status < 300:
            raise AssertionError(f"{method} {path}: {status} {answer}")
        return answer

    def mark(self):
        """Makes requests() begin here."""
        _, self._offset = self._read_log(0)

    def requests(self):
        """Returns the API requests since mark(): verb, path, status, user, and some more fields."""
        lines, _ = self._read_log(self._offset)
        return lines

    def _start(self, stack):
        raise NotImplementedError

    def _read_log(self, offset):
        """Returns the entries of the request log from `offset` on, and where the log ends."""
        raise NotImplementedError

    def create_namespace(self, name):
        raise NotImplementedError

    def write_kubeconfig(self, path, token=None, **user):
        """Writes a kubeconfig for this server: for a token, or for other fields of `user`."""
        if token:
            user["token"] = token
        cluster = {"server": self.url, "certificate-authority": str(self.ca_file)}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "e2e", "cluster": cluster}],
            "users": [{"name": "e2e", "user": user}],
            "contexts": [{"name": "e2e", "context": {"cluster": "e2e", "user": "e2e"}}],
            "current-context": "e2e",
        }
        pathlib.Path(path).write_text(yaml.safe_dump(config))
        return str(path)


# --------------------------------------------------------------------------------------------------
# The real server

OPENSSL_CONFIG = """\
[req]
distinguished_name = name
[name]
[ca]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[server]
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = IP:127.0.0.1, IP:::1, DNS:localhost
[client]
keyUsage = critical, digitalSignature
extendedKeyUsage = clientAuth
"""

AUDIT_POLICY = """\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived, Panic]
rules:
- {level: None, users: ["system:apiserver"]}
- {level: Metadata}
"""

VIEWER_RULES = [
    {"apiGroups": [GROUP], "resources": ["*"], "verbs": ["get", "list", "watch"]},
    {"apiGroups": [""], "resources": ["namespaces"], "verbs": ["get", "list", "watch"]},
]


def openssl(*argv):
    argv = ["openssl", *(str(arg) for arg in argv)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode != 0:
        raise StartError(f"{' '.join(argv)}: {done.stderr}")


class Certificates:
    """A CA of its own, a serving and a client certificate, made by the openssl command.

    Most tests of nodeprep-hookd make their own, so all keys are EC: an RSA key takes 0.2 s.
    """

    def __init__(self, folder):
        self.folder = folder
        (folder / "openssl.cnf").write_text(OPENSSL_CONFIG)
        self.ca, ca_key = self._make("ca", "/CN=nodeprep-e2e-ca", None)
        signer = (self.ca, ca_key)
        self.server, self.server_key = self._make("server", "/CN=localhost", signer)
        admin = "/O=system:masters/CN=cert-admin"
        self.client, self.client_key = self._make("client", admin, signer)

    def _make(self, name, subject, signer):
        cert, key = self.folder / f"{name}.crt", self.folder / f"{name}.key"
        argv = ["req", "-x509", "-nodes", "-newkey", "ec"]
        argv += ["-pkeyopt", "ec_paramgen_curve:prime256v1"]
        argv += ["-config", self.folder / "openssl.cnf", "-extensions", name, "-days", "2"]
        argv += ["-subj", subject, "-out", cert, "-keyout", key]
        if signer:
            argv += ["-CA", signer[0], "-CAkey", signer[1]]
        openssl(*argv)
        return cert, key


def find_apiserver():
    """Returns the built kube-apiserver; build.sh prints its folder, at once if it is built."""
    folder = os.environ.get("NODEPREP_REAL_DIR")
    if not folder:
        script = REPO / "tests" / "real" / "build.sh"
        done = subprocess.run(
            [str(script), str(REPO / "build" / "real")],
            stdout=subprocess.PIPE,
            text=True,
            timeout=BUILD_S,
            check=False,
        )
        if done.returncode != 0:
            raise StartError("tests/real/build.sh failed; its output is on stderr")
        folder = done.stdout.strip()
    return pathlib.Path(folder) / "kube-apiserver"


CRD_NAMES = [
    "virtualmachineclasses",
    "virtualmachineclassbindings",
    "virtualmachines",
    "virtualmachineimages",
    "clustervirtualmachineimages",
]


def crd_files():
    """Returns VM Operator's own CRDs where they lie beside the checkout, else the project's own."""
    shared = REPO.parent / "shared" / "crds"
    own = REPO / "tests" / "real" / "crds"
    pairs = [(shared / f"{GROUP}_{name}.yaml", own / f"{name}.yaml") for name in CRD_NAMES]
    return [theirs if theirs.is_file() else ours for theirs, ours in pairs]


class RealServer(Server):
    """kube-apiserver on an etcd of its own, with the VM classes' CRD and users of several rights.

    scope="Cluster" serves the classes as old Supervisors do, cluster-wide and in v1alpha1 alone.
    """

    kind = "real"

    def __init__(self, scope="Namespaced", host="127.0.0.1"):
        self.scope = scope
        self.host = host
        self.tokens = {name: secrets.token_hex(16) for name in ("admin", "viewer", "nobody")}
        self.token = self.tokens["admin"]

    def _start(self, stack):
        self._apiserver = find_apiserver()
        self._write_files()
        for attempt in range(1, PORT_TRIES + 1):
            try:
                with contextlib.ExitStack() as tried:
                    self._start_processes(tried)
                    stack.push(tried.pop_all())
                break
            except StartError as error:
                # The ports were free when they were picked; another process may have been faster.
                if "address already in use" not in str(error) or attempt == PORT_TRIES:
                    raise
        self.kubeconfig = self.write_kubeconfig(self.folder / "kubeconfig", self.token)
        self._create_crds()
        self._create_rights()
        self.create_namespace("ml")
        wait_until("namespace default", lambda: self._is_there("/api/v1/namespaces/default"))

    def _write_files(self):
        certs = Certificates(self.folder)
        self.ca_file = str(certs.ca)
        self.client_cert, self.client_key = str(certs.client), str(certs.client_key)
        self._certs = certs
        self._service_key = self.folder / "service.key"
        openssl("genrsa", "-out", self._service_key, "2048")
        groups = {"admin": ",system:masters"}
        users = [f"{token},{u},{u}{groups.get(u, '')}\n" for u, token in self.tokens.items()]
        (self.folder / "tokens.csv").write_text("".join(users))
        (self.folder / "audit.yaml").write_text(AUDIT_POLICY)
        self._audit_log = self.folder / "audit.log"

    def _start_processes(self, stack):
        etcd_port, peer_port = free_ports(2)
        (self.port,) = free_ports(1, self.host)
        self.url = f"https://{bracketed(self.host)}:{self.port}"
        etcd_url, peer_url = f"http://127.0.0.1:{etcd_port}", f"http://127.0.0.1:{peer_port}"
        self._start_etcd(stack, etcd_url, peer_url)
        log = self.folder / "apiserver.log"
        argv = [self._apiserver, *self._apiserver_flags(etcd_url)]
        process = start(stack, argv, log)
        wait_until("kube-apiserver", self._is_ready, process, log)

    def _start_etcd(self, stack, url, peer_url):
        argv = [self._apiserver.with_name("etcd"), "--data-dir", self.folder / "etcd", "--unsafe-no-fsync"]
        argv += ["--listen-client-urls", url, "--advertise-client-urls", url]
        argv += ["--listen-peer-urls", peer_url, "--initial-advertise-peer-urls", peer_url]
        argv += ["--initial-cluster", f"default={peer_url}", "--logger", "zap"]
        # A data folder remembers the peer's port, so each try begins with none.
        shutil.rmtree(self.folder / "etcd", ignore_errors=True)
        log = self.folder / "etcd.log"
        process = start(stack, argv, log)
        port = int(url.rpartition(":")[2])
        # The data folder is made once etcd has its ports: so it is not another's that accepts.
        made = self.folder / "etcd" / "member"
        wait_until("etcd", lambda: made.exists() and accepts(port), process, log)

    def _apiserver_flags(self, etcd_url):
        certs = self._certs
        flags = {
            "etcd-servers": etcd_url,
            "bind-address": self.host,
            "advertise-address": self.host,
            "secure-port": self.port,
            "cert-dir": self.folder,
            "tls-cert-file": certs.server,
            "tls-private-key-file": certs.server_key,
            "client-ca-file": certs.ca,
            "token-auth-file": self.folder / "tokens.csv",
            "service-account-key-file": self._service_key,
            "service-account-signing-key-file": self._service_key,
            "service-account-issuer": "https://kubernetes.default.svc",
            "service-cluster-ip-range": "fd00:10::/112" if ":" in self.host else "10.0.0.0/24",
            "authorization-mode": "RBAC",
            "disable-admission-plugins": "ServiceAccount",
            "audit-policy-file": self.folder / "audit.yaml",
            "audit-log-path": self._audit_log,
        }
        return [f"--{name}={value}" for name, value in flags.items()]

    def _is_ready(self):
        return self._is_there("/readyz")

    def _is_there(self, path):
        try:
            return self.request("GET", path, timeout=5)[0] == 200
        except (OSError, http.client.HTTPException):
            return False

    def _create_crds(self):
        for file in crd_files():
            crd = yaml.safe_load(file.read_text())
            if self.scope == "Cluster":
                self._make_old(crd)
            self.create_crd(crd)

    def create_crd(self, crd):
        """Creates a CustomResourceDefinition and returns when its objects can be asked for."""
        self.must("POST", CRDS, crd)
        wait_until(f"CRD {crd['metadata']['name']}", lambda: self._serves(crd))

    @staticmethod
    def _make_old(crd):
        """Makes of a CRD what an old Supervisor has: v1alpha1 alone, classes without namespaces."""
        if crd["spec"]["names"]["plural"] == "virtualmachineclasses":
            crd["spec"]["scope"] = "Cluster"
        crd["spec"]["versions"] = [v for v in crd["spec"]["versions"] if v["name"] == "v1alpha1"]
        crd["spec"]["versions"][0]["storage"] = True

    def _serves(self, crd):
        """Tells whether the CRD is established, in each discovery document, and can be listed."""
        status = self.must("GET", f"{CRDS}/{crd['metadata']['name']}")["status"]
        conditions = {c["type"]: c["status"] for c in status.get("conditions") or []}
        if conditions.get("Established") != "True":
            return False
        group, plural = crd["spec"]["group"], crd["spec"]["names"]["plural"]
        groups = {g["name"]: g["versions"] for g in self.must("GET", "/apis")["groups"]}
        listed = [v["version"] for v in groups.get(group, [])]
        served = [v["name"] for v in crd["spec"]["versions"] if v["served"]]
        return all(v in listed and self._serves_version(group, v, plural) for v in served)

    def _serves_version(self, group, version, plural):
        path = f"/apis/{group}/{version}"
        status, _, found = self.request("GET", path)
        if status != 200 or plural not in [resource["name"] for resource in found["resources"]]:
            return False
        return self._is_there(f"{path}/{plural}")

    def _create_rights(self):
        api = RBAC.partition("/apis/")[2]
        meta = {"name": "nodeprep-e2e-viewer"}
        role = {"apiVersion": api, "kind": "ClusterRole", "metadata": meta, "rules": VIEWER_RULES}
        subject = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "viewer"}
        ref = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": meta["name"]}
        binding = {"apiVersion": api, "kind": "ClusterRoleBinding", "metadata": meta}
        binding |= {"roleRef": ref, "subjects": [subject]}
        self.must("POST", f"{RBAC}/clusterroles", role)
        self.must("POST", f"{RBAC}/clusterrolebindings", binding)

    def create_namespace(self, name):
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        self.must("POST", "/api/v1/namespaces", body)

    def _read_log(self, offset):
        # An answer may be out before its line is written. So one more request is made and its line
        # waited for: those of all requests answered before it are there by then.
        sentinel = f"/version?sentinel={secrets.token_hex(8)}"
        self.request("GET", sentinel)
        wait_until("audit log", lambda: sentinel.encode() in self._audit_log.read_bytes())
        lines, end = complete_lines(self._audit_log, offset)
        events = [json.loads(line) for line in lines]
        return [audit_entry(event) for event in events if is_counted(event)], end


def accepts(port):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def is_counted(event):
    """Tells whether an event of the audit log stands for a request of its own.

    A watch is logged when it starts and when it ends, and counts when it starts. So does a request
    that fails to authenticate: no second event is written for that.
    """
    is_end_of_watch = event["verb"] == "watch" and event["stage"] == "ResponseComplete"
    return not is_end_of_watch and "/version?sentinel=" not in event["requestURI"]


def audit_entry(event):
    path, _, query = event["requestURI"].partition("?")
    return {
        "verb": event["verb"],
        "path": urllib.parse.unquote(path),
        "query": query,
        "status": event.get("responseStatus", {}).get("code"),
        "user": event.get("user", {}).get("username", ""),
        "userAgent": event.get("userAgent", ""),
    }


# --------------------------------------------------------------------------------------------------
# The embedded Supervisor


class SimServer(Server):
    """nodeprep-sim. `classes` are files of VirtualMachineClass documents it starts with."""

    kind = "sim"

    def __init__(self, classes=(), state=None, args=(), host="127.0.0.1"):
        self.host = host
        self._classes = classes
        self._state = state
        self._args = args

    def _start(self, stack):
        kubeconfig, log = self.folder / "kubeconfig", self.folder / "sim.log"
        self._request_log = self.folder / "requests.jsonl"
        self._request_log.touch()
        argv = [BIN_DIR / "nodeprep-sim", "--listen", f"{bracketed(self.host)}:0"]
        argv += ["--kubeconfig-out", kubeconfig, "--request-log", self._request_log]
        argv += ["--state", self._state] if self._state else []
        for file in self._classes:
            argv += ["--classes", file]
        output = self.folder / "sim.out"
        with open(output, "wb") as out:
            process = start(stack, [*argv, *self._args], log, stdout=out)
        self.url = wait_until("nodeprep-sim", lambda: listening_url(output), process, log)
        self.port = urllib.parse.urlsplit(self.url).port
        self.kubeconfig = str(kubeconfig)
        self._read_kubeconfig()

    def _read_kubeconfig(self):
        config = yaml.safe_load(pathlib.Path(self.kubeconfig).read_text())
        self.tokens = {u["name"]: u["user"].get("token") for u in config["users"]}
        contexts = {c["name"]: c["context"] for c in config["contexts"]}
        current = contexts[config["current-context"]]
        self.token = self.tokens[current["user"]]
        clusters = {c["name"]: c["cluster"] for c in config["clusters"]}
        self.ca_file = self._save_ca(clusters[current["cluster"]])

    def _save_ca(self, cluster):
        if "certificate-authority" in cluster:
            return cluster["certificate-authority"]
        path = self.folder / "ca.crt"
        path.write_bytes(base64.b64decode(cluster["certificate-authority-data"]))
        return str(path)

    def faults(self, faults):
        """Sets what goes wrong from now on, as the sim's manual describes it; [] ends it."""
        self.must("PUT", "/sim/faults", faults)

    def create_namespace(self, name):
        """Does nothing: the sim takes any namespace."""

    def _read_log(self, offset):
        lines, end = complete_lines(self._request_log, offset)
        entries = [json.loads(line) for line in lines]
        return [entry for entry in entries if not entry["path"].startswith("/sim/")], end


def listening_url(output):
    words = output.read_text().split("\n", 1)
    prefix = "listening on "
    if len(words) == 2 and words[0].startswith(prefix):
        return words[0][len(prefix) :].strip()
    return None
