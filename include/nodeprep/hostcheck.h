/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEPREP_HOSTCHECK_H
#define NODEPREP_HOSTCHECK_H

/*
 * hostcheck - whether a host can give GPUs to VMs, judged by captures that an operator can paste.
 *
 * Evidence   np_hostcheck_read() takes captures and recognises each by its content;
 *            np_hostcheck_judge() makes the checklist of them.
 * Bounds     64 MiB a capture, 4,096 devices, 256 captures.
 * Ownership  an evidence and a report own what they hold, except the catalogue's cards.
 * Errors     NP_E_SPEC: a capture in which nothing is recognised; NP_E_NOMEM.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "nodeprep/report.h"

struct np_err;

/* What captures say, each value with where it came from. */
struct np_host;

/* Makes an evidence that says nothing yet. */
int np_hostcheck_new(const struct np_catalogue *cat, struct np_host **ret, struct np_err *err);
void np_hostcheck_free(struct np_host *h);
void np_hostcheck_freep(struct np_host **h);

/* Reads one capture; several kinds may stand in it, one after the other. */
int np_hostcheck_read(struct np_host *h, const char *name, const char *bytes, size_t size,
		      struct np_err *err);

/* `wants_vgpu`: the host is to give vGPUs away; else that is told by who owns its GPUs. */
int np_hostcheck_judge(struct np_host *h, bool wants_vgpu, struct np_report *ret,
		       struct np_err *err);

/* Returns the HostReport; NULL where memory runs out. */
json_t *np_hostcheck_tree(const struct np_host *h, const struct np_report *r);
int np_hostcheck_text(const struct np_host *h, const struct np_report *r, char **ret,
		      struct np_err *err);

#endif
