/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "nodeprep/warnings.h"

const char *render_cell_number(bool known, uint64_t value, char buf[static CELL_TEXT_MAX])
{
	if (!known)
		return "unknown";
	snprintf(buf, CELL_TEXT_MAX, "%" PRIu64, value);
	return buf;
}

const char *render_cell_gigabytes(bool known, uint64_t gb, char buf[static CELL_TEXT_MAX])
{
	if (!known)
		return "unknown";
	if (gb == 0)
		return "none";
	snprintf(buf, CELL_TEXT_MAX, "%" PRIu64 " GB", gb);
	return buf;
}

const char *render_cell_or_dash(const char *text)
{
	return text && text[0] != '\0' ? text : "-";
}

/* Names the pools, up to three of them. */
void render_cell_pools(const struct np_plan *plan, const size_t *pools, size_t n, char *buf,
		       size_t size)
{
	size_t used = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < n && i < 3 && used < size; i++) {
		int more = snprintf(buf + used, size - used, "%s%s", i > 0 ? "," : "",
				    plan->pools[pools[i]].pool->name);

		used += more > 0 ? (size_t)more : 0;
	}
	if (n > 3 && used < size)
		snprintf(buf + used, size - used, " and %zu more", n - 3);
}

/* A value as one short word: lists and objects by their size alone. */
static void value_text(const json_t *value, char *buf, size_t size)
{
	if (!value)
		snprintf(buf, size, "absent");
	else if (json_is_string(value) && json_string_length(value) <= 48)
		snprintf(buf, size, "%s", json_string_value(value));
	else if (json_is_string(value))
		snprintf(buf, size, "(%zu bytes)", json_string_length(value));
	else if (json_is_array(value))
		snprintf(buf, size, "(%zu entries)", json_array_size(value));
	else if (json_is_integer(value))
		snprintf(buf, size, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
	else
		snprintf(buf, size, "%s",
			 json_is_boolean(value) ? (json_is_true(value) ? "true" : "false")
						: "(object)");
}

void render_write_name(FILE *out, const char *ns, const char *name)
{
	np_text_write(out, ns ? ns : "");
	fputs(ns ? "/" : "", out);
	np_text_write(out, name ? name : "");
}

void render_write_items(FILE *out, const struct np_change *change)
{
	char from[64], to[64], path[SHOWN_MAX], reason[SHOWN_MAX];

	for (size_t i = 0; i < change->n; i++) {
		const struct np_change_item *item = &change->items[i];

		value_text(item->from, from, sizeof(from));
		value_text(item->to, to, sizeof(to));
		fprintf(out, "  %s: ", render_shown(item->path, path));
		np_text_write(out, from);
		fputs(" -> ", out);
		np_text_write(out, to);
		fprintf(out, "\n      %s\n", render_shown(item->reason, reason));
	}
}

size_t render_count_warnings(const struct np_warnings *warnings)
{
	size_t n = 0;

	for (size_t i = 0; i < warnings->n; i++)
		n += !warnings->items[i].is_ignored;
	return n;
}

void render_write_warnings(FILE *out, const char *who, const struct np_warnings *warnings)
{
	for (size_t i = 0; i < warnings->n; i++) {
		const struct np_warning *note = &warnings->items[i];
		char shown[SHOWN_MAX];

		if (note->is_ignored)
			continue;
		fprintf(out, "  %s: %s%s", note->code, render_shown(who, shown),
			who[0] ? ": " : "");
		np_text_write(out, note->message);
		fprintf(out, "\n      remedy: %s\n", np_warning_kind(note->warning)->remedy);
	}
}

/* The fields that a line about a class names, and how. */
static const struct change_word {
	const char *path, *word, *unit;
	bool has_value;
	bool is_minor; /* named where nothing else is */
} change_words[] = {
	{ "/spec/configSpec/extraConfig/pciPassthru.64bitMMIOSizeGB", "window", " GB", true,
	  false },
	{ "/spec/configSpec/extraConfig", "window", " GB", true, false },
	{ "/spec/configSpec/firmware", "firmware", "", true, false },
	{ "/spec/policies/resources/requests/memory", "memory reservation", "", true, false },
	{ "/spec/configSpec/deviceChange", "devices", "", false, false },
	{ "/metadata/annotations/nodeprep.dev~1managed", "registrations", "", false, true },
};

/* Appends, and returns how much is used; what has no room is left out. */
__attribute__((format(printf, 3, 4))) static size_t append(char *buf, size_t used, const char *fmt,
							   ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(buf + used, NP_CHANGE_TEXT_MAX - used, fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= NP_CHANGE_TEXT_MAX - used) {
		buf[used] = '\0';
		return used;
	}
	return used + (size_t)n;
}

/* Returns the size in a list of options, which a revert changes as a whole; another value as it is. */
static const json_t *size_in(const json_t *value)
{
	const json_t *entry;
	size_t i;

	if (!json_is_array(value))
		return value;
	json_array_foreach (value, i, entry) {
		const json_t *text = json_object_get(entry, "value");

		if (strcmp(np_json_member_text(entry, "key"), "pciPassthru.64bitMMIOSizeGB") == 0)
			return json_is_object(text) ? json_object_get(text, "_value") : text;
	}
	return NULL;
}

static size_t append_change(char *buf, size_t used, const struct change_word *word,
			    const struct np_change_item *item)
{
	char from[64], to[64];
	const json_t *old = word->has_value ? size_in(item->from) : NULL;
	const json_t *fresh = word->has_value ? size_in(item->to) : NULL;
	bool is_new = !old || json_is_null(old), is_gone = !fresh || json_is_null(fresh);

	if (word->has_value && (is_new ? is_gone : json_equal(old, fresh)))
		return used;
	value_text(old, from, sizeof(from));
	value_text(fresh, to, sizeof(to));
	if (!word->has_value)
		return append(buf, used, "%s%s", used > 0 ? ", " : "", word->word);
	return append(buf, used, "%s%s %s%s%s%s", used > 0 ? ", " : "", word->word,
		      is_new ? "" : from, is_new ? "" : " -> ", is_gone ? "none" : to,
		      is_gone ? "" : word->unit);
}

void np_render_change_text(const struct np_change *change, char buf[static NP_CHANGE_TEXT_MAX])
{
	char text[NP_CHANGE_TEXT_MAX] = "";
	size_t used = 0;

	for (size_t k = 0; k < sizeof(change_words) / sizeof(change_words[0]); k++)
		for (size_t i = 0; i < change->n; i++)
			if (strcmp(change->items[i].path, change_words[k].path) == 0 &&
			    (!change_words[k].is_minor || used == 0))
				used = append_change(text, used, &change_words[k],
						     &change->items[i]);
	np_text_escape(text, buf, NP_CHANGE_TEXT_MAX);
}
