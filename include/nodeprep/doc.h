/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEPREP_DOC_H
#define NODEPREP_DOC_H

/*
 * doc - JSON and YAML documents as one jansson tree that knows where each value stood.
 *
 * Reading    np_doc_reader yields the documents of one input one after the other, so that a long
 *            input's trees need not live at the same time. YAML by libyaml, scalars resolved as
 *            kubectl resolves them (YAML 1.1 as its reader knows it: 0x10DE is a number, yes is a
 *            bool, 1e78 is a float); an input that opens with '{' is JSON by jansson, or YAML flow
 *            where it is no JSON. A byte-order mark and CRLF are accepted; merge keys are applied.
 * Bounds     input 64 MiB, depth 100, 1,000,000 nodes a document with aliases expanded.
 * Refused    duplicate keys, keys that are no scalars, aliases into themselves, integers beyond
 *            64 bits, U+0000 in a string, bytes that are no UTF-8.
 * Ownership  a document is counted (np_doc_ref/np_doc_unref) and immutable: aliases share nodes.
 *            A node is a cursor by value that borrows its document.
 * Cursors    np_doc_next() ends with a node whose key is NULL. An alias has the place of the value it
 *            stands for, and `at` where the alias stands. np_doc_path() gives an absent node the
 *            last key of its path. np_doc_index() counts the documents that were yielded; empty
 *            ones and null are not. A float (3.0, 1e3, 08) is no whole number to np_doc_uint().
 * Errors     NP_E_SPEC with "name:line:column: ..."; lines and columns count from 1. A document
 *            without positions (an API server's answer) is told as "name: ...". NP_E_NOMEM.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nodeprep/err.h"
#include "nodeprep/json.h"

#define NP_DOC_INPUT_MAX (UINT64_C(64) << 20)
#define NP_DOC_DEPTH_MAX 100
#define NP_DOC_VALUES_MAX 1000000

struct np_doc;
struct np_doc_reader;

struct np_pos {
	unsigned line; /* from 1; 0: not known */
	unsigned column;
};

/* A value in a document, or the place where one is missing (json NULL). */
struct np_val {
	const struct np_doc *doc;
	const json_t *json; /* NULL: absent, or null, which Kubernetes reads as absent */
	const char *key; /* the key it stands under; "" for an item of a list or the root */
	struct np_pos pos; /* of the value; of the parent where the value is absent */
	struct np_pos at; /* of its key; of the value where there is none */
};

/* Opens `size` bytes that live as long as the reader; `name` is printed ("-" as standard input). */
int np_doc_reader_new(const char *name, const char *bytes, size_t size, struct np_doc_reader **ret,
		      struct np_err *err);

/* Sets *ret_doc to the next document (owned by the caller) and returns 1; 0 at the end. */
int np_doc_reader_next(struct np_doc_reader *r, struct np_doc **ret_doc, struct np_err *err);

void np_doc_reader_free(struct np_doc_reader *r);
void np_doc_reader_freep(struct np_doc_reader **r);

/* Makes a document of a tree that came from elsewhere; takes `root`, also on failure. */
int np_doc_new_take(const char *name, json_t *root, struct np_doc **ret, struct np_err *err);

struct np_doc *np_doc_ref(struct np_doc *doc);
void np_doc_unref(struct np_doc *doc);
void np_doc_unrefp(struct np_doc **doc);

const char *np_doc_name(const struct np_doc *doc);

/* Returns the document's number within its input, from 0. */
size_t np_doc_index(const struct np_doc *doc);

/* Returns the cursor at the top of the document. */
struct np_val np_doc_root(const struct np_doc *doc);

/* Returns the member `key`; absent where the parent is absent, or no mapping. */
struct np_val np_doc_get(struct np_val parent, const char *key);

/* Returns item `i` of a list; absent beyond its end. */
struct np_val np_doc_at(struct np_val list, size_t i);

/*
 * Returns the member that stands after member `previous` (the first for an absent `previous`), in
 * the order of the input; absent after the last. Null members are visited with json NULL and a key.
 */
struct np_val np_doc_next(struct np_val object, const char *previous_key);

/* Returns how many items the list has; 0 where it is absent or no list. */
size_t np_doc_count(struct np_val list);

/* Tells whether there is a value. */
bool np_doc_is_present(struct np_val n);

/* Fails with `code` and "name:line:column: " in front of the formatted text. */
int np_doc_fail(struct np_val n, struct np_err *err, enum np_code code, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* As np_doc_fail(), at the key rather than the value. */
int np_doc_fail_key(struct np_val n, struct np_err *err, enum np_code code, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

#define NP_DOC_TEXT_MAX 80

/* Writes the value as a message may quote it: as it was written, cut, without control characters. */
void np_doc_text(struct np_val n, char buf[static NP_DOC_TEXT_MAX]);

/*
 * Typed reads. An absent value leaves *ret untouched and returns 0; a value read returns 1; a value
 * of another type is NP_E_SPEC and says which type is needed.
 */
int np_doc_object(struct np_val n, struct np_err *err);
int np_doc_list(struct np_val n, struct np_err *err);
int np_doc_string(struct np_val n, const char **ret, struct np_err *err);
int np_doc_uint(struct np_val n, uint64_t min, uint64_t max, uint64_t *ret, struct np_err *err);
int np_doc_bool(struct np_val n, bool *ret, struct np_err *err);

/* Walks mappings along `path` ("spec.topology.workers"); *ret is absent where a step is; fails where one is no mapping. */
int np_doc_path(struct np_val n, const char *path, struct np_val *ret, struct np_err *err);

/* Returns the same value for jansson's iterators and lookups, which take what they do not change. */
static inline json_t *np_json_mut(const json_t *json)
{
	return (json_t *)(uintptr_t)json;
}

/* Returns one more reference to `json`, for the caller to drop; NULL stays NULL. */
static inline json_t *np_json_ref(const json_t *json)
{
	return json_incref(np_json_mut(json));
}

/*
 * Sets *ret to the text with the scalar under the top-level key `key` of the document `document` (from 0)
 * replaced by "value" in quotes; a key that is not there is put behind the document's last line. Every
 * other byte stays: comments, order, line ends. NP_E_SPEC where the text is no such document.
 */
int np_doc_set_text(const char *name, const char *bytes, size_t size, size_t document,
		    const char *key, const char *value, char **ret, size_t *ret_size,
		    struct np_err *err);

/* Writes `root` as block YAML with a final newline; keys sorted where `sorted`. *ret is the caller's. */
int np_doc_dump_yaml(const json_t *root, bool sorted, char **ret, struct np_err *err);

#endif
