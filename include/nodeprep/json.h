/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEPREP_JSON_H
#define NODEPREP_JSON_H

/*
 * json - what jansson lacks.
 */

#include <jansson.h>
#include <stddef.h>

/*
 * Returns `root` as JSON text that the caller frees; NULL where memory runs out. Not json_dumps(), of
 * which jansson 2.14 leaves a key out and goes on where its buffer cannot grow.
 */
char *np_json_text(const json_t *root, size_t flags);

/* Returns a text of the object's metadata; NULL where there is none. */
const char *np_json_meta_text(const json_t *object, const char *key);

#endif
