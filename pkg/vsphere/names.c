/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

#include "nodeprep/json.h"

int vsphere_copy(char **ret, const char *text, struct np_err *err)
{
	char *copy = strdup(text ? text : "");

	if (!copy)
		return np_fail_nomem(err);
	free(*ret);
	*ret = copy;
	return 0;
}

int vsphere_names_add(struct np_vsphere_names *names, const char *text, struct np_err *err)
{
	char **items = reallocarray(names->items, names->n + 1, sizeof(*items));

	if (!items)
		return np_fail_nomem(err);
	names->items = items;
	items[names->n] = strdup(text);
	if (!items[names->n])
		return np_fail_nomem(err);
	names->n++;
	return 0;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void vsphere_names_sort(struct np_vsphere_names *names)
{
	size_t kept = 0;

	if (names->n == 0)
		return;
	qsort(names->items, names->n, sizeof(*names->items), by_text);
	for (size_t i = 1; i < names->n; i++)
		if (strcmp(names->items[kept], names->items[i]) == 0)
			free(names->items[i]);
		else
			names->items[++kept] = names->items[i];
	names->n = kept + 1;
}

void vsphere_names_done(struct np_vsphere_names *names)
{
	for (size_t i = 0; i < names->n; i++)
		free(names->items[i]);
	free(names->items);
	*names = (struct np_vsphere_names){ 0 };
}

json_t *vsphere_names_tree(const struct np_vsphere_names *names)
{
	json_t *list = json_array();

	for (size_t i = 0; i < names->n; i++) {
		if (json_array_append_new(list, np_json_string(names->items[i])) < 0) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

json_t *vsphere_text_tree(const char *text)
{
	return text && text[0] != '\0' ? np_json_string(text) : json_null();
}

const struct np_vcenter_val *vsphere_list(const struct np_vcenter_object *o, const char *path)
{
	const struct np_vcenter_val *list = np_vcenter_object_get(o, path);

	return np_vcenter_val_text(list)[0] == '\0' ? list : NULL;
}

enum np_verdict vsphere_verdict(const struct np_vcenter_val *v)
{
	bool yes;

	if (!np_vcenter_val_bool(v, &yes))
		return NP_VERDICT_UNKNOWN;
	return yes ? NP_VERDICT_YES : NP_VERDICT_NO;
}

const char *vsphere_result(enum np_verdict v)
{
	if (v == NP_VERDICT_UNKNOWN)
		return "unknown";
	return v == NP_VERDICT_YES ? "pass" : "fail";
}

void vsphere_add_verdict(enum np_verdict *all, enum np_verdict one)
{
	if (one == NP_VERDICT_NO || (one == NP_VERDICT_UNKNOWN && *all == NP_VERDICT_YES))
		*all = one;
}
