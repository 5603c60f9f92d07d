# SPDX-License-Identifier: Apache-2.0
"""Users of the VM classes, for chaos.py: NodePools, the command line, the CNI plugin, Clusters, and a
writer that knows nothing of nodeprep. Each acts at random until it is stopped; settle() then finishes what
failed, wanted() says which holders the classes must have, and leave() releases all of them."""

import contextlib
import http.client
import json
import os
import random
import signal
import subprocess
import threading
import time

from builders import A100, config_spec, dump, hardware, option, pool
from chaos_states import SERIAL
from controller_harness import pool_body, pool_path, servers
from fixtures import classes_path

NS = "chaos"
CLASSES = [f"gpu-{number}" for number in range(4)]
SIZES = [512, 1024, 2048, 4096]
CRASHES = {signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGSYS, signal.SIGTRAP}
TRY_S = 20
PAUSE_S = 0.3
SETTLE_S = 240


def original_spec(number):
    """Half of the classes have a configSpec of their own, each with other settings that nodeprep replaces."""
    if number % 2 == 0:
        return hardware(*[A100] * (1 + number % 3))
    cards = [A100] * (1 + number % 3)
    extra = [option("first", "1"), option("second", "2")]
    extra += [option("pciPassthru.64bitMMIOSizeGB", "128")] if number % 4 == 3 else []
    return {
        **hardware(*cards),
        "configSpec": config_spec(*cards, extra=extra, firmware="bios"),
        "policies": {"resources": {"requests": {"cpu": "4"}, "limits": {"cpu": "8"}}},
    }


def insist(server, method, path, body=None, fine=()):
    """Sends a request until the API server answers it; `fine` are errors that are answers too."""
    while True:
        with contextlib.suppress(OSError, http.client.HTTPException):
            status, _, answer = server.request(method, path, body, timeout=10)
            if status < 300 or (status in fine and isinstance(answer, dict)):
                return status, answer
            assert status in (404, 409, 429) or status >= 500, (method, path, status, answer)
        time.sleep(PAUSE_S)


class User(threading.Thread):
    """Takes a step now and then; `run` is what all users share: figures and wrongs."""

    pause_s = 0.5

    def __init__(self, run, name):
        super().__init__(name=name, daemon=True)
        self.shared, self.server = run, run.server
        self.random = random.Random(f"{run.seed}/{name}")

    def run(self):
        try:
            while not self.shared.stopping.wait(self.random.uniform(0, 2 * self.pause_s)):
                self.step()
        except Exception as error:  # noqa: BLE001  a user that fell silent would hide faults
            self.shared.wrong(f"{self.name}: {error!r}")

    def step(self):
        raise NotImplementedError

    def settle(self):
        pass

    def repeat(self, is_open, step):
        """Takes steps until nothing is open, for as long as a user may have patience."""
        end = time.monotonic() + SETTLE_S
        while is_open():
            if time.monotonic() > end:
                raise TimeoutError("did not settle")
            step()

    def wanted(self):
        """Returns (class, pool id, holder) of each registration."""
        return []

    def leave(self):
        pass


class NodePools(User):
    """Creates, deletes, moves and resizes NodePools."""

    most = 8

    def __init__(self, run, name):
        super().__init__(run, name)
        self.pools, self.next = {}, 0

    def step(self):
        action = self.random.choice([self.create, self.create, self.delete, self.move, self.resize])
        if action != self.create and not self.pools:
            return
        action()

    def create(self):
        if len(self.pools) >= self.most:
            return
        name, vm_class = f"np-{self.next}", self.random.choice(CLASSES)
        self.next += 1
        insist(self.server, "POST", pool_path(NS), pool_body(NS, name, {"vmClass": vm_class}), fine=(409,))
        self.pools[name] = vm_class

    def delete(self):
        name = self.random.choice(sorted(self.pools))
        insist(self.server, "DELETE", pool_path(NS, name), fine=(404,))
        del self.pools[name]

    def move(self):
        name, vm_class = self.random.choice(sorted(self.pools)), self.random.choice(CLASSES)
        insist(self.server, "PATCH", pool_path(NS, name), {"spec": {"vmClass": vm_class}})
        self.pools[name] = vm_class

    def resize(self):
        name = self.random.choice(sorted(self.pools))
        mmio = {"minimumGB": self.random.choice(SIZES)}
        insist(self.server, "PATCH", pool_path(NS, name), {"spec": {"mmio": mmio}})

    def wanted(self):
        return [(vm_class, f"{NS}/{name}", "controller") for name, vm_class in self.pools.items()]

    def leave(self):
        while self.pools:
            self.delete()

    def wrongs(self):
        """Returns the NodePools that are not at their end state."""
        found = {p["metadata"]["name"]: p for p in self.server.must("GET", pool_path(NS))["items"]}
        wrongs = [f"NodePool {name} is still there" for name in found.keys() - self.pools.keys()]
        wrongs += [f"NodePool {name} is not there" for name in self.pools.keys() - found.keys()]
        for name in found.keys() & self.pools.keys():
            wrongs += self.wrongs_of(name, found[name].get("status") or {}, found[name])
        return wrongs

    def wrongs_of(self, name, status, found):
        ready = [(c["status"], c["reason"]) for c in status.get("conditions", []) if c["type"] == "Ready"]
        seen = status.get("observedGeneration"), status.get("vmClass")
        if [state for state, _ in ready] == ["True"] and seen == (found["metadata"]["generation"], self.pools[name]):
            return []
        return [f"NodePool {name}: Ready {ready}, generation and class {seen}"]


class Caller(User):
    """Runs nodeprep, and kills a third of the runs."""

    def call(self, argv, text, env, is_cut, files=None):
        """Returns (whether it ended well, stdout)."""
        binary = str(self.random.choice(self.shared.binaries))
        limit = ["prlimit", f"--fsize={files}"] if files is not None else []
        env = {"PATH": os.environ["PATH"], "KUBECONFIG": self.shared.kubeconfig, **env}
        # Not restored: SIGXFSZ stays ignored, so that the limit is an error of write() like a full disk.
        with subprocess.Popen([*limit, binary, *argv], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, env=env, restore_signals=False) as process:
            sent = self.start_cut(process) if is_cut and self.random.random() < 0.33 else []
            out, err = process.communicate(text.encode(), timeout=10 * TRY_S)
        self.shared.count("calls")
        self.judge(argv, process.returncode, sent, err)
        return process.returncode == 0, out

    def start_cut(self, process):
        how = self.random.choice([signal.SIGKILL, signal.SIGTERM])
        sent = []

        def cut():
            if process.poll() is None:
                sent.append(how)
                process.send_signal(how)
                self.shared.count("kills")

        threading.Timer(self.random.uniform(0, 1), cut).start()
        return sent

    def judge(self, argv, rc, sent, err):
        if rc < 0 and (-rc in CRASHES or -rc not in sent):
            self.shared.wrong(f"{self.name} {argv[:1]}: ended by {signal.Signals(-rc).name}: {err[-500:]}")


class CommandLine(Caller):
    """Applies and reverts a pool of its own on each class."""

    pause_s = 1

    def __init__(self, run, name):
        super().__init__(run, name)
        self.is_applied, self.is_pending = False, False
        self.document = ""

    def step(self, is_cut=True):
        if not self.is_pending:
            self.is_applied = not self.is_applied
            self.is_pending = True
        if self.is_applied and is_cut:
            sizes = [{"minimumGB": self.random.choice(SIZES)} for _ in CLASSES]
            self.document = dump(*(pool(NS, f"{self.name}-{vm_class}", vm_class, mmio=mmio)
                                   for vm_class, mmio in zip(CLASSES, sizes)))
        command = "apply" if self.is_applied else "revert"
        is_good, _ = self.call([command, "-f", "-", f"--timeout={TRY_S}s"], self.document, {}, is_cut)
        self.is_pending = not is_good

    def settle(self):
        self.repeat(lambda: self.is_pending, lambda: self.step(is_cut=False))

    def wanted(self):
        return [(c, f"{NS}/{self.name}-{c}", "apply") for c in CLASSES if self.is_applied]

    def leave(self):
        if self.is_applied:
            self.step(is_cut=False)
            self.settle()


class Attachments(Caller):
    """Calls the CNI plugin as a runtime does: ADD, CHECK, DEL, and DEL again until it goes well."""

    most = 4
    network = "gpu"

    def __init__(self, run, name):
        super().__init__(run, name)
        self.held, self.doomed, self.next = {}, {}, 0
        self.plan, self.log = run.folder / f"{name}.plan", run.folder / f"{name}.log"

    def config(self, vm_class):
        return {
            "cniVersion": "1.1.0", "name": self.network, "type": "nodeprep", "instance": self.name,
            "nodePool": pool(NS, f"cni-{vm_class}", vm_class), "timeout": f"{TRY_S}s",
            "planFile": str(self.plan), "logFile": str(self.log),
        }

    def plugin(self, command, container, vm_class, is_cut=True):
        env = {"CNI_COMMAND": command, "CNI_CONTAINERID": container, "CNI_IFNAME": "eth0"}
        is_full = is_cut and self.random.random() < 0.25
        files = self.random.randrange(600) if is_full else None
        if is_full:
            self.shared.count("full disks")
        is_good, out = self.call([], json.dumps(self.config(vm_class)), env, is_cut, files)
        self.check_plan()
        if not is_good and out:
            # Cut off or not: what a runtime gets is nothing or a whole error.
            with contextlib.suppress(KeyError):
                assert json.loads(out)["code"], out
        return is_good

    def check_plan(self):
        if self.plan.exists():
            json.loads(self.plan.read_text())

    def step(self):
        if self.doomed and self.random.random() < 0.7:
            self.remove(self.random.choice(sorted(self.doomed)))
        elif self.held and self.random.random() < 0.5:
            container = self.random.choice(sorted(self.held))
            if self.random.random() < 0.3:
                self.plugin("CHECK", container, self.held[container])
            else:
                self.doomed[container] = self.held.pop(container)
        elif len(self.held) < self.most:
            self.add()

    def add(self):
        container, vm_class = f"c{self.next}", self.random.choice(CLASSES)
        self.next += 1
        is_good = self.plugin("ADD", container, vm_class)
        (self.held if is_good else self.doomed)[container] = vm_class

    def remove(self, container, is_cut=True):
        if self.plugin("DEL", container, self.doomed[container], is_cut):
            del self.doomed[container]

    def settle(self):
        self.repeat(lambda: self.doomed, lambda: self.remove(min(self.doomed), is_cut=False))

    def wanted(self):
        return [(vm_class, f"{NS}/cni-{vm_class}", f"cni/{self.network}/{self.name}/{container}/eth0")
                for container, vm_class in self.held.items()]

    def leave(self):
        self.doomed |= self.held
        self.held = {}
        self.settle()


class Clusters(User):
    """Calls nodeprep-hookd as Cluster API does: a hook is called again until it succeeds."""

    most = 3
    pause_s = 1

    def __init__(self, run, name):
        super().__init__(run, name)
        self.held, self.coming, self.doomed, self.next = {}, {}, {}, 0

    def body(self, name, vm_class):
        overrides = [{"name": "vmClass", "value": vm_class}]
        pool_of = {"class": "node-pool", "name": "gpu", "replicas": 1, "variables": {"overrides": overrides}}
        return {
            "apiVersion": "cluster.x-k8s.io/v1beta1", "kind": "Cluster",
            "metadata": {"name": name, "namespace": NS},
            "spec": {"topology": {"class": "any", "workers": {"machineDeployments": [pool_of]}}},
        }

    def call(self, kind, name, vm_class):
        cluster = self.shared.hookd.clusters.put(self.body(name, vm_class), kind == "BeforeClusterDelete")
        handler = {"BeforeClusterCreate": "before-cluster-create", "BeforeClusterDelete": "before-cluster-delete"}[kind]
        request = {"apiVersion": "hooks.runtime.cluster.x-k8s.io/v1alpha1", "kind": f"{kind}Request",
                   "settings": {}, "cluster": cluster}
        self.shared.count("hooks")
        with contextlib.suppress(OSError, http.client.HTTPException, servers.StartError):
            status, answer = self.shared.hookd.ask(kind.lower(), request, handler, timeout=12)
            answer = json.loads(answer) if status == 200 else {}
            return answer.get("status") == "Success" and not answer.get("retryAfterSeconds")
        return False

    def step(self):
        if self.coming:
            self.begin(min(self.coming))
        elif self.doomed:
            self.end(min(self.doomed))
        elif len(self.held) < self.most and self.random.random() < 0.6:
            self.coming[f"cl{self.next}"] = self.random.choice(CLASSES)
            self.next += 1
        elif self.held:
            name = self.random.choice(sorted(self.held))
            self.doomed[name] = self.held.pop(name)

    def begin(self, name):
        if self.call("BeforeClusterCreate", name, self.coming[name]):
            self.held[name] = self.coming.pop(name)

    def end(self, name):
        if self.call("BeforeClusterDelete", name, self.doomed[name]):
            del self.doomed[name]

    def settle(self):
        def step():
            self.step()
            time.sleep(PAUSE_S)

        self.repeat(lambda: self.coming or self.doomed, step)

    def wanted(self):
        return [(vm_class, f"{NS}/{name}/gpu", f"hook/{name}") for name, vm_class in self.held.items()]

    def leave(self):
        self.doomed |= self.held
        self.held = {}
        self.settle()


class Edit:
    """A change of fields that are not nodeprep's; make() does it, now or again for a comparison."""

    def __init__(self, serial, rng):
        self.serial, self.place = serial, rng.randrange(100)
        self.kind = rng.choice([self.describe, self.resize, self.annotate, self.insert, self.insert, self.drop])
        self.is_list = self.kind in (self.insert, self.drop)

    def make(self, cls):
        cls["metadata"].setdefault("annotations", {})[SERIAL] = self.serial
        self.kind(cls)

    def describe(self, cls):
        cls["spec"]["description"] = f"edit {self.serial}"

    def resize(self, cls):
        cls["spec"]["hardware"]["cpus"] = 8 + self.place

    def annotate(self, cls):
        cls["metadata"]["annotations"][f"example.com/{self.place % 5}"] = self.serial

    @staticmethod
    def foreign(cls):
        """Returns the places of entries that are not nodeprep's, or None without a configSpec."""
        config = cls["spec"].get("configSpec")
        if not config:
            return None
        entries = config.setdefault("extraConfig", [])
        return [place for place, entry in enumerate(entries) if not entry["key"].startswith("pciPassthru.")]

    def insert(self, cls):
        places = self.foreign(cls)
        if places is not None:
            entries = cls["spec"]["configSpec"]["extraConfig"]
            ends = [*places, len(entries)]
            entries.insert(ends[self.place % len(ends)], option(f"other.{self.serial}", self.serial))

    def drop(self, cls):
        places = self.foreign(cls)
        if places:
            del cls["spec"]["configSpec"]["extraConfig"][places[self.place % len(places)]]


class ForeignWriter(User):
    """Edits classes as kubectl edit does, or with a merge patch of the field alone."""

    pause_s = 0.15

    def __init__(self, run, name):
        super().__init__(run, name)
        self.edits, self.next = run.edits, 0

    def step(self):
        name = self.random.choice(CLASSES)
        edit = Edit(str(self.next), self.random)
        self.next += 1
        self.edits[name, edit.serial] = edit
        is_patch = not edit.is_list and self.random.random() < 0.5
        while not self.write(name, edit, is_patch):
            pass

    def write(self, name, edit, is_patch):
        """Tries once; True where the edit is stored, also where the answer to it was lost."""
        path = classes_path(NS, name)
        _, cls = insist(self.server, "GET", path)
        if cls["metadata"].get("annotations", {}).get(SERIAL) == edit.serial:
            return True
        if is_patch:
            body = {"metadata": {}, "spec": {"hardware": {}}}
            edit.make(body)
            body["spec"] = {key: value for key, value in body["spec"].items() if value}
        else:
            edit.make(cls)
            body = cls
        with contextlib.suppress(OSError, http.client.HTTPException):
            query = "?fieldManager=foreign"
            return self.server.request("PATCH" if is_patch else "PUT", path + query, body, timeout=10)[0] == 200
        return False
