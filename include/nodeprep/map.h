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
struct map_entry {
	struct map_entry *next;
	char *key;
};

struct map {
	size_t n, n_slots;
	struct map_entry **slots;
};

/* FNV-1a, 64 bits; `seed` 0 begins. */
uint64_t map_hash(uint64_t seed, const char *text);
struct map_entry *map_find(const struct map *m, const char *key);
int map_insert(struct map *m, struct map_entry *entry, struct np_err *err);
void map_remove(struct map *m, const char *key);

/* Returns the entry after `entry` (NULL: the first), in no order; NULL at the end. */
struct map_entry *map_next(const struct map *m, const struct map_entry *entry);

#endif
