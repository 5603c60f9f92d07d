/* SPDX-License-Identifier: Apache-2.0 */
#include "nodeprep/hook.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/err.h"

/*
 * Every handler gets the bytes. Whatever they are, there is a response, it is JSON of its kind, the same
 * bytes give the same response, and what is JSON to jansson is so to the hooks.
 */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct np_catalogue *fuzz_catalogue(void)
{
	static struct np_catalogue *cat;
	struct np_err err = NP_ERR_INIT;

	if (!cat && np_gpu_catalogue_new(&cat, &err) < 0)
		abort();
	return cat;
}

static void fuzz_require(bool holds)
{
	if (!holds)
		abort();
}

static const char *fuzz_text(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

static void fuzz_check_response(const struct np_hook_answer *a)
{
	json_error_t why;
	json_auto_t *response = json_loadb(a->body, a->size, JSON_REJECT_DUPLICATES, &why);
	const char *status = fuzz_text(response, "status");
	json_t *item;
	size_t i;

	fuzz_require(json_is_object(response));
	fuzz_require(strcmp(status, a->failed ? "Failure" : "Success") == 0);
	fuzz_require(!a->failed || fuzz_text(response, "message")[0] != '\0');
	fuzz_require(json_array_size(json_object_get(response, "items")) == a->templates);
	json_array_foreach (json_object_get(response, "items"), i, item) {
		fuzz_require(json_is_string(json_object_get(item, "uid")));
		fuzz_require(fuzz_text(item, "patch")[0] != '\0');
	}
}

/*
 * jansson is deeper and stricter; what it takes of our depth must be taken. It loses a NUL behind a number
 * (seen with jansson 2.14), which is no JSON.
 */
static void fuzz_check_grammar(const struct np_hook_answer *a, const uint8_t *data, size_t size)
{
	static const char refused[] = "the request cannot be read: ";
	json_error_t why;
	json_auto_t *tree = json_loadb((const char *)data, size, 0, &why);

	if (size > 0 && memchr(data, '\0', size))
		return;
	if (json_is_object(tree) && strncmp(a->message, refused, sizeof(refused) - 1) == 0)
		fuzz_require(strstr(a->message, "too many levels") ||
			     strstr(a->message, "no object") || strstr(a->message, "no list"));
}

static void fuzz_call(const struct np_hook_options *o, enum np_hook_kind kind, const uint8_t *data,
		      size_t size)
{
	struct np_hook_answer first = { .body = NULL }, second = { .body = NULL };
	struct np_err err = NP_ERR_INIT;

	fuzz_require(np_hook_call(o, kind, (const char *)data, size, &first, &err) == 0);
	fuzz_require(np_hook_call(o, kind, (const char *)data, size, &second, &err) == 0);
	fuzz_require(first.size == second.size && memcmp(first.body, second.body, first.size) == 0);
	fuzz_check_response(&first);
	fuzz_check_grammar(&first, data, size);
	free(first.body);
	free(second.body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* A kubeconfig that is not there: the lifecycle hooks go as far as connecting. */
	static const struct np_kube_options nowhere = { .kubeconfig = "/nowhere/kubeconfig" };
	const struct np_hook_options pure = { .catalogue = fuzz_catalogue() };
	const struct np_hook_options api = { .catalogue = fuzz_catalogue(),
					     .kube = &nowhere,
					     .timeout_ms = 1000 };

	for (enum np_hook_kind kind = 0; kind < NP_HOOK_KIND_MAX; kind++) {
		fuzz_call(&pure, kind, data, size);
		fuzz_call(&api, kind, data, size);
	}
	return 0;
}
