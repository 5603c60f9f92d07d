/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEPREP_GPU_INTERNAL_H
#define NODEPREP_GPU_INTERNAL_H

/*
 * gpu, inside - the catalogue's rows, and the names of cards made comparable.
 *
 * Names      a name is a list of words; case, blanks, '-', '_' and '/' only part words. Words that
 *            say nothing about the card (vendor, memory type) are dropped, a number and a following
 *            "gb" are one word. Two names are equal when they read the same without the gaps.
 */

#include <stdint.h>
#include <stdlib.h>

#include "nodeprep/gpu.h"

/* A row's names made comparable, for the search by name. */
struct gpu_keys;

struct np_catalogue {
	struct gpu_keys *keys; /* of the rows, in their order */
	const struct np_gpu **rows; /* by id, of one id the larger first */
	size_t n;
	struct np_gpu **own; /* the rows that np_gpu_catalogue_add() made */
	size_t n_own;
};

/* Behind a vGPU board code of which no document confirms the spelling. */
#define GPU_VGPU_UNCONFIRMED '?'

/* A longer text is not a card's name. */
#define GPU_NAME_MAX 96
#define GPU_NAME_WORDS_MAX 16

struct gpu_name {
	char words[GPU_NAME_MAX * 2]; /* what the words point into */
	const char *word[GPU_NAME_WORDS_MAX];
	size_t n;
	unsigned memory_gb; /* from "40GB"; 0: none said */
	char key[GPU_NAME_MAX * 2]; /* all words joined as they stand */
	char family[GPU_NAME_MAX * 2]; /* without memory and board words */
};

/* Sets *ret to the words of the name; false where it is too long or has no word. */
bool gpu_name_parse(const char *text, struct gpu_name *ret);

/* Parses a name of `size` bytes. */
bool gpu_name_parse_n(const char *text, size_t size, struct gpu_name *ret);

/* Tells whether a word says how the board is built (pcie, sxm4, nvl). */
bool gpu_name_is_board_word(const char *word);

/* Releases a row that np_gpu_catalogue_add() made. */
void gpu_own_free(struct np_gpu *gpu);

/* Puts `rows` into the catalogue, which takes them: each replaces what has its id. */
int gpu_catalogue_take(struct np_catalogue *cat, struct np_gpu **rows, size_t n,
		       struct np_err *err);

/* Allocates keys for up to `n` rows; NULL: no memory. */
struct gpu_keys *gpu_keys_new(size_t n);

/* Gives the catalogue `keys`, filled from its rows. */
void gpu_keys_take(struct np_catalogue *cat, struct gpu_keys *keys);

/* Users of the catalogue may not write its rows. */
static inline void free_const(const void *p)
{
	free((void *)(uintptr_t)p);
}

#endif
