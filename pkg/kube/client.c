/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <bsd/stdlib.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "nodeprep/err.h"
#include "nodeprep/time.h"

/* The limit of one request without --request-timeout and without a nearer deadline. */
#define REQUEST_MAX_MS UINT64_C(300000)

enum {
	UNSENT_TRIES_MAX = 3, /* to a server that never answered: kubectl fails at once */
	UNSENT_STEP = 1, /* 200, 400, 800 ms: 1.4 s in all */
};

/* --- time ------------------------------------------------------------------------------------ */

static uint64_t left_ms(const struct np_kube *k)
{
	uint64_t now = np_clock_ms();

	return now < k->deadline ? k->deadline - now : 0;
}

static int fail_deadline(const struct np_kube *k, struct np_err *err)
{
	return np_fail(err, NP_E_RETRY, "the deadline of %" PRIu64 " ms is reached",
		       k->deadline_ms);
}

int kube_plan_pause(const struct np_kube *k, uint64_t ms, uint64_t *ret_ms, struct np_err *err)
{
	uint64_t wait = kube_jitter(ms, arc4random());

	if (wait >= left_ms(k))
		return fail_deadline(k, err);
	*ret_ms = wait;
	return 0;
}

int np_kube_pause(struct np_kube *k, uint64_t ms, struct np_err *err)
{
	uint64_t wait = 0, end;

	if (kube_plan_pause(k, ms, &wait, err) < 0)
		return np_err_ret(err);
	end = np_clock_ms() + wait;
	for (uint64_t now = np_clock_ms(); now < end; now = np_clock_ms()) {
		uint64_t slice = end - now < KUBE_POLL_MS ? end - now : KUBE_POLL_MS;
		struct timespec ts = { .tv_nsec = (long)slice * 1000000 };

		if (kube_is_cancelled(k))
			return kube_fail_cancelled(err);
		/* A signal ends the slice early, and may be what cancels. */
		nanosleep(&ts, NULL);
	}
	return kube_is_cancelled(k) ? kube_fail_cancelled(err) : 0;
}

static uint64_t request_timeout(const struct np_kube *k)
{
	uint64_t left = left_ms(k), own = k->config->request_timeout_ms;
	uint64_t most = own > 0 ? own : REQUEST_MAX_MS;
	uint64_t least = most < left ? most : left;

	/* To libcurl 0 means no limit. */
	return least > 0 ? least : 1;
}

/* --- again and again ------------------------------------------------------------------------- */

static void end_transfer(struct np_kube *k, struct kube_transfer *f)
{
	kube_redact_err(&k->config->secrets, &f->error);
	kube_transfer_clear(k, f);
	f->state = KUBE_ENDED;
}

/* Sets *ret_ms to the wait before the next attempt; false where there is none. */
static bool plan_wait(const struct np_kube *k, const struct kube_outcome *out,
		      struct kube_transfer *f, uint64_t *ret_ms)
{
	if (out->kind == KUBE_FAILED)
		return false;
	if (out->kind == KUBE_LOST_UNSENT && !k->answered && f->unsent++ >= UNSENT_TRIES_MAX)
		return false;
	*ret_ms = kube_backoff(out->kind == KUBE_LOST_UNSENT ? f->attempts - 1 + UNSENT_STEP
							     : f->attempts - 1,
			       arc4random());
	if (out->has_wait)
		*ret_ms = kube_wait_bounded(out->wait_ms, *ret_ms);
	/* A server that is too busy has not stored anything; one whose own deadline passed may have. */
	if (out->kind == KUBE_AGAIN && f->status != 429 && !(f->status == 503 && out->has_wait))
		f->may_be_stored = true;
	return true;
}

/* A server that asks one request to wait is overloaded: no other one begins before. */
static void pause_all(struct np_kube *k, uint64_t until)
{
	if (k->paused_until < until)
		k->paused_until = until;
}

/* Another request's wait may have lasted until the deadline. The last error may say that a write was sent. */
static void fail_late(const struct np_kube *k, struct kube_transfer *f)
{
	if (f->error.code == NP_OK)
		fail_deadline(k, &f->error);
	else
		np_wrap(&f->error, "given up at the deadline of %" PRIu64 " ms", k->deadline_ms);
}

/* Schedules the next attempt; where the deadline comes first, fails with the last error. */
static void plan_next(struct np_kube *k, const struct kube_outcome *out, struct kube_transfer *f)
{
	uint64_t wait = 0, left = left_ms(k);
	char prefix[64];

	if (!plan_wait(k, out, f, &wait)) {
		/* The request had what was left of the time, which says nothing about the server. */
		if (left == 0 && f->error.code == NP_E_RETRY)
			fail_late(k, f);
		end_transfer(k, f);
		return;
	}
	/* A server that asks for more than is left would only be asked in vain. */
	if (wait < left && !(out->has_wait && out->wait_ms >= left)) {
		snprintf(prefix, sizeof(prefix), "again in %" PRIu64 " ms: ", wait);
		kube_log(k, prefix, f->error.text);
		kube_transfer_clear(k, f);
		f->state = KUBE_DUE;
		f->due = np_clock_ms() + wait;
		if (out->has_wait || f->status == 429)
			pause_all(k, f->due);
		return;
	}
	if (out->has_wait)
		np_wrap(&f->error,
			"the server asks to wait %" PRIu64 " s, but only %" PRIu64 " s are left",
			out->wait_ms / 1000, left / 1000);
	else
		fail_late(k, f);
	end_transfer(k, f);
}

static void take_result(struct np_kube *k, struct kube_transfer *f)
{
	struct kube_answer answer = { .status = f->status,
				      .body = f->reply.body,
				      .size = f->reply.size,
				      .secrets = &k->config->secrets };
	struct np_err err = NP_ERR_INIT;

	f->error = err;
	if (f->call->exchange ? kube_exchange_take(f, &err) < 0
			      : kube_body_parse(f->call, &answer, &f->result, &err) < 0)
		f->error = err;
	end_transfer(k, f);
}

/* Ends an attempt: takes its result or schedules the next one. */
static void finish(struct np_kube *k, struct kube_transfer *f, CURLcode code)
{
	struct kube_outcome out;

	if (kube_transfer_judge(k, f, code, &out, &f->error) == 0) {
		take_result(k, f);
	} else if (kube_identity_renew(k, f, k->deadline)) {
		kube_transfer_clear(k, f);
		f->state = KUBE_DUE;
		f->due = 0;
	} else {
		plan_next(k, &out, f);
	}
}

static void start(struct np_kube *k, struct kube_transfer *f)
{
	f->attempts++;
	f->status = 0;
	if (left_ms(k) == 0) {
		fail_late(k, f);
		end_transfer(k, f);
	} else if (kube_identity_freshen(k, k->deadline, &f->error) < 0 ||
		   kube_transfer_prepare(k, f, request_timeout(k), &f->error) < 0) {
		end_transfer(k, f);
	} else if (curl_multi_add_handle(k->multi, f->easy) != CURLM_OK) {
		np_fail_nomem(&f->error);
		end_transfer(k, f);
	} else {
		f->state = KUBE_RUNNING;
	}
}

/* --- many at once ---------------------------------------------------------------------------- */

/* The transfers from `first` to `next` have begun and may not have ended. */
struct batch {
	struct np_kube *k;
	struct kube_transfer *transfers;
	size_t n, most, first, next;
};

/* A read may be cut at any time, a write only before the server can have seen any of it. */
static bool may_cut(const struct kube_transfer *f)
{
	curl_off_t sent_us = 0;

	if (f->state != KUBE_RUNNING || strcmp(f->call->method, "GET") == 0)
		return true;
	curl_easy_getinfo(f->easy, CURLINFO_PRETRANSFER_TIME_T, &sent_us);
	return sent_us == 0;
}

static void cancel_transfers(struct batch *batch)
{
	for (size_t i = batch->first; i < batch->n; i++) {
		struct kube_transfer *f = &batch->transfers[i];

		if (f->state == KUBE_ENDED || !may_cut(f))
			continue;
		/* The last error may say that a write has been sent. */
		if (f->error.code == NP_OK)
			kube_fail_cancelled(&f->error);
		else
			np_wrap(&f->error, "interrupted");
		end_transfer(batch->k, f);
	}
}

static size_t count_running(const struct batch *batch)
{
	size_t n = 0;

	for (size_t i = batch->first; i < batch->next; i++)
		n += batch->transfers[i].state == KUBE_RUNNING;
	return n;
}

/* A server without HTTP/2 gets one request after the other. */
static size_t most_running(const struct batch *batch)
{
	return batch->k->multiplexed ? batch->most : 1;
}

static void start_due(struct batch *batch)
{
	size_t most = most_running(batch), flying = count_running(batch);
	uint64_t now = np_clock_ms();

	if (now < batch->k->paused_until && left_ms(batch->k) > 0)
		return;
	for (size_t i = batch->first; i < batch->n && flying < most; i++) {
		struct kube_transfer *f = &batch->transfers[i];

		if (f->state != KUBE_DUE || f->due > now)
			continue;
		start(batch->k, f);
		flying += f->state == KUBE_RUNNING;
		if (i >= batch->next)
			batch->next = i + 1;
	}
}

static void finish_all(struct batch *batch)
{
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(batch->k->multi, &left))) {
		struct kube_transfer *f = NULL;
		CURLcode code = message->data.result;

		if (message->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &f);
		finish(batch->k, f, code);
	}
}

void kube_transfer_again(struct kube_transfer *f, const struct kube_call *call, uint64_t wait_ms)
{
	f->call = call;
	f->state = KUBE_DUE;
	f->due = np_clock_ms() + wait_ms;
	f->attempts = f->unsent = 0;
	f->may_be_stored = f->renewed = false;
	f->error = (struct np_err)NP_ERR_INIT;
}

/* Lets each transfer that has ended go on with its next call, those in front first. */
static void follow_all(struct batch *batch)
{
	size_t most = most_running(batch);

	for (size_t i = batch->first; i < batch->n; i++) {
		struct kube_transfer *f = &batch->transfers[i];

		if (f->state == KUBE_ENDED && f->follow)
			f->follow(f, i < most);
	}
	while (batch->first < batch->n && batch->transfers[batch->first].state == KUBE_ENDED)
		batch->first++;
}

/* The server reports errors of one object; any other error would hit the next request too. */
static bool concerns_all(const struct kube_transfer *f)
{
	return f->state == KUBE_ENDED && f->error.code != NP_OK && !f->follow &&
	       (f->status == 0 || f->status == 401 || f->error.code == NP_E_RETRY ||
		f->error.code == NP_E_NOMEM);
}

static const struct kube_transfer *find_fatal(const struct batch *batch, size_t from)
{
	for (size_t i = from; i < batch->next; i++)
		if (concerns_all(&batch->transfers[i]))
			return &batch->transfers[i];
	return NULL;
}

static int wait_time(const struct batch *batch)
{
	uint64_t now = np_clock_ms(), until = batch->k->paused_until, wait = KUBE_POLL_MS;

	if (now < until)
		return (int)(until - now < wait ? until - now : wait);
	if (count_running(batch) >= most_running(batch))
		return KUBE_POLL_MS;
	if (batch->next < batch->n)
		return 0;
	for (size_t i = batch->first; i < batch->next; i++) {
		const struct kube_transfer *f = &batch->transfers[i];

		if (f->state == KUBE_DUE && (f->due <= now || f->due - now < wait))
			wait = f->due <= now ? 0 : f->due - now;
	}
	return (int)wait;
}

/* Starts, moves bytes and finishes once; returns the transfer that ended all, NULL to continue. */
static const struct kube_transfer *perform_round(struct batch *batch)
{
	size_t first = batch->first;
	int running;

	if (kube_is_cancelled(batch->k)) {
		cancel_transfers(batch);
		batch->next = batch->n;
	}
	start_due(batch);
	curl_multi_perform(batch->k->multi, &running);
	finish_all(batch);
	follow_all(batch);
	return find_fatal(batch, first);
}

int kube_perform(struct np_kube *k, struct kube_transfer *transfers, size_t n, size_t most,
		 struct np_err *err)
{
	struct batch batch = { .k = k, .transfers = transfers, .n = n, .most = most };
	const struct kube_transfer *fatal = NULL;

	if (n > 0 && transfers[0].follow)
		batch.next = n;
	follow_all(&batch);
	while (batch.first < n && !fatal) {
		fatal = perform_round(&batch);
		if (batch.first < n && !fatal)
			curl_multi_poll(k->multi, NULL, 0, wait_time(&batch), NULL);
	}
	for (size_t i = batch.first; i < batch.next; i++)
		kube_transfer_clear(k, &transfers[i]);
	if (!fatal)
		return 0;
	*err = fatal->error;
	return np_err_ret(err);
}

int kube_send(struct np_kube *k, const struct kube_call *call, json_t **ret, struct np_err *err)
{
	NP_AUTO(np_freep) struct kube_transfer *f = calloc(1, sizeof(*f));
	int r;

	if (!f)
		return np_fail_nomem(err);
	f->call = call;
	r = kube_perform(k, f, 1, 1, err);
	/* Others' answers may have come since. */
	k->status = f->status;
	if (r < 0)
		return np_err_ret(err);
	if (f->error.code != NP_OK) {
		*err = f->error;
		return np_err_ret(err);
	}
	if (ret)
		*ret = f->result;
	else
		json_decref(f->result);
	return 0;
}
