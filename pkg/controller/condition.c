/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <bsd/string.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "nodeprep/json.h"
#include "nodeprep/map.h"
#include "nodeprep/text.h"
#include "nodeprep/time.h"

static const char *const type_names[CONDITION_MAX] = {
	[CONDITION_READY] = "Ready",
	[CONDITION_CLASS_FOUND] = "ClassFound",
	[CONDITION_CLASS_PATCHED] = "ClassPatched",
	[CONDITION_DRIFTED] = "Drifted",
};

static const char *const status_names[STATUS_MAX] = {
	[STATUS_UNKNOWN] = "Unknown",
	[STATUS_FALSE] = "False",
	[STATUS_TRUE] = "True",
};

static const char *const reason_names[REASON_MAX] = {
	[REASON_NONE] = "None",
	[REASON_ALREADY_CONFIGURED] = "AlreadyConfigured",
	[REASON_CLASS_NOT_FOUND] = "ClassNotFound",
	[REASON_INVALID_CLASS] = "InvalidClass",
	[REASON_CONFIGURED] = "Configured",
	[REASON_CONFLICT] = "Conflict",
	[REASON_GPU_SIZE_UNKNOWN] = "GPUSizeUnknown",
	[REASON_FORBIDDEN] = "Forbidden",
	[REASON_FOUND] = "Found",
	[REASON_GPU_COUNT_UNKNOWN] = "GPUCountUnknown",
	[REASON_IN_SYNC] = "InSync",
	[REASON_INVALID_RECORD] = "InvalidRecord",
	[REASON_CONTENDED] = "Contended",
	[REASON_NOT_ALLOWED] = "NotAllowed",
	[REASON_NOT_FOUND] = "NotFound",
	[REASON_NOT_EVALUATED] = "NotEvaluated",
	[REASON_PATCHED] = "Patched",
	[REASON_INVALID_NODEPOOL] = "InvalidNodePool",
	[REASON_DRIFT_CORRECTED] = "DriftCorrected",
	[REASON_API_REJECTED] = "APIRejected",
	[REASON_UNREACHABLE] = "Unreachable",
};

/* The names of version 0.1: a status that it wrote is understood, and written again. */
static const char *const old_reason_names[REASON_MAX] = {
	[REASON_ALREADY_CONFIGURED] = "AlreadyRight",
	[REASON_INVALID_CLASS] = "ClassRefused",
	[REASON_CONFIGURED] = "ClassRight",
	[REASON_GPU_SIZE_UNKNOWN] = "FigureUnknown",
	[REASON_GPU_COUNT_UNKNOWN] = "GPUsUnknown",
	[REASON_IN_SYNC] = "InStep",
	[REASON_CONTENDED] = "LeftAlone",
	[REASON_NOT_EVALUATED] = "NotLookedAt",
	[REASON_INVALID_NODEPOOL] = "PoolRefused",
	[REASON_DRIFT_CORRECTED] = "PutBack",
	[REASON_API_REJECTED] = "RefusedByAPI",
};

const char *controller_condition_name(enum condition_type type)
{
	return type_names[type];
}

const char *controller_reason_name(enum reason reason)
{
	return reason_names[reason];
}

/* Returns the index of the text among the names, or `n` if it is not among them. */
static unsigned find_name(const char *const *names, unsigned n, const char *text)
{
	unsigned i = 0;

	while (i < n && (!text || !names[i] || strcmp(names[i], text) != 0))
		i++;
	return i;
}

void controller_condition_set(struct pool_status *s, enum condition_type type,
			      enum condition_status status, enum reason reason, const char *fmt,
			      ...)
{
	struct condition *c = &s->conditions[type];
	char text[sizeof(c->message)];
	va_list ap;

	c->status = status;
	c->reason = reason;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	np_text_escape(text, c->message, sizeof(c->message));
}

/* --- what is remembered ---------------------------------------------------------------------- */

static uint64_t hash_number(uint64_t seed, bool known, uint64_t n)
{
	char text[32];

	snprintf(text, sizeof(text), known ? "|%ju" : "|-", (uintmax_t)n);
	return np_map_hash(seed, text);
}

static uint64_t hash_field(uint64_t seed, const json_t *status, const char *key)
{
	const json_t *n = json_object_get(status, key);

	return hash_number(seed, json_is_integer(n), (uint64_t)json_integer_value(n));
}

/* Returns when the condition changed; 0 where it tells no such time. */
static int64_t time_of(const json_t *condition)
{
	int64_t seconds;

	if (!np_time_parse(np_json_member_text(condition, "lastTransitionTime"), &seconds))
		return 0;
	return seconds > 0 ? seconds : 0;
}

static void recall_condition(const json_t *item, struct status_memory *m)
{
	unsigned type = find_name(type_names, CONDITION_MAX,
				  json_string_value(json_object_get(item, "type")));
	unsigned status = find_name(status_names, STATUS_MAX,
				    json_string_value(json_object_get(item, "status")));
	const char *reason_text = json_string_value(json_object_get(item, "reason"));
	unsigned reason = find_name(reason_names, REASON_MAX, reason_text);
	const char *message = json_string_value(json_object_get(item, "message"));

	if (type == CONDITION_MAX)
		return;
	if (reason == REASON_MAX) {
		reason = find_name(old_reason_names, REASON_MAX, reason_text);
		m->fields = 0; /* equals no status, so that the new name is written */
	}
	m->conditions[type] = (struct condition_memory){
		.status = (uint8_t)(status < STATUS_MAX ? status : STATUS_UNKNOWN),
		.reason = (uint8_t)(reason < REASON_MAX ? reason : REASON_NONE),
		.since = time_of(item),
		.message = np_map_hash(0, message ? message : ""),
	};
}

void controller_status_recall(const json_t *object, struct status_memory *ret)
{
	const json_t *status = json_object_get(object, "status");
	const char *vm_class = json_string_value(json_object_get(status, "vmClass"));
	struct status_memory m = { 0 };
	json_t *item;
	size_t i;

	if (json_object_size(status) > 0) {
		m.generation = json_integer_value(json_object_get(status, "observedGeneration"));
		m.fields = np_map_hash(0, vm_class ? vm_class : "");
		m.fields = hash_field(m.fields, status, "observedGeneration");
		m.fields = hash_field(m.fields, status, "gpusPerNode");
		m.fields = hash_field(m.fields, status, "requiredMMIOGB");
		m.fields = hash_field(m.fields, status, "mmioGB");
	}
	json_array_foreach (json_object_get(status, "conditions"), i, item)
		recall_condition(item, &m);
	*ret = m;
}

void controller_status_remember(const struct pool_status *s, const struct status_memory *before,
				int64_t now, struct status_memory *ret)
{
	struct status_memory m = { .generation = s->generation };

	m.fields = np_map_hash(0, s->vm_class);
	m.fields = hash_number(m.fields, true, (uint64_t)s->generation);
	m.fields = hash_number(m.fields, s->has_gpus, s->gpus);
	m.fields = hash_number(m.fields, s->has_required, s->required_gb);
	m.fields = hash_number(m.fields, s->has_mmio, s->mmio_gb);
	for (unsigned i = 0; i < CONDITION_MAX; i++) {
		const struct condition *c = &s->conditions[i];
		const struct condition_memory *old = &before->conditions[i];

		m.conditions[i] = (struct condition_memory){
			.status = (uint8_t)c->status,
			.reason = (uint8_t)c->reason,
			.since = old->since != 0 && old->status == c->status ? old->since : now,
			.message = np_map_hash(0, c->message),
		};
	}
	*ret = m;
}

bool controller_status_equal(const struct status_memory *a, const struct status_memory *b)
{
	for (unsigned i = 0; i < CONDITION_MAX; i++) {
		const struct condition_memory *x = &a->conditions[i], *y = &b->conditions[i];

		if (x->status != y->status || x->reason != y->reason || x->since != y->since ||
		    x->message != y->message)
			return false;
	}
	return a->fields == b->fields;
}

/* --- as it is written ------------------------------------------------------------------------ */

static int add_number(json_t *tree, const char *key, bool known, uint64_t n)
{
	return known ? json_object_set_new(tree, key, json_integer((json_int_t)n)) : 0;
}

static int add_conditions(json_t *tree, const struct pool_status *s, const struct status_memory *m)
{
	json_t *list = json_array();

	if (json_object_set_new(tree, "conditions", list) < 0)
		return -1;
	for (unsigned i = 0; i < CONDITION_MAX; i++) {
		const struct condition *c = &s->conditions[i];
		char since[NP_TIME_TEXT_MAX];

		np_time_text(m->conditions[i].since, since);
		if (json_array_append_new(
			    list, json_pack("{s:s, s:s, s:I, s:s, s:s, s:s}", "type", type_names[i],
					    "status", status_names[c->status], "observedGeneration",
					    (json_int_t)s->generation, "lastTransitionTime", since,
					    "reason", reason_names[c->reason], "message",
					    c->message)) < 0)
			return -1;
	}
	return 0;
}

json_t *controller_status_tree(const struct pool_status *s, const struct status_memory *m)
{
	json_auto_t *tree = json_pack("{s:I, s:s}", "observedGeneration", (json_int_t)s->generation,
				      "vmClass", s->vm_class);

	if (!tree || add_number(tree, "gpusPerNode", s->has_gpus, s->gpus) < 0 ||
	    add_number(tree, "requiredMMIOGB", s->has_required, s->required_gb) < 0 ||
	    add_number(tree, "mmioGB", s->has_mmio, s->mmio_gb) < 0 ||
	    add_conditions(tree, s, m) < 0)
		return NULL;
	return json_incref(tree);
}
