/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEPREP_SVG_H
#define NODEPREP_SVG_H

/*
 * svg - text in drawings, shared by all that nodeprep draws.
 *
 * Units      the drawing's own; the widest common sans-serif font takes about 0.64 of its size a character,
 *            so that a line is cut or wrapped by its count of characters.
 * Escapes    whatever is in a name: markup is escaped; bytes that are not UTF-8, characters that XML 1.0 does
 *            not have, and invisible ones become '?'.
 * Errors     none of its own; a stream that fails is the caller's to notice.
 */

#include <stddef.h>
#include <stdio.h>

/* Returns how many characters of a font's size fit into a width. */
static inline size_t np_svg_characters(size_t width, size_t size)
{
	return width * 100 / (size * 64);
}

/* How a text is written. */
struct np_svg_words {
	unsigned x, y, size;
	size_t most; /* columns a line */
	const char *class; /* "" for none */
	const char *more; /* further attributes, "" for none */
};

/* Writes one line, cut with an ellipsis. */
void np_render_svg_words(FILE *out, const struct np_svg_words *w, const char *text);

/* Writes as many lines as it takes, the first at w->y; returns the y of the next line. */
unsigned np_render_svg_lines(FILE *out, const struct np_svg_words *w, const char *text);

/* Writes the text alone, escaped. */
void np_render_svg_text(FILE *out, const char *text);

#endif
