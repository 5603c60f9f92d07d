# SPDX-License-Identifier: Apache-2.0
"""What the suite shares: the vCenter simulator, govc, nodeprep with --vcenter, builders of classes."""

import contextlib
import copy
import dataclasses
import json
import os
import pathlib
import subprocess
import urllib.request

import builders
import servers
from builders import A100, SIZE, USE64
from fixtures import PATH, Result

HERE = pathlib.Path(__file__).resolve().parent
CLASSES = "/api/vcenter/namespace-management/virtual-machine-classes"

ADMIN = "administrator@vsphere.local"
# Characters that a URL, a header and a log would each change in their own way.
PASSWORD = "Vm+ware/1! %41&ü"
READER = "reader@vsphere.local"
NOBODY = "nobody@vsphere.local"
LOCKED = "locked@vsphere.local"
EDITOR = "editor@vsphere.local"  # no more than the docs ask for

USERS = [
    {"name": ADMIN, "password": PASSWORD, "privileges": ["*"]},
    {"name": EDITOR, "password": PASSWORD, "privileges": ["System.Read", "VirtualMachineClasses.Manage"]},
    {"name": READER, "password": PASSWORD, "privileges": ["System.Read"]},
    {"name": NOBODY, "password": PASSWORD, "privileges": []},
    {"name": LOCKED, "password": PASSWORD, "locked": True, "privileges": ["*"]},
]


def build_tools():
    """Returns the folder of the simulator and govc; builds them if they are missing."""
    done = subprocess.run(
        [str(HERE / "build.sh"), str(servers.REPO / "build" / "real")],
        stdout=subprocess.PIPE, text=True, timeout=servers.BUILD_S, check=True,
    )
    return pathlib.Path(done.stdout.strip())


class VCenter:
    """The simulator, running; control.go has what each call does."""

    def __init__(self, tools, *options):
        self.tools, self.options = tools, options

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            self.folder = servers.make_folder(stack)
            log = self.folder / "simulator.log"
            process = servers.start(stack, [self.tools / "simulator", *self.options, self.folder], log, stdout=subprocess.PIPE)
            stack.callback(process.stdout.close)
            line = process.stdout.readline()
            if not line:
                raise servers.StartError(f"simulator: no line\n{servers.tail(log)}")
            told = json.loads(line)
            self.url, self.ca, self.fingerprint = told["url"], told["ca"], told["fingerprint"]
            self._control = told["control"]
            self.reset()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exc_info):
        self._stack.close()

    @property
    def host(self):
        return self.url.removeprefix("https://")

    def control(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._control + path, data=data, method=method)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=60) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def reset(self):
        """Puts the initial settings, hosts and VMs back; no class, no rule, no session is left."""
        self.control("PUT", "/settings", {"users": USERS})
        self.control("PUT", "/rules", [])
        self.control("PUT", "/classes", {})
        self.control("POST", "/expire", {})
        self.control("POST", "/inventory", {})
        self.mark()

    def set(self, **settings):
        self.control("PATCH", "/settings", settings)

    def rules(self, *rules):
        self.control("PUT", "/rules", list(rules))

    def put_classes(self, *classes):
        self.control("PUT", "/classes", {one["id"]: one for one in classes})

    def dump(self):
        """All classes by id, as the server keeps them."""
        return self.control("GET", "/classes")

    def edit(self, name, **change):
        self.control("POST", "/edit", {"id": name, **change})

    def sessions(self):
        return self.control("GET", "/sessions")

    def mark(self):
        """Makes requests() begin here."""
        self._offset = 0
        self._offset = len(self.requests())

    def requests(self):
        return self.control("GET", f"/log?from={self._offset}")

    def patches(self):
        """The ids of the classes that were patched since mark(), in turn, once for each PATCH."""
        return [pathlib.PurePosixPath(one["path"]).name for one in self.requests() if one["method"] == "PATCH"]

    def govc(self, *args, user=ADMIN):
        """Runs govc, which has to succeed, and returns what it printed."""
        env = {
            "GOVC_URL": self.url, "GOVC_USERNAME": user, "GOVC_PASSWORD": PASSWORD,
            "GOVC_TLS_CA_CERTS": self.ca, "GOVC_PERSIST_SESSION": "false", "HOME": str(self.folder), "PATH": PATH,
        }
        done = subprocess.run(
            [str(self.tools / "govc"), *args], capture_output=True, text=True, env=env, timeout=60, check=False,
        )
        assert done.returncode == 0, (args, done.stdout, done.stderr)
        return done.stdout

    def info(self, name):
        """The class as govc reads it."""
        return json.loads(self.govc("namespace.vmclass.info", "-json", name))


# --- classes ---------------------------------------------------------------------------------------


def dynamic(device, label=None):
    made = {"vendor_id": device["vendorID"], "device_id": device["deviceID"]}
    return made | ({"custom_label": label} if label else {})


def devices(*cards, vgpus=()):
    """The deprecated member `devices`."""
    made = {}
    if cards:
        made["dynamic_direct_path_IO_devices"] = [dynamic(card) for card in cards]
    if vgpus:
        made["vgpu_devices"] = [{"profile_name": name} for name in vgpus]
    return made


def vgpu(profile):
    backing = {"_typeName": "VirtualPCIPassthroughVmiopBackingInfo", "vgpu": profile}
    device = {"_typeName": "VirtualPCIPassthrough", "key": 0, "backing": backing}
    return {"_typeName": "VirtualDeviceConfigSpec", "operation": "add", "device": device}


def vm_class(name, *, cpus=16, memory_mb=262144, **members):
    """A class of vCenter as GET gives it."""
    return {
        "id": name,
        "description": f"class {name}",
        "cpu_count": cpus,
        "memory_MB": memory_mb,
        "devices": {},
        "namespaces": ["ml"],
        "vms": [],
        "config_status": "READY",
        "messages": [],
        **members,
    }


def gpu_class(name, *cards, extra=(), spec=None, **members):
    """A class with a config_spec that holds its GPUs."""
    config = builders.config_spec(*(cards or (A100,)), extra=extra, **(spec or {}))
    return vm_class(name, config_spec=config, **members)


def keys_of(cls):
    """The extraConfig of a class as a dict."""
    entries = cls.get("config_spec", {}).get("extraConfig") or []
    return {e["key"]: e["value"]["_value"] if isinstance(e["value"], dict) else e["value"] for e in entries}


def is_prepared(cls, window):
    keys = keys_of(cls)
    spec = cls.get("config_spec", {})
    return (
        keys.get(SIZE) == str(window)
        and keys.get(USE64) == "TRUE"
        and spec.get("firmware") == "efi"
        and cls.get("memory_reservation") == 100
    )


def pools(*names, ns="ml", **spec):
    """The text of NodePools, one for each class."""
    return builders.dump(*(builders.pool(ns, f"pool-{name}", name, **spec) for name in names))


def without(cls, *names):
    left = copy.deepcopy(cls)
    for name in names:
        left.pop(name, None)
    return left


# --- nodeprep --------------------------------------------------------------------------------------


@dataclasses.dataclass
class Host:
    """A host of an administrator: a home, a state directory, credentials; no kubeconfig."""

    vcenter: VCenter
    folder: pathlib.Path
    user: str = ADMIN
    password: str = PASSWORD

    def __post_init__(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        self.state = self.folder / "state"
        self.file = self.folder / "password"
        self.file.write_text(self.password + "\n")
        self.file.chmod(0o600)
        self.seen = []  # all output, for the search for the password

    def argv(self, command, *args, password_file=None, url=None):
        argv = [servers.BIN_DIR / "nodeprep", command, "--vcenter", url or self.vcenter.url]
        argv += ["--vcenter-username", self.user, "--vcenter-password-file", password_file or self.file]
        argv += ["--certificate-authority", self.vcenter.ca, "--state-dir", self.state, *args]
        return [str(arg) for arg in argv]

    def env(self, **more):
        given = {"HOME": str(self.folder), "LC_ALL": "C.UTF-8", "PATH": PATH, "TZ": "UTC", **more}
        return {name: value for name, value in given.items() if value is not None}

    def start(self, argv, env=None):
        return subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            encoding="utf-8", env=env or self.env(), cwd=self.folder,
        )

    def run_argv(self, argv, input="", env=None, timeout=120):
        with self.start([str(arg) for arg in argv], env) as process:
            out, err = process.communicate(input, timeout=timeout)
        self.seen += [out, err]
        return Result(process.returncode, out, err)

    def __call__(self, command, *args, input="", **options):
        return self.run_argv(self.argv(command, *args, **options), input)

    def must(self, command, *args, input="", **options):
        done = self(command, *args, input=input, **options)
        assert done.rc == 0, (command, args, done.rc, done.out, done.err)
        return done

    def results(self, done):
        """The result of each class by its name, as -o json gives it."""
        return {one["name"]: one["result"] for one in done.json["classes"]}


def with_var_lib(folder, argv):
    """The command with `folder` for /var/lib: the state directory of root is in there."""
    folder.mkdir(exist_ok=True)
    flags = "-m" if os.geteuid() == 0 else "-rm"
    script = f'mount --bind "{folder}" /var/lib && exec "$@"'
    return ["unshare", flags, "sh", "-c", script, "sh", *argv]
