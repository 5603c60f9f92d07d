/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "nodeprep/state.h"

#include "testbed.h"

#define DEVICE(backing)                                                   \
	"<VirtualDevice i:type='VirtualPCIPassthrough'><backing i:type='" \
	"VirtualPCIPassthrough" backing "</backing></VirtualDevice>"
#define FIXED(device)                                                      \
	DEVICE("DeviceBackingInfo'><id>0000:3b:00.0</id><deviceId>" device \
	       "</deviceId><vendorId>4318</vendorId>")
#define ALLOWED(vendor, device)                                           \
	"<allowedDevice><vendorId>" vendor "</vendorId><deviceId>" device \
	"</deviceId></allowedDevice>"
#define UNCOUNTED DEVICE("DeviceBackingInfo'><deviceId>b140</deviceId><vendorId>7762</vendorId>")
#define VGPU(profile) DEVICE("VmiopBackingInfo'><vgpu>" profile "</vgpu>")
#define OPTION(key, value) \
	"<OptionValue><key>" key "</key><value i:type='xsd:string'>" value "</value></OptionValue>"
#define WINDOW(gb)                                 \
	OPTION("pciPassthru.use64bitMMIO", "TRUE") \
	OPTION("pciPassthru.64bitMMIOSizeGB", gb)

#define VM(name, power, devices, more)                                 \
	OBJECT("VirtualMachine", "vm-" name,                           \
	       TEXT("name", name) TEXT("runtime.powerState", power)    \
		       REF("runtime.host", "HostSystem", "host-1")     \
			       LIST("config.hardware.device", devices) \
				       more) /* NOLINT(bugprone-macro-parentheses): literals */
#define READY(window)                                       \
	LIST("config.extraConfig", window)                  \
	TEXT("config.firmware", "efi")                      \
	TEXT("config.version", "vmx-20")                    \
	TEXT("config.hardware.memoryMB", "1024")            \
	TEXT("config.memoryReservationLockedToMax", "true") \
	TEXT("runtime.memoryOverhead", "1048576")           \
	TEXT("config.changeVersion", "2026-1")
#define BARE                                                               \
	LIST("config.extraConfig", "")                                     \
	TEXT("config.firmware", "bios")                                    \
	TEXT("config.version", "vmx-20")                                   \
	TEXT("config.hardware.memoryMB", "1024")                           \
	TEXT("config.memoryReservationLockedToMax", "false")               \
	"<propSet><name>config.memoryAllocation</name><val><reservation>0" \
	"</reservation></val></propSet>" TEXT("config.changeVersion", "2026-1")
#define HOST                           \
	OBJECT("HostSystem", "host-1", \
	       TEXT("name", "esx-1") REF("parent", "ClusterComputeResource", "domain-c1"))
#define PLACES QUERY(CLUSTER), QUERY(HOST)

static struct np_vsphere_vms fetch(struct vc *t, const struct np_catalogue *cat,
				   const char *pattern)
{
	const struct np_vsphere_vm_scope scope = { .pattern = pattern };
	struct np_vsphere_vms vms = { 0 };
	struct np_err err = NP_ERR_INIT;

	if (np_vsphere_vms_fetch(t->v, cat, &scope, &vms, &err) < 0 ||
	    np_vsphere_vms_judge(&vms, NULL, &err) < 0)
		fail_msg("%s", err.text);
	return vms;
}

static enum np_probe_status status(const struct np_vsphere_vms *all, size_t i, const char *id)
{
	struct np_report report = { 0 };
	struct np_err err = NP_ERR_INIT;

	if (np_vsphere_vm_report(all, &all->items[i], &report, &err) < 0)
		fail_msg("%s", err.text);
	return status_take(&report, id);
}

static void test_vsphere__vms_are_judged_by_their_devices(void **state)
{
	struct vc *t = *state;
	struct np_catalogue *cat = catalogue();
	struct np_vsphere_vms vms;

	vc_start(
		t,
		STEPS(ABOUT, SOAP_LOGIN, PLACES,
		      QUERY(VM("a", "poweredOn", FIXED("20b0") FIXED("20b0"), READY(WINDOW("256")))
				    VM("b", "poweredOff",
				       DEVICE("DynamicBackingInfo'>" ALLOWED("4318", "7864")
						      ALLOWED("4318", "8368")),
				       READY(WINDOW("64"))) VM("c", "poweredOn",
							       VGPU("nvidia_l40s-48c"),
							       BARE) VM("d", "poweredOn",
									FIXED("1eb8"), BARE)
					    VM("nic", "poweredOn",
					       DEVICE("DeviceBackingInfo'><deviceId>1572</deviceId>"
						      "<vendorId>-32634</vendorId>"),
					       BARE) VM("none", "poweredOn", "", BARE)),
		      SOAP_LOGOUT));
	vms = fetch(t, cat, NULL);
	assert_int_equal(vms.n, 4);
	assert_int_equal(vms.items[0].pass, NP_VERDICT_YES);
	assert_string_equal(vms.items[0].host, "esx-1");
	assert_string_equal(vms.items[0].cluster, "gpu");
	assert_int_equal(vms.items[0].needed_gb, 256);
	assert_int_equal(vms.items[0].devices[0].count, 2);
	assert_true(vms.items[0].has_overhead);
	/* The alternative that takes the most counts; what is off has no overhead. */
	assert_int_equal(vms.items[1].devices[0].id.device, 0x20b0);
	assert_int_equal(status(&vms, 1, "mmio-window"), NP_PROBE_FAIL);
	assert_false(vms.items[1].has_overhead);
	assert_int_equal(status(&vms, 2, "firmware"), NP_PROBE_FAIL);
	assert_int_equal(status(&vms, 2, "mmio-keys"), NP_PROBE_FAIL);
	assert_int_equal(status(&vms, 2, "memory-reservation"), NP_PROBE_FAIL);
	/* A T4's BARs are small. */
	assert_int_equal(status(&vms, 3, "mmio-window"), NP_PROBE_PASS);
	assert_int_equal(status(&vms, 3, "firmware"), NP_PROBE_PASS);
	np_vsphere_vms_done(&vms);
	np_gpu_catalogue_free(cat);
}

static void test_vsphere__what_is_not_known_is_unknown(void **state)
{
	struct vc *t = *state;
	struct np_catalogue *cat = catalogue();
	struct np_vsphere_vms vms;

	vc_start(
		t,
		STEPS(ABOUT, SOAP_LOGIN, PLACES,
		      QUERY(VM("a", "poweredOn", DEVICE("StrangeBackingInfo'>"),
			       READY(WINDOW("512")))
				    VM("b", "poweredOn", FIXED("20b0"),
				       MISSING("config.extraConfig",
					       "NoPermission") "<propSet><name>config.firmware</name><val i:nil='true'/>"
							       "</propSet>")),
		      SOAP_LOGOUT));
	vms = fetch(t, cat, NULL);
	assert_int_equal(vms.n, 2);
	assert_int_equal(vms.pass, NP_VERDICT_UNKNOWN);
	assert_string_equal(vms.items[0].devices[0].kind,
			    "VirtualPCIPassthroughStrangeBackingInfo");
	assert_int_equal(status(&vms, 0, "mmio-window"), NP_PROBE_UNKNOWN);
	assert_int_equal(status(&vms, 1, "mmio-window"), NP_PROBE_UNKNOWN);
	assert_int_equal(status(&vms, 1, "firmware"), NP_PROBE_UNKNOWN);
	assert_int_equal(status(&vms, 1, "memory-reservation"), NP_PROBE_UNKNOWN);
	assert_int_equal(status(&vms, 1, "device-limit"), NP_PROBE_UNKNOWN);
	np_vsphere_vms_done(&vms);
	np_gpu_catalogue_free(cat);
}

static const json_t *vm_at(const json_t *tree, size_t i)
{
	return json_array_get(json_object_get(tree, "vms"), i);
}

/* A device of a vendor that the catalogue does not know is named, alone and beside a GPU. */
static void test_vsphere__what_may_be_a_gpu_is_named(void **state)
{
	struct vc *t = *state;
	struct np_catalogue *cat = catalogue();
	struct np_vsphere_vms vms;
	json_auto_t *tree = NULL;
	NP_AUTO(np_freep) char *data = NULL;
	NP_AUTO(np_freep) char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	struct np_err err = NP_ERR_INIT;

	vc_start(t, STEPS(ABOUT, SOAP_LOGIN, PLACES,
			  QUERY(VM("alone", "poweredOn",
				   DEVICE("DynamicBackingInfo'>" ALLOWED("5555", "4129")
						  ALLOWED("7762", "-20160")),
				   READY(WINDOW("512")))
					VM("beside", "poweredOn", FIXED("20b0") UNCOUNTED,
					   READY(WINDOW("512")))
						VM("bios", "poweredOff", UNCOUNTED, BARE)),
			  SOAP_LOGOUT));
	vms = fetch(t, cat, NULL);
	assert_int_equal(vms.n, 3);
	assert_int_equal(status(&vms, 0, "mmio-window"), NP_PROBE_UNKNOWN);
	assert_int_equal(status(&vms, 0, "firmware"), NP_PROBE_PASS);
	assert_int_equal(status(&vms, 2, "firmware"), NP_PROBE_UNKNOWN);
	assert_int_equal(status(&vms, 2, "mmio-keys"), NP_PROBE_UNKNOWN);
	assert_int_equal(status(&vms, 0, "mmio-keys"), NP_PROBE_PASS);
	assert_int_equal(status(&vms, 0, "device-kind"), NP_PROBE_WARN);
	assert_int_equal(vms.items[0].pass, NP_VERDICT_UNKNOWN);
	assert_int_equal(vms.items[1].pass, NP_VERDICT_YES);
	assert_int_equal(status(&vms, 1, "device-kind"), NP_PROBE_WARN);
	assert_int_equal(np_vsphere_vms_data(&vms, NP_FORMAT_JSON, &data, &err), 0);
	tree = json_loads(data, 0, NULL);
	assert_true(json_is_null(json_object_get(vm_at(tree, 0), "gpus")));
	assert_true(json_is_null(json_object_get(vm_at(tree, 0), "neededMMIOGB")));
	assert_int_equal(json_array_size(json_object_get(vm_at(tree, 1), "gpus")), 1);
	assert_int_equal(json_array_size(json_object_get(tree, "overheads")), 1);
	assert_non_null(out);
	assert_int_equal(np_vsphere_vms_text(&vms, false, out, &err), 0);
	assert_int_equal(fclose(out), 0);
	assert_non_null(strstr(text, "none known"));
	assert_non_null(strstr(text, "GPUs: 1x 1e52:b140\n"));
	np_vsphere_vms_done(&vms);
	np_gpu_catalogue_free(cat);
}

static void test_vsphere__overheads_of_equal_vms_are_one_row(void **state)
{
	struct vc *t = *state;
	struct np_catalogue *cat = catalogue();
	struct np_vsphere_overheads all = { 0 };
	struct np_vsphere_vms vms;
	struct np_err err = NP_ERR_INIT;

	vc_start(t,
		 STEPS(ABOUT, SOAP_LOGIN, PLACES,
		       QUERY(VM("a", "poweredOn", FIXED("20b0"),
				TEXT("runtime.memoryOverhead", "3145728") READY(WINDOW("128")))
				     VM("b", "poweredOn", FIXED("20b0"), READY(WINDOW("128"))) VM(
					     "c", "poweredOn", FIXED("20b0"), READY(WINDOW("256")))
					     VM("d", "poweredOn", FIXED("20b0") FIXED("20b0"),
						READY(WINDOW("256")))
						     VM("e", "poweredOff", FIXED("20b0"),
							READY(WINDOW("128")))
							     VM("f", "poweredOn",
								DEVICE("StrangeBackingInfo'>"),
								READY(WINDOW("128")))),
		       SOAP_LOGOUT));
	vms = fetch(t, cat, NULL);
	assert_int_equal(np_vsphere_overheads_make(&vms, &all, &err), 0);
	assert_int_equal(all.n, 3);
	assert_int_equal(all.items[0].vms.n, 2);
	assert_string_equal(all.items[0].vms.items[1], "b");
	assert_true(all.items[0].least_mb == 1.0 && all.items[0].most_mb == 3.0);
	assert_string_equal(all.items[2].vms.items[0], "d");
	np_vsphere_overheads_done(&all);
	np_vsphere_vms_done(&vms);
	np_gpu_catalogue_free(cat);
}

/* --- changes ------------------------------------------------------------------------------------ */

#define TASK SOAP("ReconfigVM_Task", "<returnval type='Task'>task-7</returnval>")
#define TASK_DONE                    \
	SOAP("RetrievePropertiesEx", \
	     "<returnval>" OBJECT("Task", "task-7", TEXT("info.state", "success")) "</returnval>")
#define RESERVED \
	"<propSet><name>config.memoryAllocation</name><val><reservation>1024</reservation></val></propSet>"
#define PLAIN QUERY(VM("plain", "poweredOff", FIXED("20b0"), BARE))

/* A client, and a state directory of its own. */
struct changing {
	struct np_catalogue *cat;
	char folder[64];
	struct np_state *state;
	struct np_vsphere_change_options o;
	const char *names[1];
};

static void changing_init(struct changing *g)
{
	struct np_state_options where = { 0 };
	struct np_err err = NP_ERR_INIT;

	*g = (struct changing){ .cat = catalogue(), .names = { "plain" } };
	snprintf(g->folder, sizeof(g->folder), "/tmp/vsphere.XXXXXX");
	assert_non_null(mkdtemp(g->folder));
	where.dir = g->folder;
	if (np_state_new(&where, &g->state, &err) < 0)
		fail_msg("%s", err.text);
	g->o = (struct np_vsphere_change_options){
		.cat = g->cat, .state = g->state, .vms = g->names, .n_vms = 1
	};
}

/* Applies, with leave to change the firmware. */
static void apply(struct vc *t, struct changing *g, struct np_vsphere_changes *ret)
{
	struct np_err err = NP_ERR_INIT;

	g->o.change_firmware = true;
	*ret = (struct np_vsphere_changes){ 0 };
	if (np_vsphere_vms_apply(t->v, &g->o, ret, &err) < 0)
		fail_msg("%s", err.text);
}

static void changing_done(struct changing *g)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf '%s'", g->folder);
	assert_int_equal(system(command), 0);
	np_state_free(g->state);
	np_gpu_catalogue_free(g->cat);
}

static void test_vsphere__one_task_changes_a_vm(void **state)
{
	struct vc *t = *state;
	struct changing g;
	struct np_vsphere_changes changes;

	changing_init(&g);
	vc_start(t, STEPS(ABOUT, SOAP_LOGIN, PLACES, PLAIN, TASK, TASK_DONE, SOAP_LOGOUT));
	apply(t, &g, &changes);
	assert_int_equal(changes.code, NP_OK);
	assert_int_equal(changes.n, 5);
	assert_true(changes.items[0].is_changed);
	expect_in_request(t, 11, "<changeVersion>2026-1</changeVersion>");
	expect_in_request(t, 11, "<reservation>1024</reservation>");
	expect_in_request(t, 11,
			  "<key>pciPassthru.64bitMMIOSizeGB</key><value "
			  "xsi:type=\"xsd:string\">128</value>");
	expect_in_request(t, 11,
			  "<firmware>efi</firmware><memoryReservationLockedToMax>true"
			  "</memoryReservationLockedToMax>");
	np_vsphere_changes_done(&changes);
	changing_done(&g);
}

/* Taking its GPU away is a reason to restore a VM. */
static void test_vsphere__a_vm_without_gpus_is_restored(void **state)
{
	struct vc *t = *state;
	struct changing g;
	struct np_vsphere_changes changes;
	struct np_err err = NP_ERR_INIT;

	changing_init(&g);
	vc_start(t, STEPS(ABOUT, SOAP_LOGIN, PLACES, PLAIN, TASK, TASK_DONE, PLACES,
			  QUERY(VM("plain", "poweredOff", "", RESERVED READY(WINDOW("128")))), TASK,
			  TASK_DONE, SOAP_LOGOUT));
	apply(t, &g, &changes);
	np_vsphere_changes_done(&changes);
	assert_int_equal(np_vsphere_vms_revert(t->v, &g.o, &changes, &err), 0);
	if (changes.code != NP_OK)
		fail_msg("%s", changes.items[0].error.text);
	assert_int_equal(changes.n, 5);
	for (size_t i = 0; i < changes.n; i++)
		assert_true(changes.items[i].is_changed);
	np_vsphere_changes_done(&changes);
	changing_done(&g);
}

static void test_vsphere__firmware_changes_only_on_request(void **state)
{
	struct vc *t = *state;
	struct changing g;
	struct np_vsphere_changes changes = { 0 };
	struct np_err err = NP_ERR_INIT;

	changing_init(&g);
	vc_start(t, STEPS(ABOUT, SOAP_LOGIN, PLACES, PLAIN, SOAP_LOGOUT));
	assert_int_equal(np_vsphere_vms_apply(t->v, &g.o, &changes, &err), 0);
	assert_int_equal(changes.code, NP_E_REFUSED);
	assert_int_equal(changes.n, 1);
	expect_has("error", changes.items[0].error.text, "--change-firmware");
	np_vsphere_changes_done(&changes);
	changing_done(&g);
}

/* Its window cannot be known, and half of the change would look like all of it. */
static void test_vsphere__what_may_be_a_gpu_is_not_changed(void **state)
{
	struct vc *t = *state;
	struct changing g;
	struct np_vsphere_changes changes;

	changing_init(&g);
	vc_start(t, STEPS(ABOUT, SOAP_LOGIN, PLACES,
			  QUERY(VM("plain", "poweredOff", UNCOUNTED, BARE)), SOAP_LOGOUT));
	apply(t, &g, &changes);
	assert_int_equal(changes.code, NP_E_REFUSED);
	expect_has("error", changes.items[0].error.text, "--catalogue");
	np_vsphere_changes_done(&changes);
	changing_done(&g);
}

static void test_vsphere__failed_change_leaves_no_record(void **state)
{
	struct vc *t = *state;
	struct changing g;
	struct np_vsphere_changes changes;
	char command[128];

	changing_init(&g);
	vc_start(t, STEPS(ABOUT, SOAP_LOGIN, PLACES, PLAIN,
			  SOAP_FAULT("ConcurrentAccess", "It changed."), SOAP_LOGOUT));
	apply(t, &g, &changes);
	assert_int_equal(changes.code, NP_E_CONFLICT);
	snprintf(command, sizeof(command), "test -z \"$(find '%s' -name '*.json')\"", g.folder);
	assert_int_equal(system(command), 0);
	np_vsphere_changes_done(&changes);
	changing_done(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_VC(test_vsphere__vms_are_judged_by_their_devices),
		IN_VC(test_vsphere__what_is_not_known_is_unknown),
		IN_VC(test_vsphere__what_may_be_a_gpu_is_named),
		IN_VC(test_vsphere__overheads_of_equal_vms_are_one_row),
		IN_VC(test_vsphere__one_task_changes_a_vm),
		IN_VC(test_vsphere__a_vm_without_gpus_is_restored),
		IN_VC(test_vsphere__firmware_changes_only_on_request),
		IN_VC(test_vsphere__what_may_be_a_gpu_is_not_changed),
		IN_VC(test_vsphere__failed_change_leaves_no_record),
	};

	return cmocka_run_group_tests_name("vsphere VMs", tests, NULL, NULL);
}
