/* SPDX-License-Identifier: Apache-2.0 */
#include "testbed.h"

#define DEVICE(address, class, vendor, device)                                              \
	"<HostPciDevice><id>" address                                                       \
	"</id><classId>" class "</classId><vendorId>" vendor "</vendorId><deviceId>" device \
			       "</deviceId><deviceName>Some [card]</deviceName>"            \
			       "</HostPciDevice>"
#define PASSTHROUGH(address, capable, enabled, active)                                            \
	"<HostPciPassthruInfo><id>" address "</id><passthruEnabled>" enabled                      \
	"</passthruEnabled><passthruCapable>" capable "</passthruCapable><passthruActive>" active \
	"</passthruActive></HostPciPassthruInfo>"
#define HOST(id, name, more)                                                                    \
	OBJECT("HostSystem", id,                                                                \
	       TEXT("name", name) REF("parent", "ClusterComputeResource",                       \
				      "domain-c1") TEXT("runtime.connectionState", "connected") \
		       TEXT("runtime.inMaintenanceMode", "false")                               \
			       TEXT("summary.rebootRequired", "false")                          \
				       more) /* NOLINT(bugprone-macro-parentheses): literals */

/* A host with a NIC of Intel, an AMD GPU whose ids are negative, two A100 and a matrox console. */
#define READY                                                                            \
	HOST("host-1", "esx-1",                                                          \
	     LIST("hardware.pciDevice",                                                  \
		  DEVICE("0000:02:00.0", "512", "-32634", "5490")                        \
			  DEVICE("0000:3b:00.0", "770", "4318", "8368")                  \
				  DEVICE("0000:3c:00.0", "770", "4318", "8368")          \
					  DEVICE("0000:01:00.0", "768", "4139", "1334")) \
		     LIST("config.pciPassthruInfo",                                      \
			  PASSTHROUGH("0000:3b:00.0", "true", "true", "true")            \
				  PASSTHROUGH("0000:3c:00.0", "true", "true", "true")))
#define PENDING                                                                               \
	HOST("host-2", "esx-2",                                                               \
	     LIST("hardware.pciDevice", DEVICE("0000:3b:00.0", "770", "4318", "8368") DEVICE( \
						"0000:3c:00.0", "770", "4318", "8368")        \
						DEVICE("0000:3d:00.0", "4608", "-1", "-2"))   \
		     LIST("config.pciPassthruInfo",                                           \
			  PASSTHROUGH("0000:3b:00.0", "true", "true", "false")                \
				  PASSTHROUGH("0000:3c:00.0", "false", "false", "false")))
#define HIDDEN                                                                            \
	OBJECT("HostSystem", "host-3",                                                    \
	       TEXT("name", "esx-3") REF("parent", "ClusterComputeResource", "domain-c1") \
		       MISSING("hardware.pciDevice", "NoPermission"))
#define EMPTY HOST("host-4", "esx-4", LIST("hardware.pciDevice", ""))
#define SHARED                                                                                 \
	HOST("host-5", "esx-5",                                                                \
	     LIST("hardware.pciDevice", DEVICE("0000:3b:00.0", "770", "4318", "9913")) LIST(   \
		     "config.graphicsInfo",                                                    \
		     "<HostGraphicsInfo><pciId>0000:3b:00.0</pciId><graphicsType>sharedDirect" \
		     "</graphicsType><vm type='VirtualMachine'>vm-9</vm></HostGraphicsInfo>")  \
		     LIST("config.sharedPassthruGpuTypes",                                     \
			  "<string>nvidia_l40s-48q</string><string>nvidia_l40s-24q</string>"))

#define VM(id, name, state, host, devices)                          \
	OBJECT("VirtualMachine", id,                                \
	       TEXT("name", name) TEXT("runtime.powerState", state) \
		       REF("runtime.host", "HostSystem", host)      \
			       LIST("config.hardware.device", devices))
#define FIXED(address)                                                         \
	"<VirtualDevice i:type='VirtualPCIPassthrough'><backing "              \
	"i:type='VirtualPCIPassthroughDeviceBackingInfo'><id>" address "</id>" \
	"<deviceId>20b0</deviceId><vendorId>4318</vendorId></backing></VirtualDevice>"
#define VGPU                                                                                    \
	"<VirtualDevice i:type='VirtualPCIPassthrough'><backing "                               \
	"i:type='VirtualPCIPassthroughVmiopBackingInfo'><vgpu>nvidia_l40s-48q</vgpu></backing>" \
	"</VirtualDevice>"

#define SETTING(value)       \
	SOAP("QueryOptions", \
	     "<returnval><key>vgpu.hotmigrate.enabled</key><value>" value "</value></returnval>")

static const struct np_vsphere_scope everything;

static struct np_vsphere_hosts fetch(struct vc *t, const struct np_catalogue *cat)
{
	struct np_vsphere_hosts hosts = { 0 };
	struct np_err err = NP_ERR_INIT;

	if (np_vsphere_hosts_fetch(t->v, cat, &everything, &hosts, &err) < 0)
		fail_msg("%s", err.text);
	return hosts;
}

static enum np_probe_status status(const struct np_vsphere_hosts *all, size_t i, const char *id)
{
	struct np_report report = { 0 };
	struct np_err err = NP_ERR_INIT;

	if (np_vsphere_host_report(all, &all->items[i], &report, &err) < 0)
		fail_msg("%s", err.text);
	return status_take(&report, id);
}

static void test_vsphere__hosts_are_judged(void **state)
{
	struct vc *t = *state;
	struct np_catalogue *cat = catalogue();
	struct np_vsphere_hosts hosts;

	vc_start(t, STEPS(ABOUT, SOAP_LOGIN, QUERY(CLUSTER), QUERY(PENDING HIDDEN EMPTY READY),
			  QUERY(VM("vm-1", "one", "poweredOn", "host-1", FIXED("0000:3B:00.0")) VM(
				  "vm-2", "two", "poweredOff", "host-1", FIXED("0000:3c:00.0"))
					VM("vm-3", "three", "poweredOn", "host-1",
					   FIXED("00000:060:00.0"))),
			  SETTING("true"), SOAP_LOGOUT));
	hosts = fetch(t, cat);
	assert_int_equal(hosts.n, 3);
	assert_int_equal(hosts.pass, NP_VERDICT_NO);
	assert_string_equal(hosts.items[0].name, "esx-1");
	assert_string_equal(hosts.items[0].cluster, "gpu");
	assert_int_equal(hosts.items[0].n_gpus, 2);
	assert_int_equal(hosts.items[0].pass, NP_VERDICT_YES);
	assert_int_equal(hosts.items[0].gpus[0].users.n, 1);
	assert_string_equal(hosts.items[0].gpus[0].users.items[0], "one");
	assert_string_equal(hosts.items[0].gpus[1].users.items[0], "three");
	assert_int_equal(hosts.items[0].gpus[1].users.n, 1);
	assert_int_equal(status(&hosts, 0, "above-4g"), NP_PROBE_UNKNOWN);
	assert_int_equal(status(&hosts, 0, "hv-support"), NP_PROBE_PASS);
	/* An accelerator of an unknown vendor; its passthrough is not known. */
	assert_int_equal(hosts.items[1].n_gpus, 3);
	assert_int_equal(hosts.items[1].gpus[2].id.vendor, 0xffff);
	assert_int_equal(hosts.items[1].pass, NP_VERDICT_NO);
	assert_int_equal(status(&hosts, 1, "passthrough-capable"), NP_PROBE_FAIL);
	assert_int_equal(status(&hosts, 1, "passthrough-active"), NP_PROBE_FAIL);
	assert_int_equal(status(&hosts, 1, "hv-support"), NP_PROBE_UNKNOWN);
	/* Devices that may not be read: unknown, while the others are judged. */
	assert_int_equal(hosts.items[2].pass, NP_VERDICT_UNKNOWN);
	assert_int_equal(status(&hosts, 2, "gpus-found"), NP_PROBE_UNKNOWN);
	assert_int_equal(status(&hosts, 2, "connection"), NP_PROBE_UNKNOWN);
	np_vsphere_hosts_done(&hosts);
	np_gpu_catalogue_free(cat);
}

static void test_vsphere__vgpu_host(void **state)
{
	struct vc *t = *state;
	struct np_catalogue *cat = catalogue();
	struct np_vsphere_hosts hosts;

	vc_start(t, STEPS(ABOUT, SOAP_LOGIN, QUERY(CLUSTER), QUERY(SHARED),
			  QUERY(VM("vm-9", "nine", "poweredOn", "host-5", VGPU)), SETTING("false"),
			  SOAP_LOGOUT));
	hosts = fetch(t, cat);
	assert_int_equal(hosts.n, 1);
	assert_true(hosts.items[0].gpus[0].is_shared);
	assert_string_equal(hosts.items[0].gpus[0].users.items[0], "nine");
	assert_string_equal(hosts.items[0].profiles.items[0], "nvidia_l40s-24q");
	assert_int_equal(status(&hosts, 0, "passthrough-enabled"), NP_PROBE_PASS);
	assert_int_equal(status(&hosts, 0, "sr-iov"), NP_PROBE_UNKNOWN);
	assert_int_equal(status(&hosts, 0, "hot-migrate"), NP_PROBE_FAIL);
	np_vsphere_hosts_done(&hosts);
	np_gpu_catalogue_free(cat);
}

static void test_vsphere__setting_that_may_not_be_read(void **state)
{
	struct vc *t = *state;
	struct np_catalogue *cat = catalogue();
	struct np_vsphere_hosts hosts;

	vc_start(t, STEPS(ABOUT, SOAP_LOGIN, QUERY(CLUSTER), QUERY(SHARED), QUERY(""),
			  SOAP_FAULT("NoPermission", "denied"), SOAP_LOGOUT));
	hosts = fetch(t, cat);
	assert_int_equal(hosts.hot_migrate, NP_VERDICT_UNKNOWN);
	assert_int_equal(hosts.pass, NP_VERDICT_UNKNOWN);
	np_vsphere_hosts_done(&hosts);
	np_gpu_catalogue_free(cat);
}

static void test_vsphere__scope_that_does_not_exist(void **state)
{
	const struct np_vsphere_scope cluster = { .cluster = "other" }, host = { .host = "esx-9" };
	struct vc *t = *state;
	struct np_catalogue *cat = catalogue();
	struct np_vsphere_hosts hosts = { 0 };
	struct np_err err = NP_ERR_INIT;

	vc_start(t, STEPS(ABOUT, SOAP_LOGIN, QUERY(CLUSTER), QUERY(CLUSTER), QUERY(READY),
			  SOAP_LOGOUT));
	assert_int_equal(np_vsphere_hosts_fetch(t->v, cat, &cluster, &hosts, &err),
			 -NP_E_NOT_FOUND);
	expect_has("error", err.text, "cluster 'other' not found in https://127.0.0.1");
	assert_int_equal(np_vsphere_hosts_fetch(t->v, cat, &host, &hosts, &err), -NP_E_NOT_FOUND);
	expect_has("error", err.text, "host 'esx-9' not found in https://127.0.0.1");
	assert_int_equal(hosts.n, 0);
	np_gpu_catalogue_free(cat);
}

static void test_vsphere__hosts_as_text_and_json(void **state)
{
	struct vc *t = *state;
	struct np_catalogue *cat = catalogue();
	struct np_vsphere_hosts hosts;
	struct np_err err = NP_ERR_INIT;
	NP_AUTO(np_freep) char *text = NULL, *json = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	json_t *tree;

	assert_non_null(out);
	vc_start(t, STEPS(ABOUT, SOAP_LOGIN, QUERY(CLUSTER), QUERY(READY HIDDEN), QUERY(""),
			  SETTING("true"), SOAP_LOGOUT));
	hosts = fetch(t, cat);
	assert_int_equal(np_vsphere_hosts_text(&hosts, false, out, &err), 0);
	fclose(out);
	expect_has("table", text,
		   "HOST    CLUSTER   STATE       GPUS           FREE      IN USE    RESULT\n"
		   "esx-1   gpu       connected   2x A100-40GB   2         0         pass\n"
		   "esx-3   gpu       unknown     unknown        unknown   unknown   unknown\n");
	expect_has("table", text, "vCenter answers with the fault NoPermission");
	assert_int_equal(np_vsphere_hosts_data(&hosts, NP_FORMAT_JSON, &json, &err), 0);
	tree = json_loads(json, 0, NULL);
	assert_true(json_is_null(json_object_get(tree, "pass")));
	assert_true(json_is_null(
		json_object_get(json_array_get(json_object_get(tree, "items"), 1), "gpus")));
	json_decref(tree);
	np_vsphere_hosts_done(&hosts);
	np_gpu_catalogue_free(cat);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_VC(test_vsphere__hosts_are_judged),
		IN_VC(test_vsphere__vgpu_host),
		IN_VC(test_vsphere__setting_that_may_not_be_read),
		IN_VC(test_vsphere__scope_that_does_not_exist),
		IN_VC(test_vsphere__hosts_as_text_and_json),
	};

	return cmocka_run_group_tests_name("vsphere hosts", tests, NULL, NULL);
}
