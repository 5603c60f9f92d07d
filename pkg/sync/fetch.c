/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdio.h>
#include <stdlib.h>

#include "nodeprep/map.h"

void np_sync_fetched_done(struct np_fetched *f)
{
	for (size_t i = 0; i < f->n; i++)
		np_doc_unref(f->items[i].doc);
	free(f->items);
	*f = (struct np_fetched){ 0 };
}

/* Makes a document of a class as it was fetched, which is taken. */
static int make_ref(const struct np_class_store *s, const char *ns, const char *name,
		    json_t *object, struct np_class_ref *ret, struct np_err *err)
{
	struct np_doc *doc = NULL;
	char label[SYNC_LABEL_MAX];

	sync_label(s, ns, name, label);
	if (np_doc_new_take(label, object, &doc, err) < 0)
		return np_err_ret(err);
	*ret = (struct np_class_ref){ doc, np_doc_root(doc) };
	return 0;
}

static bool can_be_fetched(const struct np_pool *pool)
{
	return pool->vm_class && !np_pool_is_placeholder(pool->vm_class) &&
	       !np_pool_is_placeholder(pool->ns);
}

/* Notes that a class is looked for; returns 1 the first time, 0 afterwards. */
static int remember(struct np_index *seen, const struct np_kube_resource *r,
		    const struct np_pool *pool, struct np_err *err)
{
	size_t n = seen->map.n, number;

	if (np_index_enter(seen, NP_KEY(r->namespaced ? pool->ns : "", pool->vm_class), n, &number,
			   err) < 0)
		return np_err_ret(err);
	return seen->map.n > n;
}

/* Lists each class that some pool names, once; returns how many. */
static int list_wanted(const struct np_input *in, const struct np_kube_resource *r,
		       struct np_kube_item *items, size_t *ret_n, struct np_err *err)
{
	NP_AUTO(np_index_done) struct np_index seen = { 0 };
	size_t n = 0;

	for (size_t i = 0; i < in->n_pools; i++) {
		const struct np_pool *pool = &in->pools[i];
		int fresh = can_be_fetched(pool) ? remember(&seen, r, pool, err) : 0;

		if (fresh < 0)
			return fresh;
		if (fresh > 0)
			items[n++] =
				(struct np_kube_item){ .ns = pool->ns, .name = pool->vm_class };
	}
	*ret_n = n;
	return 0;
}

static void drop_objects(struct np_kube_item *items, size_t n)
{
	for (size_t i = 0; i < n; i++)
		json_decref(items[i].object);
}

/* Takes what was fetched; one that is not there is left out, any other failure is the whole's. */
static int take_items(const struct np_class_store *s, struct np_fetched *f,
		      struct np_kube_item *items, size_t n, struct np_err *err)
{
	for (size_t i = 0; i < n; i++) {
		json_t *object = np_take(items[i].object);

		if (!object && items[i].error.code == NP_E_NOT_FOUND)
			continue;
		if (!object) {
			*err = items[i].error;
			return np_err_ret(err);
		}
		if (make_ref(s, items[i].ns, items[i].name, object, &f->items[f->n], err) < 0)
			return np_err_ret(err);
		f->n++;
	}
	return 0;
}

void sync_report(const struct np_progress *w, enum np_sync_stage stage, size_t done, size_t total)
{
	if (w && w->progress)
		w->progress(w->ctx, stage, done, total);
}

/* Fetches those of a part of the items that no list gave; `asked` has room for all of the part. */
static int get_missing(struct np_class_store *s, struct np_kube_item *items, size_t n,
		       struct np_kube_item *asked, struct np_err *err)
{
	size_t n_asked = 0;

	for (size_t i = 0; i < n; i++)
		if (!items[i].object)
			asked[n_asked++] = items[i];
	if (n_asked == 0)
		return 0;
	if (s->kind->get_many(s, asked, n_asked, err) < 0)
		return np_err_ret(err);
	for (size_t i = n; i-- > 0;)
		if (!items[i].object)
			items[i] = asked[--n_asked];
	return 0;
}

static int fetch_items(struct np_class_store *s, struct np_fetched *f, struct np_kube_item *items,
		       size_t n, const struct np_progress *w, struct np_err *err)
{
	size_t most = n < s->kind->batch ? n : s->kind->batch, batch;
	NP_AUTO(np_freep) struct np_kube_item *asked = calloc(most + 1, sizeof(*asked));

	if (!asked)
		return np_fail_nomem(err);
	if (s->kind->list_wanted && s->kind->list_wanted(s, items, n, err) < 0)
		return np_err_ret(err);
	for (size_t i = 0; i < n; i += batch) {
		batch = n - i < most ? n - i : most;
		sync_report(w, NP_SYNC_READING, i, n);
		if (get_missing(s, items + i, batch, asked, err) < 0 ||
		    take_items(s, f, items + i, batch, err) < 0)
			return np_err_ret(err);
	}
	sync_report(w, NP_SYNC_READING, n, n);
	return 0;
}

static int fetch_wanted(struct np_class_store *s, const struct np_input *in, struct np_fetched *f,
			struct np_kube_item *items, const struct np_progress *w, struct np_err *err)
{
	size_t n = 0;
	int r;

	if (list_wanted(in, &s->resource, items, &n, err) < 0)
		return np_err_ret(err);
	f->items = calloc(n + 1, sizeof(*f->items));
	if (!f->items)
		return np_fail_nomem(err);
	r = fetch_items(s, f, items, n, w, err);
	drop_objects(items, n);
	return r;
}

int sync_fetch(struct np_class_store *store, const struct np_input *in, const struct np_progress *w,
	       struct np_fetched *ret, struct np_err *err)
{
	NP_AUTO(np_sync_fetched_done) struct np_fetched f = { 0 };
	NP_AUTO(np_freep) struct np_kube_item *items = calloc(in->n_pools + 1, sizeof(*items));

	if (!items)
		return np_fail_nomem(err);
	/* A management cluster without a Supervisor's API has templates alone. */
	if (!np_pool_input_needs_classes(in)) {
		*ret = (struct np_fetched){ 0 };
		return 0;
	}
	if (sync_open(store, err) < 0 || fetch_wanted(store, in, &f, items, w, err) < 0)
		return np_err_ret(err);
	*ret = f;
	f = (struct np_fetched){ 0 };
	return 0;
}

int np_sync_fetch(struct np_class_store *store, const struct np_input *in, struct np_fetched *ret,
		  struct np_err *err)
{
	return sync_fetch(store, in, NULL, ret, err);
}
