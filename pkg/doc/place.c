/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

void doc_places_done(struct places *p)
{
	free(p->all);
	free(p->buckets);
	free(p->raws);
	free(p->texts);
}

int doc_grow(void **array, size_t *room, size_t need, size_t size, struct np_err *err)
{
	size_t more = *room ? *room : 16;
	void *grown;

	if (need <= *room)
		return 0;
	while (more < need)
		more *= 2;
	grown = reallocarray(*array, more, size);
	if (!grown)
		return np_fail_nomem(err);
	*array = grown;
	*room = more;
	return 0;
}

/*
 * The finalizer of MurmurHash3 (public domain), over pointers that are aligned and close together.
 */
static size_t hash(const void *owner, uint32_t slot)
{
	uint64_t h = (uint64_t)(uintptr_t)owner + slot * UINT64_C(0x9e3779b97f4a7c15);

	h ^= h >> 33;
	h *= UINT64_C(0xff51afd7ed558ccd);
	h ^= h >> 33;
	return (size_t)h;
}

static void enter(struct places *p, size_t index)
{
	size_t mask = p->bucket_count - 1;
	size_t i = hash(p->all[index].owner, p->all[index].slot) & mask;

	while (p->buckets[i])
		i = (i + 1) & mask;
	p->buckets[i] = (uint32_t)(index + 1);
}

static int rehash(struct places *p, struct np_err *err)
{
	size_t count = p->bucket_count ? p->bucket_count : 32;
	uint32_t *buckets;

	while (p->count * 4 > count * 3)
		count *= 2;
	buckets = calloc(count, sizeof(*buckets));
	if (!buckets)
		return np_fail_nomem(err);
	free(p->buckets);
	p->buckets = buckets;
	p->bucket_count = count;
	p->indexed = 0;
	return 0;
}

/* Once at the document's end rather than with each value: the table is made in its final size. */
int doc_places_index(struct places *p, struct np_err *err)
{
	if (p->count * 4 > p->bucket_count * 3 && rehash(p, err) < 0)
		return np_err_ret(err);
	for (; p->indexed < p->count; p->indexed++)
		enter(p, p->indexed);
	return 0;
}

int doc_places_add(struct places *p, const struct place *place, struct np_err *err)
{
	void *all = p->all;
	int r = doc_grow(&all, &p->room, p->count + 1, sizeof(*p->all), err);

	p->all = all;
	if (r < 0)
		return r;
	p->all[p->count++] = *place;
	return 0;
}

static int add_text(struct places *p, const char *text, size_t size, struct np_err *err)
{
	void *texts = p->texts;
	int r = doc_grow(&texts, &p->texts_room, p->texts_used + size + 1, 1, err);

	p->texts = texts;
	if (r < 0)
		return r;
	memcpy(p->texts + p->texts_used, text, size);
	p->texts[p->texts_used + size] = '\0';
	p->texts_used += size + 1;
	return 0;
}

int doc_places_add_raw(struct places *p, struct np_pos pos, const char *text, size_t size,
		       struct np_err *err)
{
	struct raw raw = { .pos = pos, .offset = (uint32_t)p->texts_used };
	void *raws = p->raws;
	int r = doc_grow(&raws, &p->raw_room, p->raw_count + 1, sizeof(*p->raws), err);

	p->raws = raws;
	if (r < 0)
		return r;
	/* No message quotes more. */
	r = add_text(p, text, size < NP_DOC_TEXT_MAX ? size : NP_DOC_TEXT_MAX, err);
	if (r < 0)
		return r;
	p->raws[p->raw_count++] = raw;
	return 0;
}

static bool is_place_of(const struct place *place, const void *owner, size_t slot)
{
	return place->owner == owner && place->slot == slot;
}

const struct place *doc_places_find(const struct places *p, const void *owner, size_t slot)
{
	size_t mask = p->bucket_count - 1, i;

	if (p->count == 0)
		return NULL;
	for (i = hash(owner, (uint32_t)slot) & mask; p->bucket_count && p->buckets[i];
	     i = (i + 1) & mask)
		if (is_place_of(&p->all[p->buckets[i] - 1], owner, slot))
			return &p->all[p->buckets[i] - 1];
	for (i = p->indexed; i < p->count; i++)
		if (is_place_of(&p->all[i], owner, slot))
			return &p->all[i];
	return NULL;
}

static int compare_raw(const void *a, const void *b)
{
	const struct np_pos *x = &((const struct raw *)a)->pos, *y = &((const struct raw *)b)->pos;

	if (x->line != y->line)
		return x->line < y->line ? -1 : 1;
	return (x->column > y->column) - (x->column < y->column);
}

const char *doc_places_find_raw(const struct places *p, struct np_pos pos)
{
	struct raw wanted = { .pos = pos };
	const struct raw *found = NULL;

	if (p->raw_count)
		found = bsearch(&wanted, p->raws, p->raw_count, sizeof(wanted), compare_raw);
	return found ? p->texts + found->offset : NULL;
}
