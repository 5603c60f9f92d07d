/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

/* Reads one character; returns '?' for invalid UTF-8 and for characters not allowed in XML. */
static size_t read_character(const unsigned char *s, uint32_t *ret)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t n = s[0] < 0x80 ? 1 : s[0] < 0xc0 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
	uint32_t c = s[0], hidden;
	size_t hidden_size;

	*ret = '?';
	if (n == 0 || s[0] > 0xf4)
		return 1;
	if (n > 1)
		c &= 0x7fu >> n;
	for (size_t i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return i;
		c = c << 6 | (s[i] & 0x3fu);
	}
	if (c >= 0x20 && c != 0x7f && c >= least[n] && (c < 0xd800 || c > 0xdfff) && c != 0xfffe &&
	    c != 0xffff && c <= 0x10ffff &&
	    !np_text_find_hidden((const char *)s, n, &hidden, &hidden_size))
		*ret = c;
	return n;
}

static void write_character(FILE *out, const char *bytes, size_t n, uint32_t c)
{
	switch (c) {
	case '&':
		fputs("&amp;", out);
		break;
	case '<':
		fputs("&lt;", out);
		break;
	case '>':
		fputs("&gt;", out);
		break;
	case '"':
		fputs("&quot;", out);
		break;
	default:
		if (c == '?')
			fputc('?', out);
		else
			fwrite(bytes, 1, n, out);
	}
}

/* Scripts from Hangul on are drawn twice as wide as Latin. */
static size_t width_of(uint32_t c)
{
	return c >= 0x1100 ? 2 : 1;
}

/* Returns how many bytes of the text fill `most` columns at most. */
static size_t fit(const char *text, size_t most)
{
	size_t used = 0, at = 0;

	while (text[at] != '\0') {
		uint32_t c;
		size_t n = read_character((const unsigned char *)text + at, &c);

		if (used + width_of(c) > most)
			break;
		used += width_of(c);
		at += n;
	}
	return at;
}

void render_xml_write(FILE *out, const char *text, size_t size)
{
	for (size_t at = 0; at < size && text[at] != '\0';) {
		uint32_t c;
		size_t n = read_character((const unsigned char *)text + at, &c);

		write_character(out, text + at, n, c);
		at += n;
	}
}

/* The text, cut to `most` columns with an ellipsis. */
void render_xml_write_cut(FILE *out, const char *text, size_t most)
{
	size_t size = fit(text, most);

	if (text[size] == '\0') {
		render_xml_write(out, text, size);
		return;
	}
	render_xml_write(out, text, fit(text, most - 1));
	fputs("…", out);
}

/* Returns the end of a line: at the last blank that fits, else within a word. */
size_t render_xml_line_end(const char *text, size_t most)
{
	size_t size = fit(text, most), at = size;

	if (text[size] == '\0')
		return size;
	while (at > 0 && text[at] != ' ')
		at--;
	return at > 0 ? at : size;
}
