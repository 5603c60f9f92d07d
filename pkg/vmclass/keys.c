/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "nodeprep/doc.h"
#include "nodeprep/json.h"
#include "nodeprep/units.h"
#include "nodeprep/warnings.h"

#define VALUE_MAX 32

/* Returns an entry's key; "" where there is none that can be read. */
static const char *entry_key(const json_t *entry)
{
	const char *key = json_string_value(json_object_get(entry, "key"));

	return key ? key : "";
}

bool vmclass_key_is(const json_t *entry, enum np_vmx_key key)
{
	return np_vmx_key_of(entry_key(entry)) == key;
}

static bool is_canonical(const json_t *entry, enum np_vmx_key key)
{
	return strcmp(entry_key(entry), np_vmx_key_name(key)) == 0;
}

static bool is_ours(const json_t *entry)
{
	return np_vmx_key_of(entry_key(entry)) != NP_VMX_KEY_MAX;
}

/* Writes the value as VM Operator reads it: text, number and bool, wrapped or bare; else "". */
static void value_text(const json_t *value, char buf[static VALUE_MAX])
{
	if (json_is_object(value))
		value = json_object_get(value, "_value");
	if (json_is_string(value) && json_string_length(value) < VALUE_MAX)
		memcpy(buf, json_string_value(value), json_string_length(value) + 1);
	else if (json_is_integer(value))
		snprintf(buf, VALUE_MAX, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
	else if (json_is_boolean(value))
		snprintf(buf, VALUE_MAX, "%s", json_is_true(value) ? "true" : "false");
	else
		buf[0] = '\0';
}

static bool value_is(const json_t *entry, enum np_vmx_key key, const char *text)
{
	char buf[VALUE_MAX];

	value_text(json_object_get(entry, "value"), buf);
	return np_vmx_is_same(key, buf, text);
}

static bool is_option_value(const json_t *entry)
{
	return json_is_string(json_object_get(entry, "_typeName"));
}

static bool is_right(const json_t *entry, enum np_vmx_key key, const char *text)
{
	return is_canonical(entry, key) && is_option_value(entry) && value_is(entry, key, text);
}

static int fail_entry(struct np_val entry, size_t i, struct np_err *err)
{
	char path[64];

	snprintf(path, sizeof(path), "spec.configSpec.extraConfig[%zu]", i);
	return vmclass_fail_discriminator(entry, err, path);
}

static int check_entry(struct np_val entry, size_t i, struct np_warnings *warnings,
		       struct np_err *err)
{
	const char *key = "";
	enum np_vmx_name name;

	if (!np_doc_is_present(entry))
		return 0;
	if (np_doc_object(entry, err) < 0 || np_doc_string(np_doc_get(entry, "key"), &key, err) < 0)
		return np_err_ret(err);
	if (is_ours(entry.json))
		return 0;
	if (!is_option_value(entry.json))
		return fail_entry(entry, i, err);
	name = np_vmx_classify(key);
	if (name == NP_VMX_NAME_PEER)
		return np_warnings_add(
			warnings, err, NP_WARNING_P2P_KEYS,
			"extraConfig has '%.80s', which is kept: peer-to-peer traffic also "
			"needs GPUs behind one PCIe switch",
			key);
	if (name != NP_VMX_NAME_MISSPELT)
		return 0;
	return np_warnings_add(
		warnings, err, NP_WARNING_MISSPELT_KEY,
		"extraConfig has '%.80s', which ESXi ignores: the keys are '%s' and '%s'", key,
		NP_VMX_USE64_NAME, NP_VMX_SIZE_NAME);
}

static void add_current(struct np_vmx_current *current, const json_t *entry)
{
	char text[VALUE_MAX];

	value_text(json_object_get(entry, "value"), text);
	np_vmx_add(current, entry_key(entry), text);
}

struct np_vmx_current vmclass_keys_current(const json_t *list)
{
	struct np_vmx_current s = { 0 };
	const json_t *entry;
	size_t i;

	json_array_foreach (list, i, entry)
		add_current(&s, entry);
	return s;
}

int vmclass_keys_read(struct np_val extra_config, struct np_vmx_current *ret,
		      struct np_warnings *warnings, struct np_err *err)
{
	struct np_vmx_current s = { 0 };
	size_t n = np_doc_count(extra_config);

	if (np_doc_list(extra_config, err) < 0)
		return np_err_ret(err);
	for (size_t i = 0; i < n; i++) {
		struct np_val entry = np_doc_at(extra_config, i);

		if (check_entry(entry, i, warnings, err) < 0)
			return np_err_ret(err);
		add_current(&s, entry.json);
	}
	*ret = s;
	return 0;
}

int vmclass_keys_check(struct np_val extra_config, struct np_err *err)
{
	size_t n = np_doc_count(extra_config);

	for (size_t i = 0; i < n; i++) {
		struct np_val entry = np_doc_at(extra_config, i);

		if (!is_option_value(entry.json))
			return fail_entry(entry, i, err);
	}
	return 0;
}

/* Returns the place of the entry that stays: the first canonical one, else the first variant. */
static size_t place_of(struct np_val list, enum np_vmx_key key)
{
	size_t n = np_doc_count(list), first = SIZE_MAX;

	for (size_t i = 0; i < n; i++) {
		const json_t *entry = json_array_get(list.json, i);

		if (is_canonical(entry, key))
			return i;
		if (first == SIZE_MAX && vmclass_key_is(entry, key))
			first = i;
	}
	return first;
}

static size_t count_entries(struct np_val list, enum np_vmx_key key)
{
	size_t n = np_doc_count(list), found = 0;

	for (size_t i = 0; i < n; i++)
		found += vmclass_key_is(json_array_get(list.json, i), key);
	return found;
}

bool vmclass_key_is_right(struct np_val extra_config, enum np_vmx_key key, const char *text)
{
	size_t n = count_entries(extra_config, key);

	if (!text || n != 1)
		return !text && n == 0;
	return is_right(json_array_get(extra_config.json, place_of(extra_config, key)), key, text);
}

static json_t *make_entry(enum np_vmx_key key, const char *text)
{
	return json_pack("{s:s, s:s, s:{s:s, s:s}}", "_typeName", "OptionValue", "key",
			 np_vmx_key_name(key), "value", "_typeName", "string", "_value", text);
}

/* Appends what is at place `i` of the old list, unless it is one of ours that is removed. */
static int copy_entry(json_t *list, struct np_val old, size_t i, uint64_t gb)
{
	json_t *entry = json_array_get(old.json, i);
	enum np_vmx_key key = np_vmx_key_of(entry_key(entry));
	char buf[NP_VMX_TEXT_MAX];
	const char *text;

	if (key == NP_VMX_KEY_MAX)
		return json_array_append(list, entry);
	text = np_vmx_text(key, gb, buf);
	if (!text || place_of(old, key) != i)
		return 0;
	return is_right(entry, key, text) ? json_array_append(list, entry)
					  : json_array_append_new(list, make_entry(key, text));
}

json_t *vmclass_keys_rewrite(struct np_val extra_config, uint64_t gb)
{
	json_auto_t *list = json_array();
	size_t n = np_doc_count(extra_config);
	char buf[NP_VMX_TEXT_MAX];

	for (size_t i = 0; i < n; i++)
		if (copy_entry(list, extra_config, i, gb) < 0)
			return NULL;
	for (enum np_vmx_key key = 0; gb > 0 && key < NP_VMX_KEY_MAX; key++)
		if (count_entries(extra_config, key) == 0 &&
		    json_array_append_new(list, make_entry(key, np_vmx_text(key, gb, buf))) < 0)
			return NULL;
	return json_incref(list);
}

json_t *vmclass_key_entries(struct np_val extra_config, enum np_vmx_key key)
{
	json_auto_t *list = json_array();
	size_t n = np_doc_count(extra_config);

	for (size_t i = 0; i < n; i++) {
		json_t *entry = json_array_get(extra_config.json, i);

		if (vmclass_key_is(entry, key) &&
		    json_array_append_new(
			    list, json_pack("{s:I, s:O}", "at", (json_int_t)i, "entry", entry)) < 0)
			return NULL;
	}
	return json_incref(list);
}

/* Appends to the path at `used`; returns where it ends now, cut at the buffer's end. */
static size_t path_add(char *path, size_t size, size_t used, const char *key, size_t i)
{
	int n = key ? snprintf(path + used, size - used, ".%s", key)
		    : snprintf(path + used, size - used, "[%zu]", i);

	return n < 0 || (size_t)n >= size - used ? size - 1 : used + (size_t)n;
}

/* Tells whether a null stands in `value`, and leaves its path in `path`. */
static bool find_null(const json_t *value, char *path, size_t size, size_t used)
{
	json_t *open = np_json_mut(value);
	const char *key;
	json_t *child;
	size_t i;

	if (json_is_null(value))
		return true;
	json_array_foreach (open, i, child)
		if (find_null(child, path, size, path_add(path, size, used, NULL, i)))
			return true;
	json_object_foreach (open, key, child)
		if (find_null(child, path, size, path_add(path, size, used, key, 0)))
			return true;
	return false;
}

int vmclass_refuse_nulls(struct np_val list, const char *path, struct np_err *err)
{
	char at[512];
	int n = snprintf(at, sizeof(at), "%s", path);

	if (!np_doc_is_present(list) || !find_null(list.json, at, sizeof(at), (size_t)n))
		return 0;
	return np_doc_fail(list, err, NP_E_REFUSED,
			   "%s is null: a merge patch would lose that member when it rewrites the "
			   "list; remove the null first",
			   at);
}
