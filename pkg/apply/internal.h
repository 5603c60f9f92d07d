/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEPREP_PKG_APPLY_INTERNAL_H
#define NODEPREP_PKG_APPLY_INTERNAL_H

/*
 * internal - what the files of apply share: fetch.c reads the classes, apply.c writes them.
 */

#include "nodeprep/apply.h"

/* As np_apply_fetch(), with somebody who looks on (may be NULL). */
int apply_fetch(struct np_kube *k, const struct np_input *in, const struct np_apply_watch *w,
		struct np_fetched *ret, struct np_err *err);

/* Fetches one class as a document; NP_E_NOT_FOUND where there is none. */
int apply_fetch_one(struct np_kube *k, const struct np_kube_resource *r, const char *ns,
		    const char *name, struct np_class_ref *ret, struct np_err *err);

void apply_report(const struct np_apply_watch *w, enum np_apply_stage stage, size_t done,
		  size_t total);

#endif
