/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

#include "nodeprep/doc.h"
#include "nodeprep/json.h"
#include "nodeprep/map.h"
#include "nodeprep/pool.h"
#include "nodeprep/text.h"
#include "nodeprep/vmclass.h"

#define OUR_PREFIX "nodeprep.dev/"
#define AUTOSCALER_PREFIX "cluster.x-k8s.io/cluster-api-autoscaler-"

/* --- helpers --------------------------------------------------------------------------------- */

/* Adds from[key] to `to`, where it exists. */
static int carry(json_t *to, const json_t *from, const char *key)
{
	json_t *value = json_object_get(from, key);

	return value ? json_object_set(to, key, value) : 0;
}

/* Puts `value` (taken) into `to`; NULL is running out of memory. */
static int put(json_t *to, const char *key, json_t *value)
{
	return json_object_set_new(to, key, value);
}

static bool has_prefix(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

/*
 * Tells whether the annotation is relevant: one that the pools' reader reads, one that it would
 * reject as a misspelt name, or the request to reconcile. Changes of any other annotation are
 * ignored.
 */
static bool is_read(const char *key)
{
	static const char *const words[] = { "gpus" };
	const char *word = key + strlen(OUR_PREFIX);

	if (has_prefix(key, AUTOSCALER_PREFIX))
		return true;
	return has_prefix(key, OUR_PREFIX) && (strcmp(key, NP_MANAGED_ANNOTATION) == 0 ||
					       strcmp(key, CONTROLLER_REQUEST_ANNOTATION) == 0 ||
					       np_text_near(word, NP_WORDS(words)));
}

/* Returns {"annotations": those that are read}. */
static json_t *strip_metadata(const json_t *metadata)
{
	json_auto_t *annotations = json_object();
	const char *key;
	json_t *value;

	json_object_foreach (json_object_get(metadata, "annotations"), key, value)
		if (is_read(key) && json_object_set(annotations, key, value) < 0)
			return NULL;
	return json_pack("{s:O}", "annotations", annotations);
}

/* --- NodePool -------------------------------------------------------------------------------- */

static json_t *strip_nodepool(const json_t *spec)
{
	return json_deep_copy(spec);
}

/* --- Cluster --------------------------------------------------------------------------------- */

/* Values of variables can be long, and secret: only the class's is kept. */
static json_t *strip_variables(const json_t *list)
{
	json_auto_t *kept = json_array();
	json_t *item;
	size_t i;

	json_array_foreach (list, i, item) {
		const char *name = json_string_value(json_object_get(item, "name"));

		if (name && strcmp(name, "vmClass") == 0 && json_array_append(kept, item) < 0)
			return NULL;
	}
	return json_incref(kept);
}

static int put_overrides(json_t *to, const json_t *from)
{
	const json_t *overrides = json_object_get(json_object_get(from, "variables"), "overrides");

	if (!overrides)
		return 0;
	return put(to, "variables", json_pack("{s:o}", "overrides", strip_variables(overrides)));
}

static json_t *strip_deployment(const json_t *from)
{
	static const char *const keys[] = { "name", "replicas", "strategy", "rollout" };
	json_auto_t *to = json_object();

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (carry(to, from, keys[i]) < 0)
			return NULL;
	if (put(to, "metadata", strip_metadata(json_object_get(from, "metadata"))) < 0 ||
	    put_overrides(to, from) < 0)
		return NULL;
	return json_incref(to);
}

static json_t *strip_deployments(const json_t *list)
{
	json_auto_t *kept = json_array();
	json_t *item;
	size_t i;

	json_array_foreach (list, i, item)
		if (json_array_append_new(kept, strip_deployment(item)) < 0)
			return NULL;
	return json_pack("{s:O}", "machineDeployments", kept);
}

static json_t *strip_cluster(const json_t *spec)
{
	const json_t *from = json_object_get(spec, "topology");
	const json_t *workers = json_object_get(from, "workers");
	json_auto_t *to = json_object();
	json_auto_t *plane = json_object();

	if (!from)
		return json_object();
	if (carry(to, from, "class") < 0 || carry(to, from, "classRef") < 0 ||
	    put(to, "variables", strip_variables(json_object_get(from, "variables"))) < 0 ||
	    put_overrides(plane, json_object_get(from, "controlPlane")) < 0 ||
	    json_object_set(to, "controlPlane", plane) < 0 ||
	    put(to, "workers", strip_deployments(json_object_get(workers, "machineDeployments"))) <
		    0)
		return NULL;
	return json_pack("{s:O}", "topology", to);
}

/* --- TanzuKubernetesCluster ------------------------------------------------------------------ */

static json_t *strip_node_pools(const json_t *list)
{
	json_auto_t *kept = json_array();
	json_t *item;
	size_t i;

	json_array_foreach (list, i, item) {
		json_t *to = json_object();

		if (json_array_append_new(kept, to) < 0 || carry(to, item, "name") < 0 ||
		    carry(to, item, "replicas") < 0 || carry(to, item, "vmClass") < 0)
			return NULL;
	}
	return json_incref(kept);
}

static json_t *strip_tkc(const json_t *spec)
{
	const json_t *from = json_object_get(spec, "topology");
	const json_t *pools = json_object_get(from, "nodePools");
	json_auto_t *to = json_object();

	if (carry(to, from, "workers") < 0 ||
	    (pools && put(to, "nodePools", strip_node_pools(pools)) < 0))
		return NULL;
	return json_pack("{s:O}", "topology", to);
}

/* --- all ------------------------------------------------------------------------------------- */

static json_t *(*const strippers[WATCHED_MAX])(const json_t *spec) = {
	[WATCHED_NODEPOOL] = strip_nodepool,
	[WATCHED_CLUSTER] = strip_cluster,
	[WATCHED_TKC] = strip_tkc,
};

char *controller_strip_object(enum watched_kind kind, const json_t *object)
{
	const json_t *metadata = json_object_get(object, "metadata");
	const json_t *spec = json_object_get(object, "spec");
	json_auto_t *to = json_object();
	json_t *kept = strip_metadata(metadata);

	if (put(to, "metadata", kept) < 0 || carry(kept, metadata, "name") < 0 ||
	    carry(kept, metadata, "namespace") < 0 || carry(to, object, "apiVersion") < 0 ||
	    carry(to, object, "kind") < 0)
		return NULL;
	if (json_is_object(spec) && put(to, "spec", strippers[kind](spec)) < 0)
		return NULL;
	return np_json_text(to, JSON_COMPACT);
}

static bool says_true(const json_t *metadata, const char *where)
{
	const json_t *words = json_object_get(metadata, where);
	const char *text = json_string_value(json_object_get(words, NP_MANAGED_ANNOTATION));

	return text && strcmp(text, "true") == 0;
}

bool controller_is_managed(const json_t *object)
{
	const json_t *metadata = json_object_get(object, "metadata");

	return says_true(metadata, "labels") || says_true(metadata, "annotations");
}

uint64_t controller_digest(const json_t *class)
{
	json_t *metadata = json_object_get(class, "metadata");
	json_t *annotations = json_object_get(metadata, "annotations");
	const char *managed = np_json_member_text(annotations, NP_MANAGED_ANNOTATION);
	const char *allowed = np_json_member_text(annotations, NP_ALLOWED_ANNOTATION);
	json_t *spec = json_object_get(class, "spec");
	char *text = spec ? np_json_text(spec, JSON_COMPACT) : strdup("");
	uint64_t hash;

	if (!text)
		return 0;
	hash = np_map_hash(np_map_hash(np_map_hash(0, text), "\n"), managed);
	hash = np_map_hash(np_map_hash(hash, "\n"), allowed);
	free(text);
	return hash != 0 ? hash : 1;
}
