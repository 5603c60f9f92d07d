/* SPDX-License-Identifier: Apache-2.0 */
#include "../common/catalogue.h"
#include "cmd.h"

#include <stdlib.h>
#include <string.h>

#include "nodeprep/file.h"
#include "nodeprep/json.h"
#include "nodeprep/map.h"
#include "nodeprep/time.h"
#include "nodeprep/vmclass.h"

/* Who presses a key waits no longer for a server; and gets no error of it. */
#define SERVER_MS UINT64_C(1000)

/* Names with bytes that a shell or a terminal might act on are not offered. */
static bool is_plain(const char *name)
{
	if (*name == '\0')
		return false;
	for (; *name; name++)
		if ((unsigned char)*name <= ' ' || (unsigned char)*name >= 0x7f ||
		    strchr("'\"`$\\;|&<>(){}", *name))
			return false;
	return true;
}

static void offer_name(const struct completion *x, const char *name)
{
	if (name && is_plain(name))
		x->offer(name, NULL, x->argv[x->argc - 1]);
}

/* --- the words before ------------------------------------------------------------------------ */

/* Reads the options before the word that is completed; `awaits`: the last of them has no value yet. */
static int read_options(const struct completion *x, bool awaits, struct options *ret,
			struct np_err *err)
{
	NP_AUTO(np_freep) char **words = calloc((size_t)x->argc + 1, sizeof(*words));
	int n = 0, end = x->argc - (awaits ? 2 : 1);

	if (!words)
		return np_fail_nomem(err);
	words[n++] = x->argv[x->at];
	for (int i = 1; i < end; i++)
		if (i != x->at)
			words[n++] = x->argv[i];
	if (options_parse(x->c, n, words, ret, err) < 0)
		return np_err_ret(err);
	ret->kube.deadline_ms = SERVER_MS;
	ret->kube.request_timeout_ms = SERVER_MS;
	ret->kube.stdin_taken = true;
	ret->kube.trace = NULL;
	np_file_set_deadline(np_clock_ms() + SERVER_MS);
	return 0;
}

/* --- kubeconfigs ----------------------------------------------------------------------------- */

static int offer_entry(void *ctx, const char *name)
{
	offer_name(ctx, name);
	return 0;
}

static void offer_entries(const struct completion *x, const char *list)
{
	NP_AUTO(options_done) struct options o = { 0 };
	struct np_err ignored = NP_ERR_INIT;
	struct completion copy = *x;

	if (read_options(x, true, &o, &ignored) == 0)
		np_kube_config_each(&o.kube, list, offer_entry, &copy, &ignored);
}

static void offer_clusters(const struct completion *x)
{
	offer_entries(x, "clusters");
}

static void offer_contexts(const struct completion *x)
{
	offer_entries(x, "contexts");
}

static void offer_users(const struct completion *x)
{
	offer_entries(x, "users");
}

/* --- a server -------------------------------------------------------------------------------- */

static int offer_object(void *ctx, json_t *object, struct np_err *err)
{
	(void)err;
	offer_name(ctx, np_json_meta_text(object, "name"));
	return 0;
}

static int connect(const struct completion *x, bool awaits, struct np_kube **ret,
		   struct np_err *err)
{
	NP_AUTO(options_done) struct options o = { 0 };
	NP_AUTO(np_kube_config_freep) struct np_kube_config *config = NULL;

	if (read_options(x, awaits, &o, err) < 0 || np_kube_config_load(&o.kube, &config, err) < 0)
		return np_err_ret(err);
	return np_kube_new_take(np_take(config), ret, err);
}

static void offer_namespaces(const struct completion *x)
{
	const struct np_kube_resource r = { .version = "v1", .plural = "namespaces" };
	NP_AUTO(np_kube_freep) struct np_kube *kube = NULL;
	struct np_err ignored = NP_ERR_INIT;
	struct completion copy = *x;

	if (connect(x, true, &kube, &ignored) == 0)
		np_kube_list(kube, &r, NULL, 0, offer_object, &copy, &ignored);
}

/* Offers each name once. */
static void offer_new(const struct completion *x, struct np_index *seen, const char *name)
{
	struct np_err ignored = NP_ERR_INIT;
	size_t at;

	if (name && !np_index_find(seen, NP_KEY(name), &at) &&
	    np_index_enter(seen, NP_KEY(name), 0, &at, &ignored) == 0)
		offer_name(x, name);
}

/* Offers the pools, templates and classes of the input. */
static void offer_input(const struct completion *x, const struct np_input *in)
{
	NP_AUTO(np_index_done) struct np_index seen = { 0 };

	for (size_t i = 0; i < in->n_pools; i++) {
		offer_new(x, &seen, in->pools[i].name);
		offer_new(x, &seen, in->pools[i].vm_class);
	}
	for (size_t i = 0; i < in->n_templates; i++)
		offer_new(x, &seen, in->templates[i].name);
	for (size_t i = 0; i < in->n_classes; i++)
		offer_new(x, &seen, np_json_meta_text(in->classes[i].node.json, "name"));
}

/* Offers what the files of -f name; false where there are none that can be read now. */
static bool offer_files(const struct completion *x)
{
	NP_AUTO(options_done) struct options o = { 0 };
	NP_AUTO(work_done) struct work w = { 0 };
	struct np_err ignored = NP_ERR_INIT;

	if (read_options(x, false, &o, &ignored) < 0 || o.files.n == 0)
		return false;
	for (size_t i = 0; i < o.files.n; i++)
		if (strcmp(o.files.items[i], "-") == 0)
			return false;
	if (catalogue_load(&o.catalogues, &o.captures, &w.catalogue, &ignored) < 0 ||
	    work_load_files(&o, &w, &ignored) < 0)
		return false;
	np_pool_input_finish(&w.input, &ignored);
	offer_input(x, &w.input);
	return true;
}

/* What `explain` explains. */
static void offer_classes_and_pools(const struct completion *x)
{
	static const char *const kinds[][2] = { { NP_VMCLASS_GROUP, NP_VMCLASS_PLURAL },
						{ "nodeprep.dev", "nodepools" } };
	NP_AUTO(np_kube_freep) struct np_kube *kube = NULL;
	struct np_err ignored = NP_ERR_INIT;
	struct completion copy = *x;

	if (offer_files(x) || connect(x, false, &kube, &ignored) < 0)
		return;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct np_kube_resource r;

		if (np_kube_discover(kube, kinds[i][0], kinds[i][1], &r, &ignored) == 0)
			np_kube_list(kube, &r, np_kube_namespace(kube), 0, offer_object, &copy,
				     &ignored);
	}
}

/* --- the program itself ---------------------------------------------------------------------- */

static void offer_warnings(const struct completion *x)
{
	for (enum np_warning_id id = 0; id < NP_WARNING_MAX; id++) {
		const struct np_message_kind *kind = np_warning_kind(id);

		if (kind->severity != NP_SEVERITY_ERROR)
			offer_name(x, kind->code);
	}
}

static void offer_holders(const struct completion *x)
{
	offer_name(x, "apply");
	offer_name(x, "controller");
}

/* Several boards may be of one model. */
static bool is_first_of_model(const struct np_catalogue *catalogue, size_t i)
{
	const char *model = np_gpu_catalogue_at(catalogue, i)->model;

	for (size_t k = 0; k < i; k++)
		if (strcmp(np_gpu_catalogue_at(catalogue, k)->model, model) == 0)
			return false;
	return true;
}

static void offer_models(const struct completion *x)
{
	NP_AUTO(np_gpu_catalogue_freep) struct np_catalogue *catalogue = NULL;
	struct np_err ignored = NP_ERR_INIT;

	if (np_gpu_catalogue_new(&catalogue, &ignored) < 0)
		return;
	for (size_t i = 0; i < np_gpu_catalogue_count(catalogue); i++)
		if (is_first_of_model(catalogue, i))
			offer_name(x, np_gpu_catalogue_at(catalogue, i)->model);
}

/* By option, and of positional arguments by command. */
static const struct value_row {
	const char *option, *command;
	void (*offer)(const struct completion *x);
} rows[] = {
	{ "cluster", NULL, offer_clusters },
	{ "context", NULL, offer_contexts },
	{ "holder", NULL, offer_holders },
	{ "ignore-warning", NULL, offer_warnings },
	{ "namespace", NULL, offer_namespaces },
	{ "user", NULL, offer_users },
	{ NULL, "explain", offer_classes_and_pools },
	{ NULL, "gpus", offer_models },
};

bool completion_values(const struct completion *x, const char *option)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct value_row *row = &rows[i];

		if (option ? !row->option || strcmp(row->option, option) != 0
			   : !row->command || strcmp(row->command, x->c->name) != 0)
			continue;
		/* Of vCenter and its hosts, --cluster names something else. */
		if (option && strcmp(option, "cluster") == 0 && (x->c->options & OPT_API) == 0)
			return false;
		if (x->at > 0 || option)
			row->offer(x);
		return true;
	}
	return false;
}
