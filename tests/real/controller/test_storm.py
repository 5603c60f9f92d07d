# SPDX-License-Identifier: Apache-2.0
"""Whatever the API server, etcd, the network and the clock do: nothing is missed.

500 pools over 50 classes live through all of it, one after the other; the final state is compared
with what was asked for.
"""

import datetime
import pathlib
import random
import subprocess
import time

import pytest
from controller_harness import (
    LEASES,
    SYSTEM,
    Controller,
    FirstServer,
    Proxy,
    classes_path,
    gpu_class,
    install,
    managed_of,
    pool_body,
    pool_path,
    servers,
)

CLASSES = 50
POOLS = 500
NS = "storm"
SETTLE_S = 300


class Storm:
    """What was asked for so far."""

    def __init__(self, server):
        self.server = server
        self.random = random.Random(9)
        self.pools = {}  # name -> class
        self.next = 0

    def class_of(self, number):
        return f"gpu-{number % CLASSES}"

    def create_classes(self):
        for number in range(CLASSES):
            body = {"apiVersion": f"{servers.GROUP}/v1alpha6", "kind": "VirtualMachineClass"}
            body |= {"metadata": {"name": self.class_of(number)}, "spec": gpu_class(4)}
            self.server.must("POST", classes_path(NS), body)

    def create(self, count):
        for _ in range(count):
            name, vm_class = f"pool-{self.next}", self.class_of(self.next)
            self.next += 1
            body = pool_body(NS, name, {"vmClass": vm_class})
            self.server.must("POST", pool_path(NS), body)
            self.pools[name] = vm_class

    def delete(self, count):
        for name in self.random.sample(sorted(self.pools), count):
            self.server.must("DELETE", pool_path(NS, name))
            del self.pools[name]

    def move(self, count):
        for name in self.random.sample(sorted(self.pools), count):
            vm_class = self.class_of(self.random.randrange(CLASSES))
            self.server.must("PATCH", pool_path(NS, name), {"spec": {"vmClass": vm_class}})
            self.pools[name] = vm_class

    def resize(self, count):
        for name in self.random.sample(sorted(self.pools), count):
            spec = {"spec": {"mmio": {"minimumGB": 1024}}}
            self.server.must("PATCH", pool_path(NS, name), spec)

    def drift(self, count):
        for number in self.random.sample(range(CLASSES), count):
            body = {"spec": {"configSpec": {"firmware": "bios"}}}
            path = f"{classes_path(NS, self.class_of(number))}?fieldManager=storm"
            self.server.must("PATCH", path, body)

    def wrongs(self):
        """Returns what is not as it was asked for."""
        wrongs = []
        found = {p["metadata"]["name"]: p for p in self.server.must("GET", pool_path(NS))["items"]}
        wrongs += [f"{name} is still there" for name in found.keys() - self.pools.keys()]
        wrongs += [f"{name} is not there" for name in self.pools.keys() - found.keys()]
        for name in found.keys() & self.pools.keys():
            wrongs += self.wrongs_of_pool(found[name])
        used = {}
        for name, vm_class in self.pools.items():
            used.setdefault(vm_class, set()).add(f"{NS}/{name}")
        for vm_class in self.server.must("GET", classes_path(NS))["items"]:
            wrongs += self.wrongs_of_class(vm_class, used, found)
        return wrongs

    @staticmethod
    def wrongs_of_pool(pool):
        name, status = pool["metadata"]["name"], pool.get("status") or {}
        ready = [c for c in status.get("conditions", []) if c["type"] == "Ready"]
        if not ready or ready[0]["status"] != "True":
            return [f"{name}: {ready}"]
        if status["observedGeneration"] != pool["metadata"]["generation"]:
            return [f"{name}: generation {status['observedGeneration']}"]
        if status["vmClass"] != pool["spec"]["vmClass"]:
            return [f"{name}: class {status['vmClass']}"]
        return []

    @staticmethod
    def wrongs_of_class(vm_class, used, found):
        name = vm_class["metadata"]["name"]
        managed = managed_of(vm_class)
        pools = set(managed["pools"]) if managed else set()
        if pools != used.get(name, set()):
            return [f"{name}: {sorted(pools ^ used.get(name, set()))}"]
        firmware = vm_class["spec"].get("configSpec", {}).get("firmware")
        if pools and firmware != "efi":
            return [f"{name}: firmware {firmware}"]
        return []

    def settle(self, controller):
        last = {}

        def is_settled():
            last["wrongs"] = self.wrongs()
            time.sleep(0.5 if last["wrongs"] else 0)
            return not last["wrongs"]

        try:
            servers.wait_until("the final state", is_settled, controller.process, timeout=SETTLE_S)
        except servers.StartError:
            text = "\n".join(last["wrongs"][:20]) + servers.tail(controller.log)
            raise AssertionError(f"{len(last['wrongs'])} wrongs: {text}") from None


@pytest.fixture(scope="module")
def storm_server():
    with FirstServer() as running:
        install(running)
        running.create_namespace(NS)
        yield running


@pytest.fixture(scope="module")
def storm(storm_server):
    made = Storm(storm_server)
    made.create_classes()
    return made


@pytest.fixture(scope="module")
def proxied(storm_server, clock_binary):
    with Proxy(storm_server.port) as proxy:
        url = f"https://127.0.0.1:{proxy.port}"
        with Controller(storm_server, url=url, binary=clock_binary) as running:
            running.wait_ready()
            yield proxy, running


@pytest.fixture(scope="module")
def clock_binary():
    """nodeprep linked to a wall clock that leaps an hour to and fro each second."""
    argv = ["make", "--no-print-directory", f"B={servers.BIN_DIR}"]
    argv += [str(servers.BIN_DIR / "nodeprep-leaping")]
    done = subprocess.run(argv, cwd=servers.REPO, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return pathlib.Path(argv[-1])


def test_storm__begins(storm, proxied):
    storm.create(POOLS)
    storm.settle(proxied[1])


def test_storm__the_watch_is_cut_each_second_for_a_minute(storm, proxied):
    proxy, running = proxied
    end = time.monotonic() + 60
    watches = running.metric("watches_total")
    while time.monotonic() < end:
        proxy.cut()
        storm.create(4)
        storm.delete(4)
        storm.move(2)
        storm.drift(1)
        time.sleep(1)
    storm.settle(running)
    assert running.metric("watches_total") > watches + 10, "cuts end no watch"


def test_storm__the_api_server_is_stopped_and_started(storm_server, storm, proxied):
    _, running = proxied
    storm.resize(20)
    storm_server.stop_api()
    time.sleep(5)
    storm_server.start_api()
    storm.create(10)
    storm.delete(10)
    storm.drift(5)
    storm.settle(running)


def test_storm__etcd_is_compacted_under_the_watch(storm_server, storm, proxied):
    proxy, running = proxied
    lists = running.metric("lists_total")
    proxy.pause()
    storm.create(20)
    storm.delete(20)
    storm.move(20)
    storm.drift(10)
    storm_server.compact()
    # The API server's own memory of what went on ends with it.
    storm_server.stop_api()
    storm_server.start_api()
    proxy.go_on()
    storm.settle(running)
    assert running.metric("lists_total") > lists, "no watch was too old"


def test_storm__the_controller_is_killed_again_and_again(storm, proxied):
    _, running = proxied
    for _ in range(3):
        storm.create(10)
        storm.delete(10)
        storm.move(10)
        time.sleep(random.random())
        running.kill()
        running.start()
    running.wait_ready()
    storm.settle(running)


def test_storm__the_clock_did_leap(storm_server, proxied):
    """All of the above went on with a wall clock that leaps: the lease's times tell of it."""
    _, running = proxied
    path = f"{LEASES}/namespaces/{SYSTEM}/leases/nodeprep-controller"
    ahead = set()

    def has_leapt():
        text = storm_server.must("GET", path)["spec"]["renewTime"]
        when = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
        ahead.add((when - datetime.datetime.now(datetime.timezone.utc)).total_seconds() > 1800)
        return len(ahead) == 2

    servers.wait_until("both clocks", has_leapt)
    assert running.is_leading() and running.process.poll() is None
