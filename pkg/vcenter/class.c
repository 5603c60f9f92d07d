/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/err.h"
#include "nodeprep/json.h"

#define CLASSES_PATH "/api/vcenter/namespace-management/virtual-machine-classes"
#define CLASSES_MAX 10000

enum { WHAT_MAX = 128, PATH_MAX_BYTES = 256 };

bool np_vcenter_is_class_id(const char *id)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789-";
	size_t size = strspn(id, letters);

	return size > 0 && size <= NP_VCENTER_CLASS_ID_MAX && !id[size] && id[0] != '-' &&
	       id[size - 1] != '-';
}

static int check_id(const char *id, struct np_err *err)
{
	if (np_vcenter_is_class_id(id))
		return 0;
	return np_fail(err, NP_E_SPEC,
		       "'%s' is not the id of a vCenter VM class: expected 1 to %d of a-z, 0-9 and "
		       "'-', neither first nor last a '-'",
		       id, NP_VCENTER_CLASS_ID_MAX);
}

/* --- lists -------------------------------------------------------------------------------------- */

static int compare_ids(const void *a, const void *b)
{
	const json_t *const *left = a, *const *right = b;

	return strcmp(np_json_member_text(*left, "id"), np_json_member_text(*right, "id"));
}

/* Sets *ret to the classes, borrowed from the list and sorted. */
static int sort_classes(const json_t *list, json_t ***ret, struct np_err *err)
{
	size_t n = json_array_size(list);
	NP_AUTO(np_freep) json_t **classes = calloc(n + 1, sizeof(*classes));
	json_t *class;
	size_t i;

	if (!json_is_array(list) || n > CLASSES_MAX)
		return np_fail(err, NP_E_REFUSED,
			       "VM classes: the response is not a list of at most %d classes",
			       CLASSES_MAX);
	if (!classes)
		return np_fail_nomem(err);
	json_array_foreach (list, i, class) {
		if (!np_json_member_text(class, "id")[0])
			return np_fail(err, NP_E_REFUSED,
				       "VM classes: item %zu of the response has no id", i);
		classes[i] = class;
	}
	qsort(classes, n, sizeof(*classes), compare_ids);
	*ret = np_take(classes);
	return 0;
}

int np_vcenter_class_list(struct np_vcenter *v, np_vcenter_each_class_fn *each, void *ctx,
			  struct np_err *err)
{
	const struct vcenter_call call = { .verb = "list",
					   .what = "VM classes",
					   .privilege = "System.Read",
					   .user = v->login.user };
	const struct vcenter_request request = { &call, "GET", CLASSES_PATH, NULL };
	json_auto_t *list = NULL;
	NP_AUTO(np_freep) json_t **classes = NULL;

	if (vcenter_check_classes(v, err) < 0 || vcenter_rest(v, &request, &list, err) < 0 ||
	    sort_classes(list, &classes, err) < 0)
		return np_err_ret(err);
	for (size_t i = 0; i < json_array_size(list); i++) {
		int r = each(ctx, classes[i], err);

		if (r < 0)
			return r;
	}
	return 0;
}

/* --- one class ---------------------------------------------------------------------------------- */

/* The words and the path of a request about a class. */
struct about_class {
	struct vcenter_call call;
	char what[WHAT_MAX], path[PATH_MAX_BYTES];
};

static int aim(struct np_vcenter *v, const char *id, struct about_class *a, struct np_err *err)
{
	if (check_id(id, err) < 0 || vcenter_check_classes(v, err) < 0)
		return np_err_ret(err);
	snprintf(a->what, sizeof(a->what), "VM class '%s'", id);
	snprintf(a->path, sizeof(a->path), CLASSES_PATH "/%s", id);
	a->call.what = a->what;
	a->call.user = v->login.user;
	a->call.is_class = true;
	return 0;
}

int np_vcenter_class_get(struct np_vcenter *v, const char *id, json_t **ret, struct np_err *err)
{
	struct about_class a = { .call = { .verb = "read", .privilege = "System.Read" } };
	const struct vcenter_request request = { &a.call, "GET", a.path, NULL };
	json_auto_t *info = NULL;
	const char *found;

	if (aim(v, id, &a, err) < 0 || vcenter_rest(v, &request, &info, err) < 0)
		return np_err_ret(err);
	found = np_json_member_text(info, "id");
	if (strcmp(found, id) != 0)
		return np_fail(err, NP_E_REFUSED, "%s: the response is about another class ('%s')",
			       a.what, found);
	*ret = np_take(info);
	return 0;
}

int np_vcenter_class_patch(struct np_vcenter *v, const char *id, const json_t *spec,
			   struct np_err *err)
{
	struct about_class a = { .call = { .verb = "change",
					   .privilege = "VirtualMachineClasses.Manage" } };
	const struct vcenter_request request = { &a.call, "PATCH", a.path, spec };
	json_auto_t *answer = NULL;

	if (aim(v, id, &a, err) < 0)
		return np_err_ret(err);
	if (vcenter_rest(v, &request, &answer, err) == 0)
		return 0;
	if (err->code == NP_E_RETRY)
		return np_wrap(err, "%s may or may not be changed", a.what);
	return np_err_ret(err);
}
