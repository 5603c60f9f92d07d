/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <string.h>

#include "nodeprep/err.h"

#define CLUSTER_GROUP "cluster.x-k8s.io"
#define CLUSTER_PLURAL "clusters"
#define NAME_MOST 253
/* What an answer needs to reach the caller before it gives up. */
#define SPARE_MS 500

int hook_connect(const struct np_hook_options *o, struct np_kube **ret, struct np_err *err)
{
	struct np_kube_options kube = *o->kube;
	struct np_kube_config *config;

	kube.deadline_ms = o->timeout_ms > 2 * SPARE_MS ? o->timeout_ms - SPARE_MS : SPARE_MS;
	if (np_kube_config_load(&kube, &config, err) < 0)
		return np_err_ret(err);
	return np_kube_new_take(config, ret, err);
}

/* A Cluster's namespace, name and UID, as the request has them. */
struct named {
	json_t *ns, *name, *uid;
};

static void named_done(struct named *n)
{
	json_decref(n->ns);
	json_decref(n->name);
	json_decref(n->uid);
}

static int read_text(struct span value, const char *what, json_t **ret, struct np_err *err)
{
	int r = hook_span_text(value, ret);

	if (r == -NP_E_NOMEM)
		return np_fail_nomem(err);
	if (r < 0 || !*ret || json_string_length(*ret) == 0)
		return np_fail(err, NP_E_SPEC, "cluster.metadata.%s: expected a text", what);
	return 0;
}

/* An invalid object name would change the request's path. */
static bool is_object_name(const char *text)
{
	size_t n = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-.");

	return n <= NAME_MOST && text[n] == '\0' && text[0] != '.' && text[0] != '-';
}

static int read_named(const struct cluster_name *which, struct named *ret, struct np_err *err)
{
	if (read_text(which->ns, "namespace", &ret->ns, err) < 0 ||
	    read_text(which->name, "name", &ret->name, err) < 0 ||
	    read_text(which->uid, "uid", &ret->uid, err) < 0)
		return np_err_ret(err);
	return 0;
}

static bool has_text(const json_t *object, const char *key, const json_t *text)
{
	const json_t *is = json_object_get(object, key);

	return json_is_string(is) && json_equal(is, text);
}

/* Tells why the Cluster is not the one that the request is about; NULL: it is. */
static const char *find_refusal(const json_t *object, const struct named *n, bool is_deleted)
{
	const json_t *metadata = json_object_get(object, "metadata");

	if (!has_text(metadata, "name", n->name) || !has_text(metadata, "namespace", n->ns))
		return "the API server answers with another Cluster";
	if (!has_text(metadata, "uid", n->uid))
		return "the Cluster has another uid";
	if (is_deleted != json_is_string(json_object_get(metadata, "deletionTimestamp")))
		return is_deleted ? "the Cluster is not being deleted"
				  : "the Cluster is being deleted";
	return NULL;
}

static int connect_clusters(const struct np_hook_options *o, struct np_kube **ret,
			    struct np_err *err)
{
	struct np_hook_options clusters = *o;

	if (o->clusters)
		clusters.kube = o->clusters;
	return hook_connect(&clusters, ret, err);
}

static int get(const struct np_hook_options *o, const struct named *n, json_t **ret,
	       struct np_err *err)
{
	NP_AUTO(np_kube_freep) struct np_kube *kube = NULL;
	struct np_kube_resource resource;

	if (connect_clusters(o, &kube, err) < 0 ||
	    np_kube_discover(kube, CLUSTER_GROUP, CLUSTER_PLURAL, &resource, err) < 0)
		return np_err_ret(err);
	return np_kube_get(kube, &resource, json_string_value(n->ns), json_string_value(n->name),
			   ret, err);
}

int hook_cluster_fetch(const struct np_hook_options *o, const struct cluster_name *which,
		       bool is_deleted, struct cluster_read *ret, struct np_err *err)
{
	NP_AUTO(named_done) struct named n = { NULL, NULL, NULL };
	struct np_err why = NP_ERR_INIT;
	json_auto_t *object = NULL;

	if (read_named(which, &n, err) < 0)
		return np_err_ret(err);
	if (!is_object_name(json_string_value(n.ns)) ||
	    !is_object_name(json_string_value(n.name))) {
		ret->refused = "no Cluster can have that name";
		return 0;
	}
	if (get(o, &n, &object, &why) < 0 && why.code != NP_E_NOT_FOUND) {
		*err = why;
		return np_wrap(err, "the Cluster cannot be read");
	}
	ret->refused = object ? find_refusal(object, &n, is_deleted)
			      : "the API server has no such Cluster";
	ret->object = ret->refused ? NULL : json_incref(object);
	return 0;
}
