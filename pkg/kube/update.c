/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdlib.h>

#include "nodeprep/err.h"
#include "nodeprep/json.h"

/* The first pause after a conflict; each further one doubles up to PAUSE_MOST_MS. */
#define PAUSE_FIRST_MS 50
#define PAUSE_MOST_MS 2000

enum { MOST_DEFAULT = NP_KUBE_PARALLEL };

/* Updates that are made several at a time. */
struct updates {
	struct np_kube *k;
	const struct np_kube_updates *how;
	bool is_over; /* none is left to begin */
};

/* An update in progress, and the transfer that makes its requests. */
struct update {
	struct updates *all;
	enum { UPDATE_NONE, UPDATE_BEGUN, UPDATE_READING, UPDATE_PATCHING } stage;
	struct np_kube_update how;
	struct np_kube_updated out; /* its object is the one last read or stored */
	struct kube_request request; /* under way */
	struct np_err conflict; /* the last one */
	uint64_t pause_ms;
};

void np_kube_updated_done(struct np_kube_updated *u)
{
	json_decref(u->object);
	*u = (struct np_kube_updated){ 0 };
}

static void set_object(struct update *u, json_t *take)
{
	json_decref(u->out.object);
	u->out.object = take;
}

static const char *version_of(const struct update *u)
{
	return json_string_value(
		json_object_get(json_object_get(u->out.object, "metadata"), "resourceVersion"));
}

/* Returns a copy of the patch with the resourceVersion it was computed from. */
static json_t *make_body(const json_t *patch, const char *version)
{
	json_auto_t *body = json_copy(np_json_mut(patch));
	const json_t *own = json_object_get(patch, "metadata");
	json_t *metadata = own ? json_copy(np_json_mut(own)) : json_object();

	if (json_object_set_new(body, "metadata", metadata) < 0 ||
	    json_object_set_new(metadata, "resourceVersion", json_string(version)) < 0)
		return NULL;
	return json_incref(body);
}

/* --- requests -------------------------------------------------------------------------------- */

/* What a stage returns: 1, a request was made; 0, the update is done; < 0, it failed. */
enum { GO_ON = 1 };

static int begin_read(struct update *u, struct kube_transfer *f, uint64_t wait_ms,
		      struct np_err *err)
{
	kube_request_done(&u->request);
	if (kube_request_get(u->all->k, u->how.resource, u->how.ns, u->how.name, &u->request, err) <
	    0)
		return np_err_ret(err);
	u->stage = UPDATE_READING;
	kube_transfer_again(f, &u->request.call, wait_ms);
	return GO_ON;
}

static int begin_patch(struct update *u, struct kube_transfer *f, const json_t *patch,
		       struct np_err *err)
{
	const struct np_kube_update *how = &u->how;
	const char *version = version_of(u);
	json_auto_t *body = version ? make_body(patch, version) : NULL;
	const struct np_kube_patch request = { .body = body,
					       .dry_run = how->dry_run == NP_DRY_RUN_SERVER };

	if (!version)
		return np_fail(err, NP_E_REFUSED,
			       "the server sent %s '%s' without a resourceVersion, so a concurrent "
			       "change could go unnoticed",
			       how->resource->plural, how->name);
	kube_request_done(&u->request);
	if (!body)
		return np_fail_nomem(err);
	if (kube_request_patch(u->all->k, how->resource, how->ns, how->name, &request, &u->request,
			       err) < 0)
		return np_err_ret(err);
	u->out.attempts++;
	u->stage = UPDATE_PATCHING;
	kube_transfer_again(f, &u->request.call, 0);
	return GO_ON;
}

/* Computes the patch of the object as it is now. An empty one ends the update without a write. */
static int mutate(struct update *u, struct kube_transfer *f, struct np_err *err)
{
	json_auto_t *patch = NULL;

	if (u->how.mutate(u->how.ctx, u->out.object, &patch, err) < 0)
		return np_err_ret(err);
	/*
	 * A patch that met a conflict may have been stored and sent twice; then this one is empty.
	 */
	u->out.changed = u->out.attempts > 0 || json_object_size(patch) > 0;
	if (json_object_size(patch) == 0 || u->how.dry_run == NP_DRY_RUN_CLIENT)
		return 0;
	return begin_patch(u, f, patch, err);
}

/* --- conflicts ------------------------------------------------------------------------------- */

/* At the deadline the error names the conflict. */
static int fail_conflict(const struct update *u, const struct np_err *late, struct np_err *err)
{
	unsigned n = u->out.attempts;

	if (u->conflict.code == NP_OK || late->code != NP_E_RETRY) {
		*err = *late;
		return np_err_ret(err);
	}
	return np_fail(err, NP_E_CONFLICT, "still conflicting after %u attempt%s: %s: %s", n,
		       n == 1 ? "" : "s", u->conflict.text, late->text);
}

/* Reads the object again after a pause, which is each time longer. */
static int read_again(struct update *u, struct kube_transfer *f, const struct np_err *conflict,
		      struct np_err *err)
{
	uint64_t next = u->pause_ms > 0 ? u->pause_ms * 2 : PAUSE_FIRST_MS, wait = 0;
	struct np_err late = NP_ERR_INIT;

	u->conflict = *conflict;
	u->pause_ms = next < PAUSE_MOST_MS ? next : PAUSE_MOST_MS;
	if (kube_plan_pause(u->all->k, u->pause_ms, &wait, &late) < 0)
		return fail_conflict(u, &late, err);
	return begin_read(u, f, wait, err);
}

/* --- stages ---------------------------------------------------------------------------------- */

static int end_read(struct update *u, struct kube_transfer *f, struct np_err *err)
{
	if (f->error.code != NP_OK)
		return fail_conflict(u, &f->error, err);
	set_object(u, np_take(f->result));
	return mutate(u, f, err);
}

static int end_patch(struct update *u, struct kube_transfer *f, struct np_err *err)
{
	const struct np_err why = f->error;

	if (why.code == NP_E_CONFLICT) {
		u->out.may_be_stored = u->out.may_be_stored || f->may_be_stored;
		return read_again(u, f, &why, err);
	}
	if (why.code != NP_OK) {
		*err = why;
		return np_err_ret(err);
	}
	set_object(u, np_take(f->result));
	return 0;
}

static int step(struct update *u, struct kube_transfer *f, struct np_err *err)
{
	if (u->stage == UPDATE_READING)
		return end_read(u, f, err);
	if (u->stage == UPDATE_PATCHING)
		return end_patch(u, f, err);
	return u->out.object ? mutate(u, f, err) : begin_read(u, f, 0, err);
}

/* Hands the outcome over, and makes room for the next update. */
static void finish(struct update *u, const struct np_err *error)
{
	const struct np_kube_updates *how = u->all->how;

	how->done(how->ctx, &u->how, &u->out, error);
	np_kube_updated_done(&u->out);
	kube_request_done(&u->request);
	*u = (struct update){ .all = u->all };
}

static bool begin(struct update *u)
{
	const struct np_kube_updates *how = u->all->how;

	if (u->all->is_over || !how->next(how->ctx, &u->how)) {
		u->all->is_over = true;
		return false;
	}
	u->out.object = np_json_ref(u->how.object);
	u->stage = UPDATE_BEGUN;
	return true;
}

/* Takes the update as far as it gets without a request, and then the next one. */
static void follow(struct kube_transfer *f, bool may_begin)
{
	struct update *u = f->ctx;

	while (u->stage != UPDATE_NONE || (may_begin && begin(u))) {
		struct np_err err = NP_ERR_INIT;
		int r = step(u, f, &err);

		json_decref(np_take(f->result));
		if (r == GO_ON)
			return;
		finish(u, &err);
	}
}

/* --- the whole ------------------------------------------------------------------------------- */

int np_kube_update_many(struct np_kube *k, const struct np_kube_updates *how, struct np_err *err)
{
	size_t n = how->most > 0 ? how->most : MOST_DEFAULT;
	NP_AUTO(np_freep) struct kube_transfer *transfers = calloc(n, sizeof(*transfers));
	NP_AUTO(np_freep) struct update *slots = calloc(n, sizeof(*slots));
	struct updates all = { .k = k, .how = how };

	if (!transfers || !slots)
		return np_fail_nomem(err);
	for (size_t i = 0; i < n; i++) {
		slots[i].all = &all;
		transfers[i].state = KUBE_ENDED;
		transfers[i].follow = follow;
		transfers[i].ctx = &slots[i];
	}
	return kube_perform(k, transfers, n, n, err);
}

/* One update, and what becomes of it. */
struct single {
	const struct np_kube_update *how; /* NULL: it was begun */
	struct np_kube_updated *out;
	struct np_err error;
};

static bool next_single(void *ctx, struct np_kube_update *ret)
{
	struct single *s = ctx;

	if (!s->how)
		return false;
	*ret = *np_take(s->how);
	return true;
}

static void done_single(void *ctx, const struct np_kube_update *how, struct np_kube_updated *u,
			const struct np_err *error)
{
	struct single *s = ctx;

	(void)how;
	s->error = *error;
	s->out->attempts = u->attempts;
	if (error->code != NP_OK)
		return;
	*s->out = *u;
	u->object = NULL;
}

int np_kube_update(struct np_kube *k, const struct np_kube_update *how, struct np_kube_updated *ret,
		   struct np_err *err)
{
	struct single s = { .how = how, .out = ret };
	const struct np_kube_updates one = {
		.most = 1, .next = next_single, .done = done_single, .ctx = &s
	};

	if (np_kube_update_many(k, &one, err) < 0)
		return np_err_ret(err);
	if (s.error.code == NP_OK)
		return 0;
	*err = s.error;
	return np_err_ret(err);
}
