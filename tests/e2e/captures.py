# SPDX-License-Identifier: Apache-2.0
"""Captures of hosts, written for the tests after the documented forms of each command's output."""

ESXCFG_INFO = """\
+Host :
   \\==+Hardware Info :
      |----BIOS UUID................................................0x4c 0x4c 0x45 0x44
      |----Product Name.............................................Example 750
      |----Vendor Name..............................................Example Inc.
      |----Hyperthreading Supported................................true
      |----HV Support...............................................%s
      |----HV Replay Capable........................................true
"""


def esxcfg_info(level):
    return ESXCFG_INFO % level


def pci_record(address, device, **fields):
    """A record of `esxcli hardware pci list`; a field given as None is left out."""
    values = {
        "Address": address,
        "Segment": "0x0000",
        "Bus": f"0x{address[5:7]}",
        "VMkernel Name": "",
        "Vendor Name": "NVIDIA Corporation",
        "Device Name": "GA100 [A100 PCIe 40GB]",
        "Configured Owner": "VM Passthru",
        "Current Owner": "VM Passthru",
        "Vendor ID": "0x10de",
        "Device ID": f"0x{device}",
        "SubVendor ID": "0x10de",
        "SubDevice ID": "0x145f",
        "Device Class": "0x0302",
        "Device Class Name": "3D controller",
        "Interrupt Line": "0x0b",
        "Module ID": "20",
        "Module Name": "pciPassthru",
        "Physical Slot": "4294967295",
        "Passthru Capable": "true",
        "Parent Device": "PCI 0:58:0:0",
        "Dependent Device": f"PCI 0:{int(address[5:7], 16)}:0:0",
        "Reset Method": "Function reset",
        **fields,
    }
    lines = [f"   {name}: {value}" for name, value in values.items() if value is not None]
    return "\n".join([address, *lines]) + "\n"


NIC = pci_record(
    "0000:5e:00.0",
    "1592",
    **{
        "Vendor Name": "Intel Corporation",
        "Device Name": "Ethernet Controller E810-C for QSFP",
        "Configured Owner": "VMkernel",
        "Current Owner": "VMkernel",
        "Vendor ID": "0x8086",
        "Device Class": "0x0200",
        "Module Name": "icen",
    },
)
NEVER_SET = {"Configured Owner": "VMkernel", "Current Owner": "VMkernel", "Module Name": "None"}
AFTER_SETTING = {"Configured Owner": "VM Passthru", "Current Owner": "VMkernel", "Module Name": "None"}
VGPU_HOST = {"Configured Owner": "VMkernel", "Current Owner": "VMkernel", "Module Name": "nvidia"}

PCI_LIST = pci_record("0000:3b:00.0", "20f1") + "\n" + NIC
PCIPASSTHRU_LIST = """\
Device ID     Enabled
------------  -------
0000:3b:00.0     true
0000:5e:00.0    false
"""

VIM_CMD_PASSTHROUGH = """\
   pciPassthruInfo = (vim.host.PciPassthruInfo) [
      (vim.host.PciPassthruInfo) {
         id = "0000:3b:00.0",
         dependentDevice = "0000:3b:00.0",
         passthruEnabled = true,
         passthruCapable = true,
         passthruActive = %s,
         hardwareLabel = "",
      },
   ],
"""

LSPCI = """\
3b:00.0 3D controller [0302]: NVIDIA Corporation GA100 [A100 PCIe 40GB] [10de:20f1] (rev a1)
\tSubsystem: NVIDIA Corporation Device [10de:145f]
\tControl: I/O- Mem+ BusMaster+ SpecCycle- MemWINV- VGASnoop- ParErr- Stepping- SERR- FastB2B- DisINTx-
\tLatency: 0
\tRegion 0: Memory at b6000000 (32-bit, non-prefetchable) [size=16M]
\tRegion 1: Memory at 39000000000 (64-bit, prefetchable) [size=64G]
\tRegion 3: Memory at 3a000000000 (64-bit, prefetchable) [size=32M]
\tCapabilities: [60] Power Management version 3
\tCapabilities: [bcc v1] Single Root I/O Virtualization (SR-IOV)
\t\tIOVCap:\tMigration-, Interrupt Message Number: 000
\t\tRegion 0: Memory at b7000000 (32-bit, non-prefetchable)
\t\tRegion 2: Memory at 0000000000000000 (64-bit, prefetchable)
\tKernel driver in use: vfio-pci

"""
LSPCI_UNASSIGNED = LSPCI.replace(
    "Memory at 39000000000 (64-bit, prefetchable) [size=64G]",
    "Memory at <unassigned> (64-bit, prefetchable) [disabled]",
)
LSPCI_NAMES = LSPCI.replace(" [0302]", "").replace(" [10de:20f1]", "")

BIOS = """\
ProcVirtualization=Enabled
Intel VT for Directed I/O (VT-d)=%s
SriovGlobalEnable=%s
MmioAbove4Gb=%s
"""


def bios(iommu="Enabled", sriov="Enabled", above_4g="Enabled"):
    return BIOS % (iommu, sriov, above_4g)


BIOS_TABLE = """\
Name                     Value      Description
----                     -----      -----------
AMD IOMMU                Enabled    I/O virtualization
SR-IOV Support           Enabled
Above 4G Decoding        Enabled
"""
BIOS_CSV = '"Name","Value"\n"VT-d","Enabled"\n"SR-IOV","Enabled"\n"Above 4G Decoding","Enabled"\n'
BIOS_JSON = """\
{
  "Attributes": {
    "IntelProcVtd": "Enabled",
    "Sriov": "Enabled",
    "MmioAbove4Gb": "Enabled"
  }
}
"""
POWERCLI = "Name        : vgpu.hotmigrate.enabled\r\nValue       : %s\r\nType        : VIServer\r\n"
VIM_CMD_OPTION = """\
(vim.option.OptionValue) [
   (vim.option.OptionValue) {
      key = "vgpu.hotmigrate.enabled",
      value = %s
   }
]
"""
ADVANCED_LIST = """\
   Path: /VMkernel/Boot/noIOMMU
   Type: integer
   Int Value: %s
   Default Int Value: 0
   Min Value: 0
   Max Value: 1
   String Value:
   Default String Value:
   Valid Characters:
   Description: Disable the use of the IOMMU
"""
KERNEL_LIST = """\
Name                Type    Configured  Runtime  Default  Description
------------------  ------  ----------  -------  -------  -----------
noACPI              Bool    FALSE       FALSE    FALSE    Disable ACPI
noIOMMU             Bool    FALSE       %s     FALSE    Disable use of the IOMMU
"""
VMWARE_LOG = """\
2024-03-01T10:00:00.123Z In(05) vmx - PCIPassthru: Device 0000:3b:00.0 registered
2024-03-01T10:00:00.124Z In(05) vmx - PCIPassthru: total number of pages needed (%s) exceeds limit (%s)
2024-03-01T10:00:00.125Z In(05) vmx - Module 'DevicePowerOn' power on failed.
"""

# A host that can pass its one A100 through.
GOOD = {
    "esxcfg.txt": esxcfg_info(3),
    "pci.txt": PCI_LIST,
    "bios.txt": bios(),
}
