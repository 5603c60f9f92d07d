/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include "nodeprep/err.h"
#include "nodeprep/json.h"

/* The first pause after a conflict; each further one doubles up to PAUSE_MOST_MS. */
#define PAUSE_FIRST_MS 50
#define PAUSE_MOST_MS 2000

/* An update in progress. */
struct update {
	struct np_kube *k;
	const struct np_kube_update *how;
	struct np_kube_updated out; /* its object is the one last read or stored */
	uint64_t pause_ms;
};

static void update_done(struct update *u)
{
	json_decref(u->out.object);
}

void np_kube_updated_done(struct np_kube_updated *u)
{
	json_decref(u->object);
	*u = (struct np_kube_updated){ 0 };
}

static int read_object(struct update *u, struct np_err *err)
{
	const struct np_kube_update *how = u->how;
	json_t *object = NULL;

	if (np_kube_get(u->k, how->resource, how->ns, how->name, &object, err) < 0)
		return np_err_ret(err);
	json_decref(u->out.object);
	u->out.object = object;
	return 0;
}

/* Returns a copy of the patch with the resourceVersion it was computed from. */
static json_t *make_body(const json_t *patch, const char *version)
{
	json_auto_t *body = json_deep_copy(patch);
	json_t *metadata = json_object_get(body, "metadata");

	if (!metadata) {
		metadata = json_object();
		if (json_object_set_new(body, "metadata", metadata) < 0)
			return NULL;
	}
	if (json_object_set_new(metadata, "resourceVersion", json_string(version)) < 0)
		return NULL;
	return json_incref(body);
}

static int send_patch(struct update *u, const json_t *patch, struct np_err *err)
{
	const struct np_kube_update *how = u->how;
	const char *version = json_string_value(
		json_object_get(json_object_get(u->out.object, "metadata"), "resourceVersion"));
	struct np_kube_patch request = { .dry_run = how->dry_run == NP_DRY_RUN_SERVER };
	json_auto_t *body = NULL;
	json_t *stored = NULL;

	if (!version)
		return np_fail(err, NP_E_REFUSED,
			       "the server sent %s '%s' without a resourceVersion, so a concurrent "
			       "change could go unnoticed",
			       how->resource->plural, how->name);
	body = make_body(patch, version);
	if (!body)
		return np_fail_nomem(err);
	request.body = body;
	u->out.attempts++;
	if (np_kube_patch(u->k, how->resource, how->ns, how->name, &request, &stored, err) < 0)
		return np_err_ret(err);
	json_decref(u->out.object);
	u->out.object = stored;
	return 0;
}

/* Makes one attempt; returns 1 on a conflict. An empty patch ends the update without a write. */
static int attempt(struct update *u, struct np_err *err)
{
	json_auto_t *patch = NULL;

	if (!u->out.object && read_object(u, err) < 0)
		return np_err_ret(err);
	if (u->how->mutate(u->how->ctx, u->out.object, &patch, err) < 0)
		return np_err_ret(err);
	/*
	 * A patch that met a conflict may have been stored and sent twice; then this one is empty.
	 */
	u->out.changed = u->out.attempts > 0 || json_object_size(patch) > 0;
	if (json_object_size(patch) == 0 || u->how->dry_run == NP_DRY_RUN_CLIENT)
		return 0;
	if (send_patch(u, patch, err) == 0)
		return 0;
	return err->code == NP_E_CONFLICT ? 1 : np_err_ret(err);
}

/* Waits, each time longer, and reads the object again. */
static int wait_and_read(struct update *u, struct np_err *err)
{
	uint64_t next = u->pause_ms > 0 ? u->pause_ms * 2 : PAUSE_FIRST_MS;

	u->pause_ms = next < PAUSE_MOST_MS ? next : PAUSE_MOST_MS;
	return np_kube_pause(u->k, u->pause_ms, err) < 0 ? np_err_ret(err) : read_object(u, err);
}

/* Prepares the next attempt; at the deadline the error names the conflict. */
static int prepare_next(struct update *u, const struct np_err *conflict, struct np_err *err)
{
	struct np_err late = NP_ERR_INIT;

	if (wait_and_read(u, &late) == 0)
		return 0;
	if (late.code == NP_E_RETRY)
		return np_fail(err, NP_E_CONFLICT, "still conflicting after %u attempt%s: %s: %s",
			       u->out.attempts, u->out.attempts == 1 ? "" : "s", conflict->text,
			       late.text);
	*err = late;
	return np_err_ret(err);
}

static int run(struct update *u, struct np_err *err)
{
	for (;;) {
		struct np_err why = NP_ERR_INIT;
		int r = attempt(u, &why);

		if (r < 0)
			*err = why;
		if (r <= 0)
			return r;
		if (prepare_next(u, &why, err) < 0)
			return np_err_ret(err);
	}
}

int np_kube_update(struct np_kube *k, const struct np_kube_update *how, struct np_kube_updated *ret,
		   struct np_err *err)
{
	NP_AUTO(update_done)
	struct update u = { .k = k, .how = how, .out.object = np_json_ref(how->object) };
	int r = run(&u, err);

	ret->attempts = u.out.attempts;
	if (r < 0)
		return r;
	*ret = u.out;
	u.out.object = NULL;
	return 0;
}
