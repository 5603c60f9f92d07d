/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "nodeprep/json.h"
#include "nodeprep/kube.h"
#include "nodeprep/nodecheck.h"
#include "nodeprep/report.h"
#include "nodeprep/time.h"

#define CONDITION "GPUWindowReady"
#define TAINT "nodeprep.dev/unverified"
#define ANNOTATION "nodeprep.dev/gpus"
#define EVENT_NAMESPACE "default" /* where the events of cluster-wide objects are */
#define MESSAGE_MAX 1024 /* an event's message may have no more (core/v1) */

static const struct np_kube_resource nodes = { .version = "v1", .plural = "nodes" };
static const struct np_kube_resource events = { .version = "v1",
						.plural = "events",
						.namespaced = true };

/* The names of a verdict in a condition and in an event. */
static const struct saying {
	const char *status, *reason, *event_type;
} sayings[] = {
	[NP_VERDICT_UNKNOWN] = { "Unknown", "GPUsNotVerified", "Warning" },
	[NP_VERDICT_NO] = { "False", "GPUsNotReady", "Warning" },
	[NP_VERDICT_YES] = { "True", "GPUsReady", "Normal" },
};

int np_nodecheck_node_fetch(struct np_kube *k, const char *name, json_t **ret, struct np_err *err)
{
	if (np_kube_get(k, &nodes, NULL, name, ret, err) < 0)
		return np_wrap(err, "node '%s'", name);
	return 0;
}

const char *np_nodecheck_node_annotation(const json_t *node)
{
	const json_t *metadata = json_object_get(node, "metadata");

	return json_string_value(
		json_object_get(json_object_get(metadata, "annotations"), ANNOTATION));
}

static const json_t *find_condition(const json_t *node)
{
	const json_t *list = json_object_get(json_object_get(node, "status"), "conditions");

	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *condition = json_array_get(list, i);
		const char *type = json_string_value(json_object_get(condition, "type"));

		if (type && strcmp(type, CONDITION) == 0)
			return condition;
	}
	return NULL;
}

/* A list of conditions is merged by their type, which a strategic merge patch alone does. */
static int patch_condition(struct np_kube *k, const char *name, const struct saying *says,
			   const char *message, const char *since, struct np_err *err)
{
	json_auto_t *stored = NULL;
	json_auto_t *body = NULL;
	char now[NP_TIME_TEXT_MAX];

	np_time_now(now);
	body = json_pack("{s:{s:[{s:s, s:s, s:s, s:s, s:s, s:s}]}}", "status", "conditions", "type",
			 CONDITION, "status", says->status, "reason", says->reason, "message",
			 message, "lastHeartbeatTime", now, "lastTransitionTime",
			 since ? since : now);
	if (!body)
		return np_fail_nomem(err);
	const struct np_kube_patch patch = { .body = body,
					     .type = NP_KUBE_STRATEGIC_PATCH,
					     .write = { .subresource = "status" } };

	return np_kube_patch(k, &nodes, NULL, name, &patch, &stored, err);
}

static int make_event(struct np_kube *k, const json_t *node, const char *name,
		      const struct saying *says, const char *message, struct np_err *err)
{
	const char *uid = np_json_member_text(json_object_get(node, "metadata"), "uid");
	json_auto_t *stored = NULL;
	json_auto_t *body = NULL;
	NP_AUTO(np_freep) char *prefix = NULL;
	char now[NP_TIME_TEXT_MAX];

	np_time_now(now);
	if (asprintf(&prefix, "%s.", name) < 0) {
		prefix = NULL;
		return np_fail_nomem(err);
	}
	body = json_pack(
		"{s:s, s:s, s:{s:s, s:s}, s:{s:s, s:s, s:s, s:s}, s:s, s:s, s:s, s:{s:s, s:s},"
		" s:s, s:s, s:i, s:s, s:s}",
		"apiVersion", "v1", "kind", "Event", "metadata", "generateName", prefix,
		"namespace", EVENT_NAMESPACE, "involvedObject", "apiVersion", "v1", "kind", "Node",
		"name", name, "uid", uid, "reason", says->reason, "message", message, "type",
		says->event_type, "source", "component", "nodeprep", "host", name, "firstTimestamp",
		now, "lastTimestamp", now, "count", 1, "reportingComponent",
		"nodeprep.dev/node-check", "reportingInstance", name);
	if (!body)
		return np_fail_nomem(err);
	return np_kube_create(k, &events, EVENT_NAMESPACE, &(struct np_kube_create){ .body = body },
			      &stored, err);
}

/* Events report changes: one per container start would be noise. */
static int tell_node(struct np_kube *k, const json_t *node, const char *name, enum np_verdict pass,
		     const char *brief, struct np_err *err)
{
	const struct saying *says = &sayings[pass];
	const json_t *before = find_condition(node);
	bool same = before && strcmp(np_json_member_text(before, "status"), says->status) == 0;
	const char *since = np_json_member_text(before, "lastTransitionTime");
	char message[MESSAGE_MAX + 1];

	snprintf(message, sizeof(message), "%s", brief);
	if (patch_condition(k, name, says, message, same && since[0] != '\0' ? since : NULL, err) <
	    0)
		return np_err_ret(err);
	return same ? 0 : make_event(k, node, name, says, message, err);
}

/* Sets *ret to the taints without ours; NULL where it is not among them. */
static int other_taints(const json_t *node, json_t **ret, struct np_err *err)
{
	const json_t *list = json_object_get(json_object_get(node, "spec"), "taints");
	json_auto_t *others = json_array();

	if (!others)
		return np_fail_nomem(err);
	for (size_t i = 0; i < json_array_size(list); i++) {
		json_t *taint = json_array_get(list, i);

		if (strcmp(np_json_member_text(taint, "key"), TAINT) != 0 &&
		    json_array_append(others, taint) < 0)
			return np_fail_nomem(err);
	}
	*ret = json_array_size(others) < json_array_size(list) ? json_incref(others) : NULL;
	return 0;
}

/*
 * The patch carries the resourceVersion read, so that no taint is lost: the kubelet and others
 * write often.
 */
static int mutate_taints(void *ctx, const json_t *node, json_t **ret_patch, struct np_err *err)
{
	json_auto_t *taints = NULL;

	(void)ctx;
	if (other_taints(node, &taints, err) < 0)
		return np_err_ret(err);
	if (!taints)
		return 0;
	*ret_patch = json_pack("{s:{s:O}}", "spec", "taints", taints);
	return *ret_patch ? 0 : np_fail_nomem(err);
}

static int remove_taint(struct np_kube *k, const char *name, struct np_err *err)
{
	const struct np_kube_update how = { .resource = &nodes,
					    .name = name,
					    .mutate = mutate_taints };
	NP_AUTO(np_kube_updated_done) struct np_kube_updated done = { 0 };

	return np_kube_update(k, &how, &done, err) < 0 ? np_wrap(err, "taint " TAINT) : 0;
}

int np_nodecheck_node_report(struct np_kube *k, const struct np_node_report *news,
			     struct np_err *err)
{
	json_auto_t *node = NULL;

	if (news->patch) {
		if (np_nodecheck_node_fetch(k, news->name, &node, err) < 0 ||
		    tell_node(k, node, news->name, news->pass, news->brief, err) < 0)
			return np_err_ret(err);
	}
	if (news->remove_taint && news->pass == NP_VERDICT_YES)
		return remove_taint(k, news->name, err);
	return 0;
}
