/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEPREP_MAP_H
#define NODEPREP_MAP_H

/*
 * map - a hash map of entries that their owners allocate: the entry is the first member of a larger struct.
 *
 * Ownership  the map owns its slots alone; keys belong to the entries.
 * Errors     NP_E_NOMEM.
 */

#include <stddef.h>
#include <stdint.h>

struct np_err;

/* The head of each record; the key is the record's. */
struct np_map_entry {
	struct np_map_entry *next;
	char *key;
};

struct np_map {
	size_t n, n_slots;
	struct np_map_entry **slots;
};

/* FNV-1a, 64 bits; `seed` 0 begins. */
uint64_t np_map_hash(uint64_t seed, const char *text);
struct np_map_entry *np_map_find(const struct np_map *m, const char *key);
int np_map_insert(struct np_map *m, struct np_map_entry *entry, struct np_err *err);
void np_map_remove(struct np_map *m, const char *key);

/* Returns the entry after `entry` (NULL: the first), in no order; NULL at the end. */
struct np_map_entry *np_map_next(const struct np_map *m, const struct np_map_entry *entry);

#endif
