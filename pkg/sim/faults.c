/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <fnmatch.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	FAULTS_MAX = 1000,
	HUGE_BYTES = 80 << 20, /* above the 64 MiB that clients of ours read */
	SLOW_BYTES = 10,
};

static const struct {
	const char *name;
	enum fault_kind kind;
} kinds[] = {
	{ "concurrent-write", FAULT_CONCURRENT_WRITE },
	{ "cut", FAULT_CUT },
	{ "cut-body", FAULT_CUT_BODY },
	{ "delay", FAULT_DELAY },
	{ "huge-body", FAULT_HUGE_BODY },
	{ "slow-body", FAULT_SLOW_BODY },
	{ "status", FAULT_STATUS },
};

static const struct {
	const char *key;
	size_t offset;
	json_int_t max;
	json_int_t standard;
} numbers[] = {
	{ "after", offsetof(struct fault, after), 1000000, 0 },
	{ "bytes", offsetof(struct fault, bytes), INT32_MAX, 0 },
	{ "count", offsetof(struct fault, count), 1000000, 1 },
	{ "delayMs", offsetof(struct fault, delay_ms), 3600000, 0 },
};

static bool read_kind(struct fault *f, char why[static 200])
{
	const char *name = json_string_value(json_object_get(f->spec, "fault"));

	for (size_t i = 0; name && i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(kinds[i].name, name) == 0)
			f->kind = kinds[i].kind;
	if (f->kind == FAULT_NONE)
		snprintf(why, 200,
			 "'fault' must be one of concurrent-write, cut, cut-body, "
			 "delay, huge-body, slow-body, status");
	return f->kind != FAULT_NONE;
}

static bool read_numbers(struct fault *f, char why[static 200])
{
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		json_t *given = json_object_get(f->spec, numbers[i].key);
		json_int_t n = given ? json_integer_value(given) : numbers[i].standard;
		uint64_t value = (uint64_t)n;

		if ((given && !json_is_integer(given)) || n < 0 || n > numbers[i].max) {
			snprintf(why, 200, "'%s' must be a number up to %" JSON_INTEGER_FORMAT,
				 numbers[i].key, numbers[i].max);
			return false;
		}
		memcpy((char *)f + numbers[i].offset, &value, sizeof(value));
	}
	return true;
}

static bool is_known_key(const char *key)
{
	static const char *const known[] = { "after",  "before",     "bytes", "count", "delayMs",
					     "effect", "fault",      "key",   "left",  "message",
					     "match",  "retryAfter", "status" };

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strcmp(known[i], key) == 0)
			return true;
	return false;
}

/* A member that is misspelt would make a test that tests nothing. */
static bool has_unknown_key(const struct fault *f, char why[static 200])
{
	const char *key;
	json_t *value;

	json_object_foreach (f->spec, key, value) {
		if (is_known_key(key))
			continue;
		snprintf(why, 200, "unknown member '%.60s' of a fault", key);
		return true;
	}
	return false;
}

/* Whether the request is carried out although its answer says otherwise, or does not come. */
static bool read_effect(const struct fault *f)
{
	switch (f->kind) {
	case FAULT_STATUS:
	case FAULT_CUT:
		return json_is_true(json_object_get(f->spec, "effect")) ||
		       json_is_true(json_object_get(f->spec, "before"));
	default:
		return true;
	}
}

static bool read_fault(struct fault *f, char why[static 200])
{
	json_t *match = json_object_get(f->spec, "match");
	json_int_t status = json_integer_value(json_object_get(f->spec, "status"));

	if (!json_is_object(f->spec)) {
		snprintf(why, 200, "a fault must be an object");
		return false;
	}
	if (has_unknown_key(f, why) || !read_kind(f, why) || !read_numbers(f, why))
		return false;
	f->method = json_string_value(json_object_get(match, "method"));
	f->path = json_string_value(json_object_get(match, "path"));
	f->retry_after = json_string_value(json_object_get(f->spec, "retryAfter"));
	f->message = json_string_value(json_object_get(f->spec, "message"));
	f->has_effect = read_effect(f);
	if (f->bytes == 0)
		f->bytes = f->kind == FAULT_HUGE_BODY ? HUGE_BYTES : SLOW_BYTES;
	if (f->kind == FAULT_STATUS && (status < 400 || status > 599)) {
		snprintf(why, 200, "'status' must be from 400 to 599");
		return false;
	}
	f->status = (unsigned)status;
	return true;
}

void sim_faults_done(struct faults *f)
{
	for (size_t i = 0; i < f->n; i++)
		json_decref(f->items[i].spec);
	free(f->items);
	*f = (struct faults){ 0, NULL };
}

int sim_faults_set(struct faults *f, json_t *spec, char why[static 200], struct np_err *err)
{
	NP_AUTO(sim_faults_done) struct faults next = { 0, NULL };
	json_t *item;
	size_t i;

	if (!json_is_array(spec) || json_array_size(spec) > FAULTS_MAX) {
		snprintf(why, 200, "expected a list of at most %d faults", FAULTS_MAX);
		return 0;
	}
	next.items = calloc(json_array_size(spec) + 1, sizeof(*next.items));
	if (!next.items)
		return np_fail_nomem(err);
	json_array_foreach (spec, i, item) {
		next.items[next.n].spec = json_incref(item);
		if (!read_fault(&next.items[next.n++], why))
			return 0;
	}
	sim_faults_done(f);
	*f = next;
	next = (struct faults){ 0, NULL };
	return 1;
}

static bool is_spent(const struct fault *f)
{
	return f->count > 0 && f->seen >= f->after + f->count;
}

json_t *sim_faults_left(const struct faults *f)
{
	json_auto_t *list = json_array();

	for (size_t i = 0; i < f->n; i++) {
		const struct fault *one = &f->items[i];
		uint64_t used = one->seen > one->after ? one->seen - one->after : 0;
		json_t *copy;

		if (is_spent(one))
			continue;
		copy = sim_copy_flat(one->spec);
		if (json_array_append_new(list, copy) < 0 ||
		    (one->count > 0 &&
		     json_object_set_new(copy, "left",
					 json_integer((json_int_t)(one->count - used))) < 0))
			return NULL;
	}
	return np_take(list);
}

static bool is_met(const struct fault *f, const char *method, const char *path)
{
	return !is_spent(f) && (!f->method || strcmp(f->method, method) == 0) &&
	       (!f->path || fnmatch(f->path, path, 0) == 0);
}

struct fault *sim_faults_meet(struct faults *f, const char *method, const char *path)
{
	for (size_t i = 0; i < f->n; i++) {
		struct fault *one = &f->items[i];

		if (is_met(one, method, path) && ++one->seen > one->after)
			return one;
	}
	return NULL;
}

/* --- the endpoint --------------------------------------------------------------------------- */

static int answer_left(struct call *c, struct np_err *err)
{
	return sim_answer_json_take(c, 200, sim_faults_left(&c->sim->faults), false, err);
}

static int set(struct call *c, struct np_err *err)
{
	NP_AUTO(sim_decoded_done) struct decoded body = { .error = "" };
	char why[200] = "";
	int done;

	if (sim_decode_json(c->req->body, c->req->body_size, &body, err) < 0)
		return np_err_ret(err);
	if (!body.json)
		return sim_refuse(c, err, 400, "BadRequest", NULL, "%s", body.error);
	done = sim_faults_set(&c->sim->faults, body.json, why, err);
	if (done < 0)
		return np_err_ret(err);
	return done ? answer_left(c, err) : sim_refuse(c, err, 400, "BadRequest", NULL, "%s", why);
}

int sim_answer_faults(struct call *c, struct np_err *err)
{
	if (strcmp(c->path, "/sim/faults") != 0)
		return sim_answer_no_page(c, err);
	if (!sim_user_may(c->user, "*"))
		return sim_refuse(c, err, c->user ? 403 : 401,
				  c->user ? "Forbidden" : "Unauthorized", NULL,
				  "expected the admin's token");
	if (strcmp(c->req->method, "PUT") == 0)
		return set(c, err);
	if (strcmp(c->req->method, "GET") == 0)
		return answer_left(c, err);
	return sim_refuse(c, err, 405, "MethodNotAllowed", NULL, "GET or PUT is needed");
}
