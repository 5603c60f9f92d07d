/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/doc.h"
#include "nodeprep/json.h"
#include "nodeprep/vmclass.h"

#define EXTRA_CONFIG "/spec/configSpec/extraConfig"

enum { CLASS_COLUMNS = 7, POOL_COLUMNS = 8, CELL_MAX = 64, CELLS_MAX = 512 };

/* --- the tree ---------------------------------------------------------------------------------- */

static json_t *text_or_null(const char *text)
{
	return text && *text ? np_json_string(text) : json_null();
}

static int add_drift(json_t *list, const struct np_vmclass *c, const char *path)
{
	struct np_last_writer w = { "", "", "" };

	if (!np_vmclass_is_overwritten(c, path))
		return 0;
	np_vmclass_last_writer(c, path, &w);
	return json_array_append_new(list, json_pack("{s:s, s:o, s:o}", "path", path, "writer",
						     text_or_null(w.manager), "time",
						     text_or_null(w.time)));
}

/* The keys of a list are fields of their own. */
static int add_key_drifts(json_t *list, const struct np_vmclass *c, const json_t *set)
{
	const char *key;
	json_t *value;

	json_object_foreach (np_json_mut(set), key, value) {
		char path[256];

		snprintf(path, sizeof(path), EXTRA_CONFIG "/%s", key);
		if (add_drift(list, c, path) < 0)
			return -1;
	}
	return 0;
}

static json_t *drift_tree(const struct np_vmclass *c)
{
	const json_t *before = json_object_get(c->managed, "before");
	json_auto_t *list = json_array();
	const char *path;
	json_t *entry;

	json_object_foreach (np_json_mut(before), path, entry) {
		const json_t *set = json_object_get(entry, "set");
		bool is_list = strcmp(path, EXTRA_CONFIG) == 0 && json_is_object(set);

		if ((is_list ? add_key_drifts(list, c, set) : add_drift(list, c, path)) < 0)
			return NULL;
	}
	return json_incref(list);
}

static json_t *pools_tree(const json_t *record)
{
	const json_t *pools = json_object_get(record, "pools");
	json_auto_t *list = json_array();
	const char *id;
	json_t *entry;

	json_object_foreach (np_json_mut(pools), id, entry) {
		json_t *need = json_object_get(entry, "mmioGB");
		json_t *holders = json_object_get(entry, "holders");

		if (json_array_append_new(list, json_pack("{s:s, s:O, s:O}", "pool", id, "mmioGB",
							  need ? need : json_null(), "holders",
							  holders ? holders : json_null())) < 0)
			return NULL;
	}
	return json_incref(list);
}

static const json_t *meta_of(const json_t *object)
{
	return json_object_get(object, "metadata");
}

static const char *latest_time(const json_t *entries)
{
	const char *latest = "";
	const json_t *entry;
	size_t i;

	json_array_foreach (entries, i, entry)
		if (strcmp(np_json_member_text(entry, "time"), latest) > 0)
			latest = np_json_member_text(entry, "time");
	return latest;
}

static bool has_text(const json_t *list, const char *text)
{
	const json_t *item;
	size_t i;

	json_array_foreach (list, i, item)
		if (strcmp(json_string_value(item), text) == 0)
			return true;
	return false;
}

/* Returns the managers that wrote at that time, each once, and the entry of the last one. */
static json_t *managers_at(const json_t *entries, const char *time, const json_t **ret)
{
	json_auto_t *list = json_array();
	const json_t *entry;
	size_t i;

	json_array_foreach (entries, i, entry) {
		const char *manager = np_json_member_text(entry, "manager");

		if (strcmp(np_json_member_text(entry, "time"), time) != 0)
			continue;
		*ret = entry;
		if (*manager && !has_text(list, manager) &&
		    json_array_append_new(list, np_json_string(manager)) < 0)
			return NULL;
	}
	return json_incref(list);
}

/*
 * Tells whether the second of the class's creation saw nothing but the creation and nodeprep's patch, which came
 * after it: nodeprep creates no class, and a further change of the spec would have raised the generation.
 */
static bool is_ours_after_creation(const json_t *meta, const char *time, const json_t *managers)
{
	json_int_t generation = json_integer_value(json_object_get(meta, "generation"));

	return json_array_size(managers) == 2 && has_text(managers, NP_FIELD_MANAGER) &&
	       strcmp(np_json_member_text(meta, "creationTimestamp"), time) == 0 &&
	       (generation == 1 || generation == 2);
}

/*
 * The last writer of the object, which may be nodeprep. The API server records whole seconds: of several managers
 * that wrote in the last one, none is known to be the last.
 */
static json_t *writer_tree(const json_t *object)
{
	const json_t *meta = meta_of(object), *entries = json_object_get(meta, "managedFields");
	const json_t *entry = NULL;
	const char *time = latest_time(entries), *manager = NULL, *operation = NULL;
	json_auto_t *managers = managers_at(entries, time, &entry);

	if (!managers || !entry)
		return managers ? json_null() : NULL;
	if (is_ours_after_creation(meta, time, managers)) {
		json_array_clear(managers);
		if (json_array_append_new(managers, json_string(NP_FIELD_MANAGER)) < 0)
			return NULL;
		manager = NP_FIELD_MANAGER;
		operation = "Update";
	} else if (json_array_size(managers) < 2) {
		manager = np_json_member_text(entry, "manager");
		operation = np_json_member_text(entry, "operation");
	}
	return json_pack("{s:o, s:o, s:o, s:O}", "manager", text_or_null(manager), "operation",
			 text_or_null(operation), "time", text_or_null(time), "managers", managers);
}

static json_t *class_tree(const struct np_vmclass *c, const struct np_err *error)
{
	bool has_window = c && (c->current.has_size || !c->current.has_any);

	return json_pack("{s:o, s:o, s:o, s:o}", "mmioGB",
			 has_window ? json_integer((json_int_t)c->current.size_gb) : json_null(),
			 "pools", c ? pools_tree(c->managed) : json_array(), "drift",
			 c ? drift_tree(c) : json_array(), "error", np_json_err(error));
}

int np_check_status(const json_t *object, const struct np_catalogue *cat, json_t **ret,
		    struct np_err *err)
{
	NP_AUTO(np_doc_unrefp) struct np_doc *doc = NULL;
	NP_AUTO(np_vmclass_freep) struct np_vmclass *c = NULL;
	json_auto_t *tree = NULL;
	struct np_err why = NP_ERR_INIT;

	*ret = NULL;
	if (!json_object_get(json_object_get(json_object_get(object, "metadata"), "annotations"),
			     NP_MANAGED_ANNOTATION))
		return 0;
	if (np_doc_new_take("virtualmachineclass", np_json_ref(object), &doc, err) < 0)
		return np_err_ret(err);
	if (np_vmclass_read(doc, np_doc_root(doc), cat, &c, &why) < 0 && why.code == NP_E_NOMEM)
		return np_fail_nomem(err);
	if (c && c->record_error.code != NP_OK)
		why = c->record_error;
	tree = json_pack("{s:o, s:o, s:o}", "namespace",
			 text_or_null(np_json_meta_text(object, "namespace")), "name",
			 text_or_null(np_json_meta_text(object, "name")), "lastWriter",
			 writer_tree(object));
	if (!tree || json_object_update_new(tree, class_tree(c, &why)) < 0)
		return np_fail_nomem(err);
	*ret = np_take(tree);
	return 0;
}

/* --- tables ------------------------------------------------------------------------------------ */

/* Cells of rows, which own their texts. */
struct cells {
	size_t n;
	char **items;
};

static void cells_done(struct cells *c)
{
	for (size_t i = 0; i < c->n; i++)
		free(c->items[i]);
	free(c->items);
}

static int add_cell(struct cells *c, const char *text, struct np_err *err)
{
	char **items = reallocarray(c->items, c->n + 1, sizeof(*items));

	if (!items)
		return np_fail_nomem(err);
	c->items = items;
	items[c->n] = strdup(text && *text ? text : "-");
	return items[c->n] ? (int)(c->n++, 0) : np_fail_nomem(err);
}

static int add_cells(struct cells *c, const char *const texts[], size_t n, struct np_err *err)
{
	for (size_t i = 0; i < n; i++)
		if (add_cell(c, texts[i], err) < 0)
			return np_err_ret(err);
	return 0;
}

static const char *gigabytes(const json_t *value, char buf[static CELL_MAX])
{
	if (!json_is_integer(value))
		return "unknown";
	if (json_integer_value(value) == 0)
		return "none";
	snprintf(buf, CELL_MAX, "%" JSON_INTEGER_FORMAT " GB", json_integer_value(value));
	return buf;
}

/* Joins texts of a list, or a member of its objects, up to the buffer's end. */
static const char *join(const json_t *list, const char *member, const char *between,
			char buf[static CELLS_MAX])
{
	const json_t *item;
	size_t i, used = 0;

	buf[0] = '\0';
	json_array_foreach (list, i, item) {
		const char *text =
			member ? np_json_member_text(item, member) : json_string_value(item);
		int n = snprintf(buf + used, CELLS_MAX - used, "%s%s", used > 0 ? between : "",
				 text ? text : "");

		if (n < 0 || (size_t)n >= CELLS_MAX - used)
			break;
		used += (size_t)n;
	}
	return buf;
}

static const char *drift_word(const json_t *item, char buf[static CELL_MAX])
{
	size_t n = json_array_size(json_object_get(item, "drift"));

	if (!json_is_null(json_object_get(item, "error")))
		return "invalid";
	if (n == 0)
		return "none";
	snprintf(buf, CELL_MAX, "%zu field%s", n, n > 1 ? "s" : "");
	return buf;
}

static int add_class(struct cells *c, const json_t *item, struct np_err *err)
{
	const json_t *writer = json_object_get(item, "lastWriter");
	char window[CELL_MAX], drift[CELL_MAX], pools[CELLS_MAX], writers[CELLS_MAX];
	const char *const texts[CLASS_COLUMNS] = {
		np_json_member_text(item, "namespace"),
		np_json_member_text(item, "name"),
		gigabytes(json_object_get(item, "mmioGB"), window),
		join(json_object_get(item, "pools"), "pool", ",", pools),
		drift_word(item, drift),
		join(json_object_get(writer, "managers"), NULL, " or ", writers),
		np_json_member_text(writer, "time"),
	};

	return add_cells(c, texts, CLASS_COLUMNS, err);
}

/* With -o wide a row is a registration: of a pool, with its holders. */
static int add_registrations(struct cells *c, const json_t *item, struct np_err *err)
{
	const json_t *pools = json_object_get(item, "pools"), *pool;
	size_t i;

	json_array_foreach (pools, i, pool) {
		char window[CELL_MAX], need[CELL_MAX], drift[CELL_MAX], holders[CELLS_MAX],
			fields[CELLS_MAX];
		const char *const texts[POOL_COLUMNS] = {
			np_json_member_text(item, "namespace"),
			np_json_member_text(item, "name"),
			np_json_member_text(pool, "pool"),
			gigabytes(json_object_get(pool, "mmioGB"), need),
			join(json_object_get(pool, "holders"), NULL, ",", holders),
			gigabytes(json_object_get(item, "mmioGB"), window),
			drift_word(item, drift),
			join(json_object_get(item, "drift"), "path", ",", fields),
		};

		if (add_cells(c, texts, POOL_COLUMNS, err) < 0)
			return np_err_ret(err);
	}
	return 0;
}

int np_check_status_text(const json_t *items, bool is_wide, char **ret, struct np_err *err)
{
	static const char *const class_heads[CLASS_COLUMNS] = { "NAMESPACE", "CLASS", "WINDOW",
								"POOLS",     "DRIFT", "LAST WRITER",
								"WRITTEN" };
	static const char *const pool_heads[POOL_COLUMNS] = { "NAMESPACE",   "CLASS",   "POOL",
							      "POOL WINDOW", "HOLDERS", "WINDOW",
							      "DRIFT",       "FIELDS" };
	NP_AUTO(cells_done) struct cells c = { 0 };
	size_t columns = is_wide ? POOL_COLUMNS : CLASS_COLUMNS, i;
	const json_t *item;

	if (add_cells(&c, is_wide ? pool_heads : class_heads, columns, err) < 0)
		return np_err_ret(err);
	json_array_foreach (items, i, item)
		if ((is_wide ? add_registrations : add_class)(&c, item, err) < 0)
			return np_err_ret(err);
	return np_render_rows((const char *const *)c.items, columns, c.n / columns, ret, err);
}
