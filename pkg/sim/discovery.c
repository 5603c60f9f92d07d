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
	return sim_answer_json_take(c, 200,
				    json_pack("{s:s, s:s, s:[o]}", "kind", "APIGroupList",
					      "apiVersion", "v1", "groups", group_entry(c->sim)),
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

	if (strcmp(c->route.group, GROUP) != 0 || !sim_is_version_served(c->sim, c->route.version))
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
	if (sim_add_untyped_resources(json_object_get(list, "resources"), c->route.version, err) <
	    0)
		return np_err_ret(err);
	return sim_answer_json_take(c, 200, np_take(list), false, err);
}

int sim_answer_discovery(struct call *c, struct np_err *err)
{
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
	return sim_answer_no_page(c, err);
}
