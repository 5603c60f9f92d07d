/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <string.h>

#include "nodeprep/file.h"
#include "nodeprep/render.h"

static void log_templates(const struct cni_session *s, const struct np_plan *plan)
{
	char text[NP_PLAN_TEMPLATE_TEXT_MAX];

	for (size_t i = 0; i < plan->n_templates; i++) {
		np_plan_template_text(&plan->templates[i], text);
		s->host->log(s->host->ctx, "info", text);
	}
}

static void log_classes(const struct cni_session *s, const struct np_sync *a)
{
	for (size_t i = 0; a->classes && i < a->plan.n_classes; i++)
		cni_log_class(s, a->plan.classes[i].ns, a->plan.classes[i].name,
			      a->classes[i].result);
}

static int write_plan_file(const struct cni_session *s, json_t *tree, struct np_err *err)
{
	NP_AUTO(np_freep) char *text = NULL;

	if (!s->config.plan_file)
		return 0;
	if (np_render_tree(tree, NP_FORMAT_JSON, &text, err) < 0 ||
	    np_file_replace(s->config.plan_file, text, strlen(text), 0644, err) < 0)
		return np_wrap(err, "planFile");
	return 0;
}

static int finish(struct cni_session *s, const struct np_sync *a, struct np_err *err)
{
	json_auto_t *tree = np_sync_tree(a);

	if (!tree)
		return np_fail_nomem(err);
	if (write_plan_file(s, tree, err) < 0)
		return np_err_ret(err);
	return np_cni_result(&s->config, tree, &s->answer, err);
}

int cni_add(struct cni_session *s, struct np_err *err)
{
	NP_AUTO(np_sync_done) struct np_sync a = { 0 };
	struct np_sync_options o = { .plan = { .catalogue = s->catalogue,
					       .max_window_gb = s->config.max_window_gb,
					       .holder = s->holder },
				     .dry_run = s->config.dry_run ? NP_DRY_RUN_CLIENT
								  : NP_DRY_RUN_NONE };

	if (cni_load_pools(s, err) < 0 || cni_connect(s, err) < 0)
		return np_err_ret(err);
	if (np_sync_run(&s->store, &s->input, &o, &a, err) < 0)
		return cni_fail_api(s, err);
	s->host->log_plan(s->host->ctx, &a.plan);
	log_templates(s, &a.plan);
	log_classes(s, &a);
	if (cni_check_sync(s, &a, err) < 0)
		return np_err_ret(err);
	return finish(s, &a, err);
}
