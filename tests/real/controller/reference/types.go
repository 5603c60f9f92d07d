// SPDX-License-Identifier: Apache-2.0

package main

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// The members of both kinds that the controller reads or writes.

type NodePool struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`
	Spec              NodePoolSpec   `json:"spec"`
	Status            NodePoolStatus `json:"status,omitempty"`
}

type NodePoolSpec struct {
	VMClass string `json:"vmClass"`
}

type NodePoolStatus struct {
	ObservedGeneration int64              `json:"observedGeneration,omitempty"`
	VMClass            string             `json:"vmClass,omitempty"`
	GPUsPerNode        *int64             `json:"gpusPerNode,omitempty"`
	RequiredMMIOGB     *int64             `json:"requiredMMIOGB,omitempty"`
	MMIOGB             *int64             `json:"mmioGB,omitempty"`
	Conditions         []metav1.Condition `json:"conditions,omitempty"`
}

type NodePoolList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []NodePool `json:"items"`
}

type VirtualMachineClass struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`
	Spec              VirtualMachineClassSpec `json:"spec,omitempty"`
}

type VirtualMachineClassSpec struct {
	Hardware   Hardware    `json:"hardware,omitempty"`
	Policies   *Policies   `json:"policies,omitempty"`
	ConfigSpec *ConfigSpec `json:"configSpec,omitempty"`
}

type Hardware struct {
	CPUs    int64   `json:"cpus,omitempty"`
	Memory  string  `json:"memory,omitempty"`
	Devices Devices `json:"devices,omitempty"`
}

type Devices struct {
	DynamicDirectPathIO []PCIDevice `json:"dynamicDirectPathIODevices,omitempty"`
}

type PCIDevice struct {
	VendorID int64 `json:"vendorID"`
	DeviceID int64 `json:"deviceID"`
}

type Policies struct {
	Resources Resources `json:"resources,omitempty"`
}

type Resources struct {
	Requests Requests `json:"requests,omitempty"`
}

type Requests struct {
	Memory string `json:"memory,omitempty"`
}

type ConfigSpec struct {
	TypeName                     string         `json:"_typeName,omitempty"`
	ExtraConfig                  []OptionValue  `json:"extraConfig,omitempty"`
	Firmware                     string         `json:"firmware,omitempty"`
	MemoryReservationLockedToMax bool           `json:"memoryReservationLockedToMax,omitempty"`
	DeviceChange                 []DeviceChange `json:"deviceChange,omitempty"`
}

type OptionValue struct {
	TypeName string     `json:"_typeName"`
	Key      string     `json:"key"`
	Value    TypedValue `json:"value"`
}

type TypedValue struct {
	TypeName string `json:"_typeName"`
	Value    string `json:"_value"`
}

type DeviceChange struct {
	TypeName  string        `json:"_typeName"`
	Operation string        `json:"operation"`
	Device    VirtualDevice `json:"device"`
}

type VirtualDevice struct {
	TypeName string  `json:"_typeName"`
	Key      int64   `json:"key"`
	Backing  Backing `json:"backing"`
}

type Backing struct {
	TypeName      string          `json:"_typeName"`
	DeviceName    string          `json:"deviceName"`
	AllowedDevice []AllowedDevice `json:"allowedDevice"`
}

type AllowedDevice struct {
	TypeName string `json:"_typeName"`
	VendorID int64  `json:"vendorId"`
	DeviceID int64  `json:"deviceId"`
}

type VirtualMachineClassList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []VirtualMachineClass `json:"items"`
}

// --- deep copies, as generated ones do it ---

func copyOf[T any](p *T) *T {
	if p == nil {
		return nil
	}
	c := *p
	return &c
}

func (in *NodePool) DeepCopy() *NodePool {
	out := *in
	in.ObjectMeta.DeepCopyInto(&out.ObjectMeta)
	out.Status.GPUsPerNode = copyOf(in.Status.GPUsPerNode)
	out.Status.RequiredMMIOGB = copyOf(in.Status.RequiredMMIOGB)
	out.Status.MMIOGB = copyOf(in.Status.MMIOGB)
	out.Status.Conditions = append([]metav1.Condition(nil), in.Status.Conditions...)
	return &out
}

func (in *NodePool) DeepCopyObject() runtime.Object { return in.DeepCopy() }

func (in *NodePoolList) DeepCopyObject() runtime.Object {
	out := *in
	in.ListMeta.DeepCopyInto(&out.ListMeta)
	out.Items = make([]NodePool, len(in.Items))
	for i := range in.Items {
		out.Items[i] = *in.Items[i].DeepCopy()
	}
	return &out
}

func (in *ConfigSpec) DeepCopy() *ConfigSpec {
	out := *in
	out.ExtraConfig = append([]OptionValue(nil), in.ExtraConfig...)
	out.DeviceChange = append([]DeviceChange(nil), in.DeviceChange...)
	for i := range out.DeviceChange {
		backing := &out.DeviceChange[i].Device.Backing
		backing.AllowedDevice = append([]AllowedDevice(nil), backing.AllowedDevice...)
	}
	return &out
}

func (in *VirtualMachineClass) DeepCopy() *VirtualMachineClass {
	out := *in
	in.ObjectMeta.DeepCopyInto(&out.ObjectMeta)
	devices := &out.Spec.Hardware.Devices
	devices.DynamicDirectPathIO = append([]PCIDevice(nil), devices.DynamicDirectPathIO...)
	out.Spec.Policies = copyOf(in.Spec.Policies)
	if in.Spec.ConfigSpec != nil {
		out.Spec.ConfigSpec = in.Spec.ConfigSpec.DeepCopy()
	}
	return &out
}

func (in *VirtualMachineClass) DeepCopyObject() runtime.Object { return in.DeepCopy() }

func (in *VirtualMachineClassList) DeepCopyObject() runtime.Object {
	out := *in
	in.ListMeta.DeepCopyInto(&out.ListMeta)
	out.Items = make([]VirtualMachineClass, len(in.Items))
	for i := range in.Items {
		out.Items[i] = *in.Items[i].DeepCopy()
	}
	return &out
}

func addToScheme(scheme *runtime.Scheme) {
	pools := schema.GroupVersion{Group: "nodeprep.dev", Version: "v1alpha1"}
	scheme.AddKnownTypes(pools, &NodePool{}, &NodePoolList{})
	metav1.AddToGroupVersion(scheme, pools)
	classes := schema.GroupVersion{Group: "vmoperator.vmware.com", Version: "v1alpha6"}
	scheme.AddKnownTypes(classes, &VirtualMachineClass{}, &VirtualMachineClassList{})
	metav1.AddToGroupVersion(scheme, classes)
}
