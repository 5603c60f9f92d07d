/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/json.h"
#include "nodeprep/units.h"

enum {
	WATCH_EVERY_MS = 50,
	WATCH_S_MAX = 3600,
	WATCH_S_DEFAULT = 1800,
	WATCH_GRACE_MS = 30000,
};

/* Nothing that runs against this server selects, and to ignore a selector would list too much. */
static bool has_selector(const struct call *c)
{
	return sim_param(c, "labelSelector") || sim_param(c, "fieldSelector");
}

static int refuse_selector(struct call *c, struct np_err *err)
{
	return sim_refuse(c, err, 400, "BadRequest", NULL, "selectors are not supported here");
}

/* `ns` is empty for all namespaces. */
static bool is_in_namespace(const json_t *object, const char *ns)
{
	const char *is = np_json_meta_text(object, "namespace");

	return !*ns || (is && strcmp(is, ns) == 0);
}

/* --- lists ---------------------------------------------------------------------------------- */

struct page {
	uint64_t limit; /* 0: all */
	char *start; /* the key to continue from; NULL: the first */
	uint64_t version;
	json_t *items;
	char *last; /* the last key taken; NULL: none */
	size_t left; /* objects beyond the page */
};

static void page_done(struct page *p)
{
	free(p->start);
	json_decref(p->items);
	free(p->last);
}

static int refuse_token(struct call *c, const char *why, struct np_err *err)
{
	return sim_refuse(c, err, 400, "BadRequest", NULL,
			  "invalid continue token: continue key is not valid: %s", why);
}

/* Go prints a byte that opens no JSON as the character of that number. */
static int refuse_byte(struct call *c, unsigned char byte, struct np_err *err)
{
	char text[80];
	char first[3] = { (char)byte, '\0', '\0' };

	if (byte >= 0x80) {
		first[0] = (char)(0xc0 | byte >> 6);
		first[1] = (char)(0x80 | (byte & 0x3f));
	}
	snprintf(text, sizeof(text), "invalid character '%s' looking for beginning of value",
		 first);
	return refuse_token(c, text, err);
}

static int read_token(struct call *c, struct page *p, const char *token, bool *ret_refused,
		      struct np_err *err)
{
	NP_AUTO(np_freep) char *text = sim_base64url_decode(token);
	json_auto_t *j = text ? json_loads(text, JSON_ALLOW_NUL, NULL) : NULL;
	const char *start = json_string_value(json_object_get(j, "start"));
	json_int_t version = json_integer_value(json_object_get(j, "rv"));

	*ret_refused = true;
	if (!text)
		return refuse_token(c, "illegal base64 data at input byte 0", err);
	if (*text != '{')
		return refuse_byte(c, (unsigned char)*text, err);
	if (!start || version <= 0)
		return refuse_token(c, "a start and a version are needed", err);
	*ret_refused = false;
	p->version = (uint64_t)version;
	/* The token held the key's end, so it means the next key. */
	return asprintf(&p->start, "%s\x01", start) < 0 ? np_fail_nomem(err) : 0;
}

static int page_begin(struct call *c, struct page *p, bool *ret_refused, struct np_err *err)
{
	const char *limit = sim_param(c, "limit"), *token = sim_param(c, "continue");
	struct np_err ignored = NP_ERR_INIT;

	p->version = c->sim->store.version;
	p->items = json_array();
	if (!p->items)
		return np_fail_nomem(err);
	if (limit && np_u64_parse(limit, 0, INT64_MAX, &p->limit, &ignored) < 0) {
		*ret_refused = true;
		return sim_refuse(c, err, 400, "BadRequest", NULL,
				  "strconv.ParseInt: parsing \"%s\": invalid syntax", limit);
	}
	if (has_selector(c)) {
		*ret_refused = true;
		return refuse_selector(c, err);
	}
	return token ? read_token(c, p, token, ret_refused, err) : 0;
}

static int page_add(struct call *c, struct page *p, const struct stored *object, struct np_err *err)
{
	if (!is_in_namespace(object->json, c->route.ns))
		return 0;
	if (p->limit > 0 && json_array_size(p->items) >= p->limit) {
		p->left++;
		return 0;
	}
	free(p->last);
	p->last = strdup(object->key);
	if (!p->last ||
	    json_array_append_new(p->items, sim_as_version(object->json, c->route.version)) < 0)
		return np_fail_nomem(err);
	return 0;
}

static json_t *list_meta(const struct page *p)
{
	NP_AUTO(np_freep) char *text = NULL;
	NP_AUTO(np_freep) char *token = NULL;
	json_auto_t *meta = NULL;

	if (p->left > 0 &&
	    asprintf(&text, "{\"v\":\"meta.k8s.io/v1\",\"rv\":%" PRIu64 ",\"start\":\"%s\\u0000\"}",
		     p->version, p->last) < 0)
		return NULL;
	token = text ? sim_base64url(text) : strdup("");
	meta = json_pack("{s:s, s:o}", "continue", token ? token : "", "resourceVersion",
			 json_sprintf("%" PRIu64, p->version));
	if (!token || !meta ||
	    (p->left > 0 && json_object_set_new(meta, "remainingItemCount",
						json_integer((json_int_t)p->left)) < 0))
		return NULL;
	return np_take(meta);
}

int sim_answer_list(struct call *c, struct np_err *err)
{
	NP_AUTO(page_done) struct page p = { .start = NULL };
	const struct store *s = &c->sim->store;
	bool is_refused = false;
	json_t *meta, *list;

	if (page_begin(c, &p, &is_refused, err) < 0 || is_refused)
		return is_refused ? 0 : np_err_ret(err);
	for (size_t i = p.start ? sim_store_seek(s, p.start) : 0; i < s->n; i++)
		if (page_add(c, &p, &s->items[i], err) < 0)
			return np_err_ret(err);
	meta = list_meta(&p);
	if (!meta)
		return np_fail_nomem(err);
	list = json_pack("{s:o, s:O, s:s, s:o}", "apiVersion",
			 json_sprintf(GROUP "/%s", c->route.version), "items", p.items, "kind",
			 KIND "List", "metadata", meta);
	return sim_answer_json_take(c, 200, list, true, err);
}

/* --- watches -------------------------------------------------------------------------------- */

struct watch {
	struct np_sim *sim;
	char *ns; /* empty: all */
	char *version; /* of the API */
	uint64_t seen; /* changes up to this one were sent */
	time_t end;
	char *first; /* lines that are due at once; NULL: none */
};

static void free_watch(void *ctx)
{
	struct watch *w = ctx;

	if (!w)
		return;
	free(w->ns);
	free(w->version);
	free(w->first);
	free(w);
}

static int add_line(char **text, const char *type, json_t *object, const char *version)
{
	json_auto_t *event =
		json_pack("{s:s, s:o}", "type", type, "object",
			  version ? sim_as_version(object, version) : json_incref(object));
	NP_AUTO(np_freep) char *line = event ? sim_go_dump(event, false) : NULL;
	NP_AUTO(np_freep) char *before = *text;

	*text = NULL;
	if (line && asprintf(text, "%s%s\n", before ? before : "", line) >= 0)
		return 0;
	*text = NULL;
	return -1;
}

/* The changes that a watcher missed are no longer stored. */
static bool is_expired(const struct store *s, uint64_t seen)
{
	const struct change *oldest = &s->changes[s->first_change];

	return s->n_changes == CHANGES_MAX && seen + 1 < oldest->version;
}

static int add_expired(char **text, uint64_t seen)
{
	char message[96];
	json_auto_t *status = NULL;

	snprintf(message, sizeof(message), "too old resource version: %" PRIu64, seen);
	status = sim_new_status(410, "Expired", message, NULL);
	return status ? add_line(text, "ERROR", status, NULL) : -1;
}

static int add_changes(struct watch *w, char **text)
{
	const struct store *s = &w->sim->store;

	for (size_t i = 0; i < s->n_changes; i++) {
		const struct change *c = &s->changes[(s->first_change + i) % CHANGES_MAX];

		if (c->version <= w->seen)
			continue;
		w->seen = c->version;
		if (is_in_namespace(c->object, w->ns) &&
		    add_line(text, c->type, c->object, w->version) < 0)
			return -1;
	}
	return 0;
}

static int next_lines(void *ctx, char **ret, size_t *ret_size)
{
	struct watch *w = ctx;
	NP_AUTO(np_freep) char *text = np_take(w->first);
	bool is_over = time(NULL) >= w->end;

	if (is_expired(&w->sim->store, w->seen)) {
		is_over = true;
		if (add_expired(&text, w->seen) < 0)
			return -1;
	} else if (add_changes(w, &text) < 0) {
		return -1;
	}
	*ret_size = text ? strlen(text) : 0;
	*ret = np_take(text);
	return !is_over;
}

static uint64_t query_number(const struct call *c, const char *name, uint64_t max)
{
	const char *text = sim_param(c, name);
	struct np_err ignored = NP_ERR_INIT;
	uint64_t n = 0;

	if (text && np_u64_parse(text, 0, max, &n, &ignored) < 0)
		return 0;
	return n;
}

/* A watch without a version begins with the existing objects. */
static int add_standing(struct watch *w, struct np_err *err)
{
	const struct store *s = &w->sim->store;

	w->seen = s->version;
	for (size_t i = 0; i < s->n; i++)
		if (is_in_namespace(s->items[i].json, w->ns) &&
		    add_line(&w->first, "ADDED", s->items[i].json, w->version) < 0)
			return np_fail_nomem(err);
	return 0;
}

static int fill_watch(struct call *c, struct watch *w, struct np_err *err)
{
	uint64_t seconds = query_number(c, "timeoutSeconds", WATCH_S_MAX);

	w->sim = c->sim;
	w->ns = strdup(c->route.ns);
	w->version = strdup(c->route.version);
	w->end = time(NULL) + (time_t)(seconds > 0 ? seconds : WATCH_S_DEFAULT);
	w->seen = query_number(c, "resourceVersion", UINT64_MAX);
	c->reply->deadline_ms = (seconds > 0 ? seconds : WATCH_S_DEFAULT) * 1000 + WATCH_GRACE_MS;
	if (!w->ns || !w->version)
		return np_fail_nomem(err);
	return w->seen > 0 ? 0 : add_standing(w, err);
}

static void free_watchp(struct watch **w)
{
	free_watch(*w);
}

int sim_answer_watch(struct call *c, struct np_err *err)
{
	NP_AUTO(free_watchp) struct watch *w = calloc(1, sizeof(*w));

	if (!w)
		return np_fail_nomem(err);
	if (has_selector(c))
		return refuse_selector(c, err);
	if (fill_watch(c, w, err) < 0)
		return np_err_ret(err);
	c->reply->status = 200;
	c->reply->stream =
		(struct np_serve_stream){ next_lines, free_watch, np_take(w), WATCH_EVERY_MS };
	if (np_serve_reply_header(c->reply, "Cache-Control", "no-cache, private", err) < 0)
		return np_err_ret(err);
	return np_serve_reply_header(c->reply, "Content-Type", "application/json", err);
}
