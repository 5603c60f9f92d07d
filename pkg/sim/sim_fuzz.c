/* SPDX-License-Identifier: Apache-2.0 */
#include "nodeprep/sim.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "nodeprep/err.h"
#include "nodeprep/serve.h"

/*
 * An input is requests, separated by lines of "---": "METHOD TARGET", the content type, the body.
 * Whatever they are, each is answered, JSON is JSON, and versions only rise.
 */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fuzz_require(bool holds)
{
	if (!holds)
		abort();
}

struct fuzz_headers {
	char authorization[128];
	const char *content_type;
};

static const char *fuzz_header(const void *ctx, const char *name)
{
	const struct fuzz_headers *h = ctx;

	if (strcasecmp(name, "Authorization") == 0)
		return h->authorization;
	return strcasecmp(name, "Content-Type") == 0 ? h->content_type : NULL;
}

static bool fuzz_is_json(const struct np_serve_reply *r)
{
	for (size_t i = 0; i < r->n_headers; i++)
		if (strcmp(r->headers[i].name, "Content-Type") == 0)
			return strcmp(r->headers[i].value, "application/json") == 0;
	return false;
}

static json_t *fuzz_check_reply(struct np_serve_reply *r)
{
	json_t *body = NULL;

	fuzz_require(r->status >= 200 && r->status < 600);
	for (unsigned i = 0; r->stream.next && i < 2; i++) {
		NP_AUTO(np_freep) char *piece = NULL;
		size_t piece_size = 0;

		fuzz_require(r->stream.next(r->stream.ctx, &piece, &piece_size) >= 0);
	}
	if (!r->stream.next && fuzz_is_json(r)) {
		body = json_loadb(r->body, r->body_size, JSON_ALLOW_NUL, NULL);
		fuzz_require(body);
	}
	return body;
}

static json_t *fuzz_send(struct np_sim *sim, const char *method, char *target,
			 struct fuzz_headers *h, const char *body)
{
	NP_AUTO(np_serve_reply_done) struct np_serve_reply reply = NP_SERVE_REPLY_INIT;
	struct np_err err = NP_ERR_INIT;
	char *query = strchr(target, '?');
	struct np_serve_request req = { .method = method, .path = target, .query = "" };

	if (query) {
		*query = '\0';
		req.query = query + 1;
	}
	req.body = body;
	req.body_size = strlen(body);
	req.find_header = fuzz_header;
	req.ctx = h;
	if (strlen(target) >= 5 && strncmp(target, "/sim/", 5) == 0)
		return NULL; /* faults may ask for any status, and for 2 GiB */
	fuzz_require(np_sim_handle(sim, &req, &reply, &err) == 0);
	return fuzz_check_reply(&reply);
}

static long long fuzz_version(struct np_sim *sim, struct fuzz_headers *h)
{
	char target[] = "/apis/vmoperator.vmware.com/v1alpha6/virtualmachineclasses";
	json_auto_t *list = fuzz_send(sim, "GET", target, h, "");
	const char *version = json_string_value(
		json_object_get(json_object_get(list, "metadata"), "resourceVersion"));

	fuzz_require(version);
	return strtoll(version, NULL, 10);
}

static void fuzz_request(struct np_sim *sim, struct fuzz_headers *h, char *text)
{
	long long before = fuzz_version(sim, h);
	char *head = strsep(&text, "\n");
	const char *method = strsep(&head, " ");

	h->content_type = text ? strsep(&text, "\n") : NULL;
	if (head && *head == '/')
		json_decref(fuzz_send(sim, method, head, h, text ? text : ""));
	h->content_type = NULL;
	fuzz_require(fuzz_version(sim, h) >= before);
}

static struct np_sim *fuzz_new_sim(struct fuzz_headers *h)
{
	static const char class[] =
		"apiVersion: vmoperator.vmware.com/v1alpha6\nkind: VirtualMachineClass\n"
		"metadata: {name: gpu, labels: {a: b}}\n"
		"spec: {hardware: {cpus: 4, memory: 64Gi}, configSpec: {extraConfig: [{key: a}]}}\n";
	const struct np_sim_options o = { .state_dir = NULL };
	struct np_err err = NP_ERR_INIT;
	struct np_sim *sim = NULL;

	fuzz_require(np_sim_new(&o, &sim, &err) == 0);
	fuzz_require(np_sim_load(sim, "class", class, sizeof(class) - 1, &err) == 0);
	snprintf(h->authorization, sizeof(h->authorization), "Bearer %s",
		 np_sim_token(sim, "admin"));
	return sim;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_headers h = { .content_type = NULL };
	NP_AUTO(np_freep) char *text = strndup((const char *)data, size);
	NP_AUTO(np_sim_freep) struct np_sim *sim = text ? fuzz_new_sim(&h) : NULL;
	char *rest = text;

	for (unsigned i = 0; rest && i < 8; i++) {
		char *end = strstr(rest, "\n---\n"), *one = rest;

		if (end)
			*end = '\0';
		rest = end ? end + 5 : NULL;
		fuzz_request(sim, &h, one);
	}
	return 0;
}
