/* SPDX-License-Identifier: Apache-2.0 */
#include "fuzz.h"

static void fuzz_fault(const struct np_vcenter *v, const char *bytes, size_t size)
{
	const struct vcenter_call call = { "read", "hosts", "System.Read", "u", false, false };
	const struct np_kube_reply reply = { 500, bytes, size };
	char fault[VCENTER_FAULT_MAX];
	struct np_err err = NP_ERR_INIT;
	bool again;

	if (vcenter_soap_judge(&call, v->http, &reply, &again, fault, &err) == 0)
		abort();
	fuzz_expect_error(&err);
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

static int fuzz_object(void *ctx, const struct vcenter_node *n, struct np_err *err)
{
	const struct np_vcenter_object o = { .properties = vcenter_val(n) };
	const struct np_vcenter *const *client = ctx;

	(void)err;
	fuzz_value(*client, np_vcenter_object_get(&o, "name"), 4);
	(void)np_vcenter_object_fault(&o, "name");
	return 0;
}

static void fuzz_page(const struct np_vcenter *v, const char *bytes, size_t size)
{
	const struct np_vcenter *client = v;
	struct vcenter_visitor visitor = { "objects", 4, fuzz_object, &client, false };
	struct vcenter_result result = { 0 };
	struct np_err err = NP_ERR_INIT;

	if (vcenter_soap_response("RetrievePropertiesEx", &visitor, bytes, size, &result, &err) < 0)
		fuzz_expect_error(&err);
	vcenter_result_done(&result);
}

static void fuzz_answer(const struct np_vcenter *v, const char *bytes, size_t size)
{
	fuzz_fault(v, bytes, size);
	fuzz_about(bytes, size);
	fuzz_page(v, bytes, size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	return fuzz(data, size, fuzz_answer);
}
