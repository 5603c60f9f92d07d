/* SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "nodeprep/doc.h"
#include "nodeprep/err.h"
#include "nodeprep/gpu.h"
#include "nodeprep/vmclass.h"

/*
 * record_fuzz - a free annotation on classes of several kinds, registered, reverted and released. The
 * first byte picks the class, the rest is the annotation. Whatever it says, nothing but the fields that
 * nodeprep sets may differ afterwards.
 */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUZZ_DEVICE(key)                                                                              \
	"{\"_typeName\":\"VirtualDeviceConfigSpec\",\"operation\":\"add\",\"device\":{\"_typeName\":" \
	"\"VirtualPCIPassthrough\",\"key\":" key ",\"backing\":{\"_typeName\":"                       \
	"\"VirtualPCIPassthroughDynamicBackingInfo\",\"deviceName\":\"\",\"allowedDevice\":[{"        \
	"\"_typeName\":\"VirtualPCIPassthroughAllowedDevice\",\"vendorId\":4318,\"deviceId\":8368}]}}}"
#define FUZZ_KEYS                                                                                       \
	"{\"_typeName\":\"OptionValue\",\"key\":\"pciPassthru.use64bitMMIO\",\"value\":{\"_typeName\":" \
	"\"string\",\"_value\":\"TRUE\"}},{\"_typeName\":\"OptionValue\",\"key\":"                      \
	"\"pciPassthru.64bitMMIOSizeGB\",\"value\":{\"_typeName\":\"string\",\"_value\":\"512\"}}"
#define FUZZ_HARDWARE                                                                               \
	"\"hardware\":{\"cpus\":8,\"memory\":\"64Gi\",\"devices\":{\"dynamicDirectPathIODevices\":" \
	"[{\"vendorID\":4318,\"deviceID\":8368}]}}"

static const char *const fuzz_specs[] = {
	"{" FUZZ_HARDWARE "}",
	"{" FUZZ_HARDWARE ",\"configSpec\":{}}",
	"{" FUZZ_HARDWARE ",\"configSpec\":{\"firmware\":\"efi\"}}",
	"{" FUZZ_HARDWARE
	",\"configSpec\":{\"_typeName\":\"VirtualMachineConfigSpec\",\"firmware\":"
	"\"efi\",\"memoryReservationLockedToMax\":true,\"extraConfig\":[" FUZZ_KEYS
	"],\"deviceChange\":[" FUZZ_DEVICE("-200") "]},\"policies\":{\"resources\":{\"requests\":"
						   "{\"memory\":\"64Gi\"}}}}",
	"{\"hardware\":{\"cpus\":8,\"memory\":\"64Gi\"},\"configSpec\":{\"firmware\":\"efi\",\"numCPUs\":8,"
	"\"extraConfig\":[{\"_typeName\":\"OptionValue\",\"key\":\"hpet0.present\",\"value\":\"TRUE\"}," FUZZ_KEYS
	"],\"deviceChange\":[" FUZZ_DEVICE("-1") "," FUZZ_DEVICE(
		"-201") "]},\"policies\":"
			"{\"resources\":{\"requests\":{\"memory\":\"64Gi\",\"cpu\":\"2\"}}}}",
	"{}",
};

static struct np_catalogue *fuzz_cat;

static void expect(bool is_so)
{
	if (!is_so)
		abort();
}

/* Takes out what nodeprep may set: what is left must not change. */
static void strip(json_t *object)
{
	static const char *const fields[] = { "firmware", "memoryReservationLockedToMax",
					      "_typeName", "deviceChange" };
	json_t *metadata = json_object_get(object, "metadata");
	json_t *spec = json_object_get(object, "spec");
	json_t *config = json_object_get(spec, "configSpec");
	json_t *list = json_object_get(config, "extraConfig");
	json_t *policies = json_object_get(spec, "policies");
	json_t *resources = json_object_get(policies, "resources");
	json_t *requests = json_object_get(resources, "requests");

	json_object_del(json_object_get(metadata, "annotations"), NP_MANAGED_ANNOTATION);
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		json_object_del(config, fields[i]);
	for (size_t i = json_array_size(list); i-- > 0;) {
		const char *key =
			json_string_value(json_object_get(json_array_get(list, i), "key"));

		if (key && strncasecmp(key, "pciPassthru", 11) == 0)
			json_array_remove(list, i);
	}
	json_object_del(requests, "memory");
	if (json_array_size(list) == 0)
		json_object_del(config, "extraConfig");
	if (json_object_size(config) == 0)
		json_object_del(spec, "configSpec");
	if (json_object_size(requests) == 0)
		json_object_del(resources, "requests");
	if (json_object_size(resources) == 0)
		json_object_del(policies, "resources");
	if (json_object_size(policies) == 0)
		json_object_del(spec, "policies");
	if (json_object_size(spec) == 0)
		json_object_del(object, "spec");
	if (json_object_size(json_object_get(metadata, "annotations")) == 0)
		json_object_del(metadata, "annotations");
}

static json_t *config_of(const json_t *object)
{
	return json_object_get(json_object_get(object, "spec"), "configSpec");
}

/* Entries of deviceChange go from its end alone, and only those that hardware.devices lists. */
static void expect_devices(const json_t *before, const json_t *after)
{
	const json_t *old = json_object_get(config_of(before), "deviceChange");
	const json_t *new = json_object_get(config_of(after), "deviceChange");
	const json_t *hardware = json_object_get(json_object_get(before, "spec"), "hardware");

	expect(json_array_size(new) <= json_array_size(old));
	for (size_t i = 0; i < json_array_size(new); i++)
		expect(json_equal(json_array_get(old, i), json_array_get(new, i)));
	if (json_array_size(new) < json_array_size(old))
		expect(!!json_object_get(hardware, "devices"));
	/* A configSpec that hides devices does not go without having carried them. */
	if (config_of(before) && !config_of(after))
		expect(!json_object_get(hardware, "devices") || json_array_size(old) > 0);
}

static void expect_ours_alone(const json_t *before, const struct np_change *change)
{
	json_auto_t *after = np_vmclass_patched(before, change->patch);
	json_auto_t *a = json_deep_copy(before), *b = json_deep_copy(after);

	expect(a && b);
	expect_devices(before, after);
	strip(a);
	strip(b);
	expect(json_equal(a, b));
}

static bool everyone(void *ctx, const char *id, const char *holder)
{
	(void)ctx;
	(void)id;
	(void)holder;
	return true;
}

/* A failure that the record causes is reported as one, and any has a text. */
static void expect_told(const struct np_vmclass *c, const struct np_err *err)
{
	expect(err->code != NP_OK && err->text[0] != '\0' && err->code != NP_E_NOMEM);
	expect((c->record_error.code != NP_OK) == (err->code == NP_E_RECORD));
}

static void try_release(const struct np_vmclass *c)
{
	NP_AUTO(np_vmclass_change_done) struct np_change change = { 0 };
	struct np_err err = NP_ERR_INIT;

	if (np_vmclass_release(c, everyone, NULL, &change, &err) < 0)
		expect_told(c, &err);
	else
		expect_ours_alone(c->node.json, &change);
}

/* As 'nodeprep revert' does: the first holder's registration of the record's first pool is released. */
static void try_revert(const struct np_vmclass *c, bool discard)
{
	NP_AUTO(np_vmclass_change_done) struct np_change change = { 0 };
	json_t *pools = json_object_get(c->managed, "pools");
	const char *id = json_object_iter_key(json_object_iter(pools));
	json_t *holders = json_object_get(json_object_get(pools, id ? id : ""), "holders");
	struct np_member member = { .id = id ? id : "ml/w", .has_need = true, .need_gb = 512 };
	struct np_class_desired want = {
		.holder = "apply", .members = &member, .n_members = 1, .discard_record = discard
	};
	struct np_err err = NP_ERR_INIT;

	if (json_array_size(holders) > 0)
		want.holder = json_string_value(json_array_get(holders, 0));
	if (np_vmclass_revert(c, &want, &change, &err) < 0) {
		expect_told(c, &err);
		return;
	}
	expect(discard || c->record_error.code == NP_OK);
	expect_ours_alone(c->node.json, &change);
	expect(!discard || !json_object_get(change.patch, "spec"));
}

/* What nodeprep writes on top of any record can be read again. */
static void try_change(const struct np_vmclass *c)
{
	NP_AUTO(np_vmclass_change_done) struct np_change change = { 0 };
	const struct np_member member = { .id = "ml/w", .has_need = true, .need_gb = 1024 };
	const struct np_class_desired want = { .has_window = true,
					       .window_gb = 1024,
					       .needs_efi = true,
					       .holder = "apply",
					       .members = &member,
					       .n_members = 1 };
	json_auto_t *after = NULL, *record = NULL;
	struct np_err err = NP_ERR_INIT;

	if (np_vmclass_change(c, &want, &change, &err) < 0) {
		expect_told(c, &err);
		return;
	}
	after = np_vmclass_patched(c->node.json, change.patch);
	expect(np_vmclass_record_read(after, &record, &err) >= 0);
}

static json_t *make_class(unsigned pick, const char *text, size_t size)
{
	json_t *spec = json_loads(fuzz_specs[pick % (sizeof(fuzz_specs) / sizeof(fuzz_specs[0]))],
				  0, NULL);
	json_t *annotation = json_stringn(text, size);

	if (!annotation) {
		json_decref(spec);
		return NULL;
	}
	return json_pack("{s:{s:s, s:s, s:{s:o}}, s:o}", "metadata", "name", "gpu", "namespace",
			 "ml", "annotations", NP_MANAGED_ANNOTATION, annotation, "spec", spec);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	NP_AUTO(np_doc_unrefp) struct np_doc *doc = NULL;
	NP_AUTO(np_vmclass_freep) struct np_vmclass *c = NULL;
	json_auto_t *record = NULL;
	struct np_err err = NP_ERR_INIT;
	json_t *object;

	if (!fuzz_cat && np_gpu_catalogue_new(&fuzz_cat, &err) < 0)
		abort();
	object = size > 0 ? make_class(data[0], (const char *)data + 1, size - 1) : NULL;
	if (!object)
		return 0;
	if (np_doc_new_take("class", object, &doc, &err) < 0 ||
	    np_vmclass_read(doc, np_doc_root(doc), fuzz_cat, &c, &err) < 0)
		abort();
	expect((np_vmclass_record_parse((const char *)data + 1, size - 1, &record, &err) < 0) ==
	       (c->record_error.code == NP_E_RECORD));
	try_release(c);
	try_revert(c, false);
	try_revert(c, true);
	try_change(c);
	return 0;
}
