/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/err.h"

#define POLL_FIRST_MS 100
#define POLL_MOST_MS 2000

/* A task's state as last read. */
struct task {
	const struct vcenter_call *call;
	const struct np_kube *http;
	bool is_ended;
	struct np_err error; /* of a task that failed */
};

static int read_task(void *ctx, const struct np_vcenter_object *o, struct np_err *err)
{
	struct task *t = ctx;
	const struct np_vcenter_val *error = np_vcenter_object_get(o, "info.error");
	const char *state = np_vcenter_val_text(np_vcenter_object_get(o, "info.state"));

	if (strcmp(state, "success") == 0) {
		t->is_ended = true;
		return 0;
	}
	if (strcmp(state, "error") == 0) {
		t->is_ended = true;
		vcenter_fail_task(t->call, t->http, error, &t->error);
		return 0;
	}
	if (strcmp(state, "queued") == 0 || strcmp(state, "running") == 0)
		return 0;
	return np_fail(err, NP_E_REFUSED, "%s: the task's state '%s' is not known", t->call->what,
		       state);
}

static int poll(struct np_vcenter *v, const struct np_vcenter_ref *ref, struct task *t,
		struct np_err *err)
{
	static const char *const paths[] = { "info.state", "info.error" };
	const struct np_vcenter_query q = {
		.type = "Task", .paths = paths, .n_paths = 2, .each = read_task, .ctx = t
	};
	uint64_t wait = POLL_FIRST_MS;

	for (;;) {
		if (np_vcenter_read(v, ref, 1, &q, err) < 0)
			return np_err_ret(err);
		if (t->is_ended)
			return 0;
		if (np_vcenter_pause(v, wait, err) < 0)
			return np_err_ret(err);
		wait = wait * 2 < POLL_MOST_MS ? wait * 2 : POLL_MOST_MS;
	}
}

int vcenter_task_wait(struct np_vcenter *v, const struct vcenter_call *call,
		      const struct vcenter_result *started, struct np_err *err)
{
	struct task t = { .call = call, .http = v->http };
	struct np_vcenter_ref ref;

	if (!np_vcenter_val_ref(vcenter_val(vcenter_child(started->response, "returnval")), &ref))
		return np_fail(err, NP_E_RETRY,
			       "%s: the response has no task: whether it changes is not known",
			       call->what);
	if (poll(v, &ref, &t, err) < 0) {
		err->code = NP_E_RETRY;
		return np_wrap(err, "%s: the task '%s' may still run in vCenter", call->what,
			       ref.id);
	}
	if (t.error.code == NP_OK)
		return 0;
	*err = t.error;
	return np_err_ret(err);
}
