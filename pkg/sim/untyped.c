/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/json.h"
#include "nodeprep/selector.h"
#include "nodeprep/time.h"

/*
 * Resources other than classes: created, read, listed (in one page), merge-patched and deleted as
 * on a real server, with a status subresource, but without a schema. Kept in memory alone.
 */

static const struct other_kind {
	const char *plural, *kind, *singular, *short_name;
	bool is_cluster_scoped;
	bool is_oldest_alone; /* in v1alpha1 and in no other version */
	const char *group, *version; /* NULL: the classes' */
} kinds[] = {
	{ .plural = "clustervirtualmachineimages",
	  .kind = "ClusterVirtualMachineImage",
	  .singular = "clustervirtualmachineimage",
	  .short_name = "cvmi",
	  .is_cluster_scoped = true },
	{ .plural = "clusters",
	  .kind = "Cluster",
	  .singular = "cluster",
	  .short_name = "cl",
	  .group = "cluster.x-k8s.io",
	  .version = "v1beta1" },
	{ .plural = "nodepools",
	  .kind = "NodePool",
	  .singular = "nodepool",
	  .short_name = "np",
	  .group = "nodeprep.dev",
	  .version = "v1alpha1" },
	{ .plural = "tanzukubernetesclusters",
	  .kind = "TanzuKubernetesCluster",
	  .singular = "tanzukubernetescluster",
	  .short_name = "tkc",
	  .group = "run.tanzu.vmware.com",
	  .version = "v1alpha3" },
	{ .plural = "virtualmachineclassbindings",
	  .kind = "VirtualMachineClassBinding",
	  .singular = "virtualmachineclassbinding",
	  .short_name = "vmclassbinding",
	  .is_oldest_alone = true },
	{ .plural = "virtualmachineimages",
	  .kind = "VirtualMachineImage",
	  .singular = "virtualmachineimage",
	  .short_name = "vmi" },
	{ .plural = "virtualmachines",
	  .kind = "VirtualMachine",
	  .singular = "virtualmachine",
	  .short_name = "vm" },
};

#define N_KINDS (sizeof(kinds) / sizeof(kinds[0]))

static bool is_served(const struct other_kind *k, const char *version)
{
	return k->group ? strcmp(k->version, version) == 0
			: !k->is_oldest_alone || strcmp(version, "v1alpha1") == 0;
}

static const char *group_of(const struct other_kind *k)
{
	return k->group ? k->group : GROUP;
}

/* Kinds of pools are served where the server was started with them. */
static bool has_group(const struct np_sim *sim, const struct other_kind *k, const char *group)
{
	return strcmp(group_of(k), group) == 0 && (!k->group || sim->has_pools);
}

static const struct other_kind *find_kind(const struct call *c)
{
	const struct route *r = &c->route;

	if (strcmp(r->group, GROUP) == 0 && !sim_is_version_served(c->sim, r->version))
		return NULL;
	for (size_t i = 0; i < N_KINDS; i++)
		if (has_group(c->sim, &kinds[i], r->group) &&
		    strcmp(kinds[i].plural, r->resource) == 0 && is_served(&kinds[i], r->version) &&
		    (!kinds[i].is_cluster_scoped || !*r->ns))
			return &kinds[i];
	return NULL;
}

bool sim_is_untyped(const struct call *c)
{
	return !!find_kind(c);
}

int sim_add_untyped_resources(const struct np_sim *sim, const struct route *r, json_t *resources,
			      struct np_err *err)
{
	for (size_t i = 0; i < N_KINDS; i++) {
		const struct other_kind *k = &kinds[i];
		json_t *entry;

		if (!has_group(sim, k, r->group) || !is_served(k, r->version))
			continue;
		entry = json_pack("{s:s, s:s, s:b, s:s, s:[s,s,s,s,s], s:[s]}", "name", k->plural,
				  "singularName", k->singular, "namespaced", !k->is_cluster_scoped,
				  "kind", k->kind, "verbs", "delete", "get", "list", "patch",
				  "create", "shortNames", k->short_name);
		if (json_array_append_new(resources, entry) < 0)
			return np_fail_nomem(err);
	}
	return 0;
}

/* Appends the groups of pools to a list, or the one of that name. */
int sim_add_pool_groups(const struct np_sim *sim, const char *name, json_t *groups,
			struct np_err *err)
{
	for (size_t i = 0; i < N_KINDS; i++) {
		const struct other_kind *k = &kinds[i];
		json_auto_t *version = NULL;

		if (!k->group || !sim->has_pools || (name && strcmp(k->group, name) != 0))
			continue;
		version = json_pack("{s:o, s:s}", "groupVersion",
				    json_sprintf("%s/%s", k->group, k->version), "version",
				    k->version);
		if (json_array_append_new(groups, json_pack("{s:s, s:[O], s:O}", "name", k->group,
							    "versions", version, "preferredVersion",
							    version)) < 0)
			return np_fail_nomem(err);
	}
	return 0;
}

/* Returns the object as the request's version shows it. */
static json_t *shown(const struct call *c, json_t *object)
{
	json_auto_t *copy = sim_copy_flat(object);

	if (!copy ||
	    json_object_set_new(copy, "apiVersion",
				json_sprintf("%s/%s", c->route.group, c->route.version)) < 0)
		return NULL;
	return np_take(copy);
}

static int make_key(const struct call *c, const char *name, char **ret, struct np_err *err)
{
	char *key;

	if (asprintf(&key, "%s/%s/%s", c->route.resource, c->route.ns, name) < 0)
		return np_fail_nomem(err);
	*ret = key;
	return 0;
}

static int answer_shown(struct call *c, unsigned code, json_t *object, struct np_err *err)
{
	return sim_answer_json_take(c, code, shown(c, object), true, err);
}

static int set_meta(struct call *c, const struct other_kind *k, json_t *object, struct np_err *err)
{
	json_t *meta = json_object_get(object, "metadata");
	char uid[UID_TEXT_MAX], now[NP_TIME_TEXT_MAX];

	if (sim_random_uid(uid, err) < 0)
		return np_err_ret(err);
	np_time_now(now);
	json_object_del(object, "status");
	if ((*c->route.ns &&
	     json_object_set_new(meta, "namespace", json_string(c->route.ns)) < 0) ||
	    json_object_set_new(object, "kind", json_string(k->kind)) < 0 ||
	    json_object_set_new(meta, "uid", json_string(uid)) < 0 ||
	    json_object_set_new(meta, "creationTimestamp", json_string(now)) < 0 ||
	    json_object_set_new(meta, "generation", json_integer(1)) < 0)
		return np_fail_nomem(err);
	return 0;
}

static int create_other(struct call *c, const struct other_kind *k, struct np_err *err)
{
	NP_AUTO(sim_decoded_done) struct decoded body = { .error = "" };
	NP_AUTO(np_freep) char *key = NULL;
	const char *name;

	if (sim_decode_json(c->req->body, c->req->body_size, &body, err) < 0)
		return np_err_ret(err);
	name = np_json_meta_text(body.json, "name");
	if (!name || !sim_is_dns_subdomain(name) || (!k->is_cluster_scoped && !*c->route.ns))
		return sim_refuse(
			c, err, 400, "BadRequest", NULL,
			"the object provided is unrecognized: a name and, for a namespaced "
			"kind, a namespace are needed");
	if (make_key(c, name, &key, err) < 0)
		return np_err_ret(err);
	if (sim_store_find(&c->sim->untyped, key))
		return sim_refuse(c, err, 409, "AlreadyExists",
				  sim_details_of(name, c->route.group, k->plural),
				  "%s.%s \"%s\" already exists", k->plural, c->route.group, name);
	if (set_meta(c, k, body.json, err) < 0 ||
	    sim_store_put_take(&c->sim->untyped, key, json_incref(body.json), err) < 0)
		return np_err_ret(err);
	return answer_shown(c, 201, body.json, err);
}

/* Of a patch the status' path takes the status alone, the object's path all but that. */
static json_t *patched(const struct call *c, json_t *old, json_t *patch)
{
	bool is_status = *c->route.sub != '\0';
	json_auto_t *part = is_status ? json_object() : json_copy(patch);
	json_auto_t *whole = json_deep_copy(old);
	json_t *status = json_object_get(patch, "status");

	if (!part || !whole || (is_status && status && json_object_set(part, "status", status) < 0))
		return NULL;
	if (!is_status)
		json_object_del(part, "status");
	return sim_merge_patch(whole, part);
}

/*
 * Restores the fields that a user's request cannot set; false where the object's identity changed.
 */
static bool keep_meta(json_t *old, json_t *fresh)
{
	static const char *const kept[] = { "creationTimestamp", "generation", "namespace",
					    "resourceVersion", "uid" };
	json_t *was = json_object_get(old, "metadata"), *is = json_object_get(fresh, "metadata");

	if (!json_equal(json_object_get(was, "name"), json_object_get(is, "name")))
		return false;
	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
		json_t *value = json_object_get(was, kept[i]);

		json_object_del(is, kept[i]);
		if (value && json_object_set(is, kept[i], value) < 0)
			return false;
	}
	return true;
}

static int bump(json_t *old, json_t *fresh, struct np_err *err)
{
	json_t *meta = json_object_get(fresh, "metadata");
	json_int_t was = json_integer_value(json_object_get(meta, "generation"));
	json_t *one = json_object_get(old, "spec"), *two = json_object_get(fresh, "spec");

	if (one == two || json_equal(one, two))
		return 0;
	return json_object_set_new(meta, "generation", json_integer(was + 1)) < 0
		       ? np_fail_nomem(err)
		       : 0;
}

static int patch_other(struct call *c, const char *key, json_t *old, struct np_err *err)
{
	NP_AUTO(sim_decoded_done) struct decoded body = { .error = "" };
	json_auto_t *merged = NULL;

	if (sim_decode_json(c->req->body, c->req->body_size, &body, err) < 0)
		return np_err_ret(err);
	if (!json_is_object(body.json))
		return sim_refuse(c, err, 400, "BadRequest", NULL, "error decoding patch: %s",
				  body.error);
	merged = patched(c, old, body.json);
	if (!merged)
		return np_fail_nomem(err);
	if (!keep_meta(old, merged))
		return sim_refuse(c, err, 400, "BadRequest", NULL,
				  "the name of the object does not match the name on the URL");
	/* As with classes, a write without changes is not stored. */
	if (json_equal(old, merged))
		return answer_shown(c, 200, old, err);
	if (bump(old, merged, err) < 0 ||
	    sim_store_put_take(&c->sim->untyped, key, json_incref(merged), err) < 0)
		return np_err_ret(err);
	return answer_shown(c, 200, merged, err);
}

static int delete_other(struct call *c, const struct other_kind *k, const char *key,
			struct np_err *err)
{
	json_auto_t *gone = NULL;

	if (sim_store_remove(&c->sim->untyped, key, &gone, err) < 0)
		return np_err_ret(err);
	return sim_answer_json_take(c, 200,
				    json_pack("{s:s, s:s, s:{}, s:s, s:{s:s, s:s, s:s, s:s}}",
					      "kind", "Status", "apiVersion", "v1", "metadata",
					      "status", "Success", "details", "name", c->route.name,
					      "group", c->route.group, "kind", k->plural, "uid",
					      np_json_meta_text(gone, "uid")),
				    false, err);
}

/* Tells whether the object has the fields "metadata.name=a,metadata.namespace!=b"; others are not known. */
static bool has_fields(const json_t *object, const char *fields)
{
	while (fields && *fields) {
		size_t size = strcspn(fields, ","), key = strcspn(fields, "!="),
		       skip = strspn(fields + key, "!=");
		bool is_not = fields[key] == '!';
		const char *is = strncmp(fields, "metadata.name", key) == 0 && key == 13
					 ? np_json_meta_text(object, "name")
					 : np_json_meta_text(object, "namespace");
		size_t value = size - key - skip;

		if ((is && strlen(is) == value && memcmp(is, fields + key + skip, value) == 0) ==
		    is_not)
			return false;
		fields += size + (fields[size] == ',');
	}
	return true;
}

/* What a list selects. */
struct selection {
	struct np_selector *labels;
	const char *fields;
};

static bool is_selected(const struct selection *s, const json_t *object)
{
	const json_t *labels = json_object_get(json_object_get(object, "metadata"), "labels");

	return np_selector_matches(s->labels, labels) && has_fields(object, s->fields);
}

static int append_selected(struct call *c, const struct selection *s, json_t *object, json_t *items,
			   struct np_err *err)
{
	if (is_selected(s, object) && json_array_append_new(items, shown(c, object)) < 0)
		return np_fail_nomem(err);
	return 0;
}

static int list_other(struct call *c, const struct other_kind *k, struct np_err *err)
{
	const struct store *s = &c->sim->untyped;
	const char *labels = sim_param(c, "labelSelector");
	NP_AUTO(np_selector_freep) struct np_selector *selector = NULL;
	struct np_err why = NP_ERR_INIT;
	struct selection selection = { .fields = sim_param(c, "fieldSelector") };
	json_auto_t *items = json_array();
	NP_AUTO(np_freep) char *prefix = NULL;

	if (np_selector_parse(labels ? labels : "", &selector, &why) < 0)
		return sim_refuse(c, err, 400, "BadRequest", NULL,
				  "unable to parse requirement: %s", why.text);
	selection.labels = selector;

	if (!items ||
	    asprintf(&prefix, *c->route.ns ? "%s/%s/" : "%s/%s", k->plural, c->route.ns) < 0) {
		prefix = NULL;
		return np_fail_nomem(err);
	}
	for (size_t i = sim_store_seek(s, prefix);
	     i < s->n && strncmp(s->items[i].key, prefix, strlen(prefix)) == 0; i++)
		if (append_selected(c, &selection, s->items[i].json, items, err) < 0)
			return np_err_ret(err);
	return sim_answer_json_take(
		c, 200,
		json_pack("{s:o, s:O, s:o, s:{s:s, s:o}}", "apiVersion",
			  json_sprintf("%s/%s", c->route.group, c->route.version), "items", items,
			  "kind", json_sprintf("%sList", k->kind), "metadata", "continue", "",
			  "resourceVersion", json_sprintf("%" PRIu64, s->version)),
		true, err);
}

int sim_answer_untyped(struct call *c, struct np_err *err)
{
	const struct other_kind *k = find_kind(c);
	NP_AUTO(np_freep) char *key = NULL;
	json_t *old;

	if (strcmp(c->verb, "list") == 0)
		return list_other(c, k, err);
	if (strcmp(c->verb, "create") == 0 && !*c->route.name)
		return create_other(c, k, err);
	if (make_key(c, c->route.name, &key, err) < 0)
		return np_err_ret(err);
	old = sim_store_find(&c->sim->untyped, key);
	if (!old)
		return sim_refuse_not_found(c, err);
	if (strcmp(c->verb, "get") == 0)
		return answer_shown(c, 200, old, err);
	if (strcmp(c->verb, "patch") == 0)
		return patch_other(c, key, old, err);
	if (strcmp(c->verb, "delete") == 0 && !*c->route.sub)
		return delete_other(c, k, key, err);
	return sim_refuse(c, err, 405, "MethodNotAllowed",
			  sim_details_of(NULL, c->route.group, k->plural),
			  "%s is not supported on resources of kind \"%s.%s\"", c->verb, k->plural,
			  c->route.group);
}
