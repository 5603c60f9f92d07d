/* SPDX-License-Identifier: Apache-2.0 */
#include "nodeprep/cni.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/err.h"
#include "nodeprep/gpu.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect_told(const struct np_err *err)
{
	if (err->code == NP_OK || err->text[0] == '\0')
		abort();
}

/* What goes out is one line that holds one JSON object. */
static void expect_object(const char *text)
{
	json_auto_t *root = json_loads(text, 0, NULL);
	size_t n = strlen(text);

	if (!json_is_object(root) || n == 0 || strchr(text, '\n') != text + n - 1)
		abort();
}

static void try_error(enum np_cni_version version, const struct np_err *err)
{
	char *text = np_cni_error(version, np_code_cni(err->code), err->text, "");

	expect_told(err);
	if (text)
		expect_object(text);
	free(text);
}

/* A holder is of its own call's network, and one that is listed is never dropped. */
static void try_holders(const struct np_cni_config *c)
{
	char holder[NP_CNI_HOLDER_MAX];

	for (size_t i = 0; i < c->n_valid; i++) {
		struct np_cni_environment env = { "ADD", c->valid[i].container, c->valid[i].ifname,
						  NULL };
		struct np_cni_call call;
		struct np_err err = NP_ERR_INIT;

		if (np_cni_call_read(&env, &call, &err) < 0)
			continue;
		np_cni_holder(c, &call, holder);
		if (strncmp(holder, "cni/", 4) != 0 || np_cni_is_stale(c, holder))
			abort();
	}
}

static void try_config(const struct np_cni_config *c, const struct np_catalogue *cat)
{
	struct np_err err = NP_ERR_INIT;
	struct np_input in = { 0 };
	json_auto_t *plan = json_object();
	char *text = NULL;

	try_holders(c);
	if (np_cni_add_pools(c, cat, &in, &err) < 0)
		expect_told(&err);
	np_pool_input_done(&in);
	if (np_doc_is_present(c->prev_result) && !json_is_object(c->prev_result.json))
		return;
	if (np_cni_result(c, plan, &text, &err) == 0)
		expect_object(text);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum np_cni_command commands[] = { NP_CNI_ADD, NP_CNI_DEL, NP_CNI_GC };
	static struct np_catalogue *cat;
	enum np_cni_version version = NP_CNI_1_1_0;
	char *bytes = malloc(size + 1), *text = NULL;
	struct np_err err = NP_ERR_INIT;

	if (!bytes || (!cat && np_gpu_catalogue_new(&cat, &err) < 0))
		abort();
	if (size > 0)
		memcpy(bytes, data, size);
	bytes[size] = '\0';
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		struct np_cni_config c = { 0 };
		struct np_err why = NP_ERR_INIT;

		if (np_cni_config_parse(commands[i], bytes, size, "host", &c, &version, &why) < 0)
			try_error(version, &why);
		else
			try_config(&c, cat);
		np_cni_config_done(&c);
	}
	if (np_cni_version_answer(bytes, size, &text, &err) == 0)
		expect_object(text);
	free(text);
	free(bytes);
	return 0;
}
