/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEPREP_TEXT_H
#define NODEPREP_TEXT_H

/*
 * text - helpers for texts: "did you mean", blanks at both ends, hex digits, secrets.
 *
 * Ownership  borrows its arguments, allocates nothing; np_wipep() frees what it wipes.
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

#define NP_TEXT_DISTANCE_MAX 32

/* Counts the letters to insert, drop or change in the first 32 of both texts, without regard to case. */
size_t np_text_distance(const char *a, const char *b);

/* Returns the word that `text` was likely meant to be; NULL where none is near. */
const char *np_text_near(const char *text, struct np_words words);

/* Cuts the blanks off both ends of `text`; returns where the rest begins. */
char *np_text_trim(char *text);

/* Wipes and frees a secret text and leaves NULL behind; for NP_AUTO. */
void np_wipep(char **p);

/* As np_wipep(), for `size` bytes that may hold a NUL. */
void np_wipe_bytes(char **p, size_t size);

/* Returns the value of a hexadecimal digit; -1 for any other character. */
int np_hex_digit(char c);

#endif
