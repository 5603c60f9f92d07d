/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEPREP_MAP_H
#define NODEPREP_MAP_H

/*
 * map - a hash map of entries that their owners allocate, with keys of several texts; and an index of
 * numbers, which allocates its entries.
 *
 * Keys       up to three texts, such as a namespace and a name. They are compared text by text, so that
 *            none needs an escape. A text that is NULL equals "".
 * Hash       FNV-1a with a random start in each map: input cannot choose what collides.
 * Ownership  the map owns its slots alone; keys belong to the entries. An index owns its entries.
 * Errors     NP_E_NOMEM.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct np_err;

enum { NP_KEY_TEXTS = 3 };

/* A key to look for; its texts are borrowed. */
struct np_key {
	const char *text[NP_KEY_TEXTS];
};

/* clang-format off */
#define NP_KEY(...) ((struct np_key){ { __VA_ARGS__ } })
/* clang-format on */

/* Returns the key as an entry holds it, its texts each with their NUL; NULL: no memory. The caller frees it. */
char *np_key_pack(struct np_key key);

/* The head of each record; the packed key is the record's. */
struct np_map_entry {
	struct np_map_entry *next;
	char *key;
	uint64_t hash; /* the map's */
};

struct np_map {
	size_t n, n_slots;
	uint64_t seed;
	struct np_map_entry **slots;
};

/* FNV-1a, 64 bits; `seed` 0 begins. */
uint64_t np_map_hash(uint64_t seed, const char *text);

/* Returns a random seed, another each time. */
uint64_t np_map_seed(void);

/* Returns the entry with the key; NULL where there is none. */
struct np_map_entry *np_map_find(const struct np_map *m, struct np_key key);

/* Adds an entry whose key is set, and is not in the map. */
int np_map_insert(struct np_map *m, struct np_map_entry *entry, struct np_err *err);

/* Removes the entry, where it is in the map. */
void np_map_remove(struct np_map *m, const struct np_map_entry *entry);

/* Returns the entry after `entry` (NULL: the first), in no order; NULL at the end. */
struct np_map_entry *np_map_next(const struct np_map *m, const struct np_map_entry *entry);

/* Numbers under keys, such as places in an array. */
struct np_index {
	struct np_map map;
};

/* Sets *ret to the number under the key; false where there is none. */
bool np_index_find(const struct np_index *x, struct np_key key, size_t *ret);

/* Enters `number` unless the key has one; sets *ret to the number that the key has now. */
int np_index_enter(struct np_index *x, struct np_key key, size_t number, size_t *ret,
		   struct np_err *err);
void np_index_done(struct np_index *x);

/* Tells whether the key is in a set. */
static inline bool np_index_has(const struct np_index *x, struct np_key key)
{
	size_t number;

	return np_index_find(x, key, &number);
}

#endif
