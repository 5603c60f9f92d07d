/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

int cni_check(struct cni_session *s, struct np_err *err)
{
	NP_AUTO(np_sync_done) struct np_sync a = { 0 };
	struct np_plan_options o = { .catalogue = s->catalogue,
				     .max_window_gb = s->config.max_window_gb,
				     .holder = s->holder };

	if (cni_load_pools(s, err) < 0 || cni_connect(s, err) < 0)
		return np_err_ret(err);
	if (np_sync_fetch(&s->store, &s->input, &a.fetched, err) < 0)
		return cni_fail_api(s, err);
	o.classes = a.fetched.items;
	o.n_classes = a.fetched.n;
	if (np_plan_make(&s->input, &o, &a.plan, err) < 0)
		return np_err_ret(err);
	s->host->log_plan(s->host->ctx, &a.plan);
	if (cni_check_sync(s, &a, err) < 0)
		return np_err_ret(err);
	return np_cni_drift(&a.plan, &s->details, err);
}
