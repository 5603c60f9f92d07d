// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/vmware/govmomi/vim25/types"
)

const classesPath = "/api/vcenter/namespace-management/virtual-machine-classes"

// A class: its members as raw JSON, so that none is lost and none changes its form. The names are
// those of this file; `spelling` gives those of the server that is played.
type class map[string]json.RawMessage

// Members that a vCenter alone writes.
var readOnly = []string{"id", "namespaces", "vms", "config_status", "messages"}

// Members that a PATCH without them takes away; all others keep their value then.
var unsetMeansNone = []string{"cpu_reservation", "memory_reservation", "devices"}

var defaults = class{
	"description":   json.RawMessage(`""`),
	"cpu_count":     json.RawMessage(`2`),
	"memory_MB":     json.RawMessage(`4096`),
	"devices":       json.RawMessage(`{}`),
	"namespaces":    json.RawMessage(`[]`),
	"vms":           json.RawMessage(`[]`),
	"config_status": json.RawMessage(`"READY"`),
	"messages":      json.RawMessage(`[]`),
}

// An error as a vCenter answers it.
type apiError struct {
	status   int
	kind, id string
	text     string
}

func (e *apiError) Error() string { return e.text }

func invalid(format string, args ...any) *apiError {
	return &apiError{http.StatusBadRequest, "INVALID_ARGUMENT", "vcenter.wcp.vmclass.invalid", fmt.Sprintf(format, args...)}
}

func notFound(id string) *apiError {
	return &apiError{http.StatusNotFound, "NOT_FOUND", "vcenter.wcp.vmclass.notfound", fmt.Sprintf("Virtual machine class %s was not found.", id)}
}

// Renames members at any depth.
func rename(raw json.RawMessage, names map[string]string) json.RawMessage {
	var members map[string]json.RawMessage
	if json.Unmarshal(raw, &members) != nil || members == nil {
		return raw
	}
	renamed := make(map[string]json.RawMessage, len(members))
	for name, value := range members {
		if other, ok := names[name]; ok {
			name = other
		}
		renamed[name] = value
	}
	return mustMarshal(renamed)
}

func mustMarshal(value any) json.RawMessage {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		panic(err)
	}
	return bytes.TrimSuffix(text.Bytes(), []byte("\n"))
}

// Returns the class as the played server spells it.
func (s *settings) spell(c class) class {
	spelled := class{}
	for name, value := range c {
		switch {
		case slices.Contains(s.Drop, name):
			continue
		case name == "memory_MB":
			name = s.MemoryName
		case name == "devices":
			value = rename(value, map[string]string{devicesName: s.DevicesName})
		case name == "config_spec" && s.TypedConfigSpec:
			value = typed(value)
		}
		spelled[name] = value
	}
	return spelled
}

const devicesName = "dynamic_direct_path_IO_devices"

// Does the reverse. A member in another spelling than the server's own is an unknown one.
func (s *settings) unspell(members class) (class, *apiError) {
	stored := class{}
	for name, value := range members {
		switch {
		case name == s.MemoryName:
			name = "memory_MB"
		case strings.EqualFold(name, "memory_MB"):
			return nil, invalid("Unexpected field %s in structure VirtualMachineClasses.UpdateSpec.", name)
		case name == "devices":
			value = rename(value, map[string]string{s.DevicesName: devicesName})
		case s.Strict && slices.Contains(readOnly, name), slices.Contains(s.Drop, name):
			return nil, invalid("Unexpected field %s in structure VirtualMachineClasses.UpdateSpec.", name)
		}
		stored[name] = value
	}
	return stored, nil
}

func isNull(raw json.RawMessage) bool { return raw == nil || string(raw) == "null" }

// Applies a PATCH as the played server does.
func (s *settings) patch(old, members class) (class, *apiError) {
	update, failed := s.unspell(members)
	if failed != nil {
		return nil, failed
	}
	made := maps.Clone(old)
	for _, name := range unsetMeansNone {
		delete(made, name)
	}
	if !s.KeepMissing {
		for _, name := range []string{"cpu_count", "memory_MB", "description", "config_spec"} {
			delete(made, name)
		}
	}
	for name, value := range update {
		if !isNull(value) {
			made[name] = value
		}
	}
	for name, value := range defaults {
		if _, ok := made[name]; !ok {
			made[name] = value
		}
	}
	return made, s.check(made)
}

func (s *settings) check(c class) *apiError {
	for _, name := range []string{"cpu_reservation", "memory_reservation"} {
		var percent int
		if raw, ok := c[name]; ok && (json.Unmarshal(raw, &percent) != nil || percent < 0 || percent > 100) {
			return invalid("%s %s is not a percentage from 0 to 100.", name, raw)
		}
	}
	raw, ok := c["config_spec"]
	if !ok {
		return nil
	}
	var spec types.VirtualMachineConfigSpec
	if err := types.NewJSONDecoder(bytes.NewReader(raw)).Decode(&spec); err != nil {
		return invalid("config_spec is not a VirtualMachineConfigSpec: %v.", err)
	}
	var cpus int64
	if err := json.Unmarshal(c["cpu_count"], &cpus); err != nil {
		return invalid("cpu_count %s is not a number.", c["cpu_count"])
	}
	if spec.NumCPUs != 0 && int64(spec.NumCPUs) != cpus {
		return invalid("config_spec.numCPUs %d differs from cpu_count %d.", spec.NumCPUs, cpus)
	}
	return nil
}

// Returns a config_spec with the members of its type alone, in the order and the form of the type.
func typed(raw json.RawMessage) json.RawMessage {
	var spec types.VirtualMachineConfigSpec
	var text bytes.Buffer
	if types.NewJSONDecoder(bytes.NewReader(raw)).Decode(&spec) != nil || types.NewJSONEncoder(&text).Encode(&spec) != nil {
		return raw
	}
	return bytes.TrimSuffix(text.Bytes(), []byte("\n"))
}

// A change by another writer, as a test orders it.
type edit struct {
	ID         string            `json:"id"`
	Set        class             `json:"set"`         // members of the class; null removes one
	ConfigSpec class             `json:"config_spec"` // members of its config_spec; null removes one
	Extra      map[string]string `json:"extra"`       // entries of extraConfig; "" removes one
}

func merge(into, from class) {
	for name, value := range from {
		if isNull(value) {
			delete(into, name)
		} else {
			into[name] = value
		}
	}
}

func (e *edit) apply(c class) {
	merge(c, e.Set)
	if e.ConfigSpec == nil && e.Extra == nil {
		return
	}
	spec := class{}
	if raw, ok := c["config_spec"]; ok {
		_ = json.Unmarshal(raw, &spec)
	} else {
		spec["_typeName"] = json.RawMessage(`"VirtualMachineConfigSpec"`)
	}
	merge(spec, e.ConfigSpec)
	for _, key := range slices.Sorted(maps.Keys(e.Extra)) {
		setExtra(spec, key, e.Extra[key])
	}
	c["config_spec"] = mustMarshal(spec)
}

func setExtra(spec class, key, value string) {
	var entries, kept []json.RawMessage
	_ = json.Unmarshal(spec["extraConfig"], &entries)
	for _, raw := range entries {
		var entry struct {
			Key string `json:"key"`
		}
		if json.Unmarshal(raw, &entry) != nil || entry.Key != key {
			kept = append(kept, raw)
		}
	}
	if value != "" {
		kept = append(kept, mustMarshal(map[string]any{
			"_typeName": "OptionValue", "key": key, "value": map[string]string{"_typeName": "string", "_value": value},
		}))
	}
	spec["extraConfig"] = mustMarshal(kept)
}
