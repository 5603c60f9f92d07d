/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdio.h>

int sync_open(struct np_class_store *s, struct np_err *err)
{
	return s->kind->open(s, err);
}

void sync_updated_done(struct sync_updated *u)
{
	np_kube_updated_done(&u->done);
	np_warnings_done(&u->warnings);
}

int sync_warnings_move(struct np_warnings *to, struct np_warnings *from, struct np_err *err)
{
	for (size_t i = 0; i < from->n; i++)
		if (np_warnings_add(to, err, from->items[i].warning, "%s", from->items[i].message) <
		    0)
			return np_err_ret(err);
	np_warnings_done(from);
	return 0;
}

void sync_label(const struct np_class_store *s, const char *ns, const char *name,
		char buf[static SYNC_LABEL_MAX])
{
	bool has_ns = s->resource.namespaced && ns;

	snprintf(buf, SYNC_LABEL_MAX, "%s %s%s%s", s->kind->noun, has_ns ? ns : "",
		 has_ns ? "/" : "", name);
}

int np_sync_check_access(struct np_class_store *store, size_t n_namespaces,
			 const char *const *namespaces, struct np_err *err)
{
	if (sync_open(store, err) < 0)
		return np_err_ret(err);
	return store->kind->check_access(store, n_namespaces, namespaces, err);
}
