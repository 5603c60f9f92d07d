/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "nodeprep/base64.h"

#include "testbed.h"

#define NOTE "Virtual Machine managed by the vSphere Virtual Machine service"
#define NAMED "vmservice.namespacedName"
#define BACKUP "vmservice.virtualmachine.resource.yaml"
#define MANAGED_BY(key, type)                                           \
	"<propSet><name>config.managedBy</name><val><extensionKey>" key \
	"</extensionKey><type>" type "</type></val></propSet>"
#define VIRTUAL_MACHINE(ns, name)                                            \
	"apiVersion: vmoperator.vmware.com/v1alpha3\nkind: VirtualMachine\n" \
	"metadata:\n  namespace: " ns "\n  name: " name                      \
	"\n  labels: {capv.vmware.com/cluster.name: train}\nspec: {className: gpu-h100}\n"
#define METADATA(name, link)                                                          \
	"instance-id: \"" name "\"\nlocal-hostname: \"" name                          \
	"\"\nwait-on-network:\n  ipv4: true\n  ipv6: false\nnetwork:\n  version: 2\n" \
	"  ethernets:\n    " link                                                     \
	":\n      match:\n        macaddress: \"00:50:56:00:00:01\"\n      set-name: \"eth0\"\n"
#define BOOTSTRAP                                                                \
	"## template: jinja\n#cloud-config\nruncmd:\n  - kubeadm join --config " \
	"/run/kubeadm/kubeadm-join-config.yaml && echo success > "               \
	"/run/cluster-api/bootstrap-success.complete\n"

enum how { PLAIN, BASE64, GZIP };

/* A VM with up to two settings and other properties, and who manages it. */
static const struct row {
	const char *name;
	struct {
		const char *key, *text;
		enum how how;
	} extra[2];
	const char *more;
	enum np_vsphere_manager manager;
	const char *mark, *ns, *service_name, *class_name, *kube_cluster;
} rows[] = {
	{ "a-named",
	  { { NAMED, "ml/worker-7", PLAIN } },
	  "",
	  NP_VSPHERE_VM_OPERATOR,
	  NAMED,
	  "ml",
	  "worker-7",
	  "",
	  "" },
	{ "b-named-and-kept",
	  { { NAMED, "ml/worker-7", PLAIN }, { BACKUP, VIRTUAL_MACHINE("ml", "worker-7"), GZIP } },
	  "",
	  NP_VSPHERE_VM_OPERATOR,
	  NAMED,
	  "ml",
	  "worker-7",
	  "gpu-h100",
	  "train" },
	{ "c-copy-keeps-the-backup-of-another",
	  { { NAMED, "ml/worker-8", PLAIN }, { BACKUP, VIRTUAL_MACHINE("ml", "worker-7"), GZIP } },
	  "",
	  NP_VSPHERE_VM_OPERATOR,
	  NAMED,
	  "ml",
	  "worker-8",
	  "",
	  "" },
	{ "d-backup-alone",
	  { { BACKUP, VIRTUAL_MACHINE("ml", "worker-7"), BASE64 } },
	  "",
	  NP_VSPHERE_VM_OPERATOR,
	  BACKUP,
	  "ml",
	  "worker-7",
	  "gpu-h100",
	  "train" },
	{ "e-backup-of-no-vm",
	  { { BACKUP, "kind: VirtualMachine\nmetadata: [", GZIP } },
	  "",
	  NP_VSPHERE_VM_OPERATOR,
	  BACKUP,
	  "",
	  "",
	  "",
	  "" },
	{ "f-managed-by",
	  { { "a", "b", PLAIN } },
	  MANAGED_BY("com.vmware.vcenter.wcp", "VirtualMachine"),
	  NP_VSPHERE_VM_OPERATOR,
	  "managedBy com.vmware.vcenter.wcp",
	  "",
	  "",
	  "",
	  "" },
	{ "g-note",
	  { { "a", "b", PLAIN } },
	  TEXT("config.annotation", NOTE),
	  NP_VSPHERE_VM_OPERATOR,
	  "its notes",
	  "",
	  "",
	  "",
	  "" },
	{ "h-bootstrap-data",
	  { { "guestinfo.userdata", BOOTSTRAP, BASE64 } },
	  "",
	  NP_VSPHERE_CLUSTER_API,
	  "guestinfo.userdata",
	  "",
	  "",
	  "",
	  "" },
	{ "i-compressed-bootstrap-data",
	  { { "guestinfo.userdata", BOOTSTRAP, GZIP } },
	  "",
	  NP_VSPHERE_CLUSTER_API,
	  "guestinfo.userdata",
	  "",
	  "",
	  "",
	  "" },
	{ "j-ignition",
	  { { "guestinfo.ignition.config.data", BOOTSTRAP, BASE64 } },
	  "",
	  NP_VSPHERE_CLUSTER_API,
	  "guestinfo.ignition.config.data",
	  "",
	  "",
	  "",
	  "" },
	{ "k-metadata",
	  { { "guestinfo.metadata", METADATA("k-metadata", "id0"), BASE64 },
	    { "guestinfo.userdata", "---", PLAIN } },
	  "",
	  NP_VSPHERE_CLUSTER_API,
	  "guestinfo.metadata",
	  "",
	  "",
	  "",
	  "" },
	{ "l-metadata-of-another-name",
	  { { "guestinfo.metadata", METADATA("k", "id0"), BASE64 } },
	  "",
	  NP_VSPHERE_PLAIN,
	  NULL,
	  "",
	  "",
	  "",
	  "" },
	{ "m-metadata-of-another-tool",
	  { { "guestinfo.metadata", METADATA("m-metadata-of-another-tool", "ens192"), BASE64 },
	    { "guestinfo.userdata", "#cloud-config\npackages: [tree]\n", BASE64 } },
	  "",
	  NP_VSPHERE_PLAIN,
	  NULL,
	  "",
	  "",
	  "",
	  "" },
	{ "n-extension",
	  { { "a", "b", PLAIN } },
	  MANAGED_BY("com.example.manager", "worker"),
	  NP_VSPHERE_EXTENSION,
	  NULL,
	  "",
	  "",
	  "",
	  "" },
	{ "o-extension-of-the-supervisor",
	  { { "a", "b", PLAIN } },
	  MANAGED_BY("com.vmware.vcenter.wcp", "ControlPlane"),
	  NP_VSPHERE_EXTENSION,
	  NULL,
	  "",
	  "",
	  "",
	  "" },
	{ "p-plain", { { "a", "b", PLAIN } }, "", NP_VSPHERE_PLAIN, NULL, "", "", "", "" },
};

enum { N_ROWS = sizeof(rows) / sizeof(rows[0]) };

static size_t compress_text(const char *text, char *to, size_t room)
{
	z_stream z = { .next_in = (Bytef *)(uintptr_t)text,
		       .avail_in = (uInt)strlen(text),
		       .next_out = (Bytef *)to,
		       .avail_out = (uInt)room };

	assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY),
			 Z_OK);
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	deflateEnd(&z);
	return z.total_out;
}

static char *encode(const char *text, enum how how)
{
	char packed[4096];

	if (how == PLAIN)
		return strdup(text);
	if (how == BASE64)
		return np_base64_encode(text, strlen(text));
	return np_base64_encode(packed, compress_text(text, packed, sizeof(packed)));
}

static void write_vm(FILE *out, const struct row *row)
{
	fprintf(out,
		"<objects><obj type='VirtualMachine'>%s</obj>" TEXT("name", "%s") TEXT(
			"runtime.powerState", "poweredOff")
			LIST("config.hardware.device",
			     "<VirtualDevice i:type='VirtualPCIPassthrough'><backing i:type='"
			     "VirtualPCIPassthroughVmiopBackingInfo'><vgpu>nvidia_l40s-48q</vgpu>"
			     "</backing></VirtualDevice>") "%s"
							   "<propSet><name>config.extraConfig</name><val i:type='ArrayOfOptionValue'>",
		row->name, row->name, row->more);
	for (size_t i = 0; i < 2 && row->extra[i].key; i++) {
		char *value = encode(row->extra[i].text, row->extra[i].how);

		fprintf(out,
			"<OptionValue><key>%s</key><value i:type='xsd:string'>%s</value>"
			"</OptionValue>",
			row->extra[i].key, value);
		free(value);
	}
	fputs("</val></propSet></objects>", out);
}

/* The answer with all VMs. */
static char *all_vms(void)
{
	static const char head[] =
		"<e:Envelope xmlns:e='http://schemas.xmlsoap.org/soap/envelope/'>"
		"<e:Body><RetrievePropertiesExResponse xmlns='urn:vim25' "
		"xmlns:i='http://www.w3.org/2001/XMLSchema-instance'><returnval>";
	char *bytes = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&bytes, &size);

	assert_non_null(out);
	fputs(head, out);
	for (size_t i = 0; i < N_ROWS; i++)
		write_vm(out, &rows[i]);
	fputs("</returnval></RetrievePropertiesExResponse></e:Body></e:Envelope>", out);
	assert_int_equal(fclose(out), 0);
	return bytes;
}

static void expect_row(const struct np_vsphere_vm *vm, const struct row *row)
{
	assert_string_equal(vm->name, row->name);
	if (vm->manager != row->manager || (!vm->mark) != (!row->mark))
		fail_msg("%s: manager %d by %s", row->name, (int)vm->manager,
			 vm->mark ? vm->mark : "nothing");
	if (row->mark)
		assert_string_equal(vm->mark, row->mark);
	assert_string_equal(vm->ns, row->ns);
	assert_string_equal(vm->service_name, row->service_name);
	assert_string_equal(vm->class_name, row->class_name);
	assert_string_equal(vm->kube_cluster, row->kube_cluster);
}

static void test_vsphere__marks_tell_who_manages_a_vm(void **state)
{
	const struct np_vsphere_vm_scope everything = { 0 };
	struct vc *t = *state;
	struct np_catalogue *cat = catalogue();
	struct np_vsphere_vms vms = { 0 };
	struct np_err err = NP_ERR_INIT;
	char *answer = all_vms();

	vc_start(t, STEPS(ABOUT, SOAP_LOGIN, QUERY(CLUSTER), QUERY(""),
			  SOAP("CreateContainerView",
			       "<returnval type='ContainerView'>view</returnval>"),
			  { "200 OK", NULL, answer, 0 }, SOAP("DestroyView", ""), SOAP_LOGOUT));
	if (np_vsphere_vms_fetch(t->v, cat, &everything, &vms, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(vms.n, N_ROWS);
	for (size_t i = 0; i < N_ROWS; i++)
		expect_row(&vms.items[i], &rows[i]);
	np_vsphere_vms_done(&vms);
	np_gpu_catalogue_free(cat);
	np_vcenter_free(np_take(t->v));
	free(answer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_VC(test_vsphere__marks_tell_who_manages_a_vm),
	};

	return cmocka_run_group_tests_name("vsphere marks", tests, NULL, NULL);
}
