/* SPDX-License-Identifier: Apache-2.0 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/text.h"

/* The bounds of a lead byte's second byte, by RFC 3629, section 4: no overlong form, no surrogate. */
static const struct lead_row {
	unsigned char first, last;
	unsigned char second_min, second_max;
	size_t length;
} lead_rows[] = {
	{ 0xc2, 0xdf, 0x80, 0xbf, 2 }, { 0xe0, 0xe0, 0xa0, 0xbf, 3 }, { 0xe1, 0xec, 0x80, 0xbf, 3 },
	{ 0xed, 0xed, 0x80, 0x9f, 3 }, { 0xee, 0xef, 0x80, 0xbf, 3 }, { 0xf0, 0xf0, 0x90, 0xbf, 4 },
	{ 0xf1, 0xf3, 0x80, 0xbf, 4 }, { 0xf4, 0xf4, 0x80, 0x8f, 4 },
};

/* Unicode's categories Cc, Cf, Zl and Zp, and the block of tags. */
static const struct range {
	uint32_t first, last;
} hidden_ranges[] = {
	{ 0x0, 0x1f },      { 0x7f, 0x9f },       { 0xad, 0xad },       { 0x600, 0x605 },
	{ 0x61c, 0x61c },   { 0x6dd, 0x6dd },     { 0x70f, 0x70f },     { 0x180e, 0x180e },
	{ 0x200b, 0x200f }, { 0x2028, 0x202e },   { 0x2060, 0x206f },   { 0xfeff, 0xfeff },
	{ 0xfff9, 0xfffb }, { 0x110bd, 0x110bd }, { 0x1d173, 0x1d17a }, { 0xe0000, 0xe0fff },
};

static bool is_hidden(uint32_t c)
{
	for (size_t i = 0; i < sizeof(hidden_ranges) / sizeof(hidden_ranges[0]); i++)
		if (c >= hidden_ranges[i].first && c <= hidden_ranges[i].last)
			return true;
	return false;
}

/* Returns how many bytes the character has; 0: its first byte is not UTF-8. */
static size_t decode(const char *text, uint32_t *ret)
{
	const unsigned char *s = (const unsigned char *)text;
	size_t n = 0;

	*ret = s[0];
	if (s[0] < 0x80)
		return 1;
	for (size_t i = 0; i < sizeof(lead_rows) / sizeof(lead_rows[0]); i++) {
		const struct lead_row *row = &lead_rows[i];

		if (s[0] >= row->first && s[0] <= row->last && s[1] >= row->second_min &&
		    s[1] <= row->second_max)
			n = row->length;
	}
	*ret &= 0x7fu >> n;
	for (size_t i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		*ret = *ret << 6 | (s[i] & 0x3fu);
	}
	return n;
}

/* Writes an escape into a buffer with room for the NUL of snprintf(3). */
static size_t write_escape(uint32_t c, bool is_byte, char buf[static NP_TEXT_ESCAPE_MAX + 1])
{
	static const char letters[] = { ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't' };
	char letter = !is_byte && c < sizeof(letters) ? letters[c] : '\0';
	int n;

	if (letter)
		n = snprintf(buf, NP_TEXT_ESCAPE_MAX + 1, "\\%c", letter);
	else if (is_byte || c < 0x80)
		n = snprintf(buf, NP_TEXT_ESCAPE_MAX + 1, "\\x%02x", c);
	else
		n = snprintf(buf, NP_TEXT_ESCAPE_MAX + 1, c > 0xffff ? "\\U%08x" : "\\u%04x", c);
	return n > 0 ? (size_t)n : 0;
}

size_t np_text_escape_next(const char **text, char buf[static NP_TEXT_ESCAPE_MAX])
{
	char escape[NP_TEXT_ESCAPE_MAX + 1];
	uint32_t c;
	size_t n = decode(*text, &c), size = n;

	if (**text == '\0')
		return 0;
	if (n > 0 && !is_hidden(c)) {
		memcpy(buf, *text, n);
	} else {
		size = write_escape(n > 0 ? c : (unsigned char)**text, n == 0, escape);
		memcpy(buf, escape, size);
	}
	*text += n > 0 ? n : 1;
	return size;
}

char *np_text_escape(const char *text, char *buf, size_t size)
{
	char piece[NP_TEXT_ESCAPE_MAX];
	size_t used = 0, n;

	while ((n = np_text_escape_next(&text, piece)) > 0 && used + n < size) {
		memcpy(buf + used, piece, n);
		used += n;
	}
	buf[used] = '\0';
	return buf;
}

void np_text_write(FILE *out, const char *text)
{
	char piece[NP_TEXT_ESCAPE_MAX];
	size_t n;

	while ((n = np_text_escape_next(&text, piece)) > 0)
		fwrite(piece, 1, n, out);
}

/* Nearly all texts are of ASCII that is shown as it is. */
static bool is_plain(const char *text)
{
	while (*text >= 0x20 && *text < 0x7f)
		text++;
	return *text == '\0';
}

char *np_text_escaped(const char *text)
{
	const char *from = text;
	char piece[NP_TEXT_ESCAPE_MAX];
	size_t size = 1, n;
	char *buf;

	if (is_plain(text))
		return strdup(text);
	while ((n = np_text_escape_next(&from, piece)) > 0)
		size += n;
	buf = malloc(size);
	return buf ? np_text_escape(text, buf, size) : NULL;
}

/* Returns how many bytes at the start are below 0x7f; eight at a time, since most texts are. */
static size_t count_ascii(const char *text, size_t size)
{
	size_t i = 0;

	for (; size - i >= sizeof(uint64_t); i += sizeof(uint64_t)) {
		uint64_t bytes;

		memcpy(&bytes, text + i, sizeof(bytes));
		/* The addition carries 0x7f to the high bit, and nothing beyond it. */
		if (((bytes + UINT64_C(0x0101010101010101)) | bytes) & UINT64_C(0x8080808080808080))
			break;
	}
	while (i < size && (unsigned char)text[i] < 0x7f)
		i++;
	return i;
}

const char *np_text_find_hidden(const char *text, size_t size, uint32_t *ret, size_t *ret_size)
{
	for (size_t i = count_ascii(text, size); i < size;
	     i += 1 + count_ascii(text + i + 1, size - i - 1)) {
		size_t n = decode(text + i, ret);

		if (n > 0 && is_hidden(*ret)) {
			*ret_size = n;
			return text + i;
		}
		i += n > 1 ? n - 1 : 0;
	}
	return NULL;
}
