/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

#include "nodeprep/map.h"

void doc_keys_done(struct keys *k)
{
	free(k->all);
	free(k->buckets);
	free(k->texts);
}

/* Returns the key's bucket; an empty one where there is none of that text from number `first` on. */
static size_t find(const struct keys *k, size_t first, const char *text, uint64_t hash)
{
	size_t mask = k->bucket_count - 1;
	size_t bucket = (hash ^ hash >> 32) & mask;

	for (uint32_t n; (n = k->buckets[bucket]); bucket = (bucket + 1) & mask)
		if (n > first && k->all[n - 1].hash == hash &&
		    strcmp(k->texts + k->all[n - 1].offset, text) == 0)
			break;
	return bucket;
}

/* Enters the keys again in their order. They differ, so none is looked for: no key has a number above SIZE_MAX. */
static int rehash(struct keys *k, struct np_err *err)
{
	size_t count = k->bucket_count ? 2 * k->bucket_count : 64;
	uint32_t *buckets = calloc(count, sizeof(*buckets));

	if (!buckets)
		return np_fail_nomem(err);
	if (!k->buckets)
		k->seed = np_map_seed();
	free(k->buckets);
	k->buckets = buckets;
	k->bucket_count = count;
	for (size_t i = 0; i < k->count; i++) {
		k->all[i].bucket = find(k, SIZE_MAX, "", k->all[i].hash);
		k->buckets[k->all[i].bucket] = (uint32_t)(i + 1);
	}
	return 0;
}

/* Makes room for one more key, of `size` bytes. */
static int make_room(struct keys *k, size_t size, struct np_err *err)
{
	void *all = k->all, *texts = k->texts;
	int r = doc_grow(&all, &k->room, k->count + 1, sizeof(*k->all), err);

	k->all = all;
	if (r == 0)
		r = doc_grow(&texts, &k->texts_room, k->texts_used + size, 1, err);
	k->texts = texts;
	if (r == 0 && (k->count + 1) * 4 > k->bucket_count * 3)
		r = rehash(k, err);
	return r;
}

int doc_keys_add(struct keys *k, size_t first, const char *text, unsigned line, unsigned *ret_line,
		 struct np_err *err)
{
	size_t size = strlen(text) + 1;
	struct key key = { .line = line, .offset = k->texts_used };

	if (make_room(k, size, err) < 0)
		return np_err_ret(err);
	key.hash = np_map_hash(k->seed, text);
	key.bucket = find(k, first, text, key.hash);
	*ret_line = 0;
	if (k->buckets[key.bucket]) {
		*ret_line = k->all[k->buckets[key.bucket] - 1].line;
		return 0;
	}
	memcpy(k->texts + k->texts_used, text, size);
	k->texts_used += size;
	k->all[k->count++] = key;
	k->buckets[key.bucket] = (uint32_t)k->count;
	return 0;
}

void doc_keys_drop(struct keys *k, size_t first)
{
	while (k->count > first) {
		const struct key *last = &k->all[--k->count];

		k->buckets[last->bucket] = 0;
		k->texts_used = last->offset;
	}
}
