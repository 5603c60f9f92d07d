/* SPDX-License-Identifier: Apache-2.0 */
#include "nodeprep/map.h"

#include <stdlib.h>
#include <string.h>

#include "nodeprep/err.h"

#define SLOTS_FIRST 64

uint64_t map_hash(uint64_t seed, const char *text)
{
	uint64_t hash = seed != 0 ? seed : UINT64_C(0xcbf29ce484222325);

	for (; *text != '\0'; text++)
		hash = (hash ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
	return hash;
}

static struct map_entry **find_slot(const struct map *m, const char *key)
{
	return &m->slots[map_hash(0, key) & (m->n_slots - 1)];
}

struct map_entry *map_find(const struct map *m, const char *key)
{
	if (m->n_slots == 0)
		return NULL;
	for (struct map_entry *e = *find_slot(m, key); e; e = e->next)
		if (strcmp(e->key, key) == 0)
			return e;
	return NULL;
}

static int grow(struct map *m, struct np_err *err)
{
	struct map old = *m, new = { .n = m->n };

	new.n_slots = old.n_slots != 0 ? 2 * old.n_slots : SLOTS_FIRST;
	new.slots = calloc(new.n_slots, sizeof(*new.slots));
	if (!new.slots)
		return np_fail_nomem(err);
	for (size_t i = 0; i < old.n_slots; i++) {
		while (old.slots[i]) {
			struct map_entry *e = old.slots[i];
			struct map_entry **slot = find_slot(&new, e->key);

			old.slots[i] = e->next;
			e->next = *slot;
			*slot = e;
		}
	}
	free(old.slots);
	*m = new;
	return 0;
}

int map_insert(struct map *m, struct map_entry *entry, struct np_err *err)
{
	struct map_entry **slot;

	if (m->n >= m->n_slots && grow(m, err) < 0)
		return np_err_ret(err);
	slot = find_slot(m, entry->key);
	entry->next = *slot;
	*slot = entry;
	m->n++;
	return 0;
}

void map_remove(struct map *m, const char *key)
{
	if (m->n_slots == 0)
		return;
	for (struct map_entry **at = find_slot(m, key); *at; at = &(*at)->next) {
		if (strcmp((*at)->key, key) == 0) {
			*at = (*at)->next;
			m->n--;
			return;
		}
	}
}

struct map_entry *map_next(const struct map *m, const struct map_entry *entry)
{
	size_t i = 0;

	if (entry && entry->next)
		return entry->next;
	if (entry)
		i = (map_hash(0, entry->key) & (m->n_slots - 1)) + 1;
	for (; i < m->n_slots; i++)
		if (m->slots[i])
			return m->slots[i];
	return NULL;
}
