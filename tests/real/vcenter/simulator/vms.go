// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"encoding/base64"
	"maps"
	"slices"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// A VM with devices, and what else is not as the model has it.
type vmRow struct {
	host                  string
	devices               []types.BaseVirtualDeviceBackingInfo
	extra                 map[string]string
	firmware, version     string
	memoryMB              int32
	reservationMB         int64
	locked, off, template bool
	suspended             bool
	overheadMB            int64
	managedBy             string
	kind                  string // of managedBy; empty: "worker"
	name                  string // in place of the model's
}

func fixed(device, address string) types.BaseVirtualDeviceBackingInfo {
	return &types.VirtualPCIPassthroughDeviceBackingInfo{
		VirtualDeviceDeviceBackingInfo: types.VirtualDeviceDeviceBackingInfo{DeviceName: address},
		Id:                             address, DeviceId: device, SystemId: "system", VendorId: nvidia,
	}
}

func nic(device, address string) types.BaseVirtualDeviceBackingInfo {
	backing := fixed(device, address).(*types.VirtualPCIPassthroughDeviceBackingInfo)
	backing.VendorId = signed(intel)
	return backing
}

func dynamic(assigned string, devices ...int32) types.BaseVirtualDeviceBackingInfo {
	backing := &types.VirtualPCIPassthroughDynamicBackingInfo{AssignedId: assigned}
	for _, device := range devices {
		backing.AllowedDevice = append(backing.AllowedDevice, types.VirtualPCIPassthroughAllowedDevice{VendorId: nvidia, DeviceId: device})
	}
	return backing
}

func vgpu(profile string) types.BaseVirtualDeviceBackingInfo {
	return &types.VirtualPCIPassthroughVmiopBackingInfo{Vgpu: profile}
}

const (
	use64 = "pciPassthru.use64bitMMIO"
	size  = "pciPassthru.64bitMMIOSizeGB"
)

func window(gb string) map[string]string { return map[string]string{use64: "TRUE", size: gb} }

// What Cluster API's bootstrap provider gives the guest.
var bootstrapData = base64.StdEncoding.EncodeToString([]byte("#cloud-config\nruncmd:\n  - kubeadm join && echo success > /run/cluster-api/bootstrap-success.complete\n"))

// The VMs with devices by name; all others have none.
var vms = map[string]vmRow{
	// As they should be.
	"DC0_C0_RP0_VM0": {host: "DC0_C0_H0", devices: []types.BaseVirtualDeviceBackingInfo{fixed("2330", "0000:3b:00.0"), fixed("2330", "0000:3c:00.0")},
		extra: window("512"), firmware: "efi", version: "vmx-20", memoryMB: 65536, reservationMB: 65536, locked: true, overheadMB: 860},
	"DC0_C0_RP0_VM1": {host: "DC0_C0_H2", devices: []types.BaseVirtualDeviceBackingInfo{vgpu("nvidia_l40s-48q")},
		extra: window("128"), firmware: "efi", version: "vmx-20", memoryMB: 32768, reservationMB: 32768, locked: true, overheadMB: 800},
	// What VM Operator manages.
	"DC0_C0_RP0_VM2": {host: "DC0_C0_H0", devices: []types.BaseVirtualDeviceBackingInfo{dynamic("0000:3d:00.0", 0x2330, 0x2331)},
		extra:    map[string]string{use64: "TRUE", size: "64", "vmservice.namespacedName": "ml/worker-7"},
		firmware: "efi", version: "vmx-20", memoryMB: 65536, reservationMB: 65536, locked: true, off: true},
	// A plain VM that lacks everything.
	"DC0_C2_RP0_VM0": {host: "DC0_C2_H0", devices: []types.BaseVirtualDeviceBackingInfo{dynamic("", 0x20b0)},
		firmware: "bios", version: "vmx-19", memoryMB: 16384, off: true},
	// The window is too small, the keys are written in another way.
	"DC0_C2_RP0_VM1": {host: "DC0_C2_H0", devices: []types.BaseVirtualDeviceBackingInfo{dynamic("", 0x20b0)},
		extra:    map[string]string{"pciPassthru.64bitMMIOSize": "512", "pciPassthru.use64BitMMIO": "true", size: "64"},
		firmware: "efi", version: "vmx-16", memoryMB: 16384, reservationMB: 8192, off: true},
	// Powered on, with less than it needs.
	"DC0_C1_RP0_VM0": {host: "DC0_C1_H1", devices: []types.BaseVirtualDeviceBackingInfo{fixed("2335", "0000:3b:00.0")},
		extra: window("128"), firmware: "efi", version: "vmx-21", memoryMB: 65536, reservationMB: 65536, locked: true, overheadMB: 900},
	// A template, with a device of unknown kind and one of a backing that nobody knows.
	"DC0_C1_RP0_VM1": {host: "DC0_C1_H0", devices: []types.BaseVirtualDeviceBackingInfo{&types.VirtualPCIPassthroughDvxBackingInfo{DeviceClass: "com.example.nic"}},
		extra: window("512"), firmware: "efi", version: "vmx-20", memoryMB: 16384, reservationMB: 16384, locked: true, off: true, template: true},
	"DC0_C1_RP0_VM2": {host: "DC0_C1_H0", devices: []types.BaseVirtualDeviceBackingInfo{&types.VirtualPCIPassthroughPluginBackingInfo{}},
		extra: window("512"), firmware: "efi", version: "vmx-20", memoryMB: 16384, reservationMB: 16384, locked: true, off: true, managedBy: "com.example.manager"},
	// Nodes of clusters. The first and the third have a window from before their class or template was changed. The
	// first and the second are VM Operator's, the second without the key that names it; the third is Cluster API's alone.
	"DC0_C2_RP0_VM2": {host: "DC0_C2_H0", devices: []types.BaseVirtualDeviceBackingInfo{dynamic("", 0x20b0)},
		extra:    map[string]string{use64: "TRUE", size: "128", "vmservice.namespacedName": "ml/train-gpu-x7kq2-vw9zd"},
		firmware: "efi", version: "vmx-20", memoryMB: 16384, reservationMB: 16384, locked: true, off: true,
		managedBy: "com.vmware.vcenter.wcp", kind: "VirtualMachine"},
	"DC0_C2_RP0_VM3": {host: "DC0_C2_H0", devices: []types.BaseVirtualDeviceBackingInfo{dynamic("", 0x20b0)},
		extra: window("512"), firmware: "efi", version: "vmx-20", memoryMB: 16384, reservationMB: 16384, locked: true, overheadMB: 868,
		managedBy: "com.vmware.vcenter.wcp", kind: "VirtualMachine"},
	"DC0_C2_RP0_VM4": {name: "tkgm-md-0-7d4f5b8c9d-x7kq2", host: "DC0_C2_H0", devices: []types.BaseVirtualDeviceBackingInfo{dynamic("", 0x20b0)},
		extra:    map[string]string{use64: "TRUE", size: "128", "guestinfo.userdata": bootstrapData, "guestinfo.userdata.encoding": "base64"},
		firmware: "efi", version: "vmx-17", memoryMB: 16384, reservationMB: 16384, locked: true, off: true},
	// A NIC alone; two vGPUs; a GPU and a NIC of unknown make, in a VM that still holds them.
	"DC0_C1_RP0_VM4": {host: "DC0_C1_H0", devices: []types.BaseVirtualDeviceBackingInfo{nic("1572", "0000:02:00.0")},
		firmware: "bios", version: "vmx-20", memoryMB: 4096, reservationMB: 4096, locked: true, off: true},
	"DC0_C1_RP0_VM5": {host: "DC0_C1_H0", devices: []types.BaseVirtualDeviceBackingInfo{vgpu("nvidia_l40s-48c"), vgpu("nvidia_l40s-48c")},
		extra: window("512"), firmware: "efi", version: "vmx-20", memoryMB: 16384, reservationMB: 16384, locked: true, off: true},
	"DC0_C1_RP0_VM6": {host: "DC0_C1_H3", devices: []types.BaseVirtualDeviceBackingInfo{dynamic("", 0x2335), &types.VirtualPCIPassthroughDvxBackingInfo{DeviceClass: "com.example.nic"}},
		extra: window("1024"), firmware: "efi", version: "vmx-20", memoryMB: 65536, reservationMB: 65536, locked: true, suspended: true},
	"DC0_C1_RP0_VM3": {host: "DC0_C1_H0", devices: []types.BaseVirtualDeviceBackingInfo{fixed("1eb8", "0000:3b:00.0")},
		firmware: "bios", version: "vmx-20", memoryMB: 8192, reservationMB: 8192, locked: true, overheadMB: 500},
}

// A VM with devices, and the settings that the model gives it.
type filledVM struct {
	vm     *simulator.VirtualMachine
	row    vmRow
	common []types.BaseOptionValue
}

var filled []*filledVM

func fillVMs(registry *simulator.Registry, hosts map[string]*simulator.HostSystem) {
	for _, one := range registry.All("VirtualMachine") {
		vm := one.(*simulator.VirtualMachine)
		row, ok := vms[vm.Name]
		if !ok {
			continue
		}
		for at, backing := range row.devices {
			vm.Config.Hardware.Device = append(vm.Config.Hardware.Device, &types.VirtualPCIPassthrough{
				VirtualDevice: types.VirtualDevice{Key: int32(13000 + at), Backing: backing},
			})
		}
		vm.Name = cmp.Or(row.name, vm.Name)
		vm.Runtime.Host = &hosts[row.host].Self
		useGraphics(vm, row, hosts[row.host])
		filled = append(filled, &filledVM{vm: vm, row: row, common: vm.Config.ExtraConfig})
	}
	resetVMs()
}

// Puts the settings of the VMs with devices back.
func resetVMs() {
	for _, one := range filled {
		one.vm.Config.ExtraConfig = slices.Clone(one.common)
		setVM(one.vm, one.row)
	}
}

func setVM(vm *simulator.VirtualMachine, row vmRow) {
	for _, key := range slices.Sorted(maps.Keys(row.extra)) {
		vm.Config.ExtraConfig = append(vm.Config.ExtraConfig, &types.OptionValue{Key: key, Value: row.extra[key]})
	}
	vm.Config.Firmware, vm.Config.Version, vm.Config.Template = row.firmware, row.version, row.template
	vm.Config.Hardware.MemoryMB = row.memoryMB
	vm.Config.MemoryAllocation = &types.ResourceAllocationInfo{Reservation: types.NewInt64(row.reservationMB)}
	vm.Config.MemoryReservationLockedToMax = types.NewBool(row.locked)
	if row.managedBy != "" {
		vm.Config.ManagedBy = &types.ManagedByInfo{ExtensionKey: row.managedBy, Type: cmp.Or(row.kind, "worker")}
	}
	vm.Runtime.MemoryOverhead = row.overheadMB << 20
	vm.Runtime.PowerState = types.VirtualMachinePowerStatePoweredOn
	if row.off {
		vm.Runtime.PowerState = types.VirtualMachinePowerStatePoweredOff
	}
	if row.suspended {
		vm.Runtime.PowerState = types.VirtualMachinePowerStateSuspended
	}
}

// The host lists the VMs whose vGPUs a GPU has.
func useGraphics(vm *simulator.VirtualMachine, row vmRow, host *simulator.HostSystem) {
	if row.off {
		return
	}
	for _, backing := range row.devices {
		if _, ok := backing.(*types.VirtualPCIPassthroughVmiopBackingInfo); ok {
			host.Config.GraphicsInfo[0].Vm = append(host.Config.GraphicsInfo[0].Vm, vm.Self)
		}
	}
}
