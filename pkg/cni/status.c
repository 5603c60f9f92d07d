/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

/* Asks for the rights in the namespaces of the pools' classes. */
static int check_rights(struct cni_session *s, struct np_err *err)
{
	NP_AUTO(np_freep) const char **names = NULL;
	size_t n = 0;

	names = cni_list_namespaces(s, NULL, &n);
	if (!names)
		return np_fail_nomem(err);
	return np_sync_check_access(&s->store, n, names, err);
}

static int check_plan(struct cni_session *s, const struct np_fetched *fetched, struct np_err *err)
{
	NP_AUTO(np_plan_done) struct np_plan plan = { 0 };
	struct np_plan_options o = { .catalogue = s->catalogue,
				     .max_window_gb = s->config.max_window_gb,
				     .holder = s->holder,
				     .classes = fetched->items,
				     .n_classes = fetched->n };

	if (np_plan_make(&s->input, &o, &plan, err) < 0)
		return np_err_ret(err);
	if (plan.n_errors == 0)
		return 0;
	*err = plan.errors[0];
	return np_err_ret(err);
}

static int check_api(struct cni_session *s, struct np_err *err)
{
	NP_AUTO(np_sync_fetched_done) struct np_fetched fetched = { 0 };

	if (cni_connect(s, err) < 0 || np_sync_fetch(&s->store, &s->input, &fetched, err) < 0 ||
	    check_rights(s, err) < 0)
		return np_err_ret(err);
	return check_plan(s, &fetched, err);
}

/* Whatever would stop ADD makes the plugin unavailable. */
int cni_status(struct cni_session *s, struct np_err *err)
{
	if (cni_load_pools(s, err) < 0)
		return np_err_ret(err);
	if (check_api(s, err) < 0) {
		s->code = CNI_UNAVAILABLE;
		return np_err_ret(err);
	}
	return 0;
}
