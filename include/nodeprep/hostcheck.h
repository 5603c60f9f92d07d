/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEPREP_HOSTCHECK_H
#define NODEPREP_HOSTCHECK_H

/*
 * hostcheck - checks whether a host can assign GPUs to VMs, from captures that an operator pastes.
 *
 * Evidence   np_hostcheck_read() takes captures and recognises each by its content;
 *            np_hostcheck_judge() turns them into a checklist.
 * Bounds     64 MiB a capture, 4,096 devices, 256 captures.
 * Ownership  an evidence and a report own their members, except the catalogue's cards.
 * Errors     NP_E_SPEC: a capture in which nothing is recognised; NP_E_NOMEM.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "nodeprep/report.h"

struct np_err;

/* The values of the captures, each with its source. */
struct np_host;

/*
 * Tells whether a host's PCI function is a GPU: what the catalogue knows, and display controllers and
 * accelerators of every vendor, unless they are for a screen alone. `class` has 16 bits, such as 0x0302.
 */
bool np_hostcheck_is_gpu(const struct np_catalogue *cat, const char *address, struct np_pci_id id,
			 unsigned class);

/* Creates an empty evidence. */
int np_hostcheck_new(const struct np_catalogue *cat, struct np_host **ret, struct np_err *err);
void np_hostcheck_free(struct np_host *h);
void np_hostcheck_freep(struct np_host **h);

/* Reads one capture, which may hold several kinds one after the other. */
int np_hostcheck_read(struct np_host *h, const char *name, const char *bytes, size_t size,
		      struct np_err *err);

/*
 * Judges the evidence. `wants_vgpu`: the host must offer vGPUs; else the owner of its GPUs decides.
 */
int np_hostcheck_judge(struct np_host *h, bool wants_vgpu, struct np_report *ret,
		       struct np_err *err);

/* Returns the HostReport; NULL where memory runs out. */
json_t *np_hostcheck_tree(const struct np_host *h, const struct np_report *r);
int np_hostcheck_text(const struct np_host *h, const struct np_report *r, char **ret,
		      struct np_err *err);

#endif
