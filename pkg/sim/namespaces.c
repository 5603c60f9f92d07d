/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/json.h"
#include "nodeprep/time.h"

static const char *const always[] = { "default", "kube-system" };
enum { N_ALWAYS = sizeof(always) / sizeof(always[0]) };

static bool is_listed(json_t *names, const char *name)
{
	const json_t *item;
	size_t i;

	json_array_foreach (names, i, item)
		if (strcmp(json_string_value(item), name) == 0)
			return true;
	return false;
}

bool sim_has_namespace(const struct np_sim *sim, const char *name)
{
	for (size_t i = 0; i < N_ALWAYS; i++)
		if (strcmp(always[i], name) == 0)
			return true;
	return sim->namespaces ? is_listed(sim->namespaces, name) : sim_is_dns_label(name);
}

/* The server itself labels its namespaces and is their field manager. */
static json_t *namespace_fields(const char *born)
{
	return json_pack("[{s:s, s:s, s:s, s:s, s:s, s:{s:{s:{s:{}, s:{}}}}}]", "manager",
			 "kube-apiserver", "operation", "Update", "apiVersion", "v1", "time", born,
			 "fieldsType", "FieldsV1", "fieldsV1", "f:metadata", "f:labels", ".",
			 "f:kubernetes.io/metadata.name");
}

static json_t *new_namespace(const struct np_sim *sim, const char *name, struct np_err *err)
{
	char uid[UID_TEXT_MAX], born[NP_TIME_TEXT_MAX];

	if (sim_derived_uid(sim->seed, name, uid, err) < 0)
		return NULL;
	np_time_text(sim->born, born);
	return json_pack("{s:s, s:s, s:{s:s, s:s, s:s, s:s, s:{s:s}, s:o}, s:{s:[s]}, s:{s:s}}",
			 "kind", "Namespace", "apiVersion", "v1", "metadata", "name", name, "uid",
			 uid, "resourceVersion", "1", "creationTimestamp", born, "labels",
			 "kubernetes.io/metadata.name", name, "managedFields",
			 namespace_fields(born), "spec", "finalizers", "kubernetes", "status",
			 "phase", "Active");
}

static int add_name(json_t *names, const char *name, struct np_err *err)
{
	if (is_listed(names, name))
		return 0;
	return json_array_append_new(names, json_string(name)) < 0 ? np_fail_nomem(err) : 0;
}

/* The default namespaces, the given ones, and those of classes. */
static int collect_names(const struct np_sim *sim, json_t *names, struct np_err *err)
{
	const json_t *item;
	size_t i;

	for (i = 0; i < N_ALWAYS; i++)
		if (add_name(names, always[i], err) < 0)
			return np_err_ret(err);
	json_array_foreach (sim->namespaces, i, item)
		if (add_name(names, json_string_value(item), err) < 0)
			return np_err_ret(err);
	for (i = 0; i < sim->store.n && !sim->cluster_scoped; i++)
		if (add_name(names, np_json_meta_text(sim->store.items[i].json, "namespace"), err) <
		    0)
			return np_err_ret(err);
	return 0;
}

static int list_namespaces(struct call *c, struct np_err *err)
{
	json_auto_t *names = json_array();
	json_auto_t *items = json_array();
	const json_t *name;
	size_t i;

	if (!names || !items)
		return np_fail_nomem(err);
	if (collect_names(c->sim, names, err) < 0)
		return np_err_ret(err);
	json_array_foreach (names, i, name)
		if (json_array_append_new(items,
					  new_namespace(c->sim, json_string_value(name), err)) < 0)
			return np_fail_nomem(err);
	return sim_answer_json_take(c, 200,
				    json_pack("{s:s, s:s, s:{s:s}, s:O}", "kind", "NamespaceList",
					      "apiVersion", "v1", "metadata", "resourceVersion",
					      "1", "items", items),
				    false, err);
}

static int answer_namespace(struct call *c, unsigned code, const char *name, struct np_err *err)
{
	json_t *ns = new_namespace(c->sim, name, err);

	return ns ? sim_answer_json_take(c, code, ns, false, err) : np_fail_nomem(err);
}

static int create_namespace(struct call *c, struct np_err *err)
{
	NP_AUTO(sim_decoded_done) struct decoded body = { .error = "" };
	const char *name;

	if (sim_decode_json(c->req->body, c->req->body_size, &body, err) < 0)
		return np_err_ret(err);
	name = np_json_meta_text(body.json, "name");
	if (!name || !sim_is_dns_label(name))
		return sim_refuse(
			c, err, 422, "Invalid", sim_details_of(name, NULL, "Namespace"),
			"Namespace \"%s\" is invalid: metadata.name: a lowercase RFC 1123 "
			"label is needed",
			name ? name : "");
	if (sim_has_namespace(c->sim, name) && c->sim->namespaces)
		return sim_refuse(c, err, 409, "AlreadyExists",
				  sim_details_of(name, NULL, "namespaces"),
				  "namespaces \"%s\" already exists", name);
	if (c->sim->namespaces && add_name(c->sim->namespaces, name, err) < 0)
		return np_err_ret(err);
	return answer_namespace(c, 201, name, err);
}

int sim_answer_namespaces(struct call *c, struct np_err *err)
{
	if (strcmp(c->verb, "list") == 0)
		return list_namespaces(c, err);
	if (strcmp(c->verb, "create") == 0 && !*c->route.name)
		return create_namespace(c, err);
	if (strcmp(c->verb, "get") != 0)
		return sim_refuse(c, err, 405, "MethodNotAllowed", NULL,
				  "%s is not supported on resources of kind \"namespaces\"",
				  c->verb);
	if (!sim_has_namespace(c->sim, c->route.name))
		return sim_refuse_not_found(c, err);
	return answer_namespace(c, 200, c->route.name, err);
}
