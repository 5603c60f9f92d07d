/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdio.h>
#include <string.h>

#include "nodeprep/json.h"

#define PLURAL "virtualmachineclassbindings"
#define KEY_MAX 600

/* The bindings of one namespace after the other. */
struct bindings {
	json_t *namespaces; /* {"NAMESPACE": true}: those listed */
	json_t *bound; /* {"NAMESPACE/CLASS": true} */
	const char *ns; /* the one that is listed */
};

static void bindings_done(struct bindings *b)
{
	json_decref(b->namespaces);
	json_decref(b->bound);
}

static int add_binding(void *ctx, json_t *object, struct np_err *err)
{
	struct bindings *b = ctx;
	const json_t *ref = json_object_get(object, "classRef");
	const char *kind = json_string_value(json_object_get(ref, "kind"));
	const char *name = json_string_value(json_object_get(ref, "name"));
	char key[KEY_MAX];

	if (!name || (kind && strcmp(kind, "VirtualMachineClass") != 0))
		return 0;
	/* A cut key would be another class's. */
	if ((size_t)snprintf(key, sizeof(key), "%s/%s", b->ns, name) >= sizeof(key))
		return 0;
	return json_object_set_new(b->bound, key, json_true()) < 0 ? np_fail_nomem(err) : 0;
}

/* An API server without bindings, or a user who may not list them, leaves the annotation alone. */
static bool is_without_bindings(enum np_code code)
{
	return code == NP_E_NOT_FOUND || code == NP_E_FORBIDDEN;
}

/* Tells whether a binding could allow the pool the class that was read (NULL: none was). */
static bool needs_binding(const struct np_pool *pool, const json_t *object,
			  const struct np_vmclass_scope *scope)
{
	struct np_err ignored = NP_ERR_INIT;

	if (!pool->vm_class || np_pool_is_placeholder(pool->vm_class) ||
	    np_pool_is_placeholder(pool->ns))
		return false;
	return !object || !np_vmclass_allows(object, scope, pool->ns, &ignored);
}

/* Lists the namespace's bindings, once. */
static int list_namespace(struct np_kube *k, const struct np_kube_resource *r, const char *ns,
			  struct bindings *b, struct np_err *err)
{
	struct np_err why = NP_ERR_INIT;

	if (json_object_get(b->namespaces, ns))
		return 0;
	if (json_object_set_new(b->namespaces, ns, json_true()) < 0)
		return np_fail_nomem(err);
	b->ns = ns;
	if (np_kube_list(k, r, ns, 0, add_binding, b, &why) == 0 || is_without_bindings(why.code))
		return 0;
	*err = why;
	return np_err_ret(err);
}

int sync_opt_in_fetch(struct np_kube *k, const struct np_input *pools, const json_t *object,
		      const struct np_vmclass_scope *scope, json_t **ret, struct np_err *err)
{
	NP_AUTO(bindings_done)
	struct bindings b = { .namespaces = json_object(), .bound = json_object() };
	struct np_kube_resource r = { .plural = "" };

	if (!b.namespaces || !b.bound)
		return np_fail_nomem(err);
	for (size_t i = 0; i < pools->n_pools; i++) {
		const struct np_pool *pool = &pools->pools[i];
		struct np_err why = NP_ERR_INIT;

		if (!needs_binding(pool, object, scope))
			continue;
		if (r.plural[0] == '\0' &&
		    np_kube_discover(k, NP_VMCLASS_GROUP, PLURAL, &r, &why) < 0) {
			if (is_without_bindings(why.code))
				return 0;
			*err = why;
			return np_err_ret(err);
		}
		if (list_namespace(k, &r, pool->ns, &b, err) < 0)
			return np_err_ret(err);
	}
	if (json_object_size(b.namespaces) > 0)
		*ret = json_incref(b.bound);
	return 0;
}
