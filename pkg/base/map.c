/* SPDX-License-Identifier: Apache-2.0 */
#include "nodeprep/map.h"

#include <bsd/stdlib.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/err.h"

#define SLOTS_FIRST 8
#define FNV_START UINT64_C(0xcbf29ce484222325)
#define FNV_PRIME UINT64_C(0x100000001b3)

uint64_t np_map_hash(uint64_t seed, const char *text)
{
	uint64_t hash = seed != 0 ? seed : FNV_START;

	for (; *text; text++)
		hash = (hash ^ (unsigned char)*text) * FNV_PRIME;
	return hash;
}

/* --- keys ------------------------------------------------------------------------------------ */

static const char *text_at(struct np_key key, size_t i)
{
	return key.text[i] ? key.text[i] : "";
}

static size_t size_of(struct np_key key)
{
	size_t size = 0;

	for (size_t i = 0; i < NP_KEY_TEXTS; i++)
		size += strlen(text_at(key, i)) + 1;
	return size;
}

static void pack(struct np_key key, char *to)
{
	for (size_t i = 0; i < NP_KEY_TEXTS; i++) {
		size_t size = strlen(text_at(key, i)) + 1;

		memcpy(to, text_at(key, i), size);
		to += size;
	}
}

char *np_key_pack(struct np_key key)
{
	char *packed = malloc(size_of(key));

	if (packed)
		pack(key, packed);
	return packed;
}

static struct np_key unpack(const char *packed)
{
	struct np_key key;

	for (size_t i = 0; i < NP_KEY_TEXTS; i++) {
		key.text[i] = packed;
		packed += strlen(packed) + 1;
	}
	return key;
}

static bool is_key(const char *packed, struct np_key key)
{
	for (size_t i = 0; i < NP_KEY_TEXTS; i++) {
		const char *text = text_at(key, i);

		if (strcmp(packed, text) != 0)
			return false;
		packed += strlen(text) + 1;
	}
	return true;
}

/* The end of each text counts, so that ("ab", "c") and ("a", "bc") differ. */
static uint64_t hash_key(uint64_t seed, struct np_key key)
{
	uint64_t hash = FNV_START ^ seed;

	for (size_t i = 0; i < NP_KEY_TEXTS; i++) {
		for (const char *p = text_at(key, i); *p; p++)
			hash = (hash ^ (unsigned char)*p) * FNV_PRIME;
		hash *= FNV_PRIME;
	}
	/* The low bits, which choose the slot, depend on all others. */
	return hash ^ hash >> 32;
}

/* --- map ------------------------------------------------------------------------------------- */

static struct np_map_entry **slot_of(const struct np_map *m, uint64_t hash)
{
	return &m->slots[hash & (m->n_slots - 1)];
}

static struct np_map_entry *find(const struct np_map *m, struct np_key key, uint64_t hash)
{
	if (m->n_slots == 0)
		return NULL;
	for (struct np_map_entry *e = *slot_of(m, hash); e; e = e->next)
		if (e->hash == hash && is_key(e->key, key))
			return e;
	return NULL;
}

struct np_map_entry *np_map_find(const struct np_map *m, struct np_key key)
{
	return find(m, key, hash_key(m->seed, key));
}

/* Seeds of maps follow from one that is random: asking for one takes a system call. */
static atomic_uint_fast64_t next_seed;

static void choose_seed(void)
{
	uint64_t seed;

	arc4random_buf(&seed, sizeof(seed));
	atomic_store(&next_seed, seed);
}

uint64_t np_map_seed(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, choose_seed);
	return atomic_fetch_add(&next_seed, FNV_PRIME);
}

static int grow(struct np_map *m, struct np_err *err)
{
	struct np_map old = *m, new = { .n = m->n, .seed = m->seed };

	new.n_slots = old.n_slots != 0 ? 2 * old.n_slots : SLOTS_FIRST;
	new.slots = calloc(new.n_slots, sizeof(*new.slots));
	if (!new.slots)
		return np_fail_nomem(err);
	if (old.n_slots == 0)
		new.seed = np_map_seed();
	for (size_t i = 0; i < old.n_slots; i++) {
		while (old.slots[i]) {
			struct np_map_entry *e = old.slots[i];
			struct np_map_entry **slot = slot_of(&new, e->hash);

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
	entry->hash = hash_key(m->seed, unpack(entry->key));
	slot = slot_of(m, entry->hash);
	entry->next = *slot;
	*slot = entry;
	m->n++;
	return 0;
}

void np_map_remove(struct np_map *m, const struct np_map_entry *entry)
{
	if (m->n_slots == 0)
		return;
	for (struct np_map_entry **at = slot_of(m, entry->hash); *at; at = &(*at)->next) {
		if (*at == entry) {
			*at = entry->next;
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
		i = (entry->hash & (m->n_slots - 1)) + 1;
	for (; i < m->n_slots; i++)
		if (m->slots[i])
			return m->slots[i];
	return NULL;
}

/* --- index ----------------------------------------------------------------------------------- */

struct numbered {
	struct np_map_entry entry; /* first */
	size_t number;
	char key[];
};

bool np_index_find(const struct np_index *x, struct np_key key, size_t *ret)
{
	const struct np_map_entry *e = np_map_find(&x->map, key);

	if (e)
		*ret = ((const struct numbered *)(const void *)e)->number;
	return !!e;
}

int np_index_enter(struct np_index *x, struct np_key key, size_t number, size_t *ret,
		   struct np_err *err)
{
	NP_AUTO(np_freep) struct numbered *new = NULL;

	if (np_index_find(x, key, ret))
		return 0;
	new = malloc(sizeof(*new) + size_of(key));
	if (!new)
		return np_fail_nomem(err);
	pack(key, new->key);
	new->entry.key = new->key;
	new->number = number;
	if (np_map_insert(&x->map, &new->entry, err) < 0)
		return np_err_ret(err);
	new = NULL;
	*ret = number;
	return 0;
}

void np_index_done(struct np_index *x)
{
	for (size_t i = 0; i < x->map.n_slots; i++) {
		while (x->map.slots[i]) {
			struct np_map_entry *e = x->map.slots[i];

			x->map.slots[i] = e->next;
			free(e);
		}
	}
	free(x->map.slots);
	*x = (struct np_index){ 0 };
}
