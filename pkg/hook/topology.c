/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/err.h"
#include "nodeprep/json.h"

/* Makes the plan of an item's pool; a pool without a template of its own has none. */
static int plan_item(const struct outcome *out, const struct request *r, const struct item *item,
		     struct pool_plan *p, struct np_err *err)
{
	const struct np_plan_options o = { .catalogue = out->o->catalogue,
					   .max_window_gb = out->o->max_window_gb,
					   .in_place = true,
					   .holder = "hook" };

	if (hook_pool_input(r, item, out->o->catalogue, &p->input, err) < 0)
		return np_err_ret(err);
	/* On a Supervisor the class decides, which a template only names. */
	if (p->input.n_pools == 0 || !p->input.pools[0].has_template)
		return 0;
	return np_plan_make(&p->input, &o, &p->plan, err);
}

/* Makes the plan, and a finding of what stands in its way. */
static int find_plan(const struct outcome *out, const struct request *r, const struct item *item,
		     struct pool_plan *p, struct findings *f, struct np_err *err)
{
	struct np_err why = NP_ERR_INIT;

	if (plan_item(out, r, item, p, &why) == 0)
		return hook_findings_add_plan(f, &p->plan, err);
	return why.code == NP_E_NOMEM ? np_fail_nomem(err) : hook_findings_add(f, why.text, err);
}

static const json_t *replaced_spec(const struct np_plan_template *t)
{
	const json_t *spec = json_object_get(t->replacement, "spec");

	return json_object_get(json_object_get(spec, "template"), "spec");
}

/* Returns the template that lacks something; NULL where all is right. */
static const struct np_plan_template *lacking_template(const struct np_plan *plan)
{
	for (size_t i = 0; i < plan->n_templates; i++)
		if (plan->templates[i].replacement)
			return &plan->templates[i];
	return NULL;
}

/* --- patches ---------------------------------------------------------------------------------- */

/* Sets what differs of two objects; what is gone becomes null (RFC 7386). */
static int add_difference(json_t *patch, json_t *from, json_t *to)
{
	const char *key;
	json_t *value;

	json_object_foreach (from, key, value)
		if (!json_object_get(to, key) &&
		    json_object_set_new_nocheck(patch, key, json_null()) < 0)
			return -1;
	json_object_foreach (to, key, value) {
		json_t *old = json_object_get(from, key);

		if ((!old || !json_equal(old, value)) &&
		    json_object_set_nocheck(patch, key, value) < 0)
			return -1;
	}
	return 0;
}

static json_t *make_spec_patch(const struct np_plan_template *t)
{
	static const char *const fields[] = { "hardwareVersion", "pciDevices" };
	const struct np_val spec =
		np_doc_get(np_doc_get(np_doc_get(t->template->node, "spec"), "template"), "spec");
	const json_t *wanted = replaced_spec(t);
	json_auto_t *patch = json_object(), *keys = json_object();
	json_t *fresh = json_object_get(wanted, "customVMXKeys");
	int r = patch && keys ? 0 : -1;

	if (r == 0)
		r = add_difference(keys, t->template->vmx_keys, fresh);
	if (r == 0 && json_object_size(keys) > 0)
		r = json_object_set(patch, "customVMXKeys", keys);
	for (size_t i = 0; r == 0 && i < sizeof(fields) / sizeof(fields[0]); i++) {
		json_t *value = json_object_get(wanted, fields[i]);
		const json_t *old = np_doc_get(spec, fields[i]).json;

		if (value && (!old || !json_equal(old, value)))
			r = json_object_set(patch, fields[i], value);
	}
	return r < 0 ? NULL : json_incref(patch);
}

/* Writes the merge patch. */
static int make_patch(const struct np_plan_template *t, struct text *ret)
{
	json_auto_t *spec = make_spec_patch(t);
	NP_AUTO(np_freep)
	char *text = spec ? np_json_text(spec, JSON_COMPACT | JSON_SORT_KEYS) : NULL;

	if (!text)
		return -1;
	hook_text_add_string(ret, "{\"spec\":{\"template\":{\"spec\":");
	hook_text_add_string(ret, text);
	hook_text_add_string(ret, "}}}");
	return ret->failed ? -1 : 0;
}

static int add_patch(struct outcome *out, const char *uid, const struct np_plan_template *t,
		     struct np_err *err)
{
	NP_AUTO(hook_text_done) struct text patch = { .bytes = NULL };

	if (make_patch(t, &patch) < 0)
		return np_fail_nomem(err);
	hook_text_add_string(&out->extra, out->answer->templates == 0 ? ",\"items\":[" : ",");
	hook_text_add_string(&out->extra, "{\"uid\":");
	hook_text_add_json(&out->extra, uid);
	hook_text_add_string(&out->extra, ",\"patchType\":\"JSONMergePatch\",\"patch\":");
	hook_text_add_base64(&out->extra, patch.bytes, patch.n);
	hook_text_add_string(&out->extra, "}");
	out->answer->templates++;
	return 0;
}

static int patch_item(struct outcome *out, const struct request *r, const struct item *item,
		      struct findings *f, struct np_err *err)
{
	NP_AUTO(hook_pool_plan_done) struct pool_plan p = { .plan = { 0 } };
	const struct np_plan_template *t;
	json_auto_t *uid = NULL;

	if (hook_span_text(item->uid, &uid) == -NP_E_NOMEM)
		return np_fail_nomem(err);
	if (!uid)
		return hook_findings_add(f, "an item has no uid: expected a string", err);
	if (find_plan(out, r, item, &p, f, err) < 0)
		return np_err_ret(err);
	t = p.plan.n_errors == 0 ? lacking_template(&p.plan) : NULL;
	return t ? add_patch(out, json_string_value(uid), t, err) : 0;
}

/* What is wrong with some pool fails the whole, or is reported beside the patches of the others. */
static int conclude(struct outcome *out, const struct request *r, const struct findings *f,
		    struct np_err *err)
{
	if (!hook_findings_has_any(f))
		return 0;
	hook_findings_text(f, out->answer->message);
	if (r->enforce)
		return np_fail(err, NP_E_SPEC, "%s", out->answer->message);
	return 0;
}

int hook_generate_patches(struct outcome *out, const struct request *r, struct np_err *err)
{
	NP_AUTO(hook_findings_done) struct findings f = { NULL };

	for (size_t i = 0; i < r->n_items; i++)
		if (patch_item(out, r, &r->items[i], &f, err) < 0)
			return np_err_ret(err);
	if (out->answer->templates > 0)
		hook_text_add_string(&out->extra, "]");
	return conclude(out, r, &f, err);
}

/* --- validation ------------------------------------------------------------------------------- */

/* A later patch of the ClusterClass may have taken back what ours set. */
static int check_template(const struct np_plan_template *t, const struct np_plan_pool *p,
			  struct findings *f, struct np_err *err)
{
	char text[NP_ERR_TEXT_MAX], id[NP_POOL_ID_MAX];
	const struct np_change_item *item = &t->change.items[0];
	NP_AUTO(np_freep) char *to = item->to ? np_json_text(item->to, JSON_ENCODE_ANY) : NULL;

	np_pool_id(p->pool, id);
	snprintf(text, sizeof(text),
		 "pool '%s': template '%s' is not right after all patches: %s should be %s", id,
		 t->name, item->path, to ? to : "absent");
	return hook_findings_add(f, text, err);
}

static int check_item(struct outcome *out, const struct request *r, const struct item *item,
		      struct findings *f, struct np_err *err)
{
	NP_AUTO(hook_pool_plan_done) struct pool_plan p = { .plan = { 0 } };
	const struct np_plan_template *t;

	if (find_plan(out, r, item, &p, f, err) < 0)
		return np_err_ret(err);
	t = p.plan.n_errors == 0 ? lacking_template(&p.plan) : NULL;
	return t ? check_template(t, &p.plan.pools[0], f, err) : 0;
}

static int add_classes(const struct outcome *out, const struct request *r, struct np_input *in,
		       struct findings *f, struct np_err *err)
{
	for (size_t i = 0; i < r->n_items; i++) {
		struct np_err why = NP_ERR_INIT;

		if (hook_pool_add_class(r, &r->items[i], out->o->catalogue, in, &why) >= 0)
			continue;
		if (why.code == NP_E_NOMEM)
			return np_fail_nomem(err);
		if (hook_findings_add(f, why.text, err) < 0)
			return np_err_ret(err);
	}
	return 0;
}

/* Plans with the server's classes; what they lack is none of this hook's business. */
static int plan_classes(const struct outcome *out, struct np_input *in, struct np_plan *plan,
			struct np_err *err)
{
	NP_AUTO(np_kube_freep) struct np_kube *kube = NULL;
	NP_AUTO(np_sync_fetched_done) struct np_fetched fetched = { .n = 0 };
	struct np_plan_options o = { .catalogue = out->o->catalogue,
				     .holder = "hook",
				     .max_window_gb = out->o->max_window_gb };
	struct np_class_store store;

	if (np_pool_input_finish(in, err) < 0 || hook_connect(out->o, &kube, err) < 0)
		return np_err_ret(err);
	store = np_sync_store_kube(kube, NULL);
	if (np_sync_fetch(&store, in, &fetched, err) < 0)
		return np_err_ret(err);
	o.classes = fetched.items;
	o.n_classes = fetched.n;
	return np_plan_make(in, &o, plan, err);
}

/*
 * An API server that does not answer is no fault of the topology, but nothing is known without it. Its
 * words may be others each time, which would reconcile the Cluster without an end: they are left out.
 */
static int add_api_error(struct findings *f, const struct np_err *why, struct np_err *err)
{
	char text[128];

	if (why->code == NP_E_NOMEM)
		return np_fail_nomem(err);
	if (np_code_exit_status(why->code) != np_code_exit_status(NP_E_RETRY))
		return hook_findings_add(f, why->text, err);
	snprintf(text, sizeof(text), "the VirtualMachineClasses cannot be read: %s",
		 np_code_name(why->code));
	return hook_findings_add(f, text, err);
}

static int check_classes(struct outcome *out, const struct request *r, struct findings *f,
			 struct np_err *err)
{
	NP_AUTO(hook_pool_plan_done) struct pool_plan p = { .plan = { 0 } };
	struct np_err why = NP_ERR_INIT;

	if (!out->o->kube)
		return 0;
	if (add_classes(out, r, &p.input, f, err) < 0)
		return np_err_ret(err);
	if (p.input.n_pools == 0)
		return 0;
	if (plan_classes(out, &p.input, &p.plan, &why) == 0)
		return hook_findings_add_plan(f, &p.plan, err);
	return add_api_error(f, &why, err);
}

int hook_validate_topology(struct outcome *out, const struct request *r, struct np_err *err)
{
	NP_AUTO(hook_findings_done) struct findings f = { NULL };

	for (size_t i = 0; i < r->n_items; i++)
		if (check_item(out, r, &r->items[i], &f, err) < 0)
			return np_err_ret(err);
	if (check_classes(out, r, &f, err) < 0)
		return np_err_ret(err);
	return conclude(out, r, &f, err);
}
