/* SPDX-License-Identifier: Apache-2.0 */
#include "fuzz.h"

/* What REST answers: errors, sessions, classes. */
static void fuzz_rest(const struct np_vcenter *v, const char *bytes, size_t size)
{
	static const long statuses[] = { 200, 302, 400, 401, 403, 404, 500, 503 };
	static const struct vcenter_call calls[] = {
		{ "log in to", "vCenter", "", "u", true, false },
		{ "list", "VM classes", "System.Read", "u", false, false },
		{ "change", "VM class 'x'", "VirtualMachineClasses.Manage", "u", false, true },
	};
	struct np_kube_reply reply = { .body = bytes, .size = size };
	struct np_err err = NP_ERR_INIT;
	char *session = NULL;
	bool again, expired;

	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]) * 3; i++) {
		reply.status = statuses[i / 3];
		if (vcenter_rest_judge(&calls[i % 3], v->http, &reply, &again, &expired, &err) < 0)
			fuzz_expect_error(&err);
	}
	if (vcenter_session_parse(bytes, size, &session, &err) == 0)
		free(session);
}

static void fuzz_answer(const struct np_vcenter *v, const char *bytes, size_t size)
{
	struct vcenter_address address = { 0 };
	struct np_err err = NP_ERR_INIT;

	fuzz_rest(v, bytes, size);
	if (vcenter_address_parse(bytes, &address, &err) == 0)
		vcenter_address_done(&address);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	return fuzz(data, size, fuzz_answer);
}
