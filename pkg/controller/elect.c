/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include "nodeprep/time.h"

static const struct np_kube_resource leases = { "coordination.k8s.io", "v1", "leases", true };

static int read_lease(struct np_controller *c, struct np_kube *k, struct np_err *err)
{
	struct np_err why = NP_ERR_INIT;
	json_auto_t *record = NULL;

	if (np_kube_get(k, &leases, c->lease_ns, c->lease_name, &record, &why) < 0 &&
	    why.code != NP_E_NOT_FOUND) {
		*err = why;
		return np_err_ret(err);
	}
	return controller_lease_observe(&c->lease, record, controller_now_ms(), err);
}

static int create_lease(struct np_controller *c, struct np_kube *k, json_t *spec, json_t **ret,
			struct np_err *err)
{
	json_auto_t *body = json_pack("{s:s, s:s, s:{s:s, s:s}, s:O}", "apiVersion",
				      "coordination.k8s.io/v1", "kind", "Lease", "metadata", "name",
				      c->lease_name, "namespace", c->lease_ns, "spec", spec);
	const struct np_kube_create create = { .body = body };

	if (!body)
		return np_fail_nomem(err);
	return np_kube_create(k, &leases, c->lease_ns, &create, ret, err);
}

/* The write carries the version read, so one of two contenders gets a conflict. */
static int patch_lease(struct np_controller *c, struct np_kube *k, json_t *spec, json_t **ret,
		       struct np_err *err)
{
	json_auto_t *body = json_pack("{s:{s:s}, s:O}", "metadata", "resourceVersion",
				      c->lease.version, "spec", spec);
	const struct np_kube_patch patch = { .body = body };

	if (!body)
		return np_fail_nomem(err);
	return np_kube_patch(k, &leases, c->lease_ns, c->lease_name, &patch, ret, err);
}

static void publish(struct np_controller *c, uint64_t until_ms)
{
	atomic_store(&c->valid_until_ms, until_ms);
}

static int write_lease(struct np_controller *c, struct np_kube *k, enum lease_step step,
		       struct np_err *err)
{
	uint64_t began = controller_now_ms();
	json_auto_t *spec = NULL, *stored = NULL;
	char now[NP_TIME_TEXT_MAX];

	np_time_micro(now);
	spec = controller_lease_spec(&c->lease, c->identity, step, c->o.lease_ms, now);
	if (!spec)
		return np_fail_nomem(err);
	if ((step == LEASE_CREATE ? create_lease : patch_lease)(c, k, spec, &stored, err) < 0 ||
	    controller_lease_observe(&c->lease, stored, controller_now_ms(), err) < 0)
		return np_err_ret(err);
	controller_lease_won(&c->lease, began, c->o.renew_ms);
	publish(c, c->lease.valid_until_ms);
	return 0;
}

/* One attempt. The leader writes without reading first: one request each time. */
static int contend(struct np_controller *c, struct np_kube *k, bool leads, struct np_err *err)
{
	struct np_err why = NP_ERR_INIT;
	enum lease_step step = LEASE_RENEW;

	np_kube_set_deadline(k, c->o.renew_ms);
	if (leads && write_lease(c, k, step, &why) == 0)
		return 0;
	if (leads && why.code != NP_E_CONFLICT && why.code != NP_E_NOT_FOUND) {
		*err = why;
		return np_err_ret(err);
	}
	if (read_lease(c, k, err) < 0)
		return np_err_ret(err);
	step = controller_lease_decide(&c->lease, c->identity, controller_now_ms());
	if (step == LEASE_WAIT) {
		c->lease.valid_until_ms = 0;
		publish(c, 0);
		return 0;
	}
	return write_lease(c, k, step, err);
}

static void start_leading(struct np_controller *c)
{
	struct np_err err = NP_ERR_INIT;

	controller_log(c, "info", "leading as '%s'", c->identity);
	pthread_mutex_lock(&c->lock);
	atomic_store(&c->leading, true);
	if (controller_store_enqueue_all(c, &err) < 0)
		controller_log(c, "error", "%s", err.text);
	pthread_cond_broadcast(&c->changed);
	pthread_mutex_unlock(&c->lock);
}

static void stop_leading(struct np_controller *c)
{
	atomic_store(&c->leading, false);
	controller_log(c, "warning",
		       "lost the lease %s/%s: not writing until this replica holds it again",
		       c->lease_ns, c->lease_name);
}

/* Releases the lease so that the next leader starts at once; all writes have ended by then. */
static void release_lease(struct np_controller *c, struct np_kube *k)
{
	struct np_err err = NP_ERR_INIT;
	json_auto_t *spec = NULL, *stored = NULL;
	char now[NP_TIME_TEXT_MAX];

	np_time_micro(now);
	spec = controller_lease_release_spec(now);
	np_kube_set_deadline(k, c->o.retry_ms);
	if (spec && patch_lease(c, k, spec, &stored, &err) < 0)
		controller_log(c, "warning", "cannot release the lease: %s", err.text);
	else
		controller_log(c, "info", "released the lease");
}

/* Keeps renewing while the workers finish. */
static bool is_over(const struct np_controller *c)
{
	return controller_is_stopping(c) && atomic_load(&c->workers_done);
}

/* Until the next attempt; not cut short by the stop, but by its end. */
static void rest(struct np_controller *c)
{
	uint64_t now = controller_now_ms(), end = now + c->o.retry_ms;

	pthread_mutex_lock(&c->lock);
	for (; now < end && !is_over(c); now = controller_now_ms())
		controller_wait(c, end - now);
	pthread_mutex_unlock(&c->lock);
}

static void elect_loop(struct np_controller *c, struct np_kube *k)
{
	struct log_dedup last = { 0 };
	bool leads = false;

	while (!is_over(c)) {
		struct np_err why = NP_ERR_INIT;
		bool is_valid;

		atomic_store(&c->beat_ms, controller_now_ms());
		controller_reflectors_report(c);
		controller_credentials_check(c);
		if (!(controller_is_stopping(c) && !leads) && contend(c, k, leads, &why) < 0)
			controller_warn(c, &last, "lease", why.text);
		is_valid = controller_lease_is_valid(&c->lease, controller_now_ms());
		if (is_valid && !leads)
			start_leading(c);
		if (!is_valid && leads)
			stop_leading(c);
		leads = is_valid;
		rest(c);
	}
	if (leads)
		release_lease(c, k);
}

/* Without leader election this process always leads. */
static void lead_always(struct np_controller *c)
{
	publish(c, UINT64_MAX);
	start_leading(c);
	while (!is_over(c)) {
		atomic_store(&c->beat_ms, controller_now_ms());
		controller_reflectors_report(c);
		controller_credentials_check(c);
		rest(c);
	}
}

void *controller_elect_run(void *controller)
{
	struct np_controller *c = controller;
	NP_AUTO(np_kube_freep) struct np_kube *kube = NULL;
	struct np_err err = NP_ERR_INIT;

	if (!c->o.leader_elect) {
		lead_always(c);
		return NULL;
	}
	if (controller_client(c, false, CLIENT_OF_LEASE, &kube, &err) < 0) {
		controller_log(c, "error", "%s", err.text);
		np_controller_stop(c);
		return NULL;
	}
	elect_loop(c, kube);
	return NULL;
}
