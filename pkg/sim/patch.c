/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <bsd/stdlib.h>
#include <string.h>

#include "nodeprep/json.h"

/* The server's library drops null members also from what stands in a list; null items stay. */
static json_t *without_nulls(json_t *j)
{
	json_auto_t *copy = NULL;
	json_t *value;
	const char *key;
	size_t i;

	if (!json_is_object(j) && !json_is_array(j))
		return json_deep_copy(j);
	copy = json_is_object(j) ? json_object() : json_array();
	json_array_foreach (j, i, value)
		if (json_array_append_new(copy, without_nulls(value)) < 0)
			return NULL;
	json_object_foreach (j, key, value)
		if (!json_is_null(value) &&
		    json_object_set_new(copy, key, without_nulls(value)) < 0)
			return NULL;
	return np_take(copy);
}

json_t *sim_merge_patch(json_t *target, json_t *patch)
{
	json_auto_t *merged = NULL;
	const char *key;
	json_t *value;

	if (!json_is_object(patch) || !json_is_object(target))
		return without_nulls(patch);
	merged = sim_copy_flat(target);
	if (!merged)
		return NULL;
	json_object_foreach (patch, key, value)
		if (json_is_null(value))
			json_object_del(merged, key);
		else if (json_object_set_new(merged, key,
					     sim_merge_patch(json_object_get(target, key), value)) <
			 0)
			return NULL;
	return np_take(merged);
}

/* --- RFC 6902 ------------------------------------------------------------------------------- */

/* Reads an index below `end`; "-" is the place behind the last. */
static bool read_index(const char *token, size_t n, size_t end, size_t *ret)
{
	const char *wrong = NULL;

	if (strcmp(token, "-") == 0 && end > n) {
		*ret = n;
		return true;
	}
	if (end == 0)
		return false;
	*ret = (size_t)strtonum(token, 0, (long long)end - 1, &wrong);
	return !wrong;
}

static json_t *child(json_t *parent, const char *token)
{
	size_t i;

	if (json_is_object(parent))
		return json_object_get(parent, token);
	if (json_is_array(parent) &&
	    read_index(token, json_array_size(parent), json_array_size(parent), &i))
		return json_array_get(parent, i);
	return NULL;
}

/* Walks to the parent of what the pointer names; *ret_last is the last token, in `pointer`. */
static json_t *find_parent(json_t *root, char *pointer, char **ret_last)
{
	char *rest = pointer, *token;

	if (*rest++ != '/')
		return NULL;
	while ((token = strsep(&rest, "/"))) {
		np_json_pointer_unescape(token);
		if (!rest) {
			*ret_last = token;
			return root;
		}
		root = child(root, token);
		if (!root)
			return NULL;
	}
	return NULL;
}

/* Each returns 1, 0 where it cannot be applied, -1 without memory. */
static int op_add(json_t *parent, const char *token, json_t *value)
{
	size_t i, n = json_array_size(parent);

	if (json_is_object(parent))
		return json_object_set(parent, token, value) < 0 ? -1 : 1;
	if (!json_is_array(parent) || !read_index(token, n, n + 1, &i))
		return 0;
	return json_array_insert(parent, i, value) < 0 ? -1 : 1;
}

static int op_remove(json_t *parent, const char *token, json_t *value)
{
	size_t i, n = json_array_size(parent);

	(void)value;
	if (json_is_object(parent))
		return json_object_del(parent, token) == 0;
	return json_is_array(parent) && read_index(token, n, n, &i) &&
	       json_array_remove(parent, i) == 0;
}

static int op_replace(json_t *parent, const char *token, json_t *value)
{
	size_t i, n = json_array_size(parent);

	if (json_is_object(parent) && json_object_get(parent, token))
		return json_object_set(parent, token, value) < 0 ? -1 : 1;
	return json_is_array(parent) && read_index(token, n, n, &i) &&
	       json_array_set(parent, i, value) == 0;
}

static int op_test(json_t *parent, const char *token, json_t *value)
{
	return json_equal(child(parent, token), value);
}

static int apply_op(json_t *root, const json_t *op)
{
	static const struct {
		const char *name;
		int (*run)(json_t *parent, const char *token, json_t *value);
		bool needs_value;
	} rows[] = {
		{ "add", op_add, true },
		{ "remove", op_remove, false },
		{ "replace", op_replace, true },
		{ "test", op_test, true },
	};
	const char *name = json_string_value(json_object_get(op, "op"));
	const char *path = json_string_value(json_object_get(op, "path"));
	NP_AUTO(np_freep) char *pointer = path ? strdup(path) : NULL;
	json_auto_t *value = json_deep_copy(json_object_get(op, "value"));
	char *last = NULL;
	json_t *parent = pointer ? find_parent(root, pointer, &last) : NULL;

	for (size_t i = 0; name && parent && i < sizeof(rows) / sizeof(rows[0]); i++)
		if (strcmp(rows[i].name, name) == 0)
			return rows[i].needs_value && !value ? 0 : rows[i].run(parent, last, value);
	return 0;
}

int sim_json_patch(json_t *target, json_t *ops, json_t **ret, struct np_err *err)
{
	json_auto_t *copy = json_deep_copy(target);
	json_t *op;
	size_t i;

	if (!copy)
		return np_fail_nomem(err);
	if (!json_is_array(ops))
		return 0;
	json_array_foreach (ops, i, op) {
		int done = apply_op(copy, op);

		if (done <= 0)
			return done < 0 ? np_fail_nomem(err) : 0;
	}
	*ret = np_take(copy);
	return 1;
}
