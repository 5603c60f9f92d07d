/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/err.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fuzz_fault(const struct np_vcenter *v, const char *bytes, size_t size)
{
	const struct vcenter_call call = { "read", "hosts", "System.Read", "u", false, false };
	const struct np_kube_reply reply = { 500, bytes, size };
	char fault[VCENTER_FAULT_MAX];
	struct np_err err = NP_ERR_INIT;
	bool again;

	if (vcenter_soap_judge(&call, v->http, &reply, &again, fault, &err) == 0 ||
	    err.code == NP_OK || !err.text[0] || strstr(err.text, "pass&word1"))
		abort();
}

static void fuzz_about(const char *bytes, size_t size)
{
	struct np_vcenter v = { .base = (char[]){ "https://vc" } };
	struct vcenter_result result = { 0 };
	struct np_err err = NP_ERR_INIT;

	if (vcenter_soap_response("RetrieveServiceContent", NULL, bytes, size, &result, &err) ==
		    0 &&
	    vcenter_about_read(vcenter_child(result.response, "returnval"), &v, &err) == 0)
		(void)vcenter_about_check(&v, &err);
	vcenter_result_done(&result);
}

/* Reads a value in every way, and all that is inside it. */
static void fuzz_value(const struct np_vcenter *v, const struct np_vcenter_val *val,
		       unsigned levels)
{
	const struct vcenter_call call = { "change", "VM 'x'", "", "u", false, false };
	struct np_err err = NP_ERR_INIT;
	struct np_vcenter_ref ref;
	unsigned id = 0;
	int64_t number;
	bool truth;

	for (; val && levels > 0; val = np_vcenter_val_next(val)) {
		(void)np_vcenter_val_bool(val, &truth);
		(void)np_vcenter_val_int(val, INT64_MIN, INT64_MAX, &number);
		(void)np_vcenter_val_ref(val, &ref);
		if (np_vcenter_val_pci_id(val, &id) && id > 0xffff)
			abort();
		if (vcenter_fail_task(&call, v->http, val, &err) == 0)
			abort();
		fuzz_value(v, np_vcenter_val_first(val), levels - 1);
	}
}

static void fuzz_page(const struct np_vcenter *v, const char *bytes, size_t size)
{
	struct vcenter_result result = { 0 };
	const struct vcenter_node *n;
	struct np_err err = NP_ERR_INIT;

	if (vcenter_soap_response("RetrievePropertiesEx", NULL, bytes, size, &result, &err) == 0) {
		n = vcenter_child(vcenter_child(result.response, "returnval"), "objects");
		for (; n; n = vcenter_next(n)) {
			const struct np_vcenter_object o = { .properties = vcenter_val(n) };

			fuzz_value(v, np_vcenter_object_get(&o, "name"), 4);
			(void)np_vcenter_object_fault(&o, "name");
		}
	}
	vcenter_result_done(&result);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct np_vcenter_options o = { .url = "u:pass&word1@127.0.0.1:1" };
	static struct np_vcenter *v;
	struct np_err err = NP_ERR_INIT;
	char *bytes;

	if (!v && np_vcenter_new(&o, &v, &err) < 0)
		abort();
	bytes = calloc(1, size + 1);
	if (!bytes)
		return 0;
	if (size > 0)
		memcpy(bytes, data, size);
	fuzz_fault(v, bytes, size);
	fuzz_about(bytes, size);
	fuzz_page(v, bytes, size);
	free(bytes);
	return 0;
}
