// SPDX-License-Identifier: Apache-2.0

// Command lean is the least Go server whose GeneratePatches gives the answers of nodeprep-hookd for
// the requests of tests/bench: it decodes the request, and sets two keys. It has none of Cluster
// API's packages. With -maps it decodes objects into maps, as a handler of templates of any kind
// does; else it decodes the members that it uses. The benchmark measures the servers beside each
// other; nothing else uses this one.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"net/http"
	"strconv"
)

const (
	path    = "/hooks.runtime.cluster.x-k8s.io/v1alpha1/generatepatches/generate-patches"
	floorGB = 512
)

type device struct {
	VendorID int64 `json:"vendorId"`
	DeviceID int64 `json:"deviceId"`
}

// windowGB is what one card adds.
var windowGB = map[device]int64{
	{0x10de, 0x20b0}: 128, // A100 SXM4 40GB
	{0x10de, 0x2330}: 256, // H100 SXM5 80GB
}

// members is what a typed decoder reads of a template.
type members struct {
	Kind string `json:"kind"`
	Spec struct {
		Template struct {
			Spec struct {
				Devices         []device `json:"pciDevices"`
				HardwareVersion string   `json:"hardwareVersion"`
			} `json:"spec"`
		} `json:"template"`
	} `json:"spec"`
}

// object is a template, by its members or as a map.
type object interface {
	read() (kind string, devices []device, hardwareVersion string)
}

func (m members) read() (string, []device, string) {
	spec := &m.Spec.Template.Spec
	return m.Kind, spec.Devices, spec.HardwareVersion
}

type tree map[string]any

func (t tree) read() (string, []device, string) {
	kind, _ := t["kind"].(string)
	at := map[string]any(t)
	for _, name := range []string{"spec", "template", "spec"} {
		at, _ = at[name].(map[string]any)
	}
	version, _ := at["hardwareVersion"].(string)
	listed, _ := at["pciDevices"].([]any)
	devices := make([]device, 0, len(listed))
	for _, item := range listed {
		d, _ := item.(map[string]any)
		vendor, _ := d["vendorId"].(float64)
		id, _ := d["deviceId"].(float64)
		devices = append(devices, device{int64(vendor), int64(id)})
	}
	return kind, devices, version
}

type request[T object] struct {
	Items []struct {
		UID    string `json:"uid"`
		Holder struct {
			Kind string `json:"kind"`
		} `json:"holderReference"`
		Object T `json:"object"`
	} `json:"items"`
}

type patch struct {
	UID       string `json:"uid"`
	PatchType string `json:"patchType"`
	Patch     []byte `json:"patch"`
}

type response struct {
	APIVersion string  `json:"apiVersion"`
	Kind       string  `json:"kind"`
	Status     string  `json:"status"`
	Items      []patch `json:"items"`
}

func neededGB(devices []device) int64 {
	sum := int64(0)
	for _, d := range devices {
		sum += windowGB[d]
	}
	if sum == 0 {
		return 0
	}
	window := int64(floorGB)
	for window < sum {
		window *= 2
	}
	return window
}

func mergePatch(window int64, version string) []byte {
	raised := ""
	if version == "vmx-15" {
		raised = `"hardwareVersion":"vmx-17",`
	}
	return fmt.Appendf(nil, `{"spec":{"template":{"spec":{%s"customVMXKeys":{`+
		`"pciPassthru.use64bitMMIO":"TRUE","pciPassthru.64bitMMIOSizeGB":"%s"}}}}}`,
		raised, strconv.FormatInt(window, 10))
}

func generatePatches[T object](w http.ResponseWriter, r *http.Request) {
	var req request[T]
	if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	resp := response{APIVersion: "hooks.runtime.cluster.x-k8s.io/v1alpha1", Kind: "GeneratePatchesResponse",
		Status: "Success", Items: []patch{}}
	for _, item := range req.Items {
		kind, devices, version := item.Object.read()
		window := neededGB(devices)
		if window == 0 || kind != "VSphereMachineTemplate" || item.Holder.Kind != "MachineDeployment" {
			continue
		}
		resp.Items = append(resp.Items, patch{item.UID, "JSONMergePatch", mergePatch(window, version)})
	}
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(resp); err != nil {
		log.Print(err)
	}
}

func main() {
	port := flag.Int("port", 0, "port on 127.0.0.1")
	dir := flag.String("cert-dir", "", "folder with tls.crt and tls.key")
	maps := flag.Bool("maps", false, "decode objects into maps")
	flag.Parse()
	handler := generatePatches[members]
	if *maps {
		handler = generatePatches[tree]
	}
	http.HandleFunc("POST "+path, handler)
	log.Fatal(http.ListenAndServeTLS(fmt.Sprintf("127.0.0.1:%d", *port), *dir+"/tls.crt", *dir+"/tls.key", nil))
}
