/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEPREP_TEXT_H
#define NODEPREP_TEXT_H

/*
 * text - helpers for texts: "did you mean", hex digits.
 *
 * Ownership  borrows its arguments, allocates nothing.
 */

#include <stddef.h>

/* A list of words and how many there are. */
struct np_words {
	const char *const *word;
	size_t n;
};

/* clang-format off */
#define NP_WORDS(array) ((struct np_words){ (array), sizeof(array) / sizeof((array)[0]) })
/* clang-format on */

/* Returns the word that `text` was likely meant to be; NULL where none is near. */
const char *np_text_near(const char *text, struct np_words words);

/* Returns the value of a hexadecimal digit; -1 for any other character. */
int np_hex_digit(char c);

#endif
