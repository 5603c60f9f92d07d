/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdio.h>
#include <string.h>

#include "nodeprep/json.h"

/* From so many classes on, one list is cheaper than a request for each. */
#define LIST_FROM 4

/* A member of the object: its record is to be written again. */
#define UNSETTLED "unsettled"

bool sync_is_unsettled(const json_t *object)
{
	return !!json_object_get(object, UNSETTLED);
}

static int open_vcenter(struct np_class_store *s, struct np_err *err)
{
	const struct np_vcenter_about *about;

	if (s->group[0] != '\0')
		return 0;
	if (np_vcenter_about(s->vcenter, &about, err) < 0)
		return np_err_ret(err);
	if (about->instance_uuid[0] == '\0')
		return np_fail(
			err, NP_E_REFUSED,
			"%s has no instanceUuid, so no records can be kept of its VM classes",
			np_vcenter_url(s->vcenter));
	snprintf(s->group, sizeof(s->group), "%s", about->instance_uuid);
	return 0;
}

int sync_vcenter_object(const json_t *info, const struct sync_record *r, json_t **ret,
			struct np_err *err)
{
	json_auto_t *bare = NULL;
	struct np_vmclass_record record = { r->current, r->memory_mb, r->invalid };

	if (r->pending) {
		if (np_vmclass_from_vcenter(info, NULL, &bare, err) < 0)
			return np_err_ret(err);
		record.json = np_vmclass_record_settle(bare, r->current, r->next);
	}
	if (np_vmclass_from_vcenter(info, &record, ret, err) < 0)
		return np_err_ret(err);
	if (r->pending && json_object_set_new(*ret, UNSETTLED, json_true()) < 0)
		return np_fail_nomem(err);
	return 0;
}

/* --- reading --------------------------------------------------------------------------------- */

/* Makes the class of an Info and its record. */
static int make_object(const struct np_class_store *s, const char *name, const json_t *info,
		       json_t **ret, struct np_err *err)
{
	NP_AUTO(sync_record_done) struct sync_record r = { 0 };

	if (sync_record_read(s, name, &r, err) < 0)
		return np_err_ret(err);
	return sync_vcenter_object(info, &r, ret, err);
}

int sync_vcenter_get(const struct np_class_store *s, const char *name, json_t **ret,
		     struct np_err *err)
{
	json_auto_t *info = NULL;

	if (np_vcenter_class_get(s->vcenter, name, &info, err) < 0)
		return np_err_ret(err);
	return make_object(s, name, info, ret, err);
}

static int add_info(void *ctx, json_t *info, struct np_err *err)
{
	return json_object_set(ctx, np_json_member_text(info, "id"), info) < 0 ? np_fail_nomem(err)
									       : 0;
}

/* A name that no class can have is the name of none. */
static void fail_not_found(struct np_kube_item *item)
{
	np_fail(&item->error, NP_E_NOT_FOUND, "VM class '%s' not found", item->name);
}

/* Fills the items in from one list of all classes. */
static int get_by_list(struct np_class_store *s, struct np_kube_item *items, size_t n,
		       struct np_err *err)
{
	json_auto_t *infos = json_object();

	if (!infos)
		return np_fail_nomem(err);
	if (np_vcenter_class_list(s->vcenter, add_info, infos, err) < 0)
		return np_err_ret(err);
	for (size_t i = 0; i < n; i++) {
		const json_t *info = json_object_get(infos, items[i].name);

		if (!info)
			fail_not_found(&items[i]);
		else if (make_object(s, items[i].name, info, &items[i].object, err) < 0)
			return np_err_ret(err);
	}
	return 0;
}

/* Ends with the first error but a class that is missing: a wrong password is not sent again and again. */
static int get_each(struct np_class_store *s, struct np_kube_item *items, size_t n,
		    struct np_err *err)
{
	for (size_t i = 0; i < n; i++) {
		struct np_kube_item *item = &items[i];

		if (!np_vcenter_is_class_id(item->name))
			fail_not_found(item);
		else if (sync_vcenter_get(s, item->name, &item->object, &item->error) < 0 &&
			 item->error.code != NP_E_NOT_FOUND) {
			*err = item->error;
			return np_err_ret(err);
		}
	}
	return 0;
}

static int get_many(struct np_class_store *s, struct np_kube_item *items, size_t n,
		    struct np_err *err)
{
	int r;

	for (size_t i = 0; i < n; i++) {
		items[i].object = NULL;
		items[i].error = (struct np_err)NP_ERR_INIT;
	}
	r = n >= LIST_FROM ? get_by_list(s, items, n, err) : get_each(s, items, n, err);
	for (size_t i = 0; r < 0 && i < n; i++) {
		json_decref(items[i].object);
		items[i].object = NULL;
	}
	return r;
}

/* --- listing --------------------------------------------------------------------------------- */

struct listing {
	const struct np_class_store *s;
	np_kube_each_fn *each;
	void *ctx;
};

/* Only a record that is pending needs the class: it decides which one holds. */
static int get_recorded(const struct np_class_store *s, const char *name, json_t **ret,
			struct np_err *err)
{
	NP_AUTO(sync_record_done) struct sync_record r = { 0 };
	json_auto_t *info = json_pack("{s:s}", "id", name);
	const struct np_vmclass_record *none = NULL;
	struct np_err why = NP_ERR_INIT;

	if (!info)
		return np_fail_nomem(err);
	if (sync_record_read(s, name, &r, err) < 0)
		return np_err_ret(err);
	if (!r.exists)
		return np_vmclass_from_vcenter(info, none, ret, err);
	if (!r.pending)
		return sync_vcenter_object(info, &r, ret, err);
	if (sync_vcenter_get(s, name, ret, &why) == 0)
		return 0;
	if (why.code == NP_E_NOT_FOUND)
		return sync_vcenter_object(info, &r, ret, err);
	*err = why;
	return np_err_ret(err);
}

static int visit(void *ctx, const char *name, struct np_err *err)
{
	const struct listing *l = ctx;
	json_auto_t *object = NULL;

	if (get_recorded(l->s, name, &object, err) < 0)
		return np_err_ret(err);
	return l->each(l->ctx, object, err);
}

static int list(struct np_class_store *s, const char *ns, np_kube_each_fn *each, void *ctx,
		struct np_err *err)
{
	struct listing l = { s, each, ctx };

	(void)ns;
	return np_state_list(s->state, s->group, visit, &l, err);
}

/* --- rights ---------------------------------------------------------------------------------- */

static int wait_for_lock(void *ctx, uint64_t ms, struct np_err *err)
{
	return np_vcenter_pause(ctx, ms, err);
}

int sync_vcenter_lock(const struct np_class_store *s, const char *name, struct np_state_lock **ret,
		      struct np_err *err)
{
	return np_state_lock(s->state, s->group, name, wait_for_lock, s->vcenter, ret, err);
}

/* vCenter tells its privileges only by refusing; whether records can be written is found out here. */
static int check_access(struct np_class_store *s, size_t n_namespaces,
			const char *const *namespaces, struct np_err *err)
{
	NP_AUTO(np_state_unlockp) struct np_state_lock *lock = NULL;

	(void)n_namespaces;
	(void)namespaces;
	return sync_vcenter_lock(s, "status", &lock, err);
}

const struct sync_store_kind sync_store_vcenter = {
	.api = "vcenter",
	.noun = "VM class",
	.batch = SIZE_MAX,
	.open = open_vcenter,
	.get_many = get_many,
	.list = list,
	.update_many = sync_vcenter_update_many,
	.check_access = check_access,
};

struct np_class_store np_sync_store_vcenter(struct np_vcenter *v, const struct np_state *state)
{
	return (struct np_class_store){
		.kind = &sync_store_vcenter, .api = "vcenter", .vcenter = v, .state = state
	};
}
