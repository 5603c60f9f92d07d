/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <string.h>

#include "nodeprep/pool.h"
#include "nodeprep/units.h"
#include "nodeprep/warnings.h"

/* Reads a quantity, which YAML may have made a number. *ret_text is the caller's. */
int vmclass_quantity_read(struct np_val n, char **ret_text, uint64_t *ret_bytes, struct np_err *err)
{
	struct np_err why = NP_ERR_INIT;
	NP_AUTO(np_freep) char *text = NULL;
	uint64_t bytes;

	if (!np_doc_is_present(n))
		return 0;
	if (json_is_string(n.json))
		text = strdup(json_string_value(n.json));
	else if (json_is_number(n.json))
		text = json_dumps(n.json, JSON_ENCODE_ANY);
	else
		return np_doc_fail(n, err, NP_E_SPEC,
				   "'%s' is not a quantity: expected a size such as 64Gi", n.key);
	if (!text)
		return np_fail_nomem(err);
	if (np_quantity_parse(text, &bytes, &why) < 0)
		return np_doc_fail(n, err, NP_E_SPEC, "'%s': %s", n.key, why.text);
	*ret_text = np_take(text);
	*ret_bytes = bytes;
	return 1;
}
