/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/json.h"
#include "nodeprep/time.h"

static json_t *version_entry(const char *version)
{
	return json_pack("{s:o, s:s}", "groupVersion", json_sprintf(GROUP "/%s", version),
			 "version", version);
}

static json_t *group_entry(const struct np_sim *sim)
{
	json_auto_t *list = json_array();
	struct np_words versions = sim_versions(sim);

	for (size_t i = 0; i < versions.n; i++)
		if (json_array_append_new(list, version_entry(versions.word[i])) < 0)
			return NULL;
	return json_pack("{s:s, s:O, s:o}", "name", GROUP, "versions", list, "preferredVersion",
			 version_entry(versions.word[0]));
}

static int answer_version(struct call *c, struct np_err *err)
{
	return sim_answer_json_take(
		c, 200,
		json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "major", "1", "minor",
			  "34", "gitVersion", "v1.34.2+nodeprep-sim", "gitCommit", "",
			  "gitTreeState", "clean", "buildDate", "1970-01-01T00:00:00Z", "goVersion",
			  "none", "compiler", "cc", "platform", "linux/amd64"),
		false, err);
}

static int answer_ok(struct call *c, struct np_err *err)
{
	return sim_answer_text(c, 200, "ok", err);
}

static int answer_api(struct call *c, struct np_err *err)
{
	return sim_answer_json_take(
		c, 200, json_pack("{s:s, s:[s]}", "kind", "APIVersions", "versions", "v1"), false,
		err);
}

static int answer_api_v1(struct call *c, struct np_err *err)
{
	return sim_answer_json_take(
		c, 200,
		json_pack("{s:s, s:s, s:[{s:s, s:s, s:b, s:s, s:[s, s, s], s:[s]}]}", "kind",
			  "APIResourceList", "groupVersion", "v1", "resources", "name",
			  "namespaces", "singularName", "namespace", "namespaced", 0, "kind",
			  "Namespace", "verbs", "create", "get", "list", "shortNames", "ns"),
		false, err);
}

static int answer_groups(struct call *c, struct np_err *err)
{
	json_auto_t *groups = json_pack("[o]", group_entry(c->sim));

	if (!groups)
		return np_fail_nomem(err);
	if (sim_add_pool_groups(c->sim, NULL, groups, err) < 0)
		return np_err_ret(err);
	return sim_answer_json_take(c, 200,
				    json_pack("{s:s, s:s, s:O}", "kind", "APIGroupList",
					      "apiVersion", "v1", "groups", groups),
				    false, err);
}

/* Answers for a group of pools: 1; 0: there is none of that name. */
static int answer_pool_group(struct call *c, const char *name, struct np_err *err)
{
	json_auto_t *groups = json_array();
	json_auto_t *group = json_pack("{s:s, s:s}", "kind", "APIGroup", "apiVersion", "v1");

	if (!groups || !group)
		return np_fail_nomem(err);
	if (sim_add_pool_groups(c->sim, name, groups, err) < 0)
		return np_err_ret(err);
	if (json_array_size(groups) == 0)
		return 0;
	if (json_object_update(group, json_array_get(groups, 0)) < 0)
		return np_fail_nomem(err);
	return sim_answer_json_take(c, 200, np_take(group), false, err) < 0 ? np_err_ret(err) : 1;
}

/* Answers for a version of a group of pools, likewise. */
static int answer_pool_resources(struct call *c, struct np_err *err)
{
	json_auto_t *resources = json_array();

	if (!resources)
		return np_fail_nomem(err);
	if (sim_add_untyped_resources(c->sim, &c->route, resources, err) < 0)
		return np_err_ret(err);
	if (json_array_size(resources) == 0)
		return sim_answer_no_page(c, err);
	return sim_answer_json_take(
		c, 200,
		json_pack("{s:s, s:s, s:o, s:O}", "kind", "APIResourceList", "apiVersion", "v1",
			  "groupVersion", json_sprintf("%s/%s", c->route.group, c->route.version),
			  "resources", resources),
		false, err);
}

static int answer_group(struct call *c, struct np_err *err)
{
	json_auto_t *entry = group_entry(c->sim);
	json_auto_t *group = json_pack("{s:s, s:s}", "kind", "APIGroup", "apiVersion", "v1");

	if (!entry || !group || json_object_update(group, entry) < 0)
		return np_fail_nomem(err);
	return sim_answer_json_take(c, 200, np_take(group), false, err);
}

/* The verbs of VM Operator's CRD, without deletecollection and writes of the status. */
static int answer_resources(struct call *c, struct np_err *err)
{
	int namespaced = !c->sim->cluster_scoped;
	json_auto_t *list = NULL;

	if (strcmp(c->route.group, GROUP) != 0)
		return answer_pool_resources(c, err);
	if (!sim_is_version_served(c->sim, c->route.version))
		return sim_answer_no_page(c, err);
	list = json_pack("{s:s, s:s, s:o, s:[{s:s, s:s, s:b, s:s, s:[s,s,s,s,s,s,s,s], s:[s]},"
			 "{s:s, s:s, s:b, s:s, s:[s,s,s]}]}",
			 "kind", "APIResourceList", "apiVersion", "v1", "groupVersion",
			 json_sprintf(GROUP "/%s", c->route.version), "resources", "name", PLURAL,
			 "singularName", "virtualmachineclass", "namespaced", namespaced, "kind",
			 KIND, "verbs", "delete", "deletecollection", "get", "list", "patch",
			 "create", "update", "watch", "shortNames", "vmclass", "name",
			 PLURAL "/status", "singularName", "", "namespaced", namespaced, "kind",
			 KIND, "verbs", "get", "patch", "update");
	if (!list)
		return np_fail_nomem(err);
	if (sim_add_untyped_resources(c->sim, &c->route, json_object_get(list, "resources"), err) <
	    0)
		return np_err_ret(err);
	return sim_answer_json_take(c, 200, np_take(list), false, err);
}

int sim_answer_discovery(struct call *c, struct np_err *err)
{
	int n = 0;

	static const struct {
		const char *path;
		int (*answer)(struct call *c, struct np_err *err);
	} rows[] = {
		{ "/api", answer_api },     { "/api/v1", answer_api_v1 },
		{ "/apis", answer_groups }, { "/apis/" GROUP, answer_group },
		{ "/healthz", answer_ok },  { "/livez", answer_ok },
		{ "/readyz", answer_ok },   { "/version", answer_version },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (strcmp(rows[i].path, c->path) == 0)
			return rows[i].answer(c, err);
	if (*c->route.version && !*c->route.resource)
		return answer_resources(c, err);
	if (strncmp(c->path, "/apis/", 6) == 0)
		n = answer_pool_group(c, c->path + 6, err);
	if (n != 0)
		return n < 0 ? n : 0;
	return sim_answer_no_page(c, err);
}
