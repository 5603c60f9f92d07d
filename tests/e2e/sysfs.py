# SPDX-License-Identifier: Apache-2.0
"""Trees that look like a machine's sysfs and procfs, as kernels 6.1 to 7.2 lay them out."""

import os
import pathlib
import struct

MIB, GIB = 1 << 20, 1 << 30
MEM32, MEM64P = 0x40200, 0x14220C
MEM, PREFETCH, BRIDGE_WINDOW = 0x200, 0x2000, 0x2201

A100 = {0: (16 * MIB, MEM32), 1: (64 * GIB, MEM64P), 3: (32 * MIB, MEM64P)}
A30 = {0: (16 * MIB, MEM32), 1: (32 * GIB, MEM64P), 3: (32 * MIB, MEM64P)}
T4 = {0: (16 * MIB, MEM32), 1: (256 * MIB, MEM64P), 3: (32 * MIB, MEM64P)}
H100 = {0: (16 * MIB, MEM64P), 2: (128 * GIB, MEM64P), 4: (32 * MIB, MEM64P)}


class Tree:
    """A machine in a folder; a UEFI machine, unless told otherwise."""

    def __init__(self, folder, uefi=True):
        self.root = pathlib.Path(folder) / "sys"
        self.procfs = pathlib.Path(folder) / "proc"
        self.devices = self.root / "bus/pci/devices"
        self.devices.mkdir(parents=True)
        self.procfs.mkdir()
        (self.root / "class").mkdir()
        (self.root / ("firmware/efi" if uefi else "firmware/dmi")).mkdir(parents=True)
        self._next = {True: 0x4000000000, False: 0xC0000000}

    def _place(self, size, is_64bit):
        at = (self._next[is_64bit] + size - 1) // size * size
        self._next[is_64bit] = at + size
        return at

    def function(self, address, pci_id, pci_class="030200", lines=(), config=None):
        """A PCI function; lines of `resource` are (start, end, flags)."""
        vendor, device = pci_id.split(":")
        folder = self.devices / address
        folder.mkdir()
        (folder / "vendor").write_text(f"0x{vendor}\n")
        (folder / "device").write_text(f"0x{device}\n")
        (folder / "class").write_text(f"0x{pci_class}\n")
        lines = list(lines) + [(0, 0, 0)] * (13 - len(lines))
        text = "".join(f"0x{start:016x} 0x{end:016x} 0x{flags:016x}\n" for start, end, flags in lines)
        (folder / "resource").write_text(text)
        if config is not None:
            head = struct.pack("<HHHHBBH", int(vendor, 16), int(device, 16), 7, 0x10, 0xA1, 0, 0x302)
            (folder / "config").write_bytes(head.ljust(16, b"\0") + config + bytes(192))
        return folder

    def gpu(self, address, pci_id="10de:20b0", bars=None, missing=(), config=True, driver=None, subsystem=None):
        """A GPU with every BAR placed but the missing ones, which the kernel lists as all zero."""
        bars = A100 if bars is None else bars
        lines, registers = [(0, 0, 0)] * 13, [0] * 12
        for index, (size, flags) in bars.items():
            is_64bit = flags == MEM64P
            at = 0 if index in missing else self._place(size, is_64bit)
            registers[index] = (at & 0xFFFFFFF0) | (0xC if is_64bit else 0)
            if is_64bit:
                registers[index + 1] = at >> 32
            if index in missing:
                # What sizing leaves behind, as it was seen; of a 32-bit BAR nothing may be left.
                registers[index] |= 0 if is_64bit else 0xFF000000
                continue
            lines[index] = (at, at + size - 1, flags)
        packed = struct.pack("<12I", *registers) if config else None
        folder = self.function(address, pci_id, lines=lines, config=packed)
        if driver:
            self.link(folder / "driver", f"../../../../bus/pci/drivers/{driver}")
        if subsystem:
            for name, number in zip(("vendor", "device"), subsystem.split(":")):
                (folder / f"subsystem_{name}").write_text(f"0x{number}\n")
        return folder

    def bridge(self, address, bus, start, end):
        """A root port with a prefetchable window."""
        lines = [(0, 0, 0)] * 13 + [(0, 0, 0), (0, 0, 0), (start, end, MEM | PREFETCH), (0, 0, 0)]
        folder = self.function(address, "1b36:000c", "060400", lines)
        config = bytearray(256)
        config[0:4] = bytes.fromhex("361b0c00")
        config[0x0E] = 1
        config[0x18:0x1B] = bytes([0, bus, bus])
        (folder / "config").write_bytes(config)
        return folder

    def driver_says(self, address, model):
        folder = self.procfs / "driver/nvidia/gpus" / address
        folder.mkdir(parents=True)
        (folder / "information").write_text(f"Model: \t\t {model}\nIRQ:   \t\t 33\n")

    @staticmethod
    def link(path, target):
        os.symlink(target, path)
