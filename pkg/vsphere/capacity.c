/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

#include "nodeprep/plan.h"

bool vsphere_is_card(const struct np_card *card, const struct np_vsphere_gpu *gpu)
{
	if (card->profile)
		return false;
	if (card->has_id && gpu->has_id && card->id.vendor == gpu->id.vendor &&
	    card->id.device == gpu->id.device)
		return true;
	return card->gpu && gpu->card && strcmp(card->gpu->model, gpu->card->model) == 0;
}

/* Which GPUs of a host count. */
enum counting { ALL, FREE };

static bool counts(const struct np_vsphere_gpu *gpu, enum counting which)
{
	if (gpu->is_shared || gpu->capable == NP_VERDICT_NO)
		return false;
	return which == ALL || (gpu->users.n == 0 && gpu->ok == NP_VERDICT_YES);
}

/* Takes the card's GPUs off those that are left. */
static bool take(const struct np_vsphere_host *h, const struct np_card *card, enum counting which,
		 bool *is_taken)
{
	uint64_t n = 0;

	for (size_t i = 0; i < h->n_gpus && n < card->addend.count; i++) {
		if (is_taken[i] || !counts(&h->gpus[i], which) ||
		    !vsphere_is_card(card, &h->gpus[i]))
			continue;
		is_taken[i] = true;
		n++;
	}
	return n == card->addend.count;
}

static bool has_profile(const struct np_vsphere_host *h, const char *profile)
{
	for (size_t i = 0; i < h->profiles.n; i++)
		if (np_gpu_vgpu_is_same(h->profiles.items[i], profile))
			return true;
	return false;
}

static bool is_usable(const struct np_vsphere_host *h)
{
	return strcmp(h->connection, "connected") == 0 && h->in_maintenance == NP_VERDICT_NO;
}

/* Exact cards first: what a model takes may be any of its boards. */
static int fits(const struct np_vsphere_host *h, const struct np_plan_pool *p, enum counting which,
		bool *ret, struct np_err *err)
{
	NP_AUTO(np_freep) bool *is_taken = calloc(h->n_gpus + 1, sizeof(*is_taken));

	if (!is_taken)
		return np_fail_nomem(err);
	*ret = which == ALL || is_usable(h);
	for (int exact = 1; exact >= 0; exact--) {
		for (size_t i = 0; i < p->n_cards; i++) {
			const struct np_card *card = &p->cards[i];

			if (card->has_id != (exact == 1))
				continue;
			*ret = *ret && (card->profile ? has_profile(h, card->profile)
						      : take(h, card, which, is_taken));
		}
	}
	return 0;
}

static bool has_vgpu(const struct np_plan_pool *p)
{
	for (size_t i = 0; i < p->n_cards; i++)
		if (p->cards[i].profile)
			return true;
	return false;
}

/* A device without ids may be in any host. */
static bool is_countable(const struct np_plan_pool *p)
{
	for (size_t i = 0; i < p->n_cards; i++)
		if (p->cards[i].kind)
			return false;
	return p->has_gpus && p->n_cards > 0;
}

int vsphere_fit(const struct np_vsphere_host *h, const struct np_plan_pool *p,
		enum vsphere_fit *ret, struct np_err *err)
{
	bool is_capable = false, is_now = false;

	*ret = VSPHERE_FIT_NONE;
	if (!is_countable(p))
		return 0;
	if (fits(h, p, ALL, &is_capable, err) < 0 || fits(h, p, FREE, &is_now, err) < 0)
		return np_err_ret(err);
	if (has_vgpu(p))
		*ret = is_capable ? VSPHERE_FIT_OFFERED : VSPHERE_FIT_NONE;
	else if (is_now || is_capable)
		*ret = is_now && !h->has_unknown_users ? VSPHERE_FIT_NOW : VSPHERE_FIT_LATER;
	return 0;
}

static int count(const struct np_vsphere_hosts *hosts, const struct np_plan_pool *p,
		 struct np_plan_capacity *ret, struct np_err *err)
{
	bool has_unknown = false, has_unknown_use = false, fit = false;

	*ret = (struct np_plan_capacity){ 0 };
	if (!is_countable(p))
		return 0;
	for (size_t i = 0; i < hosts->n; i++) {
		has_unknown = has_unknown || !hosts->items[i].has_devices;
		if (fits(&hosts->items[i], p, ALL, &fit, err) < 0)
			return np_err_ret(err);
		ret->capable_hosts += fit;
		if (fits(&hosts->items[i], p, FREE, &fit, err) < 0)
			return np_err_ret(err);
		has_unknown_use = has_unknown_use || (fit && hosts->items[i].has_unknown_users);
		ret->fit_now += fit && !hosts->items[i].has_unknown_users;
	}
	ret->is_known = ret->capable_hosts > 0 || !has_unknown;
	ret->has_fit = !has_vgpu(p) && (ret->fit_now > 0 || (!has_unknown && !has_unknown_use));
	return 0;
}

int np_vsphere_note_capacity(const struct np_vsphere_hosts *hosts, struct np_plan *plan,
			     struct np_err *err)
{
	for (size_t i = 0; i < plan->n_pools; i++) {
		struct np_plan_capacity c;

		if (count(hosts, &plan->pools[i], &c, err) < 0 ||
		    np_plan_note_capacity(plan, i, &c, err) < 0)
			return np_err_ret(err);
	}
	return 0;
}
