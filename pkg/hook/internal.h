/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEPREP_HOOK_INTERNAL_H
#define NODEPREP_HOOK_INTERNAL_H

/*
 * hook, inside
 *
 * hook.c       the table of hooks, responses
 * json.c       JSON by yajl: a walk without a tree, since most of a request is of no interest;
 * trees request.c    what the hooks need of a request, found in one walk pools.c      a worker pool
 * and its template as plan and pool know them topology.c   GeneratePatches, ValidateTopology
 * variables.c  DiscoverVariables lifecycle.c  the hooks that patch classes
 */

#include <yajl/yajl_parse.h>

#include "nodeprep/hook.h"
#include "nodeprep/sync.h"

/* --- json.c ---------------------------------------------------------------------------------- */

/* The bytes of a JSON value; p NULL: absent. */
struct span {
	const char *p;
	size_t n;
};

/*
 * The most that is made a tree of: a tree takes some twenty times the bytes of its text, and no
 * value that counts is that large.
 */
enum { SPAN_MAX = 128 << 10 };

/* A walk over JSON text. It is the first member of what yajl's callbacks get. */
struct walk {
	struct span text;
	yajl_handle yajl;
	struct np_err *err; /* set by a callback that ends the walk */
};

/*
 * Walks the text. Fails with NP_E_SPEC and the position where it is not valid JSON, or with a
 * callback's error.
 */
int hook_walk_run(struct walk *w, const yajl_callbacks *callbacks, struct np_err *err);

/* Returns the number of bytes consumed, which is the end of a callback's value. */
size_t hook_walk_at(const struct walk *w);

/*
 * Sets *ret to the value as a tree, or to its text, and leaves it where the value is absent (a
 * text: or null): 0, -NP_E_SPEC where it is nothing of the kind or larger than SPAN_MAX,
 * -NP_E_NOMEM.
 */
int hook_span_tree(struct span value, json_t **ret);
int hook_span_text(struct span value, json_t **ret);

/* Tells whether the value is that text. */
bool hook_span_is(struct span value, const char *text);

/* --- request.c ------------------------------------------------------------------------------- */

/* The used members of Cluster API's builtin variable. */
struct builtin {
	struct span pool, ns,
		cluster; /* machineDeployment.topologyName, cluster.namespace, .name */
};

/* Values of the variables that matter. */
struct variables {
	struct builtin builtin;
	struct span gpu, vm_class;
};

enum template_field {
	FIELD_CLASS_NAME,
	FIELD_CUSTOM_VMX_KEYS,
	FIELD_HARDWARE_VERSION,
	FIELD_MEMORY_MIB,
	FIELD_OS,
	FIELD_PCI_DEVICES,
	FIELD_TEMPLATE,
	FIELD_MAX
};

const char *hook_field_name(enum template_field field);

/* A worker pool's template. */
struct item {
	struct span uid;
	struct span api_version, kind, name, ns; /* of the template */
	struct span fields[FIELD_MAX]; /* of its spec.template.spec */
	struct span holder_kind, holder_ns, holder_name;
	struct variables variables;
};

/* Which Cluster a lifecycle hook is about; the rest of it is read from the API server. */
struct cluster_name {
	struct span ns, name, uid;
};

struct request {
	bool enforce; /* settings.enforce */
	bool ignores_failure; /* settings.failurePolicy */
	struct variables variables;
	size_t n_items; /* the VSphereMachineTemplates of MachineDeployments only */
	struct item *items;
	struct cluster_name cluster;
};

/* Reads a request, from which *ret borrows; NP_E_SPEC where it is invalid. */
int hook_request_read(const char *kind, const char *body, size_t size, struct request *ret,
		      struct np_err *err);
void hook_request_done(struct request *r);

/* --- pools.c --------------------------------------------------------------------------------- */

/* Texts about pools, sorted and unique, so that they do not depend on the pools' order. */
struct findings {
	json_t *texts; /* set; NULL: none */
};

int hook_findings_add(struct findings *f, const char *text, struct np_err *err);
/* Adds the plan's blocking findings. */
int hook_findings_add_plan(struct findings *f, const struct np_plan *plan, struct np_err *err);
void hook_findings_done(struct findings *f);
/* Writes the texts joined with "; ", cut with "..."; "" without any. */
void hook_findings_text(const struct findings *f, char buf[static NP_ERR_TEXT_MAX]);
bool hook_findings_has_any(const struct findings *f);

/* A pool on its own: the input that it makes, and the plan of that. */
struct pool_plan {
	struct np_input input;
	struct np_plan plan;
};

void hook_pool_plan_done(struct pool_plan *p);

/* Builds the pool of the item and its template; *err describes an invalid one. */
int hook_pool_input(const struct request *r, const struct item *item,
		    const struct np_catalogue *cat, struct np_input *ret, struct np_err *err);

/* Adds the item's pool as one of its VM class; 0 where it names none, 1 where it was added. */
int hook_pool_add_class(const struct request *r, const struct item *item,
			const struct np_catalogue *cat, struct np_input *in, struct np_err *err);

/* --- hook.c ---------------------------------------------------------------------------------- */

/* A response on its way. */
struct text {
	char *bytes;
	size_t n, room;
	bool failed; /* memory ran out */
};

void hook_text_done(struct text *t);
void hook_text_add(struct text *t, const char *bytes, size_t n);
void hook_text_add_string(struct text *t, const char *text);
/* Adds the text as a JSON string. */
void hook_text_add_json(struct text *t, const char *text);
/* Adds the bytes as base64 between quotes. */
void hook_text_add_base64(struct text *t, const char *bytes, size_t n);

/* A handler's result; where err is set the hook failed. */
struct outcome {
	const struct np_hook_options *o;
	enum np_hook_kind kind;
	struct text
		extra; /* members of the response beside status and message, each after a comma */
	struct np_hook_answer *answer;
};

/* Handlers; every failure except NP_E_NOMEM goes into the response. */
int hook_discover_handlers(struct outcome *out, struct np_err *err);
int hook_discover_variables(struct outcome *out, const struct request *r, struct np_err *err);
int hook_generate_patches(struct outcome *out, const struct request *r, struct np_err *err);
int hook_validate_topology(struct outcome *out, const struct request *r, struct np_err *err);
int hook_run_lifecycle(struct outcome *out, const struct request *r, struct np_err *err);

/* lifecycle.c: connects to the API server with the classes, for the rest of the call's time. */
int hook_connect(const struct np_hook_options *o, struct np_kube **ret, struct np_err *err);

/* --- cluster.c ------------------------------------------------------------------------------- */

/* The result of reading from the API server. */
struct cluster_read {
	json_t *object; /* the Cluster; NULL: refused */
	const char *refused; /* why, for the log alone */
};

/*
 * Reads the Cluster from the API server: the request says only which. It is refused unless it has
 * that UID and is being deleted exactly where `is_deleted` is set.
 */
int hook_cluster_fetch(const struct np_hook_options *o, const struct cluster_name *which,
		       bool is_deleted, struct cluster_read *ret, struct np_err *err);

#endif
