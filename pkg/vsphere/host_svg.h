/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEPREP_VSPHERE_HOST_SVG_H
#define NODEPREP_VSPHERE_HOST_SVG_H

/*
 * host_svg - what the drawing of hosts is made of: host_svg.c makes its pages, host_svg_row.c the row of a host,
 * host_svg_parts.c the boxes and texts of both.
 */

#include "internal.h"

#include <stdio.h>

#include "nodeprep/plan.h"
#include "nodeprep/svg.h"

/* The drawing's measures, in its own units: 960 wide, as high as it gets. */
enum {
	WIDTH = 960,
	MARGIN = 24,
	INNER = WIDTH - 2 * MARGIN,
	PAGE_GAP = 48,
	NAME_WIDTH = 216,
	SLOTS_X = MARGIN + NAME_WIDTH,
	SLOTS = 8, /* in a line */
	SLOT_WIDTH = 66,
	SLOT_HEIGHT = 48,
	SLOT_STEP = SLOT_WIDTH + 4,
	STRIP_HEIGHT = 7, /* with the pattern of the state */
	FITS_X = SLOTS_X + SLOTS * SLOT_STEP + 12,
	FITS = 4, /* in a line */
	FIT_WIDTH = 27,
	FIT_HEIGHT = 18,
	FIT_STEP = 31,
	ROW_GAP = 14,
	SAMPLE_STEP = 116,
};

enum vsphere_svg_state { FREE, USED, VGPU, DISABLED, INCAPABLE, REBOOT, UNKNOWN, STATES };

/* Each state has a word and a pattern, so that no colour is needed. */
struct vsphere_svg_word {
	const char *word, *class, *meaning;
};

extern const struct vsphere_svg_word vsphere_svg_states[STATES];

/* A drawing while it is written. */
struct vsphere_svg {
	FILE *out;
	const struct np_vsphere_hosts *hosts;
	const struct np_plan *plan; /* NULL: no pools */
	size_t pages;
	unsigned y; /* grows downwards */
};

/* --- host_svg_parts.c ------------------------------------------------------------------------ */

enum vsphere_svg_state vsphere_svg_state_of(const struct np_vsphere_host *h,
					    const struct np_vsphere_gpu *gpu);

/* Writes lines of text at g->y, which is below them afterwards. */
void vsphere_svg_format(struct vsphere_svg *g, unsigned x, unsigned size, const char *class,
			const char *fmt, ...) __attribute__((format(printf, 5, 6)));

/* Writes the box of a GPU with the pattern of its state, and a word at its top. */
void vsphere_svg_box(struct vsphere_svg *g, unsigned x, unsigned y, enum vsphere_svg_state s);
void vsphere_svg_in_box(struct vsphere_svg *g, unsigned x, unsigned y, enum vsphere_svg_state s,
			const char *text);

/* Writes the number of a pool; where it fits nowhere, it is a sample for the key. */
void vsphere_svg_fit(struct vsphere_svg *g, unsigned x, unsigned y, size_t pool,
		     enum vsphere_fit fit);

/* --- host_svg_row.c -------------------------------------------------------------------------- */

/* Writes a host's row at g->y, which is below it afterwards. */
int vsphere_svg_host(struct vsphere_svg *g, const struct np_vsphere_host *h, struct np_err *err);

#endif
