# SPDX-License-Identifier: Apache-2.0
"""UEFI guests under QEMU whose PCI devices have any ids, classes and BARs; what they say of themselves.

QEMU emulates (TCG), so that no rights and no /dev/kvm are needed. The guest runs Debian's cloud kernel
with an initramfs of busybox, nodeprep and `init`. OVMF takes the size of its 64-bit window from
opt/ovmf/X-PciMmio64Mb; with an Intel CPU of 40 address bits it takes exactly that, and 42 bits are
needed from 512 GB on.
"""

import concurrent.futures
import dataclasses
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import tempfile
import time

import servers

HERE = pathlib.Path(__file__).resolve().parent
OVMF = pathlib.Path("/usr/share/OVMF")
BOOT_S = 400  # 7 to 15 seconds on an idle machine; a busy one takes longer
BOOTS = 2  # an emulated guest was once seen to hang: it is started again, once
MIB, GIB = 1 << 20, 1 << 30
UNITS = {"M": MIB, "G": GIB}


@dataclasses.dataclass(frozen=True)
class Card:
    """A PCI function: "10de:20b0", and BARs as {index: (size, "32" | "64" | "64p")}."""

    pci_id: str
    bars: tuple
    pci_class: str = "0302"

    def argument(self):
        bars = ":".join(f"{index}/{size_text(size)}/{kind}" for index, size, kind in self.bars)
        return f"card={self.pci_id};{self.pci_class};{bars}"


@dataclasses.dataclass(frozen=True)
class Boot:
    """One boot: its devices, where they sit, what the firmware gets, node-check's arguments."""

    cards: tuple = ()
    window_gb: int | None = None  # None: the firmware's default, 32 GB
    on_bus: bool = False  # else each card has a root port of its own
    hotplug: bool = True  # of the cards' ports
    spare_ports: int = 0
    spare_hotplug: bool = True
    plugged: int = 0  # of the cards, the last ones: plugged in while node-check waits
    reserve: bool = False  # the ports hold space back for what will be plugged in
    firmware: str = "ovmf"
    kernel: str = ""
    machine: tuple = ()  # more of QEMU's arguments
    check: str = ""  # node-check's arguments


@dataclasses.dataclass
class Seen:
    """What a guest said."""

    rc: int
    report: dict
    errors: str
    nobody_rc: int
    nobody_report: dict
    uefi: bool
    devices: dict  # address -> (vendor, device, class)
    regions: dict  # (address, BAR) -> (start, end, flags)
    config: dict  # address -> 64 bytes
    iomem: set  # (start, end, address)
    log: list
    seconds: float

    def gpu(self, address):
        return next(gpu for gpu in self.report["gpus"] if gpu["address"] == address)

    def check(self, name):
        return next(check for check in self.report["checks"] if check["id"] == name)

    def addresses(self, pci_id):
        return sorted(a for a, (v, d, _) in self.devices.items() if f"{v}:{d}" == pci_id)


def size_text(size):
    return f"{size // GIB}G" if size % GIB == 0 else f"{size // MIB}M"


def parse_size(text):
    return int(text[:-1]) * UNITS[text[-1]]


def card(pci_id, bars, pci_class="0302"):
    """card("10de:20b0", "0/16M/32 1/64G/64p 3/32M/64p")"""
    parts = [bar.split("/") for bar in bars.split()]
    return Card(pci_id, tuple((int(i), parse_size(s), k) for i, s, k in parts), pci_class)


class Lab:
    """The plugin, the kernel, the initramfs, and the boots that run."""

    def __init__(self, stack):
        self.folder = servers.make_folder(stack)
        subprocess.run([servers.REPO / "hack/deps.sh", "guests"], check=True, cwd=servers.REPO)
        self.plugin = self.folder / "fakegpu.so"
        subprocess.run(
            ["gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
            + [f"-DPLUGIN_VERSION={plugin_version()}", "-o", self.plugin, HERE / "fakegpu.c"],
            check=True,
        )
        kernel = subprocess.run(
            [HERE / "kernel.sh", servers.BIN_DIR / "guests"], stdout=subprocess.PIPE, check=True
        )
        self.kernel = kernel.stdout.decode().strip()
        self.initramfs = self._pack()
        workers = max(1, len(os.sched_getaffinity(0)))
        self._pool = stack.enter_context(concurrent.futures.ThreadPoolExecutor(workers))
        stack.callback(self._pool.shutdown, wait=True, cancel_futures=True)
        self._futures = {}

    def _pack(self):
        """Packs the initramfs; it is not compressed, since the guest would have to undo that slowly."""
        root = self.folder / "root"
        for name in ("bin", "dev", "etc", "proc", "sys", "tmp"):
            (root / name).mkdir(parents=True)
        (root / "tmp").chmod(0o1777)
        shutil.copy(shutil.which("busybox"), root / "bin/busybox")
        (root / "bin/sh").symlink_to("busybox")
        (root / "etc/passwd").write_text("root::0:0::/:/bin/sh\nguest::65532:65532::/:/bin/sh\n")
        shutil.copy(servers.BIN_DIR / "nodeprep", root / "nodeprep")
        shutil.copy(HERE / "init", root / "init")
        names = sorted(str(path.relative_to(root)) for path in root.rglob("*"))
        with open(self.folder / "initramfs", "wb") as out:
            subprocess.run(
                ["cpio", "-o", "-H", "newc", "--quiet"],
                input="\n".join([".", *names]).encode(),
                cwd=root,
                stdout=out,
                check=True,
            )
        return self.folder / "initramfs"

    def start(self, boot):
        """Queues the boot, once."""
        if boot not in self._futures:
            self._futures[boot] = self._pool.submit(self._run, boot)

    def see(self, boot):
        self.start(boot)
        return self._futures[boot].result()

    def _run(self, boot):
        for left in reversed(range(BOOTS)):
            try:
                return self._run_once(boot)
            except TimeoutError:
                if not left:
                    raise

    def _run_once(self, boot):
        began = time.monotonic()
        with tempfile.TemporaryDirectory(dir=self.folder) as folder:
            serial = pathlib.Path(folder) / "serial"
            with open(serial, "wb") as out:
                process = subprocess.Popen(
                    self._qemu(boot, f"{folder}/qmp"),
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=subprocess.STDOUT,
                    preexec_fn=servers.die_with_parent,
                )
            try:
                if boot.plugged:
                    plug_in(f"{folder}/qmp", process, serial, boot)
                process.wait(BOOT_S)
            except subprocess.TimeoutExpired as late:
                raise TimeoutError(f"still running: {servers.tail(serial)}") from late
            finally:
                process.kill()
                process.wait()
            return parse(serial.read_bytes().decode("latin1"), time.monotonic() - began)

    def _qemu(self, boot, qmp):
        cpu = "max,vendor=GenuineIntel"
        if (boot.window_gb or 0) >= 512:
            cpu += ",phys-bits=42"
        argv = ["qemu-system-x86_64", "-accel", "tcg", "-cpu", cpu, "-machine", "q35"]
        argv += ["-m", "512M", "-smp", "1", "-nic", "none", "-nodefaults", "-display", "none"]
        argv += ["-serial", "stdio", "-monitor", "none", "-no-reboot"]
        argv += ["-qmp", f"unix:{qmp},server=on,wait=off"]
        if boot.firmware == "ovmf":
            flash = "if=pflash,format=raw"
            argv += ["-drive", f"{flash},unit=0,readonly=on,file={OVMF}/OVMF_CODE_4M.fd"]
            argv += ["-drive", f"{flash},unit=1,snapshot=on,file={OVMF}/OVMF_VARS_4M.fd"]
        if boot.window_gb is not None:
            argv += ["-fw_cfg", f"name=opt/ovmf/X-PciMmio64Mb,string={boot.window_gb * 1024}"]
        words = f"console=ttyS0 loglevel=0 mitigations=off {boot.kernel} check=\"{boot.check}\""
        argv += ["-kernel", self.kernel, "-initrd", str(self.initramfs), "-append", words]
        return argv + list(boot.machine) + self._devices(boot)

    def _devices(self, boot):
        argv = []
        if boot.cards:
            argv += ["-plugin", ",".join([str(self.plugin), *(c.argument() for c in boot.cards)])]
        hotplug, spare = on_off(boot.hotplug), on_off(boot.spare_hotplug)
        for i in range(len(boot.cards)):
            present = i < len(boot.cards) - boot.plugged
            if boot.on_bus:
                argv += ["-device", "edu"]
                continue
            port = f"pcie-root-port,id=p{i},chassis={i + 1},slot={i + 1},hotplug={hotplug}"
            if boot.reserve:
                port += ",pref64-reserve=128G,mem-reserve=64M"
            argv += ["-device", port]
            argv += ["-device", f"edu,bus=p{i}"] if present else []
        for i in range(boot.spare_ports):
            port = f"pcie-root-port,id=s{i},chassis={i + 100},slot={i + 100}"
            argv += ["-device", f"{port},hotplug={spare}"]
        return argv


def on_off(value):
    return "on" if value else "off"


def plugin_version():
    text = subprocess.run(["qemu-system-x86_64", "--version"], stdout=subprocess.PIPE, check=True)
    major = int(re.search(rb"version (\d+)", text.stdout)[1])
    return 1 if major < 9 else 4


def plug_in(path, process, serial, boot):
    """Plugs the last cards in, once the guest's own programs run, and node-check has begun to wait."""
    with socket.socket(socket.AF_UNIX) as sock:
        servers.wait_until("the guest", lambda: b"@BEGIN" in serial.read_bytes(), process, serial, BOOT_S)
        time.sleep(2)
        sock.connect(path)
        lines = sock.makefile("r")

        def ask(command, **arguments):
            sock.sendall(json.dumps({"execute": command, "arguments": arguments}).encode())
            while True:
                answer = json.loads(lines.readline())
                if "return" in answer or "error" in answer:
                    assert "return" in answer, answer
                    return

        lines.readline()
        ask("qmp_capabilities")
        for i in range(len(boot.cards) - boot.plugged, len(boot.cards)):
            ask("device_add", driver="edu", bus=f"p{i}", id=f"plugged{i}")


def parse(text, seconds):
    lines = [line[line.index("@") + 1 :] for line in text.replace("\r", "").split("\n") if "@" in line]
    if not any(line.startswith("END ") for line in lines):
        raise AssertionError(f"the guest did not come to its end:\n{text[-3000:]}")

    def of(word):
        return [line[len(word) + 1 :] for line in lines if line.startswith(word + " ")]

    devices, regions, iomem = {}, {}, set()
    for line in of("DEV"):
        address, *ids = line.split()
        devices[address] = tuple(i.removeprefix("0x") for i in ids)
    for line in of("RES"):
        address, index, *numbers = line.split()
        regions[address, int(index)] = tuple(int(n, 16) for n in numbers)
    for line in of("IOMEM"):
        span, _, address = line.strip().partition(" : ")
        iomem.add((*(int(n, 16) for n in span.split("-")), address))
    return Seen(
        rc=int(of("RC")[0]),
        report=json.loads("\n".join(of("JSON")) or "null"),
        errors="\n".join(of("ERR")),
        nobody_rc=int(of("NOBODY_RC")[0]),
        nobody_report=json.loads("\n".join(of("NOBODY_JSON")) or "null"),
        uefi="EFI" in lines,
        devices=devices,
        regions=regions,
        config={line.split()[0]: bytes.fromhex(line.split()[1]) for line in of("CFG")},
        iomem=iomem,
        log=of("DMESG"),
        seconds=seconds,
    )
