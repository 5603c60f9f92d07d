/* SPDX-License-Identifier: Apache-2.0 */
#include "../common/catalogue.h"
#include "cmd.h"

#include <stdlib.h>
#include <string.h>

#include "nodeprep/check.h"
#include "nodeprep/selector.h"
#include "nodeprep/vmclass.h"

static struct flags {
	bool all_namespaces, watches;
} flags;

#define AT(member) offsetof(struct flags, member)

static const struct option_row rows[] = {
	{ "all-namespaces", 'A', NULL, OPTION_FLAG, AT(all_namespaces),
	  .help = "the classes of all namespaces" },
	{ "watch", 'w', NULL, OPTION_FLAG, AT(watches),
	  .help = "after the list, print each class again when it changes, until a signal" },
};

const struct option_table status_options = { OPTION_ROWS(rows), &flags, 0 };

/* The statuses so far, and what they are made with. */
struct collector {
	const struct options *o;
	const struct np_catalogue *catalogue;
	const struct np_selector *selector; /* NULL: all classes */
	json_t *items;
	bool has_heading; /* of the table, which is printed once */
};

static int collect(void *ctx, json_t *object, struct np_err *err)
{
	struct collector *c = ctx;
	json_t *labels = json_object_get(json_object_get(object, "metadata"), "labels");
	json_t *status;

	if (c->selector && !np_selector_matches(c->selector, labels))
		return 0;
	if (np_check_status(object, c->catalogue, &status, err) < 0)
		return np_err_ret(err);
	if (status && json_array_append_new(c->items, status) < 0)
		return np_fail_nomem(err);
	return 0;
}

static int print_table(struct collector *c, struct np_err *err)
{
	NP_AUTO(np_freep) char *text = NULL;
	const char *below;

	if (np_check_status_text(c->items, c->o->format == NP_FORMAT_WIDE, &text, err) < 0)
		return np_err_ret(err);
	below = c->has_heading ? strchr(text, '\n') : NULL;
	c->has_heading = true;
	return put(below ? below + 1 : text, err);
}

static int print_statuses(struct collector *c, struct np_err *err)
{
	const struct options *o = c->o;
	NP_AUTO(np_freep) char *text = NULL;
	json_auto_t *tree = NULL;

	if (!is_for_programs(o))
		return print_table(c, err);
	tree = json_pack("{s:s, s:s, s:O}", "apiVersion", "nodeprep.dev/v1alpha1", "kind",
			 "ClassStatusList", "items", c->items);
	if (!tree)
		return np_fail_nomem(err);
	return np_render_tree(tree, o->format, &text, err) < 0 ? np_err_ret(err) : put(text, err);
}

/* Prints the changed class. A class without a record is not managed any more. */
static int print_event(void *ctx, enum np_kube_event event, json_t *object, struct np_err *err)
{
	struct collector *c = ctx;

	if (event != NP_KUBE_ADDED && event != NP_KUBE_MODIFIED)
		return 0;
	json_array_clear(c->items);
	if (collect(c, object, err) < 0)
		return np_err_ret(err);
	return json_array_size(c->items) > 0 ? print_statuses(c, err) : 0;
}

static bool is_stopped(void *ctx)
{
	(void)ctx;
	return signals_is_stopped(NULL);
}

static int list(struct np_kube *kube, const struct np_kube_resource *r, struct collector *c,
		struct np_kube_watch *watch, struct np_err *err)
{
	json_array_clear(c->items);
	if (np_kube_list_version(kube, r, watch->ns, collect, c, watch->version, err) < 0)
		return np_err_ret(err);
	return print_statuses(c, err);
}

static int watch_until_signal(struct np_kube *kube, const struct np_kube_resource *r,
			      struct collector *c, struct np_kube_watch *watch, struct np_err *err)
{
	signals_watch();
	for (;;) {
		if (np_kube_watch(kube, r, watch, err) < 0)
			return np_err_ret(err);
		if (watch->end == NP_KUBE_WATCH_STOPPED)
			return 0;
		if (watch->end == NP_KUBE_WATCH_GONE && list(kube, r, c, watch, err) < 0)
			return np_err_ret(err);
	}
}

/* Sets *ret to the namespace to look at; NULL: all of them. */
static int find_namespace(const struct options *o, const struct work *w, char **ret,
			  struct np_err *err)
{
	if (flags.all_namespaces && o->kube.ns)
		return np_fail(err, NP_E_USAGE,
			       "--all-namespaces and --namespace are mutually exclusive");
	if (flags.all_namespaces || !w->config)
		return 0;
	*ret = strdup(np_kube_config_namespace(w->config));
	return *ret ? 0 : np_fail_nomem(err);
}

int run_status(const struct options *o, struct np_err *err)
{
	NP_AUTO(work_done) struct work w = { 0 };
	NP_AUTO(np_freep) char *ns = NULL;
	json_auto_t *items = json_array();
	struct collector c = { .o = o, .items = items };
	struct np_kube_watch watch = { .each = print_event, .is_stopped = is_stopped, .ctx = &c };
	struct np_kube_resource r;

	if (catalogue_load(&o->catalogues, &o->captures, &w.catalogue, err) < 0)
		return np_err_ret(err);
	c.catalogue = w.catalogue;
	if (live_select(o, &w, err) < 0)
		return np_err_ret(err);
	c.selector = w.selector;
	work_load_config(o, &w);
	if (find_namespace(o, &w, &ns, err) < 0 || work_connect(o, &w, err) < 0 ||
	    np_kube_discover(w.kube, NP_VMCLASS_GROUP, NP_VMCLASS_PLURAL, &r, err) < 0)
		return np_err_ret(err);
	watch.ns = ns;
	if (list(w.kube, &r, &c, &watch, err) < 0)
		return np_err_ret(err);
	if (json_array_size(items) == 0 && !is_for_programs(o))
		log_no_status(w.kube, ns);
	return flags.watches ? watch_until_signal(w.kube, &r, &c, &watch, err) : 0;
}
