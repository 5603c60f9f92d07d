/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "nodeprep/report.h"
#include "nodeprep/text.h"

void hostcheck_name_of(const char *text, size_t size, char ret[static KEY_MAX])
{
	size_t used = 0;

	for (size_t i = 0; i < size && used + 1 < KEY_MAX; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c < 0x80 && isalnum(c))
			ret[used++] = (char)tolower(c);
	}
	ret[used] = '\0';
}

/* Blanks, quotes, separators, and what Markdown marks words with. */
static bool is_trim(char c)
{
	return c != '\0' && strchr(" \t\r\"',;*`", c);
}

static void trim(const char **text, size_t *size)
{
	while (*size > 0 && is_trim(**text)) {
		(*text)++;
		(*size)--;
	}
	while (*size > 0 && is_trim((*text)[*size - 1]))
		(*size)--;
}

/* Finds where a quoted word that begins a line ends. */
static size_t skip_quoted(const char *line, size_t size)
{
	const char *close = size > 1 && line[0] == '"' ? memchr(line + 1, '"', size - 1) : NULL;

	return close ? (size_t)(close - line) + 1 : 0;
}

/*
 * Returns where the key ends: at = : , or a tab, or two blanks, or before " [" or " |", whichever is
 * first; `size` where none is.
 */
static size_t find_gap(const char *line, size_t size)
{
	for (size_t i = skip_quoted(line, size); i < size; i++) {
		if (line[i] == '=' || line[i] == ':' || line[i] == ',' || line[i] == '\t')
			return i;
		if (line[i] == ' ' && i + 1 < size &&
		    (line[i + 1] == ' ' || line[i + 1] == '[' || line[i + 1] == '<' ||
		     line[i + 1] == '|'))
			return i;
	}
	return size;
}

/* "[Enabled]" and "<Enabled>" of setup screens; 0 for any other text, and where the end is missing. */
static size_t bracket_size(const char *value, size_t size)
{
	char end = size > 1 && *value == '[' ? ']' : size > 1 && *value == '<' ? '>' : '\0';
	const char *close = end != '\0' ? memchr(value, end, size) : NULL;

	return close ? (size_t)(close - value) + 1 : 0;
}

/* The first column of what follows: further columns are parted by a tab, two blanks or a frame. */
static size_t value_size(const char *value, size_t size)
{
	size_t quoted = skip_quoted(value, size), bracket = bracket_size(value, size);

	if (quoted > 0 || bracket > 0)
		return quoted + bracket;
	for (size_t i = 0; i < size; i++)
		if (value[i] == '\t' || value[i] == '|' ||
		    (value[i] == ' ' && i + 1 < size && value[i + 1] == ' '))
			return i;
	return size;
}

/* Takes the brackets off, and "(Pending Value=Enabled)" of racadm. */
static void split_value(struct pair_line *p)
{
	static const char words[] = " (Pending Value=";
	size_t size = strlen(p->value);
	char *pending = strstr(p->value, words);

	p->pending[0] = '\0';
	if (size > 2 && bracket_size(p->value, size) == size) {
		memmove(p->value, p->value + 1, size - 2);
		p->value[size - 2] = '\0';
		return;
	}
	if (!pending || p->value[size - 1] != ')')
		return;
	p->value[size - 1] = '\0';
	snprintf(p->pending, sizeof(p->pending), "%s", pending + strlen(words));
	*pending = '\0';
}

bool hostcheck_pair_parse(const char *line, size_t size, struct pair_line *ret)
{
	const char *key, *value;
	size_t key_size, size_left, gap;

	while (size > 0 && (*line == ' ' || *line == '\t' || *line == '|' || *line == '-')) {
		line++;
		size--;
	}
	gap = find_gap(line, size);
	if (gap == 0 || gap == size)
		return false;
	key = line;
	key_size = gap;
	trim(&key, &key_size);
	value = line + gap;
	size_left = size - gap;
	while (size_left > 0 && strchr("=:,| \t", *value)) {
		value++;
		size_left--;
	}
	size_left = value_size(value, size_left);
	trim(&value, &size_left);
	if (key_size == 0 || key_size >= KEY_MAX || size_left >= VALUE_MAX)
		return false;
	np_report_copy_clean(ret->key, KEY_MAX, key, key_size);
	hostcheck_name_of(key, key_size, ret->name);
	np_report_copy_clean(ret->value, VALUE_MAX, value, size_left);
	split_value(ret);
	return ret->name[0] != '\0';
}

bool hostcheck_pair_set(const char *key, const char *value, struct pair_line *ret)
{
	size_t key_size = strlen(key), size = strlen(value);

	if (key_size == 0 || key_size >= KEY_MAX || size >= VALUE_MAX)
		return false;
	trim(&value, &size);
	np_report_copy_clean(ret->key, KEY_MAX, key, key_size);
	hostcheck_name_of(key, key_size, ret->name);
	np_report_copy_clean(ret->value, VALUE_MAX, value, size);
	split_value(ret);
	return ret->name[0] != '\0';
}

/* Up to 16 digits: what is longer is no number of a capture. */
static const char *read_number(const char *at, unsigned base, uint64_t *ret)
{
	unsigned digits = 0;

	*ret = 0;
	for (; np_hex_digit(*at) >= 0 && (unsigned)np_hex_digit(*at) < base; at++, digits++)
		*ret = *ret * base + (unsigned)np_hex_digit(*at);
	return digits > 0 && digits <= 16 ? at : NULL;
}

const char *hostcheck_scan(const char *text, const char *form, uint64_t *numbers)
{
	for (; *form != '\0' && text; form++)
		if (*form == '#' || *form == '$')
			text = read_number(text, *form == '#' ? 10 : 16, numbers++);
		else
			text = *text == *form ? text + 1 : NULL;
	return text;
}

bool hostcheck_place_parse(const char *text, const char *form, char ret[static NP_PCI_ADDRESS_MAX])
{
	uint64_t n[4] = { 0 };
	bool has_domain = strcmp(form, "#:#:#.#") == 0;
	const uint64_t *place = has_domain ? n + 1 : n;
	const char *end = hostcheck_scan(text, form, n);

	if (!end || (*end >= '0' && *end <= '9') || place[0] > 255 || place[1] > 31 || place[2] > 7)
		return false;
	snprintf(ret, NP_PCI_ADDRESS_MAX, "%04x:%02x:%02x.%u",
		 has_domain ? (unsigned)(n[0] & 0xffff) : 0, (unsigned)place[0], (unsigned)place[1],
		 (unsigned)place[2]);
	return true;
}

bool hostcheck_has_text(const char *line, size_t size, const char *text)
{
	return !!memmem(line, size, text, strlen(text));
}

bool hostcheck_has_word(const char *line, size_t size, const char *text)
{
	size_t length = strlen(text);

	for (size_t i = 0; i + length <= size; i++)
		if ((line[i] | 0x20) == (*text | 0x20) && strncasecmp(line + i, text, length) == 0)
			return true;
	return false;
}

enum np_verdict hostcheck_yes_or_no(const char *value)
{
	static const char *const yes[] = {
		"1", "checked", "enable", "enabled", "on", "true", "yes"
	};
	static const char *const no[] = { "0",  "disable", "disabled", "false",
					  "no", "off",     "unchecked" };

	for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++)
		if (strcasecmp(value, yes[i]) == 0)
			return NP_VERDICT_YES;
	for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++)
		if (strcasecmp(value, no[i]) == 0)
			return NP_VERDICT_NO;
	return NP_VERDICT_UNKNOWN;
}

bool hostcheck_size_parse(const char *text, uint64_t *ret)
{
	static const char units[] = "KMGT";
	uint64_t value = 0;
	size_t digits = 0;
	const char *unit;

	for (; text[digits] >= '0' && text[digits] <= '9' && digits < 7; digits++)
		value = value * 10 + (uint64_t)(text[digits] - '0');
	if (digits == 0 || value == 0)
		return false;
	if (text[digits] == '\0') {
		*ret = value;
		return true;
	}
	unit = strchr(units, text[digits]);
	if (!unit || text[digits + 1] != '\0')
		return false;
	*ret = value << (10 * (unit - units + 1));
	return true;
}
