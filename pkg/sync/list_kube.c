/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdlib.h>

#include "nodeprep/json.h"
#include "nodeprep/map.h"

/*
 * Many classes of a namespace come by one list, page by page, in place of a request each. What a list does not
 * give is asked for one by one, so that the result is the same either way: classes that are missing, and all
 * where listing fails.
 */

/* Counted in requests: docs/performance.md. From so many classes of a namespace on, a list is tried. */
#define LIST_FROM 9
/* A list goes on while one in so many of what is left of it may be wanted. */
#define LISTED_PER_WANTED 4
#define PAGE_LEAST 50
#define PAGE_MOST 500

/* The wanted classes of one namespace while they are listed. */
struct listing {
	struct np_kube_item *items;
	const struct np_index *numbers; /* "NAMESPACE/NAME" to an item */
	const char *ns; /* "" where classes have none */
	size_t left; /* how many are wanted and not found yet */
};

static int take_object(void *ctx, json_t *object, struct np_err *err)
{
	struct listing *l = ctx;
	const char *name = np_json_meta_text(object, "name");
	size_t i;

	(void)err;
	if (!name || !np_index_find(l->numbers, NP_KEY(l->ns, name), &i))
		return 0;
	/* A list that starts over shows an object again, as it is by then. */
	l->left -= !l->items[i].object;
	json_decref(l->items[i].object);
	l->items[i].object = json_incref(object);
	return 0;
}

/* A server that does not say how much is left may hold any number of other classes. */
static bool goes_on(void *ctx, uint64_t remaining)
{
	const struct listing *l = ctx;

	return l->left > 0 && remaining / LISTED_PER_WANTED <= l->left;
}

/*
 * A list that is forbidden, that breaks on an object that nobody wants, or whose tokens expire too soon is done
 * without. The requests for each class meet what is wrong with all of them.
 */
static bool is_done_without(const struct np_class_store *s, enum np_code code)
{
	return code == NP_E_FORBIDDEN || code == NP_E_NOT_FOUND || code == NP_E_REFUSED ||
	       (code == NP_E_RETRY && np_kube_is_expired(s->kube));
}

static int list_namespace(struct np_class_store *s, struct listing *l, struct np_err *err)
{
	size_t most = l->left * 2 < PAGE_MOST ? l->left * 2 : PAGE_MOST;
	const struct np_kube_selection wanted = {
		.ns = l->ns,
		.limit = (unsigned)(most > PAGE_LEAST ? most : PAGE_LEAST),
		.goes_on = goes_on
	};
	struct np_err why = NP_ERR_INIT;

	if (np_kube_list_selected(s->kube, &s->resource, &wanted, take_object, l, &why) == 0 ||
	    is_done_without(s, why.code))
		return 0;
	*err = why;
	return np_err_ret(err);
}

/* Sets *ret_counts, which the caller frees, to how many items the namespace of each has, at its first one. */
static int count_items(const struct np_class_store *s, const struct np_kube_item *items, size_t n,
		       struct np_index *numbers, size_t **ret_counts, struct np_err *err)
{
	NP_AUTO(np_index_done) struct np_index namespaces = { 0 };
	NP_AUTO(np_freep) size_t *counts = calloc(n + 1, sizeof(*counts));

	if (!counts)
		return np_fail_nomem(err);
	for (size_t i = 0; i < n; i++) {
		const char *ns = s->resource.namespaced ? items[i].ns : "";
		size_t at;

		if (np_index_enter(numbers, NP_KEY(ns, items[i].name), i, &at, err) < 0 ||
		    np_index_enter(&namespaces, NP_KEY(ns), i, &at, err) < 0)
			return np_err_ret(err);
		counts[at]++;
	}
	*ret_counts = np_take(counts);
	return 0;
}

int sync_list_wanted(struct np_class_store *s, struct np_kube_item *items, size_t n,
		     struct np_err *err)
{
	NP_AUTO(np_index_done) struct np_index numbers = { 0 };
	NP_AUTO(np_freep) size_t *counts = NULL;

	if (n < LIST_FROM)
		return 0;
	if (count_items(s, items, n, &numbers, &counts, err) < 0)
		return np_err_ret(err);
	for (size_t i = 0; i < n; i++) {
		struct listing l = { .items = items,
				     .numbers = &numbers,
				     .ns = s->resource.namespaced ? items[i].ns : "",
				     .left = counts[i] };

		if (counts[i] >= LIST_FROM && list_namespace(s, &l, err) < 0)
			return np_err_ret(err);
	}
	return 0;
}
