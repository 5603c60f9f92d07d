/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEPREP_SIM_TESTBED_H
#define NODEPREP_SIM_TESTBED_H

/*
 * testbed - what the tests of sim share: requests to a server in the same process, and its objects.
 */

#include "expect.h"
#include "files.h"
#include "internal.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "nodeprep/err.h"
#include "nodeprep/serve.h"
#include "nodeprep/sim.h"

#define API "/apis/vmoperator.vmware.com/v1alpha6"
#define ML API "/namespaces/ml/virtualmachineclasses"
#define GPU ML "/gpu"
#define REVIEWS "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
#define OLD "/apis/vmoperator.vmware.com/v1alpha1/namespaces/ml/virtualmachineclasses"
#define MERGE "application/merge-patch+json"
#define JSON "application/json"

struct headers {
	char authorization[128];
	const char *content_type, *accept, *agent;
};

struct result {
	struct np_serve_reply reply;
	json_t *body; /* NULL where it is not JSON */
};

static inline const char *find(const void *ctx, const char *name)
{
	const struct headers *h = ctx;

	if (strcasecmp(name, "Authorization") == 0)
		return *h->authorization ? h->authorization : NULL;
	if (strcasecmp(name, "Content-Type") == 0)
		return h->content_type;
	if (strcasecmp(name, "Accept") == 0)
		return h->accept;
	return strcasecmp(name, "User-Agent") == 0 ? h->agent : NULL;
}

static inline void done(struct result *r)
{
	np_serve_reply_done(&r->reply);
	json_decref(r->body);
	r->body = NULL;
}

static inline int try_request(struct np_sim *sim, struct headers *h, const char *method,
			      const char *target, const char *body, struct result *r,
			      struct np_err *err)
{
	NP_AUTO(np_freep) char *path = strndup(target, strcspn(target, "?"));
	const char *query = strchr(target, '?');
	struct np_serve_request req = { .method = method, .path = path };

	req.query = query ? query + 1 : "";
	req.body = body ? body : "";
	req.body_size = strlen(req.body);
	req.find_header = find;
	req.ctx = h;
	*r = (struct result){ .body = NULL };
	if (np_sim_handle(sim, &req, &r->reply, err) < 0)
		return -1;
	if (r->reply.body)
		r->body = json_loadb(r->reply.body, r->reply.body_size, 0, NULL);
	return 0;
}

static inline struct headers as_user(struct np_sim *sim, const char *user)
{
	struct headers h = { .agent = "test/1.0", .content_type = JSON };

	if (user)
		snprintf(h.authorization, sizeof(h.authorization), "Bearer %s",
			 np_sim_token(sim, user));
	return h;
}

/* Sends a request as the admin. */
static inline struct result send_request(struct np_sim *sim, const char *method, const char *target,
					 const char *body)
{
	struct headers h = as_user(sim, "admin");
	struct np_err err = NP_ERR_INIT;
	struct result r;

	if (strcmp(method, "PATCH") == 0)
		h.content_type = MERGE;
	if (try_request(sim, &h, method, target, body, &r, &err) < 0)
		fail_msg("%s %s: %s", method, target, err.text);
	return r;
}

static inline unsigned status_of(struct np_sim *sim, const char *method, const char *target,
				 const char *body)
{
	struct result r = send_request(sim, method, target, body);
	unsigned status = r.reply.status;

	done(&r);
	return status;
}

static inline const char *text_at(const json_t *j, const char *path)
{
	char copy[200];
	char *rest = copy, *key;

	snprintf(copy, sizeof(copy), "%s", path);
	while ((key = strsep(&rest, "/")))
		j = json_is_array(j) ? json_array_get(j, strtoul(key, NULL, 10))
				     : json_object_get(j, key);
	return json_string_value(j);
}

static inline const char *header_of(const struct result *r, const char *name)
{
	for (size_t i = 0; i < r->reply.n_headers; i++)
		if (strcasecmp(r->reply.headers[i].name, name) == 0)
			return r->reply.headers[i].value;
	return NULL;
}

/* Fails where the two are not equal as JSON; `expected` is text. */
static inline void expect_json(json_t *is, const char *expected, const char *sentence)
{
	json_auto_t *wanted = json_loads(expected, JSON_DECODE_ANY, NULL);
	NP_AUTO(np_freep) char *text = json_dumps(is, JSON_SORT_KEYS | JSON_ENCODE_ANY);

	if (!wanted || !json_equal(is, wanted))
		fail_msg("%s:\n is %s\n not %s", sentence, text ? text : "absent", expected);
}

static inline struct np_sim *new_sim(const struct np_sim_options *o)
{
	struct np_err err = NP_ERR_INIT;
	struct np_sim *sim = NULL;

	if (np_sim_new(o, &sim, &err) < 0)
		fail_msg("%s", err.text);
	return sim;
}

#define CLASS(name, rest)                                                                      \
	"{\"apiVersion\":\"vmoperator.vmware.com/v1alpha6\",\"kind\":\"VirtualMachineClass\"," \
	"\"metadata\":{\"name\":\"" name "\"}" rest "}"

static const char gpu_class[] =
	CLASS("gpu", ",\"spec\":{\"hardware\":{\"cpus\":4,\"memory\":\"64Gi\"},"
		     "\"configSpec\":{\"a\":null,\"extraConfig\":[{\"key\":\"k\"}]}}");

static inline struct np_sim *sim_with_class(void)
{
	const struct np_sim_options o = { .state_dir = NULL };
	struct np_sim *sim = new_sim(&o);

	assert_int_equal(status_of(sim, "POST", ML "?fieldManager=admin", gpu_class), 201);
	return sim;
}

static inline void expect_fields(struct np_sim *sim, const char *sentence, const char *expected)
{
	struct result r = send_request(sim, "GET", GPU, NULL);
	json_t *list = json_object_get(json_object_get(r.body, "metadata"), "managedFields");
	json_auto_t *seen = json_object();
	json_t *entry;
	size_t i;

	json_array_foreach (list, i, entry) {
		json_object_set(seen, text_at(entry, "manager"),
				json_object_get(entry, "fieldsV1"));
	}
	expect_json(seen, expected, sentence);
	done(&r);
}

static inline void set_faults(struct np_sim *sim, const char *faults)
{
	assert_int_equal(status_of(sim, "PUT", "/sim/faults", faults), 200);
}

#define VMS API "/namespaces/ml/virtualmachines"
#define IMAGES API "/namespaces/ml/virtualmachineimages"
#define BINDINGS "virtualmachineclassbindings"
#define VM(name) "{\"kind\":\"VirtualMachine\",\"metadata\":{\"name\":\"" name "\"},\"status\":{}}"

#endif
