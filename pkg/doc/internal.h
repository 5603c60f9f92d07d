/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEPREP_DOC_INTERNAL_H
#define NODEPREP_DOC_INTERNAL_H

/*
 * doc, inside: doc.c has documents and cursors, reader.c the inputs, yaml.c and json.c build one
 * document each, fault.c says what libyaml complains of, scalar.c resolves plain scalars, place.c
 * keeps positions, keys.c the keys of what is left out, dump.c writes, edit.c changes a value in a text.
 */

#include <jansson.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <yaml.h>

#include "nodeprep/doc.h"

/* The positions of one value and of its key. */
struct place {
	const void
		*owner; /* the key's bytes inside the jansson object; the list itself for an item */
	uint32_t slot; /* an item's number */
	struct np_pos pos;
	struct np_pos at;
};

/* The source text of a scalar other than a string, where it differs from JSON's. */
struct raw {
	struct np_pos pos;
	uint32_t offset; /* into texts */
};

struct places {
	struct place *all;
	size_t count, room;
	uint32_t *buckets; /* 1 + index into all; open addressing, a power of two of them */
	size_t bucket_count;
	size_t indexed; /* the number of entries in the buckets */
	struct raw *raws; /* ascending, as the input is read once */
	size_t raw_count, raw_room;
	char *texts;
	size_t texts_used, texts_room;
};

void doc_places_done(struct places *p);
int doc_places_add(struct places *p, const struct place *place, struct np_err *err);
int doc_places_add_raw(struct places *p, struct np_pos pos, const char *text, size_t size,
		       struct np_err *err);
/* Indexes the entries added since; lookups are slow until then. */
int doc_places_index(struct places *p, struct np_err *err);
/* NULL where nothing is known of it. */
const struct place *doc_places_find(const struct places *p, const void *owner, size_t slot);
const char *doc_places_find_raw(const struct places *p, struct np_pos pos);

/* Grows an array by doubling until `need` elements of `size` bytes fit. */
int doc_grow(void **array, size_t *room, size_t need, size_t size, struct np_err *err);

/* A key of a mapping that is left out of the tree. */
struct key {
	uint64_t hash;
	size_t bucket; /* where it is in the table */
	size_t offset; /* into texts */
	unsigned line;
};

/*
 * The keys of open mappings that are left out, the innermost mapping's last: a stack, and a hash table over it.
 * The last key is always the first to go, so that no bucket behind it depends on it.
 */
struct keys {
	struct key *all;
	size_t count, room;
	uint32_t *buckets; /* 1 + index into all; open addressing, a power of two of them */
	size_t bucket_count;
	uint64_t seed; /* of the hashes */
	char *texts;
	size_t texts_used, texts_room;
};

void doc_keys_done(struct keys *k);

/*
 * Adds a key of the mapping whose keys begin at number `first`, and sets *ret_line to 0; to the line of an equal
 * key where the mapping has one already.
 */
int doc_keys_add(struct keys *k, size_t first, const char *text, unsigned line, unsigned *ret_line,
		 struct np_err *err);

/* Drops the keys from number `first` on, at the mapping's end. */
void doc_keys_drop(struct keys *k, size_t first);

struct np_doc {
	atomic_uint refs;
	size_t index;
	char *name;
	json_t *root;
	struct np_pos pos;
	struct places places;
	json_t *merged; /* mappings that were merged away; their keys own places still */
};

struct np_doc *doc_new(const char *name, size_t index, struct np_err *err);

/* Returns the object's own copy of the key that was set last under that name. */
const char *doc_own_key(json_t *object, const char *key);

enum scalar_kind {
	SCALAR_STRING,
	SCALAR_NULL,
	SCALAR_BOOL,
	SCALAR_INT,
	SCALAR_FLOAT,
	SCALAR_MERGE,
	SCALAR_TOO_LARGE, /* an integer beyond 64 bits */
	SCALAR_NO_NUMBER, /* infinity, not a number */
};

struct scalar {
	enum scalar_kind kind;
	union {
		json_int_t integer;
		double real;
		bool boolean;
	};
};

/* Resolves a plain scalar without a tag as kubectl's YAML reader does. */
struct scalar doc_scalar_resolve(const char *text, size_t size);

#define FLOAT_TEXT_MAX 32

/* Writes the shortest decimal that reads back as the same double, as a float that YAML knows. */
void doc_scalar_format_float(double value, char buf[static FLOAT_TEXT_MAX]);

/*
 * Writes a float that is a key as kubectl spells it: single precision; false where that overflows.
 */
bool doc_scalar_format_key(double value, char buf[static FLOAT_TEXT_MAX]);

/* The bytes of one input and how far it was read. */
struct np_doc_reader {
	char *name;
	const char *bytes;
	size_t size;
	size_t offset; /* the next JSON document; where the YAML parser began */
	struct np_pos base; /* the key at `offset` */
	size_t index;
	enum { READER_JSON, READER_YAML, READER_END } state;
	bool has_parser;
	yaml_parser_t parser;
	np_doc_unread *is_unread; /* NULL: all is kept */
	const void *unread_context;
	struct keys keys;
};

/* Returns where in the input a mark of the YAML parser lies. */
struct np_pos doc_mark_pos(const struct np_doc_reader *r, const yaml_mark_t *mark);

/* Fails with what libyaml says, and a guess at what went wrong. */
int doc_yaml_fail(const struct np_doc_reader *r, bool *ret_syntax, struct np_err *err);

/* Starts the YAML parser at r->offset. */
int doc_yaml_start(struct np_doc_reader *r, struct np_err *err);

/*
 * Builds the next YAML document that is not empty; returns 1 with one, 0 at the end. On failure
 * *ret_syntax tells whether libyaml could not read the text; the meaning was wrong otherwise.
 */
int doc_yaml_next(struct np_doc_reader *r, struct np_doc **ret, bool *ret_syntax,
		  struct np_err *err);

/*
 * Reads the JSON value at r->offset and moves on; returns 1 with one, 0 at the end. On failure
 * *ret_syntax tells whether the text is not JSON; it may still be YAML.
 */
int doc_json_next(struct np_doc_reader *r, struct np_doc **ret, bool *ret_syntax,
		  struct np_err *err);

/* Moves `pos` behind `size` bytes of UTF-8. */
void doc_pos_advance(struct np_pos *pos, const char *bytes, size_t size);

#define BAD_CONTROL "neither YAML nor JSON: the control character U+%04X is not allowed"

/* Fails with "name:line:column: ". */
int doc_reader_fail(const struct np_doc_reader *r, struct np_pos pos, struct np_err *err,
		    const char *fmt, ...) __attribute__((format(printf, 4, 5)));

#endif
