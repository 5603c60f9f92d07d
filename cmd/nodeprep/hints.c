/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/json.h"
#include "nodeprep/text.h"
#include "nodeprep/vmclass.h"

/* More classes that were not found are one mistake, or none that a hint can help with. */
#define HINTS_MAX 3
#define NAMES_MAX 1000

static bool is_forbidden; /* by an API server, once in this run */

void hints_note(enum np_code code)
{
	is_forbidden = is_forbidden || code == NP_E_FORBIDDEN;
}

/* The ClusterRoles of deploy/manifests/rbac. */
static const struct role_row {
	const char *command, *role;
} roles[] = {
	{ "apply", "nodeprep-apply" },   { "check", "nodeprep-check" },
	{ "diff", "nodeprep-plan" },     { "explain", "nodeprep-plan" },
	{ "plan", "nodeprep-plan" },     { "revert", "nodeprep-revert" },
	{ "status", "nodeprep-status" },
};

static const char *find_role(const char *command)
{
	for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++)
		if (strcmp(roles[i].command, command) == 0)
			return roles[i].role;
	return NULL;
}

void hints_log_role(const struct command *c, const struct options *o)
{
	const char *role = find_role(c->name);
	bool lists = o->may_list && o->files.n == 0;

	if (!is_forbidden || !role || is_vcenter(o))
		return;
	log_format("info",
		   "ClusterRole%s '%s'%s of deploy/manifests/rbac grant%s what '%s' needs; "
		   "docs/operators.md says how to bind roles",
		   lists ? "s" : "", role, lists ? " and 'nodeprep-pools'" : "", lists ? "" : "s",
		   c->name);
}

/* The names of a namespace's classes. */
struct names {
	size_t n;
	char **items;
};

static void names_done(struct names *names)
{
	for (size_t i = 0; i < names->n; i++)
		free(names->items[i]);
	free(names->items);
}

static int add_name(void *ctx, json_t *object, struct np_err *err)
{
	struct names *names = ctx;
	const char *name = np_json_meta_text(object, "name");
	char **items;

	if (!name || names->n == NAMES_MAX)
		return 0;
	items = reallocarray(names->items, names->n + 1, sizeof(*items));
	if (!items)
		return np_fail_nomem(err);
	names->items = items;
	names->items[names->n] = strdup(name);
	return names->items[names->n] ? (int)(names->n++, 0) : np_fail_nomem(err);
}

static bool is_name(const char *text)
{
	return *text && text[strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-.")] == '\0';
}

/* Tells whether the server says that the namespace does not exist; who may not ask does not know. */
static bool is_namespace_missing(struct np_kube *kube, const char *ns)
{
	struct np_err why = NP_ERR_INIT;
	json_auto_t *object = NULL;
	NP_AUTO(np_freep) char *path = NULL;

	if (asprintf(&path, "/api/v1/namespaces/%s", ns) < 0) {
		path = NULL;
		return false;
	}
	return np_kube_get_path(kube, path, &object, &why) < 0 && why.code == NP_E_NOT_FOUND;
}

bool log_missing_namespace(struct np_kube *kube, const char *ns)
{
	if (!is_name(ns) || !is_namespace_missing(kube, ns))
		return false;
	log_format("info", "namespace '%s' does not exist", ns);
	return true;
}

void log_no_status(struct np_kube *kube, const char *ns)
{
	if (!ns)
		log_format("info", "no managed class found");
	else if (!log_missing_namespace(kube, ns))
		log_format("info", "no managed class found in namespace '%s'", ns);
}

static void hint_near(const struct np_plan_class *c, const struct names *names)
{
	const char *near = np_text_near(
		c->name, (struct np_words){ (const char *const *)names->items, names->n });

	if (near)
		log_format("info", "virtualmachineclass %s%s%s: did you mean '%s'?",
			   c->ns ? c->ns : "", c->ns ? "/" : "", c->name, near);
	else if (names->n == 0)
		log_format("info", "namespace '%s' has no VirtualMachineClass", c->ns ? c->ns : "");
}

/* Asks the server, whose failures are no news here. */
static void hint_of_server(struct np_kube *kube, const struct np_plan_class *c)
{
	NP_AUTO(names_done) struct names names = { 0 };
	struct np_kube_resource resource;
	struct np_err ignored = NP_ERR_INIT;

	if (!is_name(c->ns ? c->ns : "") || log_missing_namespace(kube, c->ns))
		return;
	if (np_kube_discover(kube, NP_VMCLASS_GROUP, NP_VMCLASS_PLURAL, &resource, &ignored) == 0 &&
	    np_kube_list(kube, &resource, c->ns, 0, add_name, &names, &ignored) == 0)
		hint_near(c, &names);
}

/* The input's own classes are few enough to look at all of them. */
static void hint_of_input(const struct np_plan *plan, const struct np_plan_class *c)
{
	const char *best = NULL;

	for (size_t i = 0; i < plan->n_classes && !best; i++) {
		const struct np_plan_class *other = &plan->classes[i];

		if (other->found && other->name &&
		    strcmp(other->ns ? other->ns : "", c->ns ? c->ns : "") == 0)
			best = np_text_near(c->name, (struct np_words){ &other->name, 1 });
	}
	if (best)
		log_format("info", "virtualmachineclass %s%s%s: did you mean '%s'?",
			   c->ns ? c->ns : "", c->ns ? "/" : "", c->name, best);
}

void log_hints(struct np_kube *kube, const struct np_plan *plan)
{
	size_t n = 0;

	for (size_t i = 0; i < plan->n_classes && n < HINTS_MAX; i++) {
		const struct np_plan_class *c = &plan->classes[i];

		if (c->found || !c->name)
			continue;
		n++;
		if (kube)
			hint_of_server(kube, c);
		else
			hint_of_input(plan, c);
	}
}
