# SPDX-License-Identifier: Apache-2.0
"""Lets every program of nodeprep work on the same VM classes while everything around them fails.

    chaos.sh BUILD SECONDS [SEED]

On a real kube-apiserver, two controllers, nodeprep-hookd, the command line and the CNI plugin register and
release pools on the same classes (chaos_users.py), and a foreign writer edits them. Meanwhile programs are
killed, stopped and frozen, connections are cut, frozen and torn, the API server is restarted, disks are
full, and wall clocks leap. Every state that is stored is compared with the one before it (chaos_states.py):
no class is half-written, no foreign field lost. At the end each NodePool must reach its end state, each
class have the holders that were asked for, and once all have left, its original settings.

Ends with a line of figures, and with exit status 1 where anything was wrong. SEED repeats the choices, not
their timing.
"""

import collections
import concurrent.futures
import contextlib
import os
import pathlib
import random
import resource
import secrets
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

import chaos_states as states
import chaos_users as users
import controller_harness as harness
import hookd
from fixtures import servers

READY_S = 120
RESTART_S = 40
STOP_S = 40
LOG_LINES = 15


class FailingProxy(harness.Proxy):
    """Can freeze: bytes wait. Can tear: the next answer is lost, its request has been sent."""

    def __init__(self, port):
        self.flowing, self.is_tearing = threading.Event(), False
        self.flowing.set()
        super().__init__(port)

    def _pump(self, client, server):
        server.settimeout(None)
        to = {client: server, server: client}
        while not self.closed:
            for sock in select.select(list(to), [], [], 1)[0]:
                self.flowing.wait()
                data = sock.recv(1 << 16)
                if not data or (sock is server and self.is_tearing):
                    return
                to[sock].sendall(data)


class ChaoticController(harness.Controller):
    """Gets a clock at each start: the true one, or one that leaps."""

    def __init__(self, chaos, url):
        super().__init__(chaos.server, url=url)
        self.chaos, self.what = chaos, self.log.stem

    def start(self):
        self.begins = self.log.stat().st_size if self.log.exists() else 0
        argv = [self.chaos.random.choice(self.chaos.binaries), *self.args]
        env = {"PATH": os.environ["PATH"], "HOME": str(self.server.folder)}
        # Not restored: SIGXFSZ stays ignored, so that fill_disk() makes write() fail.
        self.process = servers.start(self.stack, argv, self.log, env=env, restore_signals=False)
        for option in ("health-listen", "metrics-listen"):
            self.address(option)

    def is_up(self):
        end = time.monotonic() + READY_S
        while time.monotonic() < end and self.process.poll() is None:
            with contextlib.suppress(OSError):
                if self.get("/readyz")[0] == 200:
                    return True
            time.sleep(0.2)
        return False


class ChaoticHookd(hookd.Hookd):
    def __init__(self, chaos, kubeconfig):
        super().__init__(kubeconfig)
        self.chaos, self.what, self.starts = chaos, "nodeprep-hookd", 0

    def start(self):
        """Starts it again with the same certificates and servers, on other ports."""
        self.starts += 1
        self.log = self.folder / f"hookd-{self.starts}.log"
        argv = [self.chaos.random.choice(self.chaos.hookd_binaries), *self.process.args[1:]]
        env = {"HOME": str(self.folder), "PATH": "/usr/bin:/bin"}
        self.process = servers.start(self._stack, argv, self.log, env=env, restore_signals=False)
        ready = servers.wait_until("nodeprep-hookd", self._listening, self.process, self.log)
        self.metrics_port, self.port = ready

    def is_up(self):
        with contextlib.suppress(OSError, servers.StartError):
            servers.wait_until("/readyz", lambda: self.metrics("/readyz")[0] == 200, timeout=READY_S)
            return self.process.poll() is None
        return False


class Chaos:
    """The API server, the programs, their users, and what became of them."""

    def __init__(self, build, seed, stack):
        self.seed, self.random = seed, random.Random(seed)
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="chaos-", dir=build / "bench"))
        self.binaries = [build / "nodeprep", build / "nodeprep-leaping"]
        self.hookd_binaries = [build / "nodeprep-hookd", build / "nodeprep-hookd-leaping"]
        self.figures, self.wrongs, self.edits = collections.Counter(), [], {}
        self.lock, self.stopping = threading.Lock(), threading.Event()
        # One thread for good: a child is killed with the thread that started it.
        self.starter = concurrent.futures.ThreadPoolExecutor(1)
        self.restart, self.next_restart = None, 0
        self.start_server(stack)
        self.start_programs(stack)
        self.users = self.make_users()

    def wrong(self, text):
        with self.lock:
            self.wrongs.append(text)

    def count(self, what):
        with self.lock:
            self.figures[what] += 1

    # --- what runs ------------------------------------------------------------------------------

    def start_server(self, stack):
        self.server = stack.enter_context(harness.FirstServer())
        harness.install(self.server)
        self.server.create_namespace(users.NS)
        for number, name in enumerate(users.CLASSES):
            body = {"apiVersion": f"{servers.GROUP}/v1alpha6", "kind": "VirtualMachineClass"}
            body |= {"metadata": {"name": name, "namespace": users.NS}, "spec": users.original_spec(number)}
            self.server.must("POST", harness.classes_path(users.NS), body)
        self.states = states.States(self.server.etcd_url, self.edits)
        self.states.start()

    def proxy(self, stack):
        proxy = stack.enter_context(FailingProxy(self.server.port))
        self.proxies.append(proxy)
        return f"https://127.0.0.1:{proxy.port}"

    def start_programs(self, stack):
        self.proxies = []
        self.kubeconfig = self.kubeconfig_of("users", self.proxy(stack))
        self.controllers = [ChaoticController(self, self.proxy(stack)) for _ in range(2)]
        self.hookd = ChaoticHookd(self, self.kubeconfig_of("hookd", self.proxy(stack)))
        self.programs = [*self.controllers, self.hookd]
        for program in self.programs:
            stack.enter_context(program)

    def kubeconfig_of(self, name, url):
        path = self.folder / f"{name}.kubeconfig"
        self.server.write_kubeconfig(path, self.server.token)
        path.write_text(path.read_text().replace(self.server.url, url))
        return str(path)

    def make_users(self):
        lines = [users.CommandLine(self, f"cli-{number}") for number in range(2)]
        hosts = [users.Attachments(self, f"host-{number}") for number in range(2)]
        self.nodepools = users.NodePools(self, "nodepools")
        self.writer = users.ForeignWriter(self, "foreign")
        return [self.nodepools, *lines, *hosts, users.Clusters(self, "clusters"), self.writer]

    # --- what fails -----------------------------------------------------------------------------

    def disturb(self):
        rows = [(self.kill, 5), (self.terminate, 3), (self.freeze_program, 2), (self.cut, 4), (self.freeze, 3),
                (self.tear, 3), (self.refuse, 2), (self.fill_disk, 2)]
        (disturbance,) = self.random.choices([row[0] for row in rows], [row[1] for row in rows])
        disturbance()
        if time.monotonic() > self.next_restart:
            self.restart_server()

    def kill(self):
        program = self.random.choice(self.programs)
        self.end(program, signal.SIGKILL)

    def terminate(self):
        program = self.random.choice(self.programs)
        self.end(program, signal.SIGTERM)

    def end(self, program, how):
        self.count("kills")
        program.process.send_signal(how)
        try:
            rc = program.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.wrong(f"{program.what}: runs {STOP_S} s after {how.name}")
            program.process.kill()
            rc = program.process.wait()
        if rc not in ((-how,) if how == signal.SIGKILL else (0,)):
            self.wrong(f"{program.what}: {how.name} ended it with {rc}: {servers.tail(program.log, LOG_LINES)}")
        time.sleep(self.random.choice([0, 0, 0, 5]))
        self.start(program)

    def start(self, program):
        """Starts it as kubelet does: again where it did not come up."""
        self.count("starts")
        for _ in range(10):
            with contextlib.suppress(servers.StartError):
                return program.start()
            if -(program.process.poll() or 0) in users.CRASHES:
                break
        return self.wrong(f"{program.what} does not start: {servers.tail(program.log, LOG_LINES)}")

    def freeze_program(self):
        program = self.random.choice(self.programs)
        self.count("freezes")
        program.process.send_signal(signal.SIGSTOP)
        time.sleep(self.random.uniform(0.5, 7))
        program.process.send_signal(signal.SIGCONT)

    def cut(self):
        self.count("cuts")
        self.random.choice(self.proxies).cut()

    def tear(self):
        self.count("cuts")
        proxy = self.random.choice(self.proxies)
        proxy.is_tearing = True
        time.sleep(self.random.uniform(0.1, 2))
        proxy.is_tearing = False

    def freeze(self):
        self.count("freezes")
        proxy = self.random.choice(self.proxies)
        proxy.flowing.clear()
        time.sleep(self.random.uniform(0.5, 7))
        # What was held back then arrives late, or never does.
        if self.random.random() < 0.5:
            proxy.cut()
        proxy.flowing.set()

    def refuse(self):
        self.count("cuts")
        proxy = self.random.choice(self.proxies)
        proxy.pause()
        time.sleep(self.random.uniform(0.5, 4))
        proxy.go_on()

    def fill_disk(self):
        """No file grows that the program writes, its log least of all."""
        self.count("full disks")
        pid = self.random.choice(self.programs).process.pid
        _, most = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, most))
        time.sleep(self.random.uniform(0.5, 4))
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (most, most))

    def restart_server(self):
        """Goes on while the other things fail."""
        if self.restart and not self.restart.done():
            return
        self.count("restarts")
        self.next_restart = time.monotonic() + self.random.uniform(0.5, 1.5) * RESTART_S
        down_s, how = self.random.uniform(0, 4), self.random.choice([signal.SIGKILL, signal.SIGTERM])

        def restart():
            self.server.api[0].send_signal(how)
            self.server.stop_api()
            time.sleep(down_s)
            self.server.start_api()

        self.restart = self.starter.submit(restart)

    # --- the run --------------------------------------------------------------------------------

    def run(self, seconds):
        for program in self.controllers:
            program.wait_ready()
        for user in self.users:
            user.start()
        end = time.monotonic() + seconds
        while time.monotonic() < end and not self.is_wrong():
            time.sleep(self.random.uniform(0.1, 2))
            self.look_after_programs()
            self.disturb()
        self.stopping.set()
        if self.restart:
            self.restart.result()
        for user in self.users:
            user.join()

    def is_wrong(self):
        return bool(self.wrongs or self.states.wrongs)

    def look_after_programs(self):
        for program in self.programs:
            rc = program.process.poll()
            if rc is None:
                continue
            self.count("exits")
            if rc < 0:
                self.wrong(f"{program.what}: ended by {signal.Signals(-rc).name}")
            self.start(program)

    def wrongs_of_classes(self):
        wanted = {name: {} for name in users.CLASSES}
        for user in self.users:
            for vm_class, pool, holder in user.wanted():
                wanted[vm_class].setdefault(pool, set()).add(holder)
        found = {name: self.states.last[name].holders() for name in users.CLASSES}
        return [f"{name}: expected {wanted[name]}, found {found[name]}"
                for name in users.CLASSES if found[name] != wanted[name]]

    def settle(self, what):
        """Waits until everything is as it was asked for."""
        wrongs, end = ["it did not begin"], time.monotonic() + users.SETTLE_S
        while wrongs and time.monotonic() < end:
            time.sleep(0.5)
            self.look_after_programs()
            wrongs = self.nodepools.wrongs()
            if self.states.is_up_to_date():
                wrongs += self.wrongs_of_classes()
            else:
                wrongs.append("etcd is ahead")
        for text in wrongs:
            self.wrong(f"{what}: {text}")

    def each_user(self, job):
        """Runs a job of all users at once, since they need each other for conflicts alone."""
        with concurrent.futures.ThreadPoolExecutor(len(self.users)) as pool:
            for user, done in [(user, pool.submit(job, user)) for user in self.users]:
                if error := done.exception():
                    self.wrong(f"{user.name}: {error!r}")

    def finish(self):
        """Nothing fails any more: all reach what they want, and then all leave."""
        self.each_user(lambda user: user.settle())
        self.settle("at the end")
        for program in self.programs:
            if not program.is_up():
                self.wrong(f"{program.what} is not ready at the end: {servers.tail(program.log, LOG_LINES)}")
        self.each_user(lambda user: user.leave())
        self.settle("after all left")
        if not self.states.writes or not self.states.foreign:
            self.wrong("nothing was written")

    def report(self, began):
        wrongs = self.wrongs + self.states.wrongs
        for text in wrongs[:20]:
            print(f"  {text}")
        f = self.figures
        print(f"chaos: {f['kills']} kills, {f['exits']} exits, {f['restarts']} restarts of the API server, "
              f"{f['cuts']} cuts, {f['freezes']} freezes, {f['full disks']} full disks; "
              f"{f['calls']} calls of nodeprep, {f['hooks']} of hooks, {self.nodepools.next} NodePools; "
              f"{self.states.writes} writes, {self.states.foreign} foreign writes, {len(users.CLASSES)} classes, "
              f"{time.monotonic() - began:.0f} s, seed {self.seed}; {len(wrongs)} wrong", flush=True)
        if not wrongs:
            shutil.rmtree(self.folder)
            return 0
        for log in [program.log for program in self.programs] + [self.server.folder / "apiserver.log"]:
            shutil.copy(log, self.folder)
        print(f"  logs: {self.folder}")
        return 1




def main():
    build, seconds = pathlib.Path(sys.argv[1]).resolve(), int(sys.argv[2])
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else secrets.randbelow(1 << 32)
    print(f"chaos: seed {seed}", flush=True)
    began = time.monotonic()
    with contextlib.ExitStack() as stack:
        chaos = Chaos(build, seed, stack)
        chaos.run(seconds)
        if not chaos.is_wrong():
            chaos.finish()
        return chaos.report(began)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main())
