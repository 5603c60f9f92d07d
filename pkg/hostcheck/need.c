/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/mmio.h"
#include "nodeprep/units.h"

#define PAGE_BYTES UINT64_C(4096)
#define LARGE_BYTES (256 * NP_MIB)
#define WINDOW_MIN_GB 64 /* the floor of rule 2 (mmio.h) */
#define SMALL_REST (4 * NP_GIB) /* below this a rest of the pages is small BARs alone */

/* The devices of one VM, as one source lists them. */
struct source {
	size_t n, max;
	struct np_addend *addends;
};

/* The card that the BARs make, where the catalogue does not have it or has it otherwise. */
static void make_card(const struct np_seen_gpu *seen, struct np_gpu *ret)
{
	*ret = (struct np_gpu){ .model = "", .has_figure = true };
	for (size_t i = 0; i < seen->n_bars; i++)
		ret->bars[ret->n_bars++] = (struct np_bar){ .index = seen->bars[i].index,
							    .bytes = seen->bars[i].bytes };
}

static int add_device(struct source *s, const struct np_gpu *gpu, const char *vgpu,
		      const struct np_seen_gpu *seen, struct np_err *err)
{
	struct np_addend known, listed = { .rule = NP_ADDEND_UNKNOWN };
	struct np_gpu card;

	if (s->n == s->max)
		return 0;
	if (np_mmio_addend(gpu, 1, &known, err) < 0)
		return np_err_ret(err);
	if (seen && seen->n_bars > 0) {
		make_card(seen, &card);
		if (np_mmio_addend(&card, 1, &listed, err) < 0)
			return np_err_ret(err);
	}
	s->addends[s->n] =
		gpu && (listed.rule == NP_ADDEND_UNKNOWN || listed.each_gb <= known.each_gb)
			? known
			: listed;
	if (!gpu && listed.rule == NP_ADDEND_UNKNOWN)
		s->addends[s->n] = known;
	if (vgpu[0] != '\0' && np_gpu_vgpu_is_compute(vgpu))
		np_mmio_addend_compute(&s->addends[s->n]);
	s->n++;
	return 0;
}

static const struct vm_device *find_vm_device(const struct np_host *h, const char *address)
{
	for (size_t i = 0; i < h->vm.n_devices; i++)
		if (strcmp(h->vm.devices[i].address, address) == 0)
			return &h->vm.devices[i];
	return NULL;
}

static const struct np_gpu *find_card(const struct np_host *h, struct np_pci_id id,
				      const char *vgpu)
{
	if (vgpu[0] != '\0')
		return np_gpu_find_vgpu(h->cat, vgpu);
	return id.vendor != 0 && id.device != 0 ? np_gpu_find_id(h->cat, id) : NULL;
}

/* The devices whose BARs a vmware.log lists; their ids may be in the VM's settings. */
static int read_log_devices(const struct np_host *h, struct source *s, struct np_err *err)
{
	for (size_t i = 0; i < h->n_devices; i++) {
		const struct host_device *d = &h->devices[i];
		const struct vm_device *v;

		if (d->side != SIDE_VM)
			continue;
		v = find_vm_device(h, d->seen.address);
		if (add_device(s, v ? find_card(h, v->id, v->vgpu) : NULL, v ? v->vgpu : "",
			       &d->seen, err) < 0)
			return np_err_ret(err);
	}
	return 0;
}

/* The devices that the VM's settings attach; a NIC among them adds nothing. */
static int read_set_devices(const struct np_host *h, struct source *s, struct np_err *err)
{
	for (size_t i = 0; i < h->vm.n_devices; i++) {
		const struct vm_device *v = &h->vm.devices[i];
		bool is_known = v->id.vendor != 0 && v->id.device != 0;

		if (v->present == NP_VERDICT_NO || v->is_network)
			continue;
		if (v->vgpu[0] == '\0' && is_known &&
		    np_gpu_pci_classify(h->cat, v->id) == NP_PCI_OTHER)
			continue;
		if (add_device(s, find_card(h, v->id, v->vgpu), v->vgpu, NULL, err) < 0)
			return np_err_ret(err);
	}
	return 0;
}

static int read_guest_devices(const struct np_host *h, struct source *s, struct np_err *err)
{
	for (size_t i = 0; i < h->n_gpus; i++) {
		const struct host_device *d = &h->gpus[i];

		if (d->side == SIDE_GUEST && add_device(s, d->seen.gpu, d->vgpu, &d->seen, err) < 0)
			return np_err_ret(err);
	}
	return 0;
}

/* Takes the surer need of two sources of one VM, of two that are equally sure the larger one. */
static void take_need(struct np_need *total, const struct np_need *need)
{
	bool is_first = total->gpus == 0;

	if (!is_first && total->complete && !need->complete)
		return;
	if (!is_first && total->complete == need->complete &&
	    need->assumed_gb <= total->assumed_gb && need->bars_bytes <= total->bars_bytes)
		return;
	*total = *need;
	if (total->assumed_gb < total->required_gb)
		total->assumed_gb = total->required_gb;
}

static int add_source(struct np_host *h,
		      int (*read)(const struct np_host *, struct source *, struct np_err *),
		      struct np_need *total, struct np_err *err)
{
	size_t max = h->n_devices + h->vm.n_devices + 1;
	NP_AUTO(np_freep) struct np_addend *addends = calloc(max, sizeof(*addends));
	struct source s = { .max = max, .addends = addends };
	struct np_need need;

	if (!addends)
		return np_fail_nomem(err);
	if (read(h, &s, err) < 0 || np_mmio_need(addends, s.n, &need, err) < 0)
		return np_err_ret(err);
	if (s.n > 0)
		take_need(total, &need);
	return 0;
}

static uint64_t gb_ceil(uint64_t bytes)
{
	return bytes / NP_GIB + (bytes % NP_GIB != 0);
}

/*
 * Pages are the plain sum of the BARs. Each card has one large BAR, a power of two, and small ones;
 * rule 1 rounds their sum up to twice the large one. So the sum of the large ones counts twice,
 * however many cards share it.
 */
static int window_of_pages(uint64_t bytes, uint64_t *ret_gb, struct np_err *err)
{
	uint64_t rest = bytes % SMALL_REST, gb = gb_ceil(bytes);

	*ret_gb = WINDOW_MIN_GB;
	if (bytes > SMALL_REST && rest > 0 &&
	    __builtin_mul_overflow((bytes - rest) / NP_GIB, 2, &gb))
		return np_fail(err, NP_E_SPEC, "vmware.log: '%" PRIu64 "' bytes exceed 64 bits",
			       bytes);
	if (np_pow2_ceil(gb > gb_ceil(bytes) ? gb : gb_ceil(bytes), ret_gb, err) < 0)
		return np_err_ret(err);
	if (*ret_gb < WINDOW_MIN_GB)
		*ret_gb = WINDOW_MIN_GB;
	return 0;
}

static int add_pages(struct np_host *h, const struct np_need *need, struct np_err *err)
{
	uint64_t bytes, gb;

	if (__builtin_mul_overflow(h->pages_needed, PAGE_BYTES, &bytes))
		return np_fail(err, NP_E_SPEC, "vmware.log: '%" PRIu64 "' pages exceed 64 bits",
			       h->pages_needed);
	if (window_of_pages(bytes, &gb, err) < 0)
		return np_err_ret(err);
	h->is_lower_bound = !need->complete || need->gpus == 0;
	/* Where the cards are known, their figures are exact; the pages can only add to them. */
	if (!h->is_lower_bound && np_pow2_ceil(gb_ceil(bytes), &gb, err) < 0)
		return np_err_ret(err);
	if (gb > h->window_gb)
		h->window_gb = gb;
	if (gb_ceil(bytes) > h->needed_gb)
		h->needed_gb = gb_ceil(bytes);
	h->needs_efi = h->needs_efi || bytes > LARGE_BYTES;
	h->has_need = true;
	return 0;
}

int hostcheck_find_need(struct np_host *h, struct np_err *err)
{
	struct np_need need = { .complete = false };

	h->needed_gb = h->window_gb = 0;
	h->has_need = h->is_lower_bound = h->needs_efi = false;
	if (add_source(h, read_log_devices, &need, err) < 0 ||
	    add_source(h, read_set_devices, &need, err) < 0 ||
	    add_source(h, read_guest_devices, &need, err) < 0)
		return np_err_ret(err);
	h->has_need = need.assumed_gb > 0;
	h->is_lower_bound = h->has_need && !need.complete;
	h->needed_gb = gb_ceil(need.bars_bytes);
	h->window_gb = need.assumed_gb;
	h->needs_efi = need.needs_efi;
	h->is_small = need.gpus > 0 && need.complete && !need.needs_window;
	return h->has_pages ? add_pages(h, &need, err) : 0;
}
