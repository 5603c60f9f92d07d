/* SPDX-License-Identifier: Apache-2.0 */
#include "nodeprep/text.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define NEAR_MAX 32

static size_t min3(size_t a, size_t b, size_t c)
{
	size_t ab = a < b ? a : b;

	return ab < c ? ab : c;
}

/* Counts the letters to insert, drop or change, without regard to case. */
static size_t distance(const char *a, const char *b)
{
	size_t n = strlen(b);
	size_t row[NEAR_MAX + 1];

	for (size_t j = 0; j <= n; j++)
		row[j] = j;
	for (size_t i = 0; a[i]; i++) {
		size_t diagonal = row[0];

		row[0] = i + 1;
		for (size_t j = 0; j < n; j++) {
			bool same = tolower((unsigned char)a[i]) == tolower((unsigned char)b[j]);
			size_t above = row[j + 1];

			row[j + 1] = min3(above + 1, row[j] + 1, diagonal + !same);
			diagonal = above;
		}
	}
	return row[n];
}

const char *np_text_near(const char *text, struct np_words words)
{
	const char *best = NULL;
	size_t best_distance = SIZE_MAX;

	if (strlen(text) > NEAR_MAX)
		return NULL;
	for (size_t i = 0; i < words.n; i++) {
		size_t d = distance(text, words.word[i]);

		/* A third of the letters may be wrong, or the hint would be noise. */
		if (d < best_distance && 3 * d <= strlen(words.word[i])) {
			best = words.word[i];
			best_distance = d;
		}
	}
	return best;
}

int np_hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}
