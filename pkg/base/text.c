/* SPDX-License-Identifier: Apache-2.0 */
#include "nodeprep/text.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static size_t min3(size_t a, size_t b, size_t c)
{
	size_t ab = a < b ? a : b;

	return ab < c ? ab : c;
}

static bool is_same(char a, char b)
{
	return tolower((unsigned char)a) == tolower((unsigned char)b);
}

/* Optimal string alignment. */
size_t np_text_distance(const char *a, const char *b)
{
	size_t a_size = strnlen(a, NP_TEXT_DISTANCE_MAX), n = strnlen(b, NP_TEXT_DISTANCE_MAX);
	size_t rows[3][NP_TEXT_DISTANCE_MAX + 1];
	size_t *row = rows[0], *above = rows[1], *two_above = rows[2];

	for (size_t j = 0; j <= n; j++)
		row[j] = j;
	for (size_t i = 0; i < a_size; i++) {
		size_t *spare = two_above;

		two_above = above;
		above = row;
		row = spare;
		row[0] = i + 1;
		for (size_t j = 0; j < n; j++) {
			row[j + 1] =
				min3(above[j + 1] + 1, row[j] + 1, above[j] + !is_same(a[i], b[j]));
			if (i > 0 && j > 0 && is_same(a[i - 1], b[j]) && is_same(a[i], b[j - 1]) &&
			    two_above[j - 1] + 1 < row[j + 1])
				row[j + 1] = two_above[j - 1] + 1;
		}
	}
	return row[n];
}

const char *np_text_near(const char *text, struct np_words words)
{
	const char *best = NULL;
	size_t best_distance = SIZE_MAX;

	if (strlen(text) > NP_TEXT_DISTANCE_MAX)
		return NULL;
	for (size_t i = 0; i < words.n; i++) {
		size_t d = np_text_distance(text, words.word[i]);

		/* A third of the letters may be wrong, or the hint would be noise. */
		if (d < best_distance && 3 * d <= strlen(words.word[i])) {
			best = words.word[i];
			best_distance = d;
		}
	}
	return best;
}

char *np_text_trim(char *text)
{
	size_t n;

	while (isspace((unsigned char)*text))
		text++;
	n = strlen(text);
	while (n > 0 && isspace((unsigned char)text[n - 1]))
		text[--n] = '\0';
	return text;
}

void np_wipep(char **p)
{
	np_wipe_bytes(p, *p ? strlen(*p) : 0);
}

void np_wipe_bytes(char **p, size_t size)
{
	if (*p)
		explicit_bzero(*p, size);
	free(*p);
	*p = NULL;
}

int np_hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}
