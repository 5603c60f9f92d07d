// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"slices"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// A GPU of a host: what the host says of its PCI device and of passthrough.
type gpu struct {
	device                   uint16
	name                     string
	capable, enabled, active bool
	vgpu                     string // in use as vGPUs of this profile
}

// A host: its GPUs and its state.
type hostRow struct {
	gpus                              []gpu
	maintenance, disconnected, reboot bool
	version                           string // of ESXi; empty: the model's
}

func several(n int, one gpu) []gpu { return slices.Repeat([]gpu{one}, n) }

// The hosts of the clusters, by name; a host without a row has no GPU.
var inventory = map[string]hostRow{
	"DC0_C0_H0": {gpus: several(4, gpu{device: 0x2330, name: "GH100 [H100 SXM5 80GB]", capable: true, enabled: true, active: true})},
	// Enabled, and not rebooted since; one not enabled.
	"DC0_C0_H1": {reboot: true, gpus: []gpu{
		{device: 0x20b0, name: "GA100 [A100 SXM4 40GB]", capable: true, enabled: true},
		{device: 0x20b0, name: "GA100 [A100 SXM4 40GB]", capable: true},
	}},
	// One shared as vGPUs, one that cannot be passed through.
	"DC0_C0_H2": {gpus: []gpu{
		{device: 0x26b9, name: "AD102GL [L40S]", capable: true, vgpu: "nvidia_l40s-48q"},
		{device: 0x1eb8, name: "TU104GL [Tesla T4]"},
	}},
	"DC0_C1_H0": {gpus: several(2, gpu{device: 0x1eb8, name: "TU104GL [Tesla T4]", capable: true, enabled: true, active: true})},
	"DC0_C1_H1": {maintenance: true, gpus: several(4, gpu{device: 0x2335, name: "GH100 [H200 SXM 141GB]", capable: true, enabled: true, active: true})},
	"DC0_C1_H2": {disconnected: true, gpus: several(8, gpu{device: 0x20b0, name: "GA100 [A100 SXM4 40GB]", capable: true, enabled: true, active: true})},
	"DC0_C1_H3": {gpus: []gpu{{device: 0x9999, name: "Device 9999", capable: true, enabled: true, active: true}}},
	// Nothing enabled: for what enables it.
	"DC0_C2_H0": {gpus: several(2, gpu{device: 0x20b0, name: "GA100 [A100 SXM4 40GB]", capable: true})},
	// Too old to enable a device without a reboot.
	"DC0_C2_H1": {version: "7.0.3", gpus: []gpu{
		{device: 0x26b9, name: "AD102GL [L40S]", capable: true},
		{device: 0x26b9, name: "AD102GL [L40S]"},
		{device: 0x26b9, name: "AD102GL [L40S]", capable: true, vgpu: "nvidia_l40s-48c"},
	}},
	"DC0_C2_H3": {gpus: []gpu{{device: 0x26b9, name: "AD102GL [L40S]", capable: true, vgpu: "nvidia_l40s-48c"}}},
}

const (
	nvidia = 0x10de
	intel  = 0x8086
)

// The API's 16-bit ids are signed.
func signed(id uint16) int16 { return int16(id) }

func fillInventory(model *simulator.Model) {
	registry := model.Service.Context.Map
	byName := map[string]*simulator.HostSystem{}
	for _, one := range registry.All("HostSystem") {
		host := one.(*simulator.HostSystem)
		// govmomi's hosts share what they do not change: each gets its own.
		hardware, config := *host.Hardware, *host.Config
		host.Hardware, host.Config = &hardware, &config
		host.Hardware.PciDevice = nil
		host.Config.PciPassthruInfo = nil
		addNIC(host)
		addPassthroughSystem(registry, host)
		row := inventory[host.Name]
		for slot, card := range row.gpus {
			addGPU(host, byte(0x3b+slot), card)
		}
		host.Runtime.InMaintenanceMode = row.maintenance
		if row.disconnected {
			host.Runtime.ConnectionState = types.HostSystemConnectionStateDisconnected
		}
		host.Summary.RebootRequired = row.reboot
		if row.version != "" {
			product := host.Config.Product
			product.Version = row.version
			host.Config.Product = product
		}
		byName[host.Name] = host
	}
	fillVMs(registry, byName)
	offerDevices(registry)
}

// Puts the hosts' passthrough back as the inventory has it.
func resetHosts(model *simulator.Model) {
	for _, one := range model.Service.Context.Map.All("HostSystem") {
		host := one.(*simulator.HostSystem)
		row := inventory[host.Name]
		host.Summary.RebootRequired = row.reboot
		// The first device is the NIC.
		for at, card := range row.gpus {
			info := host.Config.PciPassthruInfo[at+1].GetHostPciPassthruInfo()
			info.PassthruEnabled, info.PassthruActive = card.enabled, card.active
		}
	}
	offerDevices(model.Service.Context.Map)
}

// A host's passthrough system, which govmomi's simulator does not have.
type passthroughSystem struct {
	mo.HostPciPassthruSystem

	host *simulator.HostSystem
}

func addPassthroughSystem(registry *simulator.Registry, host *simulator.HostSystem) {
	system := &passthroughSystem{host: host}
	system.Self = types.ManagedObjectReference{Type: "HostPciPassthruSystem", Value: "passthrough-" + host.Self.Value}
	registry.Put(system)
	host.ConfigManager.PciPassthruSystem = &system.Self
}

// A device that is enabled waits for a reboot, unless the request asks for it now.
func (s *passthroughSystem) UpdatePassthruConfig(ctx *simulator.Context, request *types.UpdatePassthruConfig) soap.HasFault {
	for _, one := range request.Config {
		change := one.GetHostPciPassthruConfig()
		for _, info := range s.host.Config.PciPassthruInfo {
			device := info.GetHostPciPassthruInfo()
			if device.Id != change.Id {
				continue
			}
			device.PassthruEnabled = change.PassthruEnabled
			if change.ApplyNow != nil && *change.ApplyNow {
				device.PassthruActive = change.PassthruEnabled
			} else {
				s.host.Summary.RebootRequired = true
			}
		}
	}
	offerDevices(ctx.Map)
	return &methods.UpdatePassthruConfigBody{Res: &types.UpdatePassthruConfigResponse{}}
}

// Offers a cluster's VMs the devices that its hosts pass through, as govc's device.pci.ls shows them.
func offerDevices(registry *simulator.Registry) {
	for _, one := range registry.All("ClusterComputeResource") {
		cluster := one.(*simulator.ClusterComputeResource)
		target := &types.ConfigTarget{}
		for _, ref := range cluster.Host {
			host := registry.Get(ref).(*simulator.HostSystem)
			for at, info := range host.Config.PciPassthruInfo {
				if info.GetHostPciPassthruInfo().PassthruActive {
					target.PciPassthrough = append(target.PciPassthrough, &types.VirtualMachinePciPassthroughInfo{
						PciDevice: host.Hardware.PciDevice[at], SystemId: host.Name,
					})
				}
			}
		}
		browser := registry.Get(*cluster.EnvironmentBrowser).(*simulator.EnvironmentBrowser)
		browser.QueryConfigTargetResponse.Returnval = target
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
