/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEPREP_SELECTOR_H
#define NODEPREP_SELECTOR_H

/*
 * selector - label selectors as kubectl and the API server write them.
 *
 * Syntax     requirements joined by commas, all of which must hold: `key`, `!key`, `key=value` (`==`),
 *            `key!=value`, `key in (a,b)`, `key notin (a,b)`, `key>1`, `key<1`. `!=` and `notin` also select
 *            objects without the label. The empty text selects everything.
 * Source     k8s.io/apimachinery, pkg/labels; keys and values as in its validation of labels.
 * Ownership  a selector owns its texts and borrows nothing.
 * Errors     NP_E_USAGE with the text in quotes, and what is wrong with it.
 */

#include <jansson.h>
#include <stdbool.h>

struct np_err;
struct np_selector;

int np_selector_parse(const char *text, struct np_selector **ret, struct np_err *err);
void np_selector_free(struct np_selector *s);
void np_selector_freep(struct np_selector **s);

/* Tells whether it selects an object with these labels; NULL: the object has none. */
bool np_selector_matches(const struct np_selector *s, const json_t *labels);

#endif
