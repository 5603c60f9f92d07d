/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "nodeprep/json.h"

/*
 * A write without a resourceVersion. The class's record is locked; the class is read and planned; the record
 * of what the class had and will have is written; the class is read again, and planned again if it changed;
 * then it is written, and read back. What another client writes between the second read and the write
 * is replaced by what was read, and nobody can tell: vCenter has no way to write "unless changed".
 */

/* The first pause after another client's write; each further one doubles up to PAUSE_MOST_MS. */
#define PAUSE_FIRST_MS 50
#define PAUSE_MOST_MS 2000

#define NAMES_MAX 256

/* So often the same change is sent where the class never shows it. */
#define REPEATS_MAX 3

/* One class while it is updated. */
struct update {
	struct np_class_store *s;
	const struct sync_update *how;
	struct sync_updated *ret;
	struct np_state_lock *lock;
	struct sync_record record; /* as in the state directory */
	json_t *object; /* the class as it was read last, with its record */
	json_t *target; /* as it is to be */
	json_t *body; /* of the PATCH that makes it so */
	json_t *sent, *got; /* the body that was sent last, and what was read back */
	unsigned repeats; /* how often in a row both were the same */
	char differences
		[NAMES_MAX]; /* between what was sent last and what was read back; "": none */
	bool is_given; /* `object` is the caller's, which may be old */
	bool is_answered; /* the server said that it stored what was sent last */
	uint64_t pause_ms;
};

static void replace(json_t **to, json_t *take)
{
	json_decref(*to);
	*to = take;
}

static void update_done(struct update *u)
{
	sync_record_done(&u->record);
	json_decref(u->object);
	json_decref(u->target);
	json_decref(u->body);
	json_decref(u->sent);
	json_decref(u->got);
	np_state_unlock(u->lock);
}

/* --- what differs ---------------------------------------------------------------------------- */

static void add_name(char *buf, const char *prefix, const char *name)
{
	size_t used = strlen(buf);

	snprintf(buf + used, NAMES_MAX - used, "%s%s%s", used > 0 ? ", " : "", prefix, name);
}

/* Writes the names of the members that differ; of config_spec, which holds most, those of its own. */
static void name_differences(const json_t *a, const json_t *b, const char *prefix, char *buf)
{
	json_auto_t *all = json_copy(np_json_mut(a));
	const char *key;
	json_t *value;

	if (json_object_update_missing(all, np_json_mut(b)) < 0)
		return;
	json_object_foreach (all, key, value) {
		const json_t *x = json_object_get(a, key), *y = json_object_get(b, key);

		if (json_equal(x, y))
			continue;
		if (prefix[0] == '\0' && json_is_object(x) && json_is_object(y))
			name_differences(x, y, "config_spec.", buf);
		else
			add_name(buf, prefix, key);
	}
}

/* --- the record ------------------------------------------------------------------------------ */

/* Sets *ret to the record that the object carries as its annotation. */
static int record_of(const json_t *object, json_t **ret, struct np_err *err)
{
	*ret = NULL;
	return np_vmclass_record_read(object, ret, err) < 0 ? np_err_ret(err) : 0;
}

static int write_record(struct update *u, struct np_err *err)
{
	u->record.memory_mb = np_vmclass_vcenter_memory_mb(u->object);
	if (sync_record_write(u->s, u->lock, u->how->name, &u->record, err) < 0)
		return np_err_ret(err);
	u->record.exists = u->record.current || u->record.pending;
	return 0;
}

/* Notes that the class is about to get the target's values. */
static int begin_change(struct update *u, struct np_err *err)
{
	json_t *current = NULL, *next = NULL;

	if (record_of(u->object, &current, err) < 0)
		return np_err_ret(err);
	replace(&u->record.current, current);
	if (record_of(u->target, &next, err) < 0)
		return np_err_ret(err);
	replace(&u->record.next, next);
	u->record.pending = true;
	return write_record(u, err);
}

/* Makes the record of `object`, which is what the class holds, the only one. */
static int end_change(struct update *u, const json_t *object, struct np_err *err)
{
	json_t *current = NULL;

	if (record_of(object, &current, err) < 0)
		return np_err_ret(err);
	replace(&u->record.current, current);
	replace(&u->record.next, NULL);
	u->record.pending = false;
	return write_record(u, err);
}

/* --- reading --------------------------------------------------------------------------------- */

/* The class is gone, and with it what its record could restore. */
static int forget(struct update *u, struct np_err *err)
{
	struct np_err ignored = NP_ERR_INIT;

	if (u->lock)
		np_state_remove(u->lock, &ignored);
	return np_err_ret(err);
}

static int read_info(struct update *u, json_t **ret, struct np_err *err)
{
	if (np_vcenter_class_get(u->s->vcenter, u->how->name, ret, err) == 0)
		return 0;
	return err->code == NP_E_NOT_FOUND ? forget(u, err) : np_err_ret(err);
}

static int keep_info(struct update *u, const json_t *info, struct np_err *err)
{
	json_t *object = NULL;

	if (sync_vcenter_object(info, &u->record, &object, err) < 0)
		return np_err_ret(err);
	replace(&u->object, object);
	return 0;
}

/* The caller's object serves if it is one, and its record is still the one that is kept. */
static int keep_given(struct update *u, struct np_err *err)
{
	const json_t *info = np_vmclass_vcenter_info(u->how->object);

	if (!info || json_object_size(info) < 2)
		return 0;
	if (keep_info(u, info, err) < 0)
		return np_err_ret(err);
	u->is_given = json_equal(u->object, u->how->object);
	if (u->is_given)
		return 1;
	replace(&u->object, NULL);
	return 0;
}

static int read_class(struct update *u, struct np_err *err)
{
	json_auto_t *info = NULL;
	int got = keep_given(u, err);

	if (got != 0)
		return got < 0 ? got : 0;
	if (read_info(u, &info, err) < 0)
		return np_err_ret(err);
	return keep_info(u, info, err);
}

/* Reads again right before the write: 1 where the class is as it was planned from, else it is kept. */
static int is_unchanged(struct update *u, struct np_err *err)
{
	json_auto_t *info = NULL, *now = NULL, *before = NULL;

	if (read_info(u, &info, err) < 0)
		return np_err_ret(err);
	now = np_vmclass_vcenter_writable(info);
	before = np_vmclass_vcenter_writable(np_vmclass_vcenter_info(u->object));
	if (!now || !before)
		return np_fail_nomem(err);
	u->is_given = false;
	if (json_equal(now, before))
		return 1;
	return keep_info(u, info, err);
}

/* --- writing --------------------------------------------------------------------------------- */

/* Computes target and body: 1, or 0 where the class is up to date. */
static int plan(struct update *u, struct np_err *err)
{
	json_auto_t *patch = NULL;
	json_t *body = NULL, *target;

	if (u->how->mutate(u->how->ctx, u->object, &patch, err) < 0)
		return np_err_ret(err);
	if (json_object_size(patch) == 0)
		return 0;
	target = np_vmclass_patched(u->object, patch);
	if (!target)
		return np_fail_nomem(err);
	replace(&u->target, target);
	if (np_vmclass_to_vcenter(u->target, &body, err) < 0)
		return np_err_ret(err);
	replace(&u->body, body);
	return 1;
}

static int pause_update(struct update *u, struct np_err *err)
{
	uint64_t next = u->pause_ms > 0 ? u->pause_ms * 2 : PAUSE_FIRST_MS;
	struct np_err why = NP_ERR_INIT;
	unsigned n = u->ret->done.attempts;

	u->pause_ms = next < PAUSE_MOST_MS ? next : PAUSE_MOST_MS;
	if (np_vcenter_pause(u->s->vcenter, u->pause_ms, &why) == 0)
		return 0;
	return np_fail(err, NP_E_CONFLICT,
		       "VM class '%s': another client writes it, too: still conflicting after %u "
		       "attempt%s: %s",
		       u->how->name, n, n == 1 ? "" : "s", why.text);
}

/* Another client that always writes the same, or a server that drops a member, would keep nodeprep busy for ever. */
static int check_effect(struct update *u, const json_t *stored, struct np_err *err)
{
	bool is_same = json_equal(u->sent, u->body) && json_equal(u->got, stored);
	char names[NAMES_MAX] = "";

	u->repeats = is_same ? u->repeats + 1 : 1;
	replace(&u->sent, json_incref(u->body));
	replace(&u->got, np_json_ref(stored));
	if (u->repeats < REPEATS_MAX || json_equal(stored, u->body))
		return 0;
	name_differences(stored, u->body, "", names);
	return np_fail(err, NP_E_REFUSED,
		       "VM class '%s' does not keep the change of %s, which was sent %d times: "
		       "vCenter drops it, or another client overwrites it",
		       u->how->name, names, REPEATS_MAX);
}

/* Reads back: 1 where the class is what was sent. Else it is kept, to be planned again. */
static int read_back(struct update *u, struct np_err *err)
{
	json_auto_t *info = NULL, *stored = NULL;

	if (read_info(u, &info, err) < 0)
		return np_err_ret(err);
	stored = np_vmclass_vcenter_writable(info);
	if (!stored)
		return np_fail_nomem(err);
	if (check_effect(u, stored, err) < 0 || keep_info(u, info, err) < 0)
		return np_err_ret(err);
	if (json_equal(stored, u->body))
		return 1;
	u->differences[0] = '\0';
	/* What had no answer may never have arrived: then nobody took it away. */
	if (u->is_answered)
		name_differences(u->body, stored, "", u->differences);
	return 0;
}

/* A refused change has not been made; one of unknown outcome is found out by reading the class. */
static int send(struct update *u, struct np_err *err)
{
	struct np_err why = NP_ERR_INIT, ignored = NP_ERR_INIT;

	u->ret->done.attempts++;
	u->is_answered = np_vcenter_class_patch(u->s->vcenter, u->how->name, u->body, &why) == 0;
	if (u->is_answered || why.code == NP_E_RETRY)
		return 0;
	end_change(u, u->object, &ignored);
	*err = why;
	return np_err_ret(err);
}

/*
 * Only a change that is to be sent again was lost to another client. What else differs is that client's,
 * and kept, or the server's own form of what was sent.
 */
static int warn_lost(struct update *u, struct np_err *err)
{
	if (u->differences[0] == '\0')
		return 0;
	if (np_warnings_add(
		    &u->ret->warnings, err, NP_WARNING_CONCURRENT_CHANGE,
		    "another client wrote VM class '%s' at the same time (%s): nodeprep's change "
		    "was lost and is written again",
		    u->how->name, u->differences) < 0)
		return np_err_ret(err);
	u->differences[0] = '\0';
	return 0;
}

/* Writes the class: 1 where it holds what was sent, 0 where it is to be planned again. */
static int write_class(struct update *u, struct np_err *err)
{
	int got;

	if (begin_change(u, err) < 0)
		return np_err_ret(err);
	got = is_unchanged(u, err);
	if (got <= 0)
		return got;
	if (send(u, err) < 0)
		return np_err_ret(err);
	got = read_back(u, err);
	if (got == 0)
		return pause_update(u, err);
	return got;
}

static bool changes_class(const struct update *u)
{
	json_auto_t *now = np_vmclass_vcenter_writable(np_vmclass_vcenter_info(u->object));

	return !json_equal(now, u->body);
}

/* Writes the record alone. What the class holds decides it, so that an old answer will not do. */
static int write_record_of(struct update *u, json_t *object, struct np_err *err)
{
	int got = u->is_given ? is_unchanged(u, err) : 1;

	if (got <= 0)
		return got;
	if (end_change(u, object, err) < 0)
		return np_err_ret(err);
	replace(&u->object, json_incref(object));
	return 1;
}

/* Makes one attempt: 1 where the update is done. */
static int attempt(struct update *u, struct np_err *err)
{
	int got = plan(u, err);

	if (got < 0)
		return got;
	u->ret->done.changed = u->ret->done.attempts > 0 || got > 0;
	if (u->how->dry_run != NP_DRY_RUN_NONE)
		return 1;
	if (got == 0)
		return u->record.pending ? write_record_of(u, u->object, err) : 1;
	if (!changes_class(u))
		return write_record_of(u, u->target, err);
	got = warn_lost(u, err) < 0 ? np_err_ret(err) : write_class(u, err);
	if (got <= 0)
		return got;
	return end_change(u, u->object, err) < 0 ? np_err_ret(err) : 1;
}

static int run(struct update *u, struct np_err *err)
{
	int got = 0;

	if (u->how->dry_run == NP_DRY_RUN_NONE &&
	    sync_vcenter_lock(u->s, u->how->name, &u->lock, err) < 0)
		return np_err_ret(err);
	if (sync_record_read(u->s, u->how->name, &u->record, err) < 0 || read_class(u, err) < 0)
		return np_err_ret(err);
	while (got == 0)
		got = attempt(u, err);
	return got < 0 ? got : 0;
}

int sync_vcenter_update(struct np_class_store *s, const struct sync_update *how,
			struct sync_updated *ret, struct np_err *err)
{
	NP_AUTO(update_done) struct update u = { .s = s, .how = how, .ret = ret };

	if (run(&u, err) < 0)
		return np_err_ret(err);
	ret->done.object = np_take(u.object);
	return 0;
}
