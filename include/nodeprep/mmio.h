/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEPREP_MMIO_H
#define NODEPREP_MMIO_H

/*
 * mmio - computes the 64-bit MMIO window of a node.
 *
 * Units      *_gb is whole GB (2^30 bytes), *_bytes is bytes; rounding happens here and nowhere
 *            else.
 * Ownership  borrows every argument, allocates nothing; no I/O, no globals, any thread.
 * Errors     NP_E_WINDOW: a sum beyond 64 bits, or a size asked for that is below the BARs' sum.
 * Rules      numbered as in docs/contract.md, "The window":
 *   1  a card whose largest BAR is over 256 MB: the sum of its BARs rounded up to a power of two,
 *      never below its published figure; BARs unknown, memory known: twice the memory's power of
 *      two. Sources: Denneman 2023-05-30 (the small BARs push a card over BAR1; EFI over 256 MB);
 *      NVIDIA AI Enterprise 6.x table 18 (the published figures); the rounding of each card, not of
 *      the sum, from BARs measured behind root ports in a UEFI guest: each needs an aligned slot of
 *      twice its BAR.
 *   2  a node: the sum of rule 1, rounded up to a power of two (Broadcom KB 323402 demands one), at
 *      least 64 (NVIDIA AI Enterprise: floor of C-series vGPU); 0 if the sum is 0.
 *   3  the worker-node default of 512 as a floor (VM Operator's own default), or the pool's
 *   minimum.
 *   4  a size that overrides; below the BARs' plain sum it cannot work.
 *   6  a card of unknown size: 256 GB, the figure of a 128 GB BAR, beside what the others need, or
 *      the floor, whichever is larger. A Grace board adds nothing.
 *   8  a C-series vGPU: a window of at least 64 GB and EFI, also on a board whose BARs are small
 *      (NVIDIA AI Enterprise 6.x, vGPU C-series).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct np_err;
struct np_gpu;

#define NP_WINDOW_FLOOR_GB UINT64_C(512)
#define NP_WINDOW_MIN_GB UINT64_C(64)
#define NP_WINDOW_UNKNOWN_GB UINT64_C(256)

/* The basis of a card's figure. */
enum np_addend_rule {
	NP_ADDEND_SMALL, /* no BAR over 256 MB: adds nothing */
	NP_ADDEND_BARS, /* sum of BARs, rounded up */
	NP_ADDEND_PUBLISHED, /* the published figure is larger than the rounded sum */
	NP_ADDEND_MEMORY, /* twice the memory, since the BARs are unknown */
	NP_ADDEND_UNKNOWN, /* no figure at all */
	NP_ADDEND_COMPUTE, /* a C-series vGPU of a small card: adds nothing, but needs a window */
};

/* The addend of `count` equal cards. */
struct np_addend {
	const struct np_gpu *gpu; /* NULL: a device that the catalogue does not know */
	uint64_t count;
	enum np_addend_rule rule;
	bool needs_efi; /* a BAR over 256 MB, or one of unknown size */
	uint64_t bars_bytes; /* plain sum of one card's known BARs */
	uint64_t each_gb; /* rule 1 for one card */
	uint64_t unknown_gb; /* rule 6 for one card of unknown size; 0 for any other */
};

/* Sets *ret to the addend of `count` cards of `gpu` (NULL: unknown card), by rule 1. */
int np_mmio_addend(const struct np_gpu *gpu, uint64_t count, struct np_addend *ret,
		   struct np_err *err);

/* Makes the addend one of C-series vGPUs, by rule 8. */
void np_mmio_addend_compute(struct np_addend *a);

/* Raises what a card of unknown size counts, where more than the usual is known of it. */
void np_mmio_addend_raise(struct np_addend *a, uint64_t gb);

/* The total need of a node's cards. */
struct np_need {
	uint64_t sum_gb; /* of the addends */
	uint64_t required_gb; /* rule 2 over the cards that have a figure */
	uint64_t unknown_gb; /* of the cards of unknown size, by rule 6 */
	uint64_t assumed_gb; /* rule 2 over both */
	uint64_t bars_bytes; /* plain sum of all known BARs */
	uint64_t gpus; /* cards */
	bool complete; /* every card has a known size; else required_gb is a lower bound */
	bool needs_window; /* some card needs a window or is of unknown size */
	bool needs_efi;
};

/* Sums the addends of a node's cards, by rule 2. */
int np_mmio_need(const struct np_addend *addends, size_t n, struct np_need *ret,
		 struct np_err *err);

/* A pool's settings for its window. */
struct np_window_policy {
	bool has_minimum, has_size;
	uint64_t minimum_gb; /* replaces the 512 GB floor */
	uint64_t size_gb; /* replaces the result */
};

enum np_window_rule {
	NP_WINDOW_NONE,
	NP_WINDOW_REQUIRED,
	NP_WINDOW_FLOOR,
	NP_WINDOW_SIZE,
	NP_WINDOW_ASSUMED, /* rule 6 */
};

struct np_window {
	uint64_t gb; /* 0: neither key is set */
	enum np_window_rule rule;
	bool below_rule; /* a size below rule 2: may fail, but applies */
};

/* Sets *ret to the window of a node with that need and policy, by rules 3, 4 and 6. */
int np_mmio_window(const struct np_need *need, const struct np_window_policy *policy,
		   struct np_window *ret, struct np_err *err);

/* One BAR in the window's layout: offsets from the window's start. */
struct np_slot {
	size_t addend; /* index into the addends */
	uint64_t card; /* which of that addend's cards, from 0 */
	unsigned bar; /* BAR index; UINT_MAX: the whole card, BARs unknown */
	uint64_t offset_bytes, size_bytes;
};

/*
 * Lays the cards out in their aligned slots, the largest first, each BAR at a multiple of its size.
 * Writes at most `max` slots and sets *ret_n to their total number. Cards without a window or of
 * unknown size have no slots.
 */
int np_mmio_layout(const struct np_addend *addends, size_t n, struct np_slot *slots, size_t max,
		   size_t *ret_n, struct np_err *err);

#endif
