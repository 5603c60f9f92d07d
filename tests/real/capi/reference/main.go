// SPDX-License-Identifier: Apache-2.0

// Command reference is a Runtime Extension over Cluster API's own server and helpers, whose
// GeneratePatches answers as nodeprep-hookd's does for the requests of tests/bench. The benchmark
// measures the two beside each other; nothing else uses it.
package main

import (
	"context"
	"flag"
	"os"
	"strconv"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"

	runtimehooksv1 "sigs.k8s.io/cluster-api/api/runtime/hooks/v1alpha1"
	runtimecatalog "sigs.k8s.io/cluster-api/exp/runtime/catalog"
	"sigs.k8s.io/cluster-api/exp/runtime/server"
	"sigs.k8s.io/cluster-api/exp/runtime/topologymutation"
)

const (
	floorGB = 512
	spec    = "spec"
)

// windowGB is what one card adds, by vendor and device id.
var windowGB = map[[2]int64]int64{
	{0x10de, 0x20b0}: 128, // A100 SXM4 40GB
	{0x10de, 0x2330}: 256, // H100 SXM5 80GB
}

func neededGB(template *unstructured.Unstructured) int64 {
	devices, _, _ := unstructured.NestedSlice(template.Object, spec, "template", spec, "pciDevices")
	sum := int64(0)
	for _, d := range devices {
		device, _ := d.(map[string]any)
		vendor, _, _ := unstructured.NestedInt64(device, "vendorId")
		id, _, _ := unstructured.NestedInt64(device, "deviceId")
		sum += windowGB[[2]int64{vendor, id}]
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

func mutate(_ context.Context, obj runtime.Object, _ map[string]apiextensionsv1.JSON,
	holder runtimehooksv1.HolderReference) error {
	template, ok := obj.(*unstructured.Unstructured)
	if !ok || template.GetKind() != "VSphereMachineTemplate" || holder.Kind != "MachineDeployment" {
		return nil
	}
	window := neededGB(template)
	if window == 0 {
		return nil
	}
	keys := []string{spec, "template", spec, "customVMXKeys"}
	if err := unstructured.SetNestedField(template.Object, "TRUE",
		append(keys, "pciPassthru.use64bitMMIO")...); err != nil {
		return err
	}
	if err := unstructured.SetNestedField(template.Object, strconv.FormatInt(window, 10),
		append(keys, "pciPassthru.64bitMMIOSizeGB")...); err != nil {
		return err
	}
	version, _, _ := unstructured.NestedString(template.Object, spec, "template", spec, "hardwareVersion")
	if version != "vmx-15" {
		return nil
	}
	return unstructured.SetNestedField(template.Object, "vmx-17", spec, "template", spec, "hardwareVersion")
}

func generatePatches(ctx context.Context, req *runtimehooksv1.GeneratePatchesRequest,
	resp *runtimehooksv1.GeneratePatchesResponse) {
	topologymutation.WalkTemplates(ctx, unstructured.UnstructuredJSONScheme, req, resp, mutate,
		topologymutation.PatchFormat{Format: runtimehooksv1.JSONMergePatchType})
}

func run(port int, certDir string) error {
	catalog := runtimecatalog.New()
	if err := runtimehooksv1.AddToCatalog(catalog); err != nil {
		return err
	}
	s, err := server.New(server.Options{Catalog: catalog, Host: "127.0.0.1", Port: port, CertDir: certDir})
	if err != nil {
		return err
	}
	err = s.AddExtensionHandler(server.ExtensionHandler{
		Hook: runtimehooksv1.GeneratePatches, Name: "generate-patches", HandlerFunc: generatePatches,
	})
	if err != nil {
		return err
	}
	return s.Start(ctrl.SetupSignalHandler())
}

func main() {
	port := flag.Int("port", 0, "port on 127.0.0.1")
	certDir := flag.String("cert-dir", "", "folder with tls.crt and tls.key")
	flag.Parse()
	ctrl.SetLogger(klog.Background())
	if err := run(*port, *certDir); err != nil {
		klog.ErrorS(err, "reference server")
		os.Exit(1)
	}
}
