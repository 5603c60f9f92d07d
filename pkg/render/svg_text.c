/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdint.h>

#include "nodeprep/svg.h"

enum { LEADING = 5 };

static void open_words(FILE *out, const struct np_svg_words *w, unsigned y)
{
	fprintf(out, "<text x=\"%u\" y=\"%u\" font-size=\"%u\"", w->x, y, w->size);
	if (w->class[0] != '\0')
		fprintf(out, " class=\"%s\"", w->class);
	fprintf(out, "%s>", w->more);
}

void np_render_svg_words(FILE *out, const struct np_svg_words *w, const char *text)
{
	open_words(out, w, w->y);
	render_xml_write_cut(out, text, w->most);
	fputs("</text>\n", out);
}

unsigned np_render_svg_lines(FILE *out, const struct np_svg_words *w, const char *text)
{
	unsigned y = w->y;

	while (text[0] != '\0') {
		size_t n = render_xml_line_end(text, w->most);

		open_words(out, w, y);
		render_xml_write(out, text, n);
		fputs("</text>\n", out);
		y += w->size + LEADING;
		text += n;
		while (text[0] == ' ')
			text++;
	}
	return y;
}

void np_render_svg_text(FILE *out, const char *text)
{
	render_xml_write(out, text, SIZE_MAX);
}
