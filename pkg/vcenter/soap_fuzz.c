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

	if (vcenter_soap_response("RetrieveServiceContent", bytes, size, &result, &err) == 0 &&
	    vcenter_about_read(vcenter_child(result.response, "returnval"), &v, &err) == 0)
		(void)vcenter_about_check(&v, &err);
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
	free(bytes);
	return 0;
}
