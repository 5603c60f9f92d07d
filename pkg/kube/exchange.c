/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

#include "nodeprep/err.h"
#include "nodeprep/kube_exchange.h"

bool np_kube_status_is_retried(long status)
{
	return kube_status_is_retried(status);
}

int np_kube_add_secret(struct np_kube *k, const char *text, bool is_lasting, struct np_err *err)
{
	struct kube_secrets *s = &k->config->secrets;
	size_t n = s->n;
	char *added;

	if (kube_secrets_add(s, text, strlen(text), err) < 0)
		return np_err_ret(err);
	if (!is_lasting || s->n <= n)
		return 0;
	added = s->texts[n];
	s->texts[n] = s->texts[s->n_fixed];
	s->texts[s->n_fixed++] = added;
	return 0;
}

void np_kube_redact(const struct np_kube *k, const char *text, char *buf, size_t size)
{
	kube_redact(&k->config->secrets, text, buf, size);
}

void np_kube_log(struct np_kube *k, const char *line)
{
	kube_log(k, "", line);
}

int kube_exchange_judge(const struct np_kube_exchange *x, const struct kube_transfer *f,
			bool *ret_again, struct np_err *err)
{
	struct np_kube_reply reply = { .status = f->status,
				       .body = f->reply.body ? f->reply.body : "",
				       .size = f->reply.size };

	*ret_again = false;
	return x->judge(x->ctx, &reply, ret_again, err);
}

/* Hands the bytes over, so that a large answer is not copied. */
int kube_exchange_take(struct kube_transfer *f, struct np_err *err)
{
	f->body = f->reply.body ? np_take(f->reply.body) : strdup("");
	f->body_size = f->reply.size;
	return f->body ? 0 : np_fail_nomem(err);
}

static int perform(struct np_kube *k, struct kube_transfer *f, struct np_err *err)
{
	if (kube_perform(k, f, 1, 1, err) < 0)
		return np_err_ret(err);
	if (f->error.code == NP_OK)
		return 0;
	*err = f->error;
	return np_err_ret(err);
}

int np_kube_exchange(struct np_kube *k, const struct np_kube_exchange *x, char **ret,
		     size_t *ret_size, struct np_err *err)
{
	NP_AUTO(np_freep) struct kube_transfer *f = calloc(1, sizeof(*f));
	const struct kube_call call = { .verb = x->method,
					.method = x->method,
					.path = x->path,
					.resource = x->what,
					.body = x->body,
					.content_type = x->content_type,
					.repeatable = x->is_repeatable,
					.exchange = x };
	bool (*is_cancelled)(void *ctx) = k->config->is_cancelled;
	int r;

	if (!f)
		return np_fail_nomem(err);
	f->call = &call;
	if (x->is_final)
		k->config->is_cancelled = NULL;
	r = perform(k, f, err);
	k->config->is_cancelled = is_cancelled;
	if (r < 0)
		return r;
	*ret = f->body;
	*ret_size = f->body_size;
	return 0;
}
