/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEPREP_TEXT_H
#define NODEPREP_TEXT_H

/*
 * text - helpers for texts: escapes for terminals and logs, "did you mean", blanks at both ends, hex digits, secrets.
 *
 * Escapes    text from outside reaches a terminal, a log or an object's message only escaped: a newline forges
 *            lines, controls drive the terminal, direction marks reorder what a person reads. JSON, YAML and XML
 *            use escapes of their own for the same characters, which np_text_find_hidden() names.
 * Ownership  borrows its arguments; np_text_escaped() is the caller's, np_wipep() frees what it wipes.
 */

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* The longest escape of one character: "\U000e0001". */
#define NP_TEXT_ESCAPE_MAX 10

/*
 * Writes the next character of *text as it may be shown, without a NUL, advances *text, and returns the number of
 * bytes; 0 at the end. Printable UTF-8 stays. Controls, invisible and direction-changing characters become
 * "\n", "\x1b" or "\u202e", and bytes that are not UTF-8 "\xff".
 */
size_t np_text_escape_next(const char **text, char buf[static NP_TEXT_ESCAPE_MAX]);

/* Escapes the text into `buf`, cut between characters; returns `buf`. */
char *np_text_escape(const char *text, char *buf, size_t size);

/* Returns the escaped text; NULL where memory runs out. */
char *np_text_escaped(const char *text);

/* Writes the escaped text. */
void np_text_write(FILE *out, const char *text);

/*
 * Finds the first character beyond ASCII, or DEL, that must not be shown as it is, in text without invalid UTF-8.
 * Returns where it is, with its code point and its number of bytes; NULL: there is none.
 */
const char *np_text_find_hidden(const char *text, size_t size, uint32_t *ret, size_t *ret_size);

/* A list of words and how many there are. */
struct np_words {
	const char *const *word;
	size_t n;
};

/* clang-format off */
#define NP_WORDS(array) ((struct np_words){ (array), sizeof(array) / sizeof((array)[0]) })
/* clang-format on */

#define NP_TEXT_DISTANCE_MAX 32

/* Counts the letters to insert, drop, change or swap with the next in the first 32 of both texts, without regard to case. */
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
