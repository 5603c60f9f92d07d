/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEPREP_PKG_SYNC_INTERNAL_H
#define NODEPREP_PKG_SYNC_INTERNAL_H

/*
 * internal - what the files of sync share: class.c brings one class to its desired state, batch.c does so for
 * the plan of a whole input, release.c releases registrations; fetch.c reads classes.
 */

#include "nodeprep/err.h"
#include "nodeprep/sync.h"
#include "nodeprep/warnings.h"

/* As np_sync_fetch(), with a progress callback (may be NULL). */
int sync_fetch(struct np_kube *k, const struct np_input *in, const struct np_progress *w,
	       struct np_fetched *ret, struct np_err *err);

void sync_report(const struct np_progress *w, enum np_sync_stage stage, size_t done, size_t total);

#endif
