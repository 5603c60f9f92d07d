/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEPREP_DOC_H
#define NODEPREP_DOC_H

/*
 * doc - reads JSON and YAML documents into a jansson tree with the position of each value.
 *
 * Reading    np_doc_reader yields the documents of an input one by one, so that only one tree must
 *            be in memory. YAML by libyaml, scalars resolved as kubectl resolves them (YAML 1.1 as
 *            its reader knows it: 0x10DE is a number, yes is a bool, 1e78 is a float); an input
 *            that opens with '{' is JSON by jansson, or YAML flow style where it is not JSON. A
 *            byte-order mark and CRLF are accepted; merge keys are applied.
 * Bounds     input 64 MiB, depth 100, 1,000,000 nodes a document with aliases expanded.
 * Refused    duplicate keys, keys that are not scalars, recursive aliases, integers beyond 64 bits,
 *            U+0000 in a string, invalid UTF-8.
 * Ownership  a document is reference-counted (np_doc_ref/np_doc_unref) and immutable: aliases share
 *            nodes. np_val is a cursor by value that borrows its document.
 * Cursors    np_doc_next() ends with a cursor whose key is NULL. An alias has the position of its
 *            value, and in `at` its own. np_doc_path() gives an absent value the last key of its
 *            path. np_doc_index() counts the yielded documents, without empty ones and null.
 *            np_doc_uint() rejects floats (3.0, 1e3, 08).
 * Errors     NP_E_SPEC with "name:line:column: ..."; lines and columns count from 1. A document
 *            without positions (an API server's response) is reported as "name: ...". NP_E_NOMEM.
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
	unsigned line; /* from 1; 0: unknown */
	unsigned column;
};

/* A value in a document, or the position of a missing one (json NULL). */
struct np_val {
	const struct np_doc *doc;
	const json_t *json; /* NULL: absent, or null, which Kubernetes reads as absent */
	const char *key; /* its key; "" for an item of a list or the root */
	struct np_pos pos; /* of the value; of the parent where the value is absent */
	struct np_pos at; /* of its key; of the value without a key */
};

/* Opens `size` bytes that live as long as the reader; `name` is printed ("-" as standard input). */
int np_doc_reader_new(const char *name, const char *bytes, size_t size, struct np_doc_reader **ret,
		      struct np_err *err);

/* Sets *ret_doc to the next document (owned by the caller) and returns 1; 0 at the end. */
int np_doc_reader_next(struct np_doc_reader *r, struct np_doc **ret_doc, struct np_err *err);

/*
 * Tells whether nobody reads the member `key` of the mapping `object`, which is itself a member of the
 * mapping `parent` (NULL: it is an item, or the root). Members that follow in the input are not there yet.
 */
typedef bool np_doc_unread(const void *context, const json_t *parent, const json_t *object,
			   const char *key);

/*
 * Leaves mappings and lists that nobody reads out of the trees of YAML documents: such a member is null.
 * They are checked as all others are, and kept where they have an anchor.
 */
void np_doc_reader_leave_out(struct np_doc_reader *r, np_doc_unread *is_unread,
			     const void *context);

void np_doc_reader_free(struct np_doc_reader *r);
void np_doc_reader_freep(struct np_doc_reader **r);

/* Creates a document from an existing tree; takes `root`, also on failure. */
int np_doc_new_take(const char *name, json_t *root, struct np_doc **ret, struct np_err *err);

struct np_doc *np_doc_ref(struct np_doc *doc);
void np_doc_unref(struct np_doc *doc);
void np_doc_unrefp(struct np_doc **doc);

const char *np_doc_name(const struct np_doc *doc);

/* Returns the document's number within its input, from 0. */
size_t np_doc_index(const struct np_doc *doc);

/* Returns the cursor at the top of the document. */
struct np_val np_doc_root(const struct np_doc *doc);

/* Returns the member `key`; absent where the parent is absent or not a mapping. */
struct np_val np_doc_get(struct np_val parent, const char *key);

/* Returns item `i` of a list; absent beyond its end. */
struct np_val np_doc_at(struct np_val list, size_t i);

/*
 * Returns the member after `previous` (the first for an absent `previous`), in the order of the
 * input; absent after the last. Null members are visited with json NULL and a key.
 */
struct np_val np_doc_next(struct np_val object, const char *previous_key);

/* Returns the number of items; 0 where the list is absent or not a list. */
size_t np_doc_count(struct np_val list);

/* Tells whether there is a value. */
bool np_doc_is_present(struct np_val n);

/* Fails with `code` and "name:line:column: " in front of the formatted text. */
int np_doc_fail(struct np_val n, struct np_err *err, enum np_code code, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* Fails as np_doc_fail() does, at the key rather than the value. */
int np_doc_fail_key(struct np_val n, struct np_err *err, enum np_code code, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

#define NP_DOC_TEXT_MAX 80

/* Writes the value for a message: as in the input, cut, without control characters. */
void np_doc_text(struct np_val n, char buf[static NP_DOC_TEXT_MAX]);

/*
 * Read a value of a type. An absent value leaves *ret untouched and returns 0; a value read returns
 * 1; a value of another type is NP_E_SPEC and names the expected type.
 */
int np_doc_object(struct np_val n, struct np_err *err);
int np_doc_list(struct np_val n, struct np_err *err);
int np_doc_string(struct np_val n, const char **ret, struct np_err *err);
int np_doc_uint(struct np_val n, uint64_t min, uint64_t max, uint64_t *ret, struct np_err *err);
int np_doc_bool(struct np_val n, bool *ret, struct np_err *err);

/*
 * Walks mappings along `path` ("spec.topology.workers"); *ret is absent where a step is; fails
 * where a step is not a mapping.
 */
int np_doc_path(struct np_val n, const char *path, struct np_val *ret, struct np_err *err);

/*
 * Returns the same value without const, for jansson's iterators and lookups, which do not change
 * it.
 */
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
 * Sets *ret to the text with the scalar under the top-level key `key` of the document `document`
 * (from 0) replaced by "value" in quotes; a missing key is appended after the document's last line.
 * Every other byte is kept: comments, order, line ends. NP_E_SPEC where the text is not such a
 * document.
 */
int np_doc_set_text(const char *name, const char *bytes, size_t size, size_t document,
		    const char *key, const char *value, char **ret, size_t *ret_size,
		    struct np_err *err);

/*
 * Writes `root` as block YAML with a final newline; keys sorted where `sorted`. The caller owns
 * *ret.
 */
int np_doc_dump_yaml(const json_t *root, bool sorted, char **ret, struct np_err *err);

#endif
