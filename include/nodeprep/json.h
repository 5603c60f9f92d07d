/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEPREP_JSON_H
#define NODEPREP_JSON_H

/*
 * json - what jansson lacks: texts of members, an error as JSON, JSON pointers (RFC 6901).
 *
 * Ownership  borrows its arguments; what is returned as char * or json_t * is the caller's.
 */

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

struct np_err;

/*
 * Returns `root` as JSON text that the caller frees; NULL where memory runs out. Not json_dumps(), of
 * which jansson 2.14 leaves a key out and goes on where its buffer cannot grow. Characters that
 * np_text_find_hidden() finds are escaped, so that the text may be shown.
 */
char *np_json_text(const json_t *root, size_t flags);

#define NP_JSON_ESCAPE_MAX 13

/* Writes a character as JSON escapes it, "\u202E"; returns the number of bytes. */
size_t np_json_escape(uint32_t c, char buf[static NP_JSON_ESCAPE_MAX]);

/* Returns a member's text; "" where there is none. */
const char *np_json_member_text(const json_t *object, const char *key);

/* Returns a text of the object's metadata; NULL where there is none. */
const char *np_json_meta_text(const json_t *object, const char *key);

/* Returns the text as a JSON string, escaped if it is not UTF-8; NULL where memory runs out. */
json_t *np_json_string(const char *text);

/* Returns {code, message}, null for NP_OK; NULL where memory runs out. */
json_t *np_json_err(const struct np_err *err);

/* Undoes the escapes ~1 and ~0 in a pointer's segment. */
void np_json_pointer_unescape(char *segment);

/*
 * Copies the pointer's next segment, unescaped, and returns what follows it: NULL after the last. What
 * does not begin with a slash, or has no room in `segment`, is the empty segment and the last.
 */
const char *np_json_pointer_next(const char *pointer, char *segment, size_t size);

#endif
