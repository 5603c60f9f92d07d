/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

enum { HUGE_PIECE = 1 << 20 };

static int answer_status(struct call *c, const struct fault *f, struct np_err *err)
{
	static const struct {
		unsigned code;
		const char *reason, *message;
	} rows[] = {
		{ 401, "Unauthorized", "Unauthorized" },
		{ 403, "Forbidden", "forbidden: caused by an injected fault" },
		{ 409, "Conflict", "" },
		{ 410, "Expired",
		  "The provided continue parameter is too old to display a "
		  "consistent list result." },
		{ 429, "TooManyRequests", "Too many requests, please try again later." },
		{ 500, "InternalError", "Internal error occurred: caused by an injected fault" },
		{ 503, "ServiceUnavailable",
		  "the server is currently unable to handle the request" },
		{ 504, "Timeout", "Timeout: request did not complete within the allotted timeout" },
	};

	if (f->retry_after &&
	    np_serve_reply_header(c->reply, "Retry-After", f->retry_after, err) < 0)
		return np_err_ret(err);
	if (f->status == 409 && !f->message)
		return sim_refuse_conflict(c, err);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].code == f->status)
			return sim_refuse(c, err, f->status, rows[i].reason, NULL, "%s",
					  f->message ? f->message : rows[i].message);
	return sim_refuse(c, err, f->status, NULL, NULL, "%s",
			  f->message ? f->message : "caused by an injected fault");
}

/* A JSON string of that many bytes, generated while it is sent. */
struct huge {
	uint64_t left;
	bool is_open;
};

static int next_huge(void *ctx, char **ret, size_t *ret_size)
{
	static const char head[] = "{\"huge\":\"", tail[] = "\"}";
	struct huge *h = ctx;
	size_t size = h->left < HUGE_PIECE ? (size_t)h->left : HUGE_PIECE;
	char *piece = malloc(size + 1);

	if (!piece)
		return -1;
	memset(piece, 'x', size);
	for (size_t i = 0; !h->is_open && head[i] && i < size; i++)
		piece[i] = head[i];
	h->is_open = true;
	h->left -= size;
	for (size_t i = 0; h->left == 0 && size > 2 && tail[i]; i++)
		piece[size - 2 + i] = tail[i];
	*ret = piece;
	*ret_size = size;
	return h->left > 0;
}

static int make_huge(struct call *c, const struct fault *f, struct np_err *err)
{
	struct huge *h = calloc(1, sizeof(*h));

	if (!h)
		return np_fail_nomem(err);
	h->left = f->bytes;
	if (c->reply->stream.free)
		c->reply->stream.free(c->reply->stream.ctx);
	c->reply->stream = (struct np_serve_stream){ next_huge, free, h, 1 };
	return 0;
}

int sim_spoil_answer(struct call *c, const struct fault *f, struct np_err *err)
{
	struct np_serve_reply *r = c->reply;

	r->delay_ms = f->delay_ms;
	switch (f->kind) {
	case FAULT_STATUS:
		np_serve_reply_done(r);
		r->delay_ms = f->delay_ms;
		return answer_status(c, f, err);
	case FAULT_CUT:
		r->cut = NP_SERVE_CUT;
		return 0;
	case FAULT_CUT_BODY:
		r->cut = NP_SERVE_CUT_BODY;
		return 0;
	case FAULT_SLOW_BODY:
		r->bytes_per_second = f->bytes;
		r->deadline_ms = UINT64_C(3600) * 1000;
		return 0;
	case FAULT_HUGE_BODY:
		return make_huge(c, f, err);
	default:
		return 0;
	}
}
