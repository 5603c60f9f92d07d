/* SPDX-License-Identifier: Apache-2.0 */
#include "nodeprep/map.h"

#include <stdlib.h>
#include <string.h>

#include "nodeprep/err.h"

#define SLOTS_FIRST 64

uint64_t np_map_hash(uint64_t seed, const char *text)
{
	uint64_t hash = seed != 0 ? seed : UINT64_C(0xcbf29ce484222325);

	for (; *text != '\0'; text++)
		hash = (hash ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
	return hash;
}

static struct np_map_entry **find_slot(const struct np_map *m, const char *key)
{
	return &m->slots[np_map_hash(0, key) & (m->n_slots - 1)];
}

struct np_map_entry *np_map_find(const struct np_map *m, const char *key)
{
	if (m->n_slots == 0)
		return NULL;
	for (struct np_map_entry *e = *find_slot(m, key); e; e = e->next)
		if (strcmp(e->key, key) == 0)
			return e;
	return NULL;
}

static int grow(struct np_map *m, struct np_err *err)
{
	struct np_map old = *m, new = { .n = m->n };

	new.n_slots = old.n_slots != 0 ? 2 * old.n_slots : SLOTS_FIRST;
	new.slots = calloc(new.n_slots, sizeof(*new.slots));
	if (!new.slots)
		return np_fail_nomem(err);
	for (size_t i = 0; i < old.n_slots; i++) {
		while (old.slots[i]) {
			struct np_map_entry *e = old.slots[i];
			struct np_map_entry **slot = find_slot(&new, e->key);

			old.slots[i] = e->next;
			e->next = *slot;
			*slot = e;
		}
	}
	free(old.slots);
	*m = new;
	return 0;
}

int np_map_insert(struct np_map *m, struct np_map_entry *entry, struct np_err *err)
{
	struct np_map_entry **slot;

	if (m->n >= m->n_slots && grow(m, err) < 0)
		return np_err_ret(err);
	slot = find_slot(m, entry->key);
	entry->next = *slot;
	*slot = entry;
	m->n++;
	return 0;
}

void np_map_remove(struct np_map *m, const char *key)
{
	if (m->n_slots == 0)
		return;
	for (struct np_map_entry **at = find_slot(m, key); *at; at = &(*at)->next) {
		if (strcmp((*at)->key, key) == 0) {
			*at = (*at)->next;
			m->n--;
			return;
		}
	}
}

struct np_map_entry *np_map_next(const struct np_map *m, const struct np_map_entry *entry)
{
	size_t i = 0;

	if (entry && entry->next)
		return entry->next;
	if (entry)
		i = (np_map_hash(0, entry->key) & (m->n_slots - 1)) + 1;
	for (; i < m->n_slots; i++)
		if (m->slots[i])
			return m->slots[i];
	return NULL;
}
