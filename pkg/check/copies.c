/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <string.h>

#include "nodeprep/json.h"
#include "nodeprep/units.h"

/*
 * vCenter hands its classes to the Supervisor's namespaces, where they are VirtualMachineClasses. VMs are made from
 * these copies, so a copy that differs makes other VMs than vCenter's class says.
 */

#define NAMES_MAX 240
#define STEP_MAX 64

enum comparison { AS_JSON, AS_QUANTITY, BY_MEMBER };

static const struct compared {
	const char *path;
	enum comparison how;
	bool only_without_config_spec; /* a configSpec hides it */
} fields[] = {
	{ "/spec/configSpec", BY_MEMBER, false },
	{ "/spec/hardware/cpus", AS_JSON, false },
	{ "/spec/hardware/devices", AS_JSON, true },
	{ "/spec/hardware/memory", AS_QUANTITY, false },
	{ "/spec/policies/resources/requests/memory", AS_QUANTITY, false },
};

static const json_t *value_at(const json_t *object, const char *path)
{
	const char *rest = path;
	char step[STEP_MAX];

	while (rest) {
		rest = np_json_pointer_next(rest, step, sizeof(step));
		object = json_object_get(object, step);
	}
	return json_is_null(object) ? NULL : object;
}

static bool is_same_quantity(const json_t *a, const json_t *b)
{
	struct np_err ignored = NP_ERR_INIT;
	uint64_t x, y;

	return json_is_string(a) && json_is_string(b) &&
	       np_quantity_parse(json_string_value(a), &x, &ignored) >= 0 &&
	       np_quantity_parse(json_string_value(b), &y, &ignored) >= 0 && x == y;
}

/* Writes the members that differ: " (extraConfig, firmware)". */
static int write_members(const json_t *a, const json_t *b, char buf[static NAMES_MAX],
			 struct np_err *err)
{
	json_auto_t *all = json_object();
	const char *key;
	json_t *value;
	size_t used = 0;

	if (!all || (a && json_object_update(all, np_json_mut(a)) < 0) ||
	    (b && json_object_update_missing(all, np_json_mut(b)) < 0))
		return np_fail_nomem(err);
	json_object_foreach (all, key, value) {
		if (json_equal(json_object_get(a, key), json_object_get(b, key)))
			continue;
		snprintf(buf + used, NAMES_MAX - used, "%s%.40s", used > 0 ? ", " : " (", key);
		used = strlen(buf);
	}
	snprintf(buf + used, NAMES_MAX - used, "%s", used > 0 ? ")" : "");
	return 0;
}

static int compare_field(const struct compared *f, const struct np_plan_class *c,
			 const json_t *copy, const struct np_check_finding *where,
			 struct np_check_findings *findings, struct np_err *err)
{
	const json_t *ours = value_at(c->class->node.json, f->path),
		     *theirs = value_at(copy, f->path);
	struct np_check_finding finding = *where;
	char members[NAMES_MAX] = "";

	if (json_equal(ours, theirs) || (!ours && !theirs) ||
	    (f->how == AS_QUANTITY && is_same_quantity(ours, theirs)))
		return 0;
	if (f->only_without_config_spec && value_at(c->class->node.json, fields[0].path) &&
	    value_at(copy, fields[0].path))
		return 0;
	if (f->how == BY_MEMBER && write_members(ours, theirs, members, err) < 0)
		return np_err_ret(err);
	finding.path = f->path;
	return check_find(
		findings, &finding, err,
		"the Supervisor's VirtualMachineClass differs from vCenter's class in %s%s",
		f->path + 1, members);
}

/* Judges the copy that was fetched. */
static int compare(const struct np_plan_class *c, const struct np_kube_item *item,
		   struct np_check_findings *findings, struct np_err *err)
{
	struct np_check_finding where = { .kind = check_finding_kind(FINDING_CLASS_DIFFERS),
					  .object = CHECK_CLASS_KIND,
					  .ns = item->ns,
					  .name = c->name };

	if (!item->object && item->error.code == NP_E_NOT_FOUND)
		return check_find(
			findings, &where, err,
			"the Supervisor has no such VirtualMachineClass in namespace '%s'",
			item->ns);
	if (!item->object) {
		where.kind = check_finding_kind(FINDING_CLASS_COPY_UNKNOWN);
		return check_find(findings, &where, err, "%s", item->error.text);
	}
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (compare_field(&fields[i], c, item->object, &where, findings, err) < 0)
			return np_err_ret(err);
	return 0;
}

/* Tells whether an earlier pool of the class is in the same namespace. */
static bool is_seen(const struct np_plan *plan, const struct np_plan_class *c, size_t pool)
{
	for (size_t i = 0; i < pool; i++)
		if (strcmp(plan->pools[c->pools[i]].pool->ns,
			   plan->pools[c->pools[pool]].pool->ns) == 0)
			return true;
	return false;
}

/* Compares the class with its copies in the namespaces of its pools. */
static int check_copies_of(struct np_kube *k, const struct np_kube_resource *r,
			   const struct np_plan *plan, const struct np_plan_class *c,
			   struct np_check_findings *findings, struct np_err *err)
{
	for (size_t i = 0; i < c->n_pools; i++) {
		struct np_kube_item item = { .ns = plan->pools[c->pools[i]].pool->ns,
					     .name = c->name };
		int failed;

		if ((i > 0 && !r->namespaced) || is_seen(plan, c, i))
			continue;
		if (np_kube_get_many(k, r, &item, 1, 0, err) < 0)
			return np_err_ret(err);
		failed = compare(c, &item, findings, err);
		json_decref(item.object);
		if (failed < 0)
			return failed;
	}
	return 0;
}

int np_check_copies(struct np_kube *k, const struct np_plan *plan, struct np_check_inventory *inv,
		    struct np_err *err)
{
	const struct np_check_finding unknown = {
		.kind = check_finding_kind(FINDING_CLASS_COPY_UNKNOWN), .object = CHECK_CLASS_KIND
	};
	struct np_kube_resource r = { .namespaced = false };
	struct np_err why = NP_ERR_INIT;

	if (np_kube_discover(k, NP_VMCLASS_GROUP, NP_VMCLASS_PLURAL, &r, &why) < 0) {
		if (why.code != NP_E_NOT_FOUND && why.code != NP_E_FORBIDDEN) {
			*err = why;
			return np_err_ret(err);
		}
		return check_find(&inv->copies, &unknown, err, "%s", why.text);
	}
	for (size_t i = 0; i < plan->n_classes; i++)
		if (plan->classes[i].class &&
		    check_copies_of(k, &r, plan, &plan->classes[i], &inv->copies, err) < 0)
			return np_err_ret(err);
	return 0;
}
