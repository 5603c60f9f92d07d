/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/json.h"

#define API_VERSION "nodeprep.dev/v1alpha1"
#define KIND "ClassRecord"

/* No VM comes near it. */
#define MEMORY_MB_MAX ((json_int_t)1 << 32)

static const char *const members[] = { "apiVersion", "class",  "kind",   "memoryMB",
				       "next",       "record", "vcenter" };

void sync_record_done(struct sync_record *r)
{
	json_decref(r->current);
	json_decref(r->next);
	free(r->invalid);
	*r = (struct sync_record){ 0 };
}

/* --- reading --------------------------------------------------------------------------------- */

static int reject(struct np_err *err, const char *what)
{
	return np_fail(err, NP_E_RECORD, "%s", what);
}

static bool is_text(const json_t *object, const char *key, const char *text)
{
	const char *value = json_string_value(json_object_get(object, key));

	return value && strcmp(value, text) == 0;
}

static bool has_only_members(const json_t *object)
{
	const char *key;
	json_t *value;

	json_object_foreach (np_json_mut(object), key, value) {
		size_t i = 0, n = sizeof(members) / sizeof(members[0]);

		while (i < n && strcmp(members[i], key) != 0)
			i++;
		if (i == n)
			return false;
	}
	return true;
}

/* Reads a member that is a record or null. */
static int read_member(const json_t *object, const char *key, json_t **ret, struct np_err *err)
{
	json_t *record = json_object_get(object, key);

	if (!record || json_is_null(record))
		return 0;
	if (np_vmclass_record_validate(record, err) < 0)
		return np_err_ret(err);
	*ret = json_incref(record);
	return 0;
}

static int read_tree(const struct np_class_store *s, const char *name, const json_t *object,
		     struct sync_record *ret, struct np_err *err)
{
	const json_t *memory = json_object_get(object, "memoryMB");

	if (!json_is_object(object) || !has_only_members(object))
		return reject(err, "it must be an object with apiVersion, kind, vcenter, class, "
				   "memoryMB, record and next alone");
	if (!is_text(object, "apiVersion", API_VERSION) || !is_text(object, "kind", KIND))
		return reject(err, "it is not a " KIND " of " API_VERSION);
	if (!is_text(object, "vcenter", s->group) || !is_text(object, "class", name))
		return reject(err, "it is of another vCenter or class");
	if (!json_is_integer(memory) || json_integer_value(memory) < 0 ||
	    json_integer_value(memory) > MEMORY_MB_MAX)
		return reject(err, "memoryMB must be a whole number");
	ret->memory_mb = (uint64_t)json_integer_value(memory);
	ret->pending = !!json_object_get(object, "next");
	if (read_member(object, "record", &ret->current, err) < 0 ||
	    read_member(object, "next", &ret->next, err) < 0)
		return np_err_ret(err);
	return 0;
}

static int parse(const struct np_class_store *s, const char *name, const char *text, size_t size,
		 struct sync_record *ret, struct np_err *err)
{
	json_error_t why;
	json_auto_t *object = json_loadb(text, size, JSON_REJECT_DUPLICATES, &why);

	if (object)
		return read_tree(s, name, object, ret, err);
	/* jansson has a text for what is wrong with the JSON, none for running out of memory. */
	if (why.text[0] == '\0')
		return np_fail_nomem(err);
	return np_fail(err, NP_E_RECORD, "line %d, column %d: %s", why.line, why.column, why.text);
}

/* Keeps what is wrong with the entry, for those who go on without it. */
static int keep_invalid(const struct np_class_store *s, const char *name, struct sync_record *r,
			const struct np_err *why, struct np_err *err)
{
	char path[NP_STATE_PATH_MAX];
	int n;

	sync_record_done(r);
	r->exists = true;
	if (why->code == NP_E_NOMEM)
		return np_fail_nomem(err);
	np_state_path(s->state, s->group, name, path);
	n = asprintf(&r->invalid,
		     "'%s' is not a valid record of VM class '%s': %s; restore it, or remove it "
		     "with 'nodeprep revert --discard-record'",
		     path, name, why->text);
	if (n >= 0)
		return 0;
	r->invalid = NULL;
	return np_fail_nomem(err);
}

int sync_record_read(const struct np_class_store *s, const char *name, struct sync_record *ret,
		     struct np_err *err)
{
	NP_AUTO(sync_record_done) struct sync_record r = { 0 };
	NP_AUTO(np_freep) char *text = NULL;
	struct np_err why = NP_ERR_INIT;
	size_t size;
	int got = np_state_read(s->state, s->group, name, &text, &size, err);

	if (got < 0)
		return got;
	r.exists = got > 0;
	if (got > 0 && parse(s, name, text, size, &r, &why) < 0 &&
	    keep_invalid(s, name, &r, &why, err) < 0)
		return np_err_ret(err);
	*ret = r;
	r = (struct sync_record){ 0 };
	return 0;
}

/* --- writing --------------------------------------------------------------------------------- */

static json_t *record_or_null(const json_t *record)
{
	return record ? np_json_ref(record) : json_null();
}

int sync_record_write(const struct np_class_store *s, struct np_state_lock *lock, const char *name,
		      const struct sync_record *r, struct np_err *err)
{
	json_auto_t *object = NULL;
	NP_AUTO(np_freep) char *text = NULL;

	if (!r->current && !r->pending)
		return np_state_remove(lock, err);
	object = json_pack("{s:s, s:s, s:s, s:s, s:I, s:o}", "apiVersion", API_VERSION, "kind",
			   KIND, "vcenter", s->group, "class", name, "memoryMB",
			   (json_int_t)r->memory_mb, "record", record_or_null(r->current));
	if (!object ||
	    (r->pending && json_object_set_new(object, "next", record_or_null(r->next)) < 0))
		return np_fail_nomem(err);
	text = np_json_text(object, JSON_INDENT(2) | JSON_SORT_KEYS);
	return text ? np_state_write(lock, text, strlen(text), err) : np_fail_nomem(err);
}
