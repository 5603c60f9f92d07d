/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "nodeprep/doc.h"
#include "nodeprep/json.h"
#include "nodeprep/units.h"

/*
 * Any client that may edit a class can write the record, so it is read as a message from the network: every
 * member has a type, a length and a range, and `before` names only what change.c sets. What passes
 * here can be restored without looking at it again; whether it may be is revert.c's question.
 */

#define DEPTH_MAX 32
#define HOLDERS_MAX 4096
#define ENTRIES_MAX 256
#define HOLDER_LENGTH_MAX 1024
#define QUANTITY_LENGTH_MAX 64
#define VALUE_LENGTH_MAX 128
#define TYPE_LENGTH_MAX 64
#define PLACE_MAX 65535
#define QUOTED 80

/* Reports what is wrong with the record. */
__attribute__((format(printf, 2, 3))) static int reject(struct np_err *err, const char *fmt, ...)
{
	char why[480];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	return np_fail(err, NP_E_RECORD, "%s", why);
}

/* Names the annotation as what is wrong, and the two ways out. */
static int reject_annotation(const struct np_err *why, struct np_err *err)
{
	if (why->code != NP_E_RECORD) {
		*err = *why;
		return np_err_ret(err);
	}
	return np_fail(err, NP_E_RECORD,
		       "annotation '%s' is not a valid record: %s; restore it, or remove it with "
		       "'nodeprep revert --discard-record'",
		       NP_MANAGED_ANNOTATION, why->text);
}

static int reject_entry(struct np_err *err, const char *path, const char *what)
{
	return reject(err, "before.'%.*s': %s", QUOTED, path, what);
}

/* --- texts ----------------------------------------------------------------------------------- */

/* Tells whether a character that hides or reorders text begins at `s` (C1, bidirectional marks). */
static bool is_deceptive(const unsigned char *s)
{
	if (s[0] == 0xc2)
		return s[1] >= 0x80 && s[1] <= 0x9f;
	if (s[0] != 0xe2)
		return false;
	return (s[1] == 0x80 && (s[2] == 0x8e || s[2] == 0x8f || (s[2] >= 0xa8 && s[2] <= 0xae))) ||
	       (s[1] == 0x81 && s[2] >= 0xa6 && s[2] <= 0xa9);
}

/* Tells whether the text has 1 to `most` bytes and no control characters. */
static bool is_plain(const char *text, size_t most)
{
	const unsigned char *s = (const unsigned char *)text;

	if (!text || text[0] == '\0' || strlen(text) > most)
		return false;
	for (; *s != '\0'; s++)
		if (*s < 0x20 || *s == 0x7f || is_deceptive(s))
			return false;
	return true;
}

static bool is_plain_text(const json_t *value, size_t most)
{
	return is_plain(json_string_value(value), most);
}

static bool is_text(const json_t *value, const char *text)
{
	const char *s = json_string_value(value);

	return s && strcmp(s, text) == 0;
}

/* Tells whether the id has two to four names with slashes between them. */
static bool is_pool_id(const char *id)
{
	size_t names = 1;

	for (const char *s = id; *s != '\0'; s++) {
		if (*s != '/')
			continue;
		if (s == id || s[1] == '/' || s[1] == '\0')
			return false;
		names++;
	}
	return names >= 2 && names <= 4;
}

/* --- shapes ---------------------------------------------------------------------------------- */

/* Tells whether the object's members are all among the names. */
static bool has_only(const json_t *object, const char *const *names, size_t n)
{
	const char *key;
	json_t *value;

	if (!json_is_object(object))
		return false;
	json_object_foreach (np_json_mut(object), key, value) {
		size_t i = 0;

		while (i < n && strcmp(names[i], key) != 0)
			i++;
		if (i == n)
			return false;
	}
	return true;
}

#define HAS_ONLY(object, ...)                                  \
	has_only(object, (const char *const[]){ __VA_ARGS__ }, \
		 sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(const char *))

static bool is_deeper(const json_t *value, unsigned depth)
{
	json_t *open = np_json_mut(value), *child;
	const char *key;
	size_t i;

	if (depth == 0)
		return json_is_array(value) || json_is_object(value);
	json_array_foreach (open, i, child)
		if (is_deeper(child, depth - 1))
			return true;
	json_object_foreach (open, key, child)
		if (is_deeper(child, depth - 1))
			return true;
	return false;
}

/* --- pools ----------------------------------------------------------------------------------- */

static bool is_need(const json_t *need)
{
	json_int_t gb = json_integer_value(need);

	if (json_is_null(need))
		return true;
	return json_is_integer(need) && gb >= 0 && (uint64_t)gb <= NP_WINDOW_GB_MAX &&
	       (gb == 0 || np_is_pow2((uint64_t)gb));
}

static int check_holders(const char *id, const json_t *holders, struct np_err *err)
{
	json_auto_t *seen = json_object();
	size_t n = json_array_size(holders);

	if (n == 0 || n > HOLDERS_MAX)
		return reject(err, "pools.'%.*s'.holders must be a list of 1 to %d texts", QUOTED,
			      id, HOLDERS_MAX);
	for (size_t i = 0; i < n; i++) {
		const json_t *holder = json_array_get(holders, i);

		if (!is_plain_text(holder, HOLDER_LENGTH_MAX))
			return reject(err,
				      "pools.'%.*s'.holders[%zu] must be a text of 1 to %d bytes "
				      "without control characters",
				      QUOTED, id, i, HOLDER_LENGTH_MAX);
		if (json_object_get(seen, json_string_value(holder)))
			return reject(err, "pools.'%.*s'.holders names '%.*s' twice", QUOTED, id,
				      QUOTED, json_string_value(holder));
		if (json_object_set_new(seen, json_string_value(holder), json_true()) < 0)
			return np_fail_nomem(err);
	}
	return 0;
}

static int check_pool(const char *id, const json_t *pool, struct np_err *err)
{
	if (!is_plain(id, NP_POOL_ID_MAX - 1) || !is_pool_id(id))
		return reject(err,
			      "pools.'%.*s' is not a pool id: expected two to four names with "
			      "slashes between them, at most %d bytes",
			      QUOTED, id, NP_POOL_ID_MAX - 1);
	if (!HAS_ONLY(pool, "mmioGB", "holders"))
		return reject(err, "pools.'%.*s' must have mmioGB and holders alone", QUOTED, id);
	if (!is_need(json_object_get(pool, "mmioGB")))
		return reject(err, "pools.'%.*s'.mmioGB must be null, 0 or a power of two up to %d",
			      QUOTED, id, (int)NP_WINDOW_GB_MAX);
	return check_holders(id, json_object_get(pool, "holders"), err);
}

static int check_pools(const json_t *pools, struct np_err *err)
{
	const char *id;
	json_t *pool;

	if (!json_is_object(pools) || json_object_size(pools) > VMCLASS_POOLS_MAX)
		return reject(err, "pools must be an object of at most %d members",
			      VMCLASS_POOLS_MAX);
	json_object_foreach (np_json_mut(pools), id, pool)
		if (check_pool(id, pool, err) < 0)
			return np_err_ret(err);
	return 0;
}

/* --- before: what each field may have had ---------------------------------------------------- */

/* Tells whether `absent` is the path, or a field above it that nodeprep may have had to create. */
static bool is_legal_absent(const json_t *absent, const char *path, const char *deepest)
{
	const char *text = json_string_value(absent);
	size_t n = json_string_length(absent);

	if (!text || n < strlen("/spec") || n > strlen(deepest) || strncmp(path, text, n) != 0)
		return false;
	return path[n] == '\0' || path[n] == '/';
}

static int check_absent(const char *path, const char *deepest, const json_t *entry,
			struct np_err *err)
{
	return is_legal_absent(json_object_get(entry, "absent"), path, deepest)
		       ? 0
		       : reject_entry(err, path, "absent is not a field that nodeprep creates");
}

/* Checks the members of an entry that has one of absent and value beside set. */
static int check_members(const char *path, const json_t *entry, struct np_err *err)
{
	bool is_absent = !!json_object_get(entry, "absent");

	if (json_object_size(entry) != 2 || !json_object_get(entry, "set") ||
	    (!is_absent && !json_object_get(entry, "value")))
		return reject_entry(err, path, "must have set, and one of absent and value");
	return is_absent ? check_absent(path, path, entry, err) : 0;
}

static int check_firmware(const char *path, const json_t *entry, struct np_err *err)
{
	static const char *const kinds[] = { "", "bios", "csm", "efi" };
	const char *value = json_string_value(json_object_get(entry, "value"));

	if (check_members(path, entry, err) < 0)
		return np_err_ret(err);
	if (!is_text(json_object_get(entry, "set"), "efi"))
		return reject_entry(err, path, "set must be 'efi'");
	if (json_object_get(entry, "absent"))
		return 0;
	for (size_t i = 0; value && i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcasecmp(value, kinds[i]) == 0)
			return 0;
	return reject_entry(err, path, "value must be 'bios', 'csm' or 'efi'");
}

static int check_locked(const char *path, const json_t *entry, struct np_err *err)
{
	if (check_members(path, entry, err) < 0)
		return np_err_ret(err);
	if (!json_is_true(json_object_get(entry, "set")))
		return reject_entry(err, path, "set must be true");
	if (!json_object_get(entry, "absent") && !json_is_boolean(json_object_get(entry, "value")))
		return reject_entry(err, path, "value must be true or false");
	return 0;
}

/* nodeprep names the type only where it creates the configSpec. */
static int check_type_name(const char *path, const json_t *entry, struct np_err *err)
{
	if (json_object_size(entry) != 2 || !json_object_get(entry, "absent") ||
	    !is_text(json_object_get(entry, "set"), VMCLASS_CONFIG_SPEC_TYPE))
		return reject_entry(err, path,
				    "must have absent, and set '" VMCLASS_CONFIG_SPEC_TYPE "'");
	return check_absent(path, VMCLASS_CONFIG_SPEC, entry, err);
}

/* Reads a quantity; 0 where the value is none. */
static int read_quantity(const json_t *value, uint64_t *ret_bytes, struct np_err *err)
{
	int got;

	if (json_is_string(value) && !is_plain_text(value, QUANTITY_LENGTH_MAX))
		return 0;
	got = vmclass_quantity_of(value, ret_bytes);
	return got < 0 ? np_fail_nomem(err) : got;
}

/* nodeprep sets the request to the memory, and a request above the memory is never restored. */
static int check_request(const char *path, const json_t *entry, struct np_err *err)
{
	const json_t *set = json_object_get(entry, "set"), *value = json_object_get(entry, "value");
	uint64_t most = 0, bytes = 0;
	int got;

	if (check_members(path, entry, err) < 0)
		return np_err_ret(err);
	got = json_is_string(set) ? read_quantity(set, &most, err) : 0;
	if (got <= 0)
		return got < 0 ? got : reject_entry(err, path, "set must be a quantity");
	if (!value)
		return 0;
	got = read_quantity(value, &bytes, err);
	if (got < 0)
		return got;
	return got > 0 && bytes <= most
		       ? 0
		       : reject_entry(err, path, "value must be a quantity, at most that of set");
}

/* Tells whether an extraConfig value is a scalar that a window key may have had. */
static bool is_scalar(const json_t *value)
{
	if (json_is_string(value))
		return json_string_length(value) == 0 || is_plain_text(value, VALUE_LENGTH_MAX);
	return json_is_boolean(value) || json_is_integer(value) || json_is_real(value);
}

static bool is_option_value(const json_t *entry)
{
	const json_t *type = json_object_get(entry, "_typeName");
	const json_t *value = json_object_get(entry, "value");
	const json_t *inner = json_object_get(value, "_typeName");

	if (!HAS_ONLY(entry, "_typeName", "key", "value") ||
	    (type && !is_text(type, "OptionValue")))
		return false;
	if (!json_is_object(value))
		return !value || is_scalar(value);
	return HAS_ONLY(value, "_typeName", "_value") &&
	       (!inner || is_plain_text(inner, TYPE_LENGTH_MAX)) &&
	       (json_object_size(value) == !!inner || is_scalar(json_object_get(value, "_value")));
}

static bool is_entry_item(const json_t *item)
{
	const json_t *at = json_object_get(item, "at"), *entry = json_object_get(item, "entry");

	return json_object_size(item) == 2 && json_is_integer(at) && json_integer_value(at) >= 0 &&
	       json_integer_value(at) <= PLACE_MAX && is_option_value(entry) &&
	       (vmclass_key_is(entry, NP_VMX_USE64) || vmclass_key_is(entry, NP_VMX_SIZE));
}

static bool is_entries(const json_t *entries)
{
	size_t n = json_array_size(entries);

	if (!json_is_array(entries) || n > ENTRIES_MAX)
		return false;
	for (size_t i = 0; i < n; i++)
		if (!is_entry_item(json_array_get(entries, i)))
			return false;
	return true;
}

/* Tells whether the text is a window that nodeprep may have kept: a power of two, in decimal. */
static bool is_window_text(const json_t *size)
{
	struct np_err ignored = NP_ERR_INIT;
	uint64_t gb;

	return is_plain_text(size, 20) &&
	       np_u64_parse(json_string_value(size), 1, VMCLASS_STANDING_GB_MAX, &gb, &ignored) >=
		       0 &&
	       np_is_pow2(gb);
}

static bool is_keys_set(const json_t *set)
{
	const json_t *use64 = json_object_get(set, NP_VMX_USE64_NAME);
	const json_t *size = json_object_get(set, NP_VMX_SIZE_NAME);

	if (json_object_size(set) != 2)
		return false;
	return json_is_null(use64) ? json_is_null(size)
				   : is_text(use64, "TRUE") && is_window_text(size);
}

static int check_extra_config(const char *path, const json_t *entry, struct np_err *err)
{
	const json_t *entries = json_object_get(entry, "entries");
	bool is_absent = !!json_object_get(entry, "absent");

	if (!HAS_ONLY(entry, "set", "absent", "entries") || (!is_absent && !entries))
		return reject_entry(err, path, "must have set, and absent or entries");
	if (!is_keys_set(json_object_get(entry, "set")))
		return reject_entry(err, path, "set must hold the two window keys");
	if (entries && !is_entries(entries))
		return reject_entry(err, path,
				    "entries must be {at, entry} of the window keys, each entry an "
				    "OptionValue");
	return is_absent ? check_absent(path, path, entry, err) : 0;
}

/* Tells whether the list holds entries of deviceChange as VM Operator can decode them. */
static bool is_device_list(const json_t *list)
{
	json_t *item;
	size_t i;

	if (!json_is_array(list) || json_array_size(list) > VMCLASS_DEVICES_MAX)
		return false;
	json_array_foreach (list, i, item)
		if (!is_plain_text(json_object_get(item, "_typeName"), TYPE_LENGTH_MAX))
			return false;
	return true;
}

static int check_device_change(const char *path, const json_t *entry, struct np_err *err)
{
	const json_t *set = json_object_get(entry, "set"), *value = json_object_get(entry, "value");
	size_t n = json_array_size(set);

	if (check_members(path, entry, err) < 0)
		return np_err_ret(err);
	if (value && !is_device_list(value))
		return reject_entry(err, path, "value must be a list of devices");
	if (n == 0 || n > VMCLASS_DEVICES_MAX)
		return reject_entry(err, path, "set must be a list of devices");
	for (size_t i = 0; i < n; i++) {
		int is_ours = vmclass_device_is_carried(json_array_get(set, i),
							json_array_size(value) + i);

		if (is_ours < 0)
			return np_fail_nomem(err);
		if (!is_ours)
			return reject_entry(err, path,
					    "set must hold devices as nodeprep attaches them");
	}
	return 0;
}

/* Every field that change.c sets; nothing else is ever restored. */
static const struct record_field {
	const char *path;
	int (*check)(const char *path, const json_t *entry, struct np_err *err);
} record_fields[] = {
	{ VMCLASS_CONFIG_SPEC "/_typeName", check_type_name },
	{ VMCLASS_DEVICE_CHANGE, check_device_change },
	{ VMCLASS_EXTRA_CONFIG, check_extra_config },
	{ VMCLASS_FIRMWARE, check_firmware },
	{ VMCLASS_MEMORY_LOCKED, check_locked },
	{ VMCLASS_MEMORY_REQUEST, check_request },
};

static int check_field(const char *path, const json_t *entry, struct np_err *err)
{
	for (size_t i = 0; i < sizeof(record_fields) / sizeof(record_fields[0]); i++) {
		if (strcmp(record_fields[i].path, path) != 0)
			continue;
		return json_is_object(entry) ? record_fields[i].check(path, entry, err)
					     : reject_entry(err, path, "must be an object");
	}
	return reject_entry(err, path, "is not a field that nodeprep sets");
}

static int check_before(const json_t *before, struct np_err *err)
{
	const char *path;
	json_t *entry;

	if (!json_is_object(before))
		return reject(err, "before must be an object");
	json_object_foreach (np_json_mut(before), path, entry)
		if (check_field(path, entry, err) < 0)
			return np_err_ret(err);
	return 0;
}

/* --- the record ------------------------------------------------------------------------------ */

int np_vmclass_record_validate(const json_t *record, struct np_err *err)
{
	if (!HAS_ONLY(record, "pools", "before"))
		return reject(err, "it must be an object with pools and before alone");
	if (is_deeper(record, DEPTH_MAX))
		return reject(err, "it is nested more than %d levels deep", DEPTH_MAX);
	if (check_pools(json_object_get(record, "pools"), err) < 0)
		return np_err_ret(err);
	return check_before(json_object_get(record, "before"), err);
}

int vmclass_record_check(const json_t *record, struct np_err *err)
{
	struct np_err why = NP_ERR_INIT;

	return np_vmclass_record_validate(record, &why) < 0 ? reject_annotation(&why, err) : 0;
}

static int parse(const char *text, size_t size, json_t **ret, struct np_err *err)
{
	json_auto_t *record = NULL;
	json_error_t why;

	if (size > NP_MANAGED_MAX)
		return reject(err, "it has %zu bytes, at most %d", size, (int)NP_MANAGED_MAX);
	record = json_loadb(text, size, JSON_REJECT_DUPLICATES, &why);
	/* jansson has a text for what is wrong with the JSON, none for running out of memory. */
	if (!record && why.text[0] == '\0')
		return np_fail_nomem(err);
	if (!record)
		return reject(err, "%.*s at byte %d", QUOTED, why.text, why.position);
	if (np_vmclass_record_validate(record, err) < 0)
		return np_err_ret(err);
	*ret = json_incref(record);
	return 0;
}

int np_vmclass_record_parse(const char *text, size_t size, json_t **ret, struct np_err *err)
{
	struct np_err why = NP_ERR_INIT;

	return parse(text, size, ret, &why) < 0 ? reject_annotation(&why, err) : 0;
}

int np_vmclass_record_read(const json_t *object, json_t **ret, struct np_err *err)
{
	const json_t *metadata = json_object_get(object, "metadata");
	const json_t *annotations = json_object_get(metadata, "annotations");
	const json_t *text = json_object_get(annotations, NP_MANAGED_ANNOTATION);
	const char *invalid = json_string_value(json_object_get(object, VMCLASS_RECORD_ERROR));
	static const struct np_err no_text = { NP_E_RECORD, "it must be a text" };

	if (!text || json_is_null(text))
		return 0;
	if (invalid)
		return np_fail(err, NP_E_RECORD, "%s", invalid);
	if (!json_is_string(text))
		return reject_annotation(&no_text, err);
	if (np_vmclass_record_parse(json_string_value(text), json_string_length(text), ret, err) <
	    0)
		return np_err_ret(err);
	return 1;
}

bool np_vmclass_record_each(const json_t *record, np_record_fn *fn, void *ctx)
{
	const char *id;
	json_t *pool, *holder;
	size_t i;

	json_object_foreach (json_object_get(record, "pools"), id, pool) {
		json_array_foreach (json_object_get(pool, "holders"), i, holder)
			if (!fn(ctx, id, json_string_value(holder)))
				return false;
	}
	return true;
}

bool np_vmclass_record_is_held(const json_t *record, const char *id, const char *holder)
{
	const json_t *pool = json_object_get(json_object_get(record, "pools"), id);
	json_t *item;
	size_t i;

	json_array_foreach (json_object_get(pool, "holders"), i, item)
		if (is_text(item, holder))
			return true;
	return false;
}

const char *np_vmclass_record_follower(const json_t *record, const char *id)
{
	const json_t *pool = json_object_get(json_object_get(record, "pools"), id);
	json_t *item;
	size_t i;

	json_array_foreach (json_object_get(pool, "holders"), i, item) {
		const char *holder = json_string_value(item);

		if (strcmp(holder, "controller") == 0 || strncmp(holder, "hook/", 5) == 0)
			return holder;
	}
	return NULL;
}

bool np_vmclass_record_has_changes(const json_t *record)
{
	return json_object_size(json_object_get(record, "before")) > 0;
}

bool np_vmclass_record_same_pools(const json_t *a, const json_t *b)
{
	return json_equal(json_object_get(a, "pools"), json_object_get(b, "pools"));
}
