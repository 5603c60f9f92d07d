/* SPDX-License-Identifier: Apache-2.0 */
#include "../common/catalogue.h"
#include "cmd.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "nodeprep/check.h"
#include "nodeprep/doc.h"
#include "nodeprep/file.h"
#include "nodeprep/selector.h"

/* Folders below folders; deeper is a loop of mounts, or a mistake. */
#define FOLDERS_MAX 64

void work_done(struct work *w)
{
	for (size_t i = 0; i < w->n_kept; i++) {
		free(w->kept[i].name);
		free(w->kept[i].bytes);
	}
	free(w->kept);
	np_plan_done(&w->plan);
	np_sync_fetched_done(&w->fetched);
	np_pool_input_done(&w->input);
	np_selector_free(w->selector);
	np_kube_free(w->kube);
	np_vcenter_free(w->vcenter);
	np_state_free(w->state);
	np_kube_config_free(w->config);
	np_gpu_catalogue_free(w->catalogue);
}

static bool is_url(const char *path)
{
	return strncmp(path, "http://", strlen("http://")) == 0 ||
	       strncmp(path, "https://", strlen("https://")) == 0;
}

static int load_file(const struct options *o, struct work *w, const char *path, struct np_err *err)
{
	NP_AUTO(np_freep) char *bytes = NULL;
	size_t size = 0;
	size_t n_templates = w->input.n_templates;

	if (options_load(o, path, &bytes, &size, err) < 0)
		return np_err_ret(err);
	if (np_pool_input_collect(&w->input, w->catalogue, path, bytes, size, err) < 0)
		return np_err_ret(err);
	return keep_flat_take(w, path, n_templates, &bytes, size, err);
}

static bool is_manifest(const char *name)
{
	static const char *const endings[] = { ".json", ".yaml", ".yml" };
	size_t size = strlen(name);

	for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
		size_t n = strlen(endings[i]);

		if (size > n && strcmp(name + size - n, endings[i]) == 0)
			return true;
	}
	return false;
}

static int is_visible(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int load_folder(const struct options *o, struct work *w, const char *path, unsigned depth,
		       struct np_err *err);

/* A link to a file is followed, a link to a folder below a folder is not, as kubectl does. */
static int load_entry(const struct options *o, struct work *w, const char *path, unsigned depth,
		      struct np_err *err)
{
	struct stat link, target;

	if (lstat(path, &link) < 0 || stat(path, &target) < 0)
		return np_fail(err, NP_E_IO, "'%s': %s", path, strerror(errno));
	if (S_ISDIR(link.st_mode))
		return o->recursive ? load_folder(o, w, path, depth + 1, err) : 0;
	if (S_ISDIR(target.st_mode) || !is_manifest(path))
		return 0;
	return load_file(o, w, path, err);
}

/* The files of a folder that its kustomization applies as patches: they are no manifests. */
struct patches {
	size_t n;
	char **names;
};

static void patches_done(struct patches *p)
{
	for (size_t i = 0; i < p->n; i++)
		free(p->names[i]);
	free(p->names);
}

static int add_patch(struct patches *p, const char *name, struct np_err *err)
{
	char **grown;

	if (!name)
		return 0;
	if (strncmp(name, "./", 2) == 0)
		name += 2;
	grown = reallocarray(p->names, p->n + 1, sizeof(*grown));
	if (!grown)
		return np_fail_nomem(err);
	p->names = grown;
	grown[p->n] = strdup(name);
	return grown[p->n++] ? 0 : np_fail_nomem(err);
}

/* Entries are {path: FILE}, or of patchesStrategicMerge the file's name alone. */
static int add_patches(struct patches *p, struct np_val root, struct np_err *err)
{
	static const char *const keys[] = { "patches", "patchesJson6902", "patchesStrategicMerge" };

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		struct np_val list = np_doc_get(root, keys[i]);

		for (size_t k = 0; k < np_doc_count(list); k++) {
			struct np_val item = np_doc_at(list, k);
			const json_t *name = json_is_string(item.json)
						     ? item.json
						     : np_doc_get(item, "path").json;

			if (add_patch(p, json_string_value(name), err) < 0)
				return np_err_ret(err);
		}
	}
	return 0;
}

static bool is_kustomization(const char *name)
{
	return strcmp(name, "kustomization.yaml") == 0 || strcmp(name, "kustomization.yml") == 0 ||
	       strcmp(name, "Kustomization") == 0;
}

/* A kustomization that cannot be read is reported where it is read as a manifest. */
static int read_kustomization(struct patches *p, const char *path, const char *name,
			      struct np_err *err)
{
	NP_AUTO(np_doc_reader_freep) struct np_doc_reader *reader = NULL;
	NP_AUTO(np_doc_unrefp) struct np_doc *doc = NULL;
	NP_AUTO(np_freep) char *bytes = NULL;
	NP_AUTO(np_freep) char *file = NULL;
	struct np_err ignored = NP_ERR_INIT;
	size_t size = 0;

	if (asprintf(&file, "%s/%s", path, name) < 0) {
		file = NULL;
		return np_fail_nomem(err);
	}
	if (np_file_load(file, NP_DOC_INPUT_MAX, &bytes, &size, &ignored) < 0 ||
	    np_doc_reader_new(file, bytes, size, &reader, &ignored) < 0 ||
	    np_doc_reader_next(reader, &doc, &ignored) <= 0)
		return 0;
	return add_patches(p, np_doc_root(doc), err);
}

static int find_patches(struct patches *p, const char *path, struct dirent **entries, int n,
			struct np_err *err)
{
	for (int i = 0; i < n; i++)
		if (is_kustomization(entries[i]->d_name) &&
		    read_kustomization(p, path, entries[i]->d_name, err) < 0)
			return np_err_ret(err);
	return 0;
}

static bool is_patch(const struct patches *p, const char *name)
{
	for (size_t i = 0; i < p->n; i++)
		if (strcmp(p->names[i], name) == 0)
			return true;
	return false;
}

static int load_entries(const struct options *o, struct work *w, const char *path, unsigned depth,
			struct dirent **entries, int n, struct np_err *err)
{
	NP_AUTO(patches_done) struct patches patches = { 0 };
	int r = find_patches(&patches, path, entries, n, err);

	for (int i = 0; i < n; i++) {
		NP_AUTO(np_freep) char *below = NULL;

		if (r == 0 && is_patch(&patches, entries[i]->d_name)) {
			r = np_pool_input_skip_patch(&w->input, err);
			free(entries[i]);
			continue;
		}

		if (r == 0 && asprintf(&below, "%s/%s", path, entries[i]->d_name) < 0) {
			below = NULL;
			r = np_fail_nomem(err);
		}
		if (r == 0)
			r = load_entry(o, w, below, depth, err);
		free(entries[i]);
	}
	return r;
}

static int load_folder(const struct options *o, struct work *w, const char *path, unsigned depth,
		       struct np_err *err)
{
	NP_AUTO(np_freep) struct dirent **entries = NULL;
	int n;

	if (depth > FOLDERS_MAX)
		return np_fail(err, NP_E_SPEC, "'%s': more than %d folders deep", path,
			       FOLDERS_MAX);
	n = scandir(path, &entries, is_visible, by_bytes);
	if (n < 0)
		return np_fail(err, NP_E_IO, "'%s': %s", path, strerror(errno));
	return load_entries(o, w, path, depth, entries, n, err);
}

static int load_path(const struct options *o, struct work *w, const char *path, struct np_err *err)
{
	struct stat st;
	bool is_there = strcmp(path, "-") != 0 && stat(path, &st) == 0;

	if (!is_there && is_url(path))
		return np_fail(err, NP_E_USAGE,
			       "-f '%s': URLs are not read: expected a file, a folder or -", path);
	w->input.in_folder = is_there && S_ISDIR(st.st_mode);
	return w->input.in_folder ? load_folder(o, w, path, 0, err) : load_file(o, w, path, err);
}

/* A kubeconfig that merely lies in the home folder may be of any cluster. */
static bool names_api_server(const struct options *o)
{
	const struct np_kube_options *k = &o->kube;

	return k->kubeconfig || k->context || k->server ||
	       (k->kubeconfig_env && k->kubeconfig_env[0] != '\0');
}

/* A kubeconfig that cannot be read matters only once the API is needed. */
void work_load_config(const struct options *o, struct work *w)
{
	bool is_for_pools = o->may_list && o->files.n == 0;

	if (!np_kube_is_configured(&o->kube) ||
	    (is_vcenter(o) && !is_for_pools && !names_api_server(o))) {
		np_fail(&w->config_error, NP_E_USAGE,
			"no API server is configured: set --kubeconfig; plan, diff, explain and check do not need one where -f names the VirtualMachineClass too");
		return;
	}
	np_kube_config_load(&o->kube, &w->config, &w->config_error);
}

int work_fail(struct work *w, const struct np_err *what, struct np_err *err)
{
	np_plan_done(&w->plan);
	w->failed = true;
	return np_plan_add_error(&w->plan, what, err);
}

/* Errors of single documents are reported in place of the error of the whole. */
static int collect_errors(struct work *w, struct np_err *err)
{
	struct np_err why = NP_ERR_INIT;

	if (w->input.n_errors == 0)
		return np_pool_input_finish(&w->input, &why) < 0 ? work_fail(w, &why, err) : 0;
	w->failed = true;
	for (size_t i = 0; i < w->input.n_errors; i++)
		if (np_plan_add_error(&w->plan, &w->input.errors[i], err) < 0)
			return np_err_ret(err);
	return 0;
}

int work_load_files(const struct options *o, struct work *w, struct np_err *err)
{
	if (live_select(o, w, err) < 0)
		return np_err_ret(err);
	for (size_t i = 0; i < o->files.n; i++)
		if (load_path(o, w, o->files.items[i], err) < 0)
			return np_err_ret(err);
	return 0;
}

int work_load(const struct options *o, struct work *w, struct np_err *err)
{
	bool is_live = false;

	if (live_is_wanted(o, &is_live, err) < 0)
		return np_err_ret(err);
	if (catalogue_load(&o->catalogues, &o->captures, &w->catalogue, err) < 0)
		return np_err_ret(err);
	work_load_config(o, w);
	w->input.only_namespace = o->kube.ns;
	w->input.default_namespace = o->kube.ns;
	if (!o->kube.ns && w->config)
		w->input.default_namespace = np_kube_config_namespace(w->config);
	if ((is_live ? live_load(o, w, err) : work_load_files(o, w, err)) < 0)
		return np_err_ret(err);
	if (w->failed)
		return 0;
	if ((o->verbosity > 0 && w->input.n_skipped > 0) || w->input.n_foreign > 0 ||
	    w->input.n_topologies_skipped > 0)
		log_format("info", "%zu document(s) ignored: %s", w->input.n_skipped,
			   w->input.skipped);
	return collect_errors(w, err);
}

static int connect_vcenter(const struct options *o, struct work *w, struct np_err *err)
{
	const struct np_state_options state = options_state(o->state_dir);

	if (np_state_new(&state, &w->state, err) < 0 ||
	    np_vcenter_new(&o->vcenter.options, &w->vcenter, err) < 0)
		return np_err_ret(err);
	if (o->verbosity > 0)
		log_format("info", "vCenter %s, records in %s", np_vcenter_url(w->vcenter),
			   np_state_dir(w->state));
	w->store = np_sync_store_vcenter(w->vcenter, w->state);
	return 0;
}

static int connect_kube(const struct options *o, struct work *w, struct np_err *err)
{
	if (!w->config) {
		*err = w->config_error;
		return np_err_ret(err);
	}
	if (o->verbosity > 0)
		log_format("info", "API server %s", np_kube_config_server(w->config));
	return np_kube_new_take(np_take(w->config), &w->kube, err);
}

int vcenter_connect(const struct options *o, struct np_vcenter **ret, struct np_err *err)
{
	/* A signal ends the run with a logout. */
	signals_watch();
	if (np_vcenter_new(&o->vcenter.options, ret, err) < 0)
		return np_err_ret(err);
	if (o->verbosity > 0)
		log_format("info", "vCenter %s", np_vcenter_url(*ret));
	return 0;
}

int work_connect(const struct options *o, struct work *w, struct np_err *err)
{
	if (is_vcenter(o))
		return connect_vcenter(o, w, err);
	if (!w->kube && connect_kube(o, w, err) < 0)
		return np_err_ret(err);
	w->store = np_sync_store_kube(w->kube, NULL);
	return 0;
}

int work_connect_pools(const struct options *o, struct work *w, struct np_err *err)
{
	return w->kube ? 0 : connect_kube(o, w, err);
}

int work_connect_kube(const struct options *o, struct work *w, struct np_err *err)
{
	return w->kube || !names_api_server(o) ? 0 : connect_kube(o, w, err);
}

struct np_plan_options plan_options(const struct options *o, const struct work *w)
{
	return (struct np_plan_options){ .catalogue = w->catalogue,
					 .allow_shrink = o->allow_shrink,
					 .restore_hidden = o->restore_hidden,
					 .max_window_gb = o->max_window,
					 .tolerate_record = w->tolerate_record,
					 .has_capacity = w->has_capacity,
					 .holder = "apply",
					 .yields = true,
					 .ignored = o->ignored,
					 .n_classes = w->input.n_classes,
					 .classes = w->input.classes };
}

/* Fetches the classes unless the input holds them, or nothing needs one. */
static int fetch_classes(const struct options *o, struct work *w, struct np_plan_options *p,
			 struct np_err *err)
{
	if (w->input.n_classes > 0 || !np_pool_input_needs_classes(&w->input))
		return 0;
	if (work_connect(o, w, err) < 0 ||
	    np_sync_fetch(&w->store, &w->input, &w->fetched, err) < 0)
		return np_err_ret(err);
	p->classes = w->fetched.items;
	p->n_classes = w->fetched.n;
	p->api = w->store.api;
	return 0;
}

int work_plan(const struct options *o, struct work *w, struct np_err *err)
{
	struct np_plan_options p;
	struct np_err why = NP_ERR_INIT;

	if (work_load(o, w, err) < 0)
		return np_err_ret(err);
	if (w->failed)
		return 0;
	p = plan_options(o, w);
	if (fetch_classes(o, w, &p, &why) < 0)
		return work_fail(w, &why, err);
	if (np_plan_make(&w->input, &p, &w->plan, err) < 0)
		return np_err_ret(err);
	if (w->kube && !is_vcenter(o) &&
	    np_check_bindings(w->kube, &w->store.resource, &w->plan, err) < 0)
		return np_err_ret(err);
	np_plan_ignore_warnings(&w->plan, o->ignored);
	return 0;
}

int work_plan_valid(const struct options *o, struct work *w, const char *otherwise,
		    struct np_err *err)
{
	/* A signal ends the run with a logout. */
	signals_watch();
	if (work_plan(o, w, err) < 0)
		return np_err_ret(err);
	log_plan_errors(&w->plan);
	if (w->failed || w->plan.n_errors > 0)
		return np_fail(err, np_plan_code(&w->plan), "the pools are not valid: %s",
			       otherwise);
	return w->vcenter ? 0 : vcenter_connect(o, &w->vcenter, err);
}
