/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEPREP_PKG_VMCLASS_RANDOM_CLASS_H
#define NODEPREP_PKG_VMCLASS_RANDOM_CLASS_H

/*
 * random_class - classes at random, for the tests that hold of any class.
 */

#include "catalogue.h"
#include "expect.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include <cmocka.h>

#include "nodeprep/doc.h"
#include "nodeprep/err.h"
#include "nodeprep/gpu.h"
#include "nodeprep/vmclass.h"

#include "testbed.h"

#define EXTRA_MAX 8

/* A generator of our own: the same classes on every machine. */
static uint64_t seed;

static unsigned draw(unsigned n)
{
	seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (unsigned)((seed >> 33) % n);
}

#define PICK(list) (list)[draw((unsigned)COUNT(list))]

static const int device_ids[] = { 0x20b0, 0x1eb8, 0x20b2, 0x2331, 0x2fff, 0x15f7 };
static const char *const profiles[] = { "grid_a100-40c", "grid_t4-16q", "grid_z9-1c" };

static json_t *random_backing(void)
{
	switch (draw(4)) {
	case 0:
		return json_pack("{s:s, s:s}", "_typeName", "VirtualPCIPassthroughVmiopBackingInfo",
				 "vgpu", PICK(profiles));
	case 1:
		return json_pack("{s:s}", "_typeName", "VirtualPCIPassthroughDvxBackingInfo");
	default:
		return json_pack("{s:s, s:[{s:i, s:i}], s:s}", "_typeName",
				 "VirtualPCIPassthroughDynamicBackingInfo", "allowedDevice",
				 "vendorId", 0x10de, "deviceId", PICK(device_ids), "customLabel",
				 draw(2) ? "rack" : "");
	}
}

static json_t *random_device_change(void)
{
	json_t *list = json_array();

	for (unsigned n = draw(5); n > 0; n--)
		json_array_append_new(
			list, json_pack("{s:s, s:{s:s, s:i, s:o}}", "_typeName",
					"VirtualDeviceConfigSpec", "device", "_typeName",
					draw(5) ? "VirtualPCIPassthrough" : "VirtualVmxnet3", "key",
					(int)draw(300), "backing", random_backing()));
	return list;
}

static json_t *random_extra_config(void)
{
	static const char *const keys[] = {
		"a",
		"b.c",
		"pciPassthru.use64bitMMIO",
		"pciPassthru.64bitMMIOSizeGB",
		"pciPassthru.64bitMMioSizeGB",
		"PCIPASSTHRU.USE64BITMMIO",
		"pciPassthru.set.usebitMMIO",
	};
	static const char *const values[] = { "TRUE", "512", "768", "4096", "", "x" };
	json_t *list = json_array();

	for (unsigned n = draw(EXTRA_MAX); n > 0; n--) {
		json_t *value = draw(2) ? json_string(PICK(values))
					: json_pack("{s:s, s:s}", "_typeName", "string", "_value",
						    PICK(values));

		json_array_append_new(list, json_pack("{s:s, s:s, s:o}", "_typeName", "OptionValue",
						      "key", PICK(keys), "value", value));
	}
	return list;
}

static json_t *random_hardware(void)
{
	json_t *vgpu = json_array(), *direct = json_array();

	for (unsigned n = draw(3); n > 0; n--)
		json_array_append_new(vgpu, json_pack("{s:s}", "profileName", PICK(profiles)));
	for (unsigned n = draw(3); n > 0; n--)
		json_array_append_new(direct, json_pack("{s:i, s:i, s:s}", "vendorID", 0x10de,
							"deviceID", PICK(device_ids), "customLabel",
							draw(2) ? "l" : ""));
	return json_pack("{s:s, s:{s:o, s:o}}", "memory", "64Gi", "devices", "vgpuDevices", vgpu,
			 "dynamicDirectPathIODevices", direct);
}

static json_t *random_config_spec(void)
{
	json_t *spec = json_object();

	if (draw(3) > 0)
		json_object_set_new(spec, "deviceChange", random_device_change());
	if (draw(3) > 0)
		json_object_set_new(spec, "extraConfig", random_extra_config());
	if (draw(2) > 0)
		json_object_set_new(spec, "firmware", json_string(draw(2) ? "efi" : "bios"));
	if (draw(2) > 0)
		json_object_set_new(spec, "name", json_null());
	return spec;
}

static json_t *random_class(void)
{
	static const char *const requests[] = { "64Gi", "65536Mi", "32Gi", "68719476736" };
	/* With two reservations, and with one. */
	static const char *const versions[] = { "vmoperator.vmware.com/v1alpha3",
						"vmoperator.vmware.com/v1alpha6" };
	json_t *spec = json_pack("{s:o}", "hardware", random_hardware());

	if (draw(4) > 0)
		json_object_set_new(spec, "configSpec", random_config_spec());
	if (draw(2) > 0)
		json_object_set_new(spec, "policies",
				    json_pack("{s:{s:{s:s}}}", "resources", "requests", "memory",
					      PICK(requests)));
	return json_pack("{s:s, s:{s:s}, s:o}", "apiVersion", PICK(versions), "metadata", "name",
			 "c", "spec", spec);
}

/* Returns the place of the next entry of neither key, from `i` on. */
static size_t next_unrelated(const json_t *list, size_t i)
{
	for (; i < json_array_size(list); i++) {
		const json_t *entry = json_array_get(list, i);
		const char *key = json_string_value(json_object_get(entry, "key"));

		if (strcasecmp(key, NP_VMX_USE64_NAME) != 0 &&
		    strcasecmp(key, NP_VMX_SIZE_NAME) != 0)
			break;
	}
	return i;
}

static void expect_unrelated_kept(const json_t *before, const json_t *after)
{
	size_t i = next_unrelated(before, 0), k = next_unrelated(after, 0);

	while (i < json_array_size(before)) {
		assert_true(json_equal(json_array_get(before, i), json_array_get(after, k)));
		i = next_unrelated(before, i + 1);
		k = next_unrelated(after, k + 1);
	}
	assert_int_equal(k, json_array_size(after));
}

#endif
