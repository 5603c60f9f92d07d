/* SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/err.h"
#include "nodeprep/vmclass.h"

/*
 * allow_fuzz - a free list of allowed namespaces. Only one that has "*" or the namespace between its commas
 * allows it, and every refusal has a text without control characters.
 */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fuzz_require(bool holds)
{
	if (!holds)
		abort();
}

/* Tells whether the text stands between commas and blanks. */
static bool fuzz_names(const char *list, const char *text)
{
	size_t n = strlen(text);

	for (const char *at = list; (at = strstr(at, text)); at++)
		if ((at == list || strchr(", \t\r\n", at[-1])) &&
		    (at[n] == '\0' || strchr(", \t\r\n", at[n])))
			return true;
	return false;
}

static void fuzz_check_text(const struct np_err *why)
{
	fuzz_require(why->code == NP_E_NOT_ALLOWED && why->text[0] != '\0');
	for (const char *c = why->text; *c; c++)
		fuzz_require((unsigned char)*c >= 0x20 && *c != 0x7f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct np_vmclass_scope scope = { NULL, "gpu" };
	json_t *list = json_stringn((const char *)data, size);
	json_auto_t *object = NULL;
	struct np_err why = NP_ERR_INIT;

	if (!list)
		return 0;
	object = json_pack("{s:{s:{s:O}}}", "metadata", "annotations", NP_ALLOWED_ANNOTATION, list);
	if (np_vmclass_allows(object, &scope, "team-a", &why))
		fuzz_require(fuzz_names(json_string_value(list), "*") ||
			     fuzz_names(json_string_value(list), "team-a"));
	else
		fuzz_check_text(&why);
	json_decref(list);
	return 0;
}
