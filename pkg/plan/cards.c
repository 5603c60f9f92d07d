/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool is_same_card(const struct np_card *a, const struct np_card *b)
{
	if (a->gpu != b->gpu || a->has_id != b->has_id || !!a->profile != !!b->profile)
		return false;
	if (a->profile)
		return strcasecmp(a->profile, b->profile) == 0;
	if (a->kind || b->kind)
		return a->kind && b->kind && strcmp(a->kind, b->kind) == 0;
	return !a->has_id || (a->id.vendor == b->id.vendor && a->id.device == b->id.device);
}

/* Sets the addend of `count` cards; `known_gb` is what a device of unknown size takes at least. */
static int set_addend(struct np_card *card, uint64_t count, uint64_t known_gb, struct np_err *err)
{
	uint64_t raised_gb = card->addend.unknown_gb;

	if (np_mmio_addend(card->gpu, count, &card->addend, err) < 0)
		return np_err_ret(err);
	np_mmio_addend_raise(&card->addend, raised_gb);
	np_mmio_addend_raise(&card->addend, known_gb);
	if (card->profile && np_gpu_vgpu_is_compute(card->profile))
		np_mmio_addend_compute(&card->addend);
	return 0;
}

/* Adds `count` cards to the group they belong to, or opens one. */
static int add_card(struct np_card **cards, size_t *n, const struct np_card *card, uint64_t count,
		    struct np_err *err)
{
	uint64_t known_gb = card->addend.unknown_gb;
	struct np_card *items;
	size_t i = 0;

	while (i < *n && !is_same_card(&(*cards)[i], card))
		i++;
	if (i == *n) {
		items = reallocarray(*cards, *n + 1, sizeof(*items));
		if (!items)
			return np_fail_nomem(err);
		*cards = items;
		items[(*n)++] = *card;
	}
	count += (*cards)[i].addend.count;
	return set_addend(&(*cards)[i], count, known_gb, err);
}

int plan_cards_of_devices(const struct np_devices *d, struct np_card **ret, size_t *ret_n,
			  struct np_err *err)
{
	NP_AUTO(np_freep) struct np_card *cards = NULL;
	size_t n = 0;

	for (size_t i = 0; i < d->n; i++) {
		const struct np_device *dev = &d->items[i];
		struct np_card card = { .gpu = dev->gpu,
					.has_id = dev->has_id,
					.id = dev->id,
					.profile = dev->profile,
					.kind = dev->kind,
					.addend.unknown_gb = dev->known_gb };

		if (dev->pci_class != NP_PCI_OTHER && add_card(&cards, &n, &card, 1, err) < 0)
			return np_err_ret(err);
	}
	*ret = np_take(cards);
	*ret_n = n;
	return 0;
}

int plan_cards_of_requests(const struct np_pool *pool, struct np_card **ret, size_t *ret_n,
			   struct np_err *err)
{
	NP_AUTO(np_freep) struct np_card *cards = NULL;
	size_t n = 0;

	for (size_t i = 0; i < pool->n_requests; i++) {
		const struct np_gpu_request *ask = &pool->requests[i];
		struct np_card card = { .gpu = ask->gpu,
					.has_id = ask->exact,
					.id = ask->id,
					.profile = ask->vgpu_profile };

		if (add_card(&cards, &n, &card, ask->count, err) < 0)
			return np_err_ret(err);
	}
	*ret = np_take(cards);
	*ret_n = n;
	return 0;
}

static bool allows_id(const struct np_device *d, struct np_pci_id id)
{
	for (size_t i = 0; i < d->n_ids; i++)
		if (d->ids[i].vendor == id.vendor && d->ids[i].device == id.device)
			return true;
	return false;
}

/* Boards with one ID are indistinguishable, so an alternative board counts too. */
static bool allows_model(const struct np_device *d, const struct np_gpu *asked,
			 const struct np_catalogue *cat)
{
	for (size_t i = 0; i < d->n_ids; i++) {
		const struct np_gpu *gpu = np_gpu_find_id(cat, d->ids[i]);

		if (gpu && strcmp(gpu->model, asked->model) == 0)
			return true;
	}
	return allows_id(d, (struct np_pci_id){ asked->vendor_id, asked->device_id }) ||
	       (d->gpu && strcmp(d->gpu->model, asked->model) == 0);
}

/* Tells whether the device is what the ask names: a model covers every board that bears it. */
static bool is_asked(const struct np_gpu_request *ask, const struct np_device *d,
		     const struct np_catalogue *cat)
{
	if (ask->vgpu_profile)
		return d->profile && np_gpu_vgpu_is_same(d->profile, ask->vgpu_profile);
	if (ask->exact)
		return allows_id(d, ask->id);
	return ask->gpu && allows_model(d, ask->gpu, cat);
}

static uint64_t count_asked(const struct np_gpu_request *ask, const struct np_devices *d,
			    const struct np_catalogue *cat)
{
	uint64_t n = 0;

	for (size_t i = 0; i < d->n; i++)
		n += is_asked(ask, &d->items[i], cat);
	return n;
}

/* Tells whether every device that `other` names is one that `ask` names too. */
static bool is_part_of(const struct np_gpu_request *other, const struct np_gpu_request *ask)
{
	if (ask->vgpu_profile)
		return other->vgpu_profile &&
		       np_gpu_vgpu_is_same(other->vgpu_profile, ask->vgpu_profile);
	if (ask->exact)
		return other->exact && other->id.vendor == ask->id.vendor &&
		       other->id.device == ask->id.device;
	return other->gpu && ask->gpu && strcmp(other->gpu->model, ask->gpu->model) == 0;
}

/* The total of all requests that the devices of `ask` must satisfy. */
static uint64_t count_alike(const struct np_pool *pool, const struct np_gpu_request *ask)
{
	uint64_t n = 0;

	for (size_t i = 0; i < pool->n_requests; i++) {
		const struct np_gpu_request *other = &pool->requests[i];

		if (other == ask || is_part_of(other, ask))
			n += other->count;
	}
	return n;
}

/* Devices of unknown kind may be any that the pool names. */
static uint64_t count_unknown_kind(const struct np_devices *d)
{
	uint64_t n = 0;

	for (size_t i = 0; i < d->n; i++)
		n += !!d->items[i].kind;
	return n;
}

/* Returns how many devices request `i` lacks; 0 where an earlier one asked for the same. */
static uint64_t count_missing(const struct np_pool *pool, size_t i, const struct np_devices *d,
			      const struct np_catalogue *cat)
{
	const struct np_gpu_request *ask = &pool->requests[i];
	uint64_t has = count_asked(ask, d, cat), wants = count_alike(pool, ask);

	for (size_t k = 0; k < i; k++)
		if (is_part_of(&pool->requests[k], ask) && is_part_of(ask, &pool->requests[k]))
			return 0;
	return wants > has ? wants - has : 0;
}

enum plan_match plan_match_requests(const struct np_pool *pool, const struct np_devices *d,
				    const struct np_catalogue *cat)
{
	uint64_t asked = 0, missing = 0, unknown = count_unknown_kind(d);
	uint64_t gpus = np_vmclass_devices_gpus(d);

	for (size_t i = 0; i < pool->n_requests; i++) {
		missing += count_missing(pool, i, d, cat);
		asked += pool->requests[i].count;
	}
	if (missing > unknown || asked > gpus)
		return PLAN_MATCH_NO;
	return asked - missing >= gpus - unknown ? PLAN_MATCH_EQUAL : PLAN_MATCH_CLASS_HAS_MORE;
}

void plan_promote_asked(const struct np_pool *pool, struct np_devices *d)
{
	for (size_t i = 0; i < pool->n_requests; i++) {
		const struct np_gpu_request *ask = &pool->requests[i];

		for (size_t k = 0; k < d->n; k++) {
			struct np_device *dev = &d->items[k];

			if (ask->exact && dev->pci_class == NP_PCI_OTHER && allows_id(dev, ask->id))
				dev->pci_class = NP_PCI_GPU_UNKNOWN;
		}
	}
}

int plan_need_of_cards(const struct np_card *cards, size_t n, struct np_need *ret,
		       struct np_err *err)
{
	NP_AUTO(np_freep) struct np_addend *addends = calloc(n + 1, sizeof(*addends));

	if (!addends)
		return np_fail_nomem(err);
	for (size_t i = 0; i < n; i++)
		addends[i] = cards[i].addend;
	return np_mmio_need(addends, n, ret, err);
}
