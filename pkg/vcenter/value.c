/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <bsd/stdlib.h>
#include <bsd/string.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/err.h"

/* A value is an element. */
static const struct vcenter_node *node_of(const struct np_vcenter_val *v)
{
	const void *opaque = v;

	return opaque;
}

const struct np_vcenter_val *vcenter_val(const struct vcenter_node *n)
{
	const void *opaque = n;

	return opaque;
}

const struct np_vcenter_val *np_vcenter_val_member(const struct np_vcenter_val *v, const char *name)
{
	return vcenter_val(vcenter_child(node_of(v), name));
}

const struct np_vcenter_val *np_vcenter_val_first(const struct np_vcenter_val *v)
{
	return v ? vcenter_val(node_of(v)->child) : NULL;
}

const struct np_vcenter_val *np_vcenter_val_next(const struct np_vcenter_val *v)
{
	return v ? vcenter_val(vcenter_next(node_of(v))) : NULL;
}

const char *np_vcenter_val_type(const struct np_vcenter_val *v)
{
	return v ? node_of(v)->type : "";
}

const char *np_vcenter_val_text(const struct np_vcenter_val *v)
{
	return v ? node_of(v)->text : "";
}

const char *np_vcenter_val_member_text(const struct np_vcenter_val *v, const char *name)
{
	return np_vcenter_val_text(np_vcenter_val_member(v, name));
}

/* xsd:boolean has two spellings of each. */
bool np_vcenter_val_bool(const struct np_vcenter_val *v, bool *ret)
{
	const char *text = np_vcenter_val_text(v);
	bool is_true = strcmp(text, "true") == 0 || strcmp(text, "1") == 0;

	if (!is_true && strcmp(text, "false") != 0 && strcmp(text, "0") != 0)
		return false;
	*ret = is_true;
	return true;
}

/* strtonum() ignores blanks in front. */
bool np_vcenter_val_int(const struct np_vcenter_val *v, int64_t min, int64_t max, int64_t *ret)
{
	const char *text = np_vcenter_val_text(v), *wrong = NULL;
	long long value;

	if (!text[0] || strspn(text, "+-0123456789") != strlen(text))
		return false;
	value = strtonum(text, min, max, &wrong);
	if (wrong)
		return false;
	*ret = value;
	return true;
}

bool np_vcenter_val_pci_id(const struct np_vcenter_val *v, unsigned *ret)
{
	int64_t value;

	if (!np_vcenter_val_int(v, INT16_MIN, UINT16_MAX, &value))
		return false;
	*ret = (unsigned)value & 0xffff;
	return true;
}

/* A property declares its type by xsi:type and the object's by the attribute `type`. */
bool np_vcenter_val_ref(const struct np_vcenter_val *v, struct np_vcenter_ref *ret)
{
	struct np_vcenter_ref ref;

	if (!v || !node_of(v)->ref_type[0] || !node_of(v)->text[0])
		return false;
	if (strlcpy(ref.type, node_of(v)->ref_type, sizeof(ref.type)) >= sizeof(ref.type) ||
	    strlcpy(ref.id, node_of(v)->text, sizeof(ref.id)) >= sizeof(ref.id))
		return false;
	*ret = ref;
	return true;
}

bool np_vcenter_ref_equal(const struct np_vcenter_ref *a, const struct np_vcenter_ref *b)
{
	return strcmp(a->type, b->type) == 0 && strcmp(a->id, b->id) == 0;
}

/* --- objects ------------------------------------------------------------------------------------ */

/* Returns <propSet> or <missingSet> of that path. */
static const struct vcenter_node *find_set(const struct np_vcenter_object *o, const char *set,
					   const char *key, const char *path)
{
	const struct vcenter_node *n = vcenter_child(node_of(o->properties), set);

	for (; n; n = vcenter_next(n))
		if (strcmp(vcenter_child_text(n, key), path) == 0)
			return n;
	return NULL;
}

const struct np_vcenter_val *np_vcenter_object_get(const struct np_vcenter_object *o,
						   const char *path)
{
	const struct vcenter_node *val = vcenter_child(find_set(o, "propSet", "name", path), "val");

	return val && !val->is_nil ? vcenter_val(val) : NULL;
}

const char *np_vcenter_object_fault(const struct np_vcenter_object *o, const char *path)
{
	const struct vcenter_node *set = find_set(o, "missingSet", "path", path);
	const struct vcenter_node *fault = vcenter_child(vcenter_child(set, "fault"), "fault");

	return fault ? fault->type : "";
}
