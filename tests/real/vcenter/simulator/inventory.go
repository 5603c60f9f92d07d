// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

// A GPU of a host: what the host says of its PCI device and of passthrough.
type gpu struct {
	device                   uint16
	name                     string
	capable, enabled, active bool
	vgpu                     string // in use as vGPUs of this profile
}

// The hosts' GPUs, host by host; a host without a row has none.
var inventory = [][]gpu{
	{ // ready
		{device: 0x2330, name: "GH100 [H100 SXM5 80GB]", capable: true, enabled: true, active: true},
		{device: 0x2330, name: "GH100 [H100 SXM5 80GB]", capable: true, enabled: true, active: true},
		{device: 0x2330, name: "GH100 [H100 SXM5 80GB]", capable: true, enabled: true, active: true},
		{device: 0x2330, name: "GH100 [H100 SXM5 80GB]", capable: true, enabled: true, active: true},
	},
	{ // enabled, and not rebooted since; one not enabled
		{device: 0x20b0, name: "GA100 [A100 SXM4 40GB]", capable: true, enabled: true},
		{device: 0x20b0, name: "GA100 [A100 SXM4 40GB]", capable: true},
	},
	{ // one shared as vGPUs, one that cannot be passed through
		{device: 0x26b9, name: "AD102GL [L40S]", capable: true, vgpu: "nvidia_l40s-48q"},
		{device: 0x1eb8, name: "TU104GL [Tesla T4]"},
	},
}

const (
	nvidia = 0x10de
	intel  = 0x8086
)

// The API's 16-bit ids are signed.
func signed(id uint16) int16 { return int16(id) }

func fillInventory(model *simulator.Model) {
	registry := model.Service.Context.Map
	hosts := registry.All("HostSystem")
	slices.SortFunc(hosts, func(a, b mo.Entity) int { return cmp.Compare(a.Reference().Value, b.Reference().Value) })
	at := 0
	for _, one := range hosts {
		host := one.(*simulator.HostSystem)
		// govmomi's hosts share what they do not change: each gets its own.
		hardware, config := *host.Hardware, *host.Config
		host.Hardware, host.Config = &hardware, &config
		host.Hardware.PciDevice = nil
		host.Config.PciPassthruInfo = nil
		addNIC(host)
		// A host outside the cluster has no GPU.
		if host.Parent.Type != "ClusterComputeResource" || at == len(inventory) {
			continue
		}
		for slot, card := range inventory[at] {
			addGPU(host, byte(0x3b+slot), card)
		}
		at++
	}
}

func addNIC(host *simulator.HostSystem) {
	id := "0000:02:00.0"
	host.Hardware.PciDevice = append(host.Hardware.PciDevice, types.HostPciDevice{
		Id: id, ClassId: 0x0200, Bus: 2, VendorId: signed(intel), DeviceId: 0x1572,
		VendorName: "Intel Corporation", DeviceName: "Ethernet Controller X710",
	})
	host.Config.PciPassthruInfo = append(host.Config.PciPassthruInfo, &types.HostPciPassthruInfo{
		Id: id, DependentDevice: id, PassthruCapable: true,
	})
}

func addGPU(host *simulator.HostSystem, bus byte, card gpu) {
	id := fmt.Sprintf("0000:%02x:00.0", bus)
	host.Hardware.PciDevice = append(host.Hardware.PciDevice, types.HostPciDevice{
		Id: id, ClassId: 0x0302, Bus: bus, VendorId: signed(nvidia), DeviceId: signed(card.device),
		VendorName: "NVIDIA Corporation", DeviceName: card.name,
	})
	host.Config.PciPassthruInfo = append(host.Config.PciPassthruInfo, &types.HostPciPassthruInfo{
		Id: id, DependentDevice: id, PassthruCapable: card.capable, PassthruEnabled: card.enabled, PassthruActive: card.active,
	})
	if card.vgpu == "" {
		return
	}
	host.Config.SharedPassthruGpuTypes = append(host.Config.SharedPassthruGpuTypes, card.vgpu)
	host.Config.GraphicsInfo = append(host.Config.GraphicsInfo, types.HostGraphicsInfo{
		DeviceName: card.name, VendorName: "NVIDIA Corporation", PciId: id,
		GraphicsType: "sharedDirect", MemorySizeInKB: 48 << 20,
	})
}
