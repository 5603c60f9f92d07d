/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <string.h>

static bool is_mine(void *ctx, const char *id, const char *holder)
{
	const struct cni_session *s = ctx;

	(void)id;
	return strcmp(holder, s->holder) == 0;
}

static bool is_stale(void *ctx, const char *id, const char *holder)
{
	const struct cni_session *s = ctx;

	(void)id;
	return np_cni_is_stale(&s->config, holder);
}

static void log_released(const struct cni_session *s, const struct np_release *l)
{
	for (size_t i = 0; i < l->warnings.n; i++)
		cni_log(s, "warning", "%s: %s", l->warnings.items[i].code,
			l->warnings.items[i].message);
	for (size_t i = 0; i < l->n; i++) {
		const struct np_release_class *c = &l->classes[i];

		cni_log_class(s, c->ns, c->name, c->result);
		for (size_t k = 0; k < c->warnings.n; k++)
			cni_log(s, "warning", "%s: %s/%s: %s", c->warnings.items[k].code,
				c->ns ? c->ns : "", c->name, c->warnings.items[k].message);
	}
}

static int check_released(struct cni_session *s, const struct np_release *l, struct np_err *err)
{
	enum np_code code = np_sync_release_code(l);

	for (size_t i = 0; i < l->n; i++)
		cni_take_error(s, &l->classes[i].error, code, err);
	return code == NP_OK ? 0 : np_err_ret(err);
}

/* The specification asks that DEL succeeds even if its parameters are gone: so it does without pools. */
static bool knows_pools(struct cni_session *s)
{
	struct np_err why = NP_ERR_INIT;

	if (!np_cni_has_pools(&s->config))
		return false;
	if (cni_load_pools(s, &why) == 0)
		return true;
	cni_log(s, "warning", "cannot read the pools, so nodeprep searches every class: %s",
		why.text);
	return false;
}

static int release(struct cni_session *s, np_release_fn *releases, struct np_err *err)
{
	NP_AUTO(np_sync_release_done) struct np_release l = { 0 };
	NP_AUTO(np_freep) const char **names = NULL;
	bool knows = knows_pools(s);
	struct np_release_scope scope = { .catalogue = s->catalogue,
					  .releases = releases,
					  .ctx = s,
					  .dry_run = s->config.dry_run,
					  .all_namespaces = !knows,
					  .in = knows ? &s->input : NULL };

	if (cni_connect(s, err) < 0)
		return np_err_ret(err);
	names = cni_list_namespaces(s, s->kube ? np_kube_namespace(s->kube) : NULL,
				    &scope.n_namespaces);
	if (!names)
		return np_fail_nomem(err);
	scope.namespaces = names;
	if (np_sync_release(&s->store, &scope, &l, err) < 0)
		return np_err_ret(err);
	log_released(s, &l);
	return check_released(s, &l, err);
}

int cni_del(struct cni_session *s, struct np_err *err)
{
	return release(s, is_mine, err);
}

int cni_gc(struct cni_session *s, struct np_err *err)
{
	if (!s->config.has_valid) {
		cni_log(s, "info", "no list of valid attachments: nothing is released");
		return 0;
	}
	return release(s, is_stale, err);
}
