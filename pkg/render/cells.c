/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <inttypes.h>
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

void render_write_warnings(FILE *out, const char *who, const struct np_warnings *warnings)
{
	for (size_t i = 0; i < warnings->n; i++) {
		const struct np_warning *note = &warnings->items[i];
		char shown[SHOWN_MAX];

		fprintf(out, "  %s: %s%s", note->code, render_shown(who, shown),
			who[0] ? ": " : "");
		np_text_write(out, note->message);
		fprintf(out, "\n      remedy: %s\n", np_warning_kind(note->warning)->remedy);
	}
}
