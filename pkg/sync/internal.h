/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEPREP_PKG_SYNC_INTERNAL_H
#define NODEPREP_PKG_SYNC_INTERNAL_H

/*
 * internal - what the files of sync share: class.c brings one class to its desired state, batch.c does so for
 * the plan of a whole input, release.c releases registrations; fetch.c reads classes; opt_in.c reads who
 * else may use a class.
 */

#include "nodeprep/err.h"
#include "nodeprep/sync.h"
#include "nodeprep/warnings.h"

/* As np_sync_fetch(), with a progress callback (may be NULL). */
int sync_fetch(struct np_kube *k, const struct np_input *in, const struct np_progress *w,
	       struct np_fetched *ret, struct np_err *err);

/*
 * opt_in.c: sets *ret to {"NAMESPACE/CLASS": true} of the VirtualMachineClassBindings in the namespaces of
 * those pools that the class `object` does not allow itself (NULL: of all); leaves it where none needs one,
 * or the API server has no bindings. A new reference.
 */
int sync_opt_in_fetch(struct np_kube *k, const struct np_input *pools, const json_t *object,
		      const struct np_vmclass_scope *scope, json_t **ret, struct np_err *err);

void sync_report(const struct np_progress *w, enum np_sync_stage stage, size_t done, size_t total);

#endif
