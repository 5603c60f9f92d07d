/* SPDX-License-Identifier: Apache-2.0 */
#include "nodeprep/hook.h"

#include "internal.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/err.h"
#include "nodeprep/units.h"

#define API_VERSION "hooks.runtime.cluster.x-k8s.io/v1alpha1"
#define TIMEOUT_DEFAULT_MS 10000
#define TIMEOUT_MOST_MS 30000 /* Cluster API allows no more */

/* The kinds of hooks. */
enum need {
	NEEDS_NOTHING,
	USES_API, /* where there is one */
	NEEDS_API,
};

static const struct hook_row {
	const char *name, *handler; /* NULL: it announces the others */
	enum need need;
	unsigned timeout_s;
	int (*run)(struct outcome *out, const struct request *r, struct np_err *err);
} rows[NP_HOOK_KIND_MAX] = {
	[NP_HOOK_DISCOVERY] = { "Discovery", NULL, NEEDS_NOTHING, 0, NULL },
	[NP_HOOK_DISCOVER_VARIABLES] = { "DiscoverVariables", "discover-variables", NEEDS_NOTHING,
					 10, hook_discover_variables },
	[NP_HOOK_GENERATE_PATCHES] = { "GeneratePatches", "generate-patches", NEEDS_NOTHING, 10,
				       hook_generate_patches },
	[NP_HOOK_VALIDATE_TOPOLOGY] = { "ValidateTopology", "validate-topology", USES_API, 10,
					hook_validate_topology },
	[NP_HOOK_BEFORE_CLUSTER_CREATE] = { "BeforeClusterCreate", "before-cluster-create",
					    NEEDS_API, 30, hook_run_lifecycle },
	[NP_HOOK_BEFORE_WORKERS_UPGRADE] = { "BeforeWorkersUpgrade", "before-workers-upgrade",
					     NEEDS_API, 30, hook_run_lifecycle },
	[NP_HOOK_BEFORE_CLUSTER_DELETE] = { "BeforeClusterDelete", "before-cluster-delete",
					    NEEDS_API, 30, hook_run_lifecycle },
};

static const char *const lower_names[NP_HOOK_KIND_MAX] = {
	[NP_HOOK_DISCOVERY] = "discovery",
	[NP_HOOK_DISCOVER_VARIABLES] = "discovervariables",
	[NP_HOOK_GENERATE_PATCHES] = "generatepatches",
	[NP_HOOK_VALIDATE_TOPOLOGY] = "validatetopology",
	[NP_HOOK_BEFORE_CLUSTER_CREATE] = "beforeclustercreate",
	[NP_HOOK_BEFORE_WORKERS_UPGRADE] = "beforeworkersupgrade",
	[NP_HOOK_BEFORE_CLUSTER_DELETE] = "beforeclusterdelete",
};

/* --- hooks ------------------------------------------------------------------------------------ */

static bool matches(enum np_hook_kind kind, const char *at)
{
	size_t n = strlen(lower_names[kind]);

	if (strncmp(at, lower_names[kind], n) != 0)
		return false;
	if (!rows[kind].handler)
		return at[n] == '\0';
	return at[n] == '/' && strcmp(at + n + 1, rows[kind].handler) == 0;
}

bool np_hook_find(const char *path, enum np_hook_kind *ret)
{
	size_t n = strlen(NP_HOOK_PATH);

	if (strncmp(path, NP_HOOK_PATH, n) != 0)
		return false;
	for (enum np_hook_kind kind = 0; kind < NP_HOOK_KIND_MAX; kind++) {
		if (!matches(kind, path + n))
			continue;
		*ret = kind;
		return true;
	}
	return false;
}

const char *np_hook_name(enum np_hook_kind kind)
{
	return lower_names[kind];
}

/* Tells whether the hook is announced and served under these options. */
static bool is_served(const struct np_hook_options *o, enum np_hook_kind kind)
{
	return rows[kind].need != NEEDS_API || o->kube;
}

bool np_hook_blocks(const struct np_hook_options *o, enum np_hook_kind kind)
{
	return rows[kind].need != NEEDS_NOTHING && o->kube;
}

uint64_t np_hook_timeout_ms(const char *query)
{
	static const char name[] = "timeout=";
	struct np_err ignored = NP_ERR_INIT;
	uint64_t ms = 0;
	char text[32];

	for (const char *at = query; at; at = strchr(at, '&') ? strchr(at, '&') + 1 : NULL) {
		size_t n = strcspn(at, "&");

		if (strncmp(at, name, sizeof(name) - 1) != 0 || n >= sizeof(text))
			continue;
		memcpy(text, at + sizeof(name) - 1, n - (sizeof(name) - 1));
		text[n - (sizeof(name) - 1)] = '\0';
		if (np_duration_parse(text, &ms, &ignored) == 0 && ms > 0)
			return ms < TIMEOUT_MOST_MS ? ms : TIMEOUT_MOST_MS;
	}
	return TIMEOUT_DEFAULT_MS;
}

int hook_discover_handlers(struct outcome *out, struct np_err *err)
{
	const char *comma = ",\"handlers\":[";
	char row[256];

	(void)err;
	for (enum np_hook_kind kind = 0; kind < NP_HOOK_KIND_MAX; kind++) {
		if (!rows[kind].handler || !is_served(out->o, kind))
			continue;
		snprintf(row, sizeof(row),
			 "%s{\"name\":\"%s\",\"requestHook\":{\"apiVersion\":\"" API_VERSION
			 "\",\"hook\":\"%s\"},\"timeoutSeconds\":%u,\"failurePolicy\":\"Fail\"}",
			 comma, rows[kind].handler, rows[kind].name, rows[kind].timeout_s);
		hook_text_add_string(&out->extra, row);
		comma = ",";
	}
	hook_text_add_string(&out->extra, "]");
	return 0;
}

static int run_hook(struct outcome *out, const char *body, size_t size, struct np_err *err)
{
	const struct hook_row *row = &rows[out->kind];
	NP_AUTO(hook_request_done) struct request r = { .enforce = true };

	if (!is_served(out->o, out->kind))
		return np_fail(err, NP_E_USAGE, "%s is not served", row->name);
	if (hook_request_read(row->name, body, size, &r, err) < 0)
		return np_err_ret(err);
	return row->run ? row->run(out, &r, err) : hook_discover_handlers(out, err);
}

static bool is_blocking(enum np_hook_kind kind)
{
	return rows[kind].need == NEEDS_API;
}

/* Writes the response around what the handler made. */
static void write_response(const struct outcome *out, struct text *t)
{
	const struct np_hook_answer *a = out->answer;
	char retry[48];

	hook_text_add_string(t, "{\"apiVersion\":\"" API_VERSION "\",\"kind\":\"");
	hook_text_add_string(t, rows[out->kind].name);
	hook_text_add_string(t, "Response\",\"status\":");
	hook_text_add_string(t, a->failed ? "\"Failure\"" : "\"Success\"");
	if (a->message[0]) {
		hook_text_add_string(t, ",\"message\":");
		hook_text_add_json(t, a->message);
	}
	if (is_blocking(out->kind)) {
		snprintf(retry, sizeof(retry), ",\"retryAfterSeconds\":%u", a->retry_after_s);
		hook_text_add_string(t, retry);
	}
	if (!a->failed)
		hook_text_add(t, out->extra.bytes, out->extra.n);
	hook_text_add_string(t, "}");
}

static void outcome_done(struct outcome *out)
{
	hook_text_done(&out->extra);
}

int np_hook_call(const struct np_hook_options *o, enum np_hook_kind kind, const char *body,
		 size_t size, struct np_hook_answer *ret, struct np_err *err)
{
	struct np_hook_answer answer = { .body = NULL };
	NP_AUTO(outcome_done)
	struct outcome out = { .o = o, .kind = kind, .answer = &answer };
	struct text response = { .bytes = NULL };
	struct np_err why = NP_ERR_INIT;

	if (run_hook(&out, body, size, &why) < 0) {
		answer.failed = true;
		answer.templates = 0;
		memcpy(answer.message, why.text, sizeof(answer.message));
	}
	write_response(&out, &response);
	if (why.code == NP_E_NOMEM || out.extra.failed || response.failed) {
		hook_text_done(&response);
		return np_fail_nomem(err);
	}
	answer.body = response.bytes;
	answer.size = response.n;
	*ret = answer;
	return 0;
}
