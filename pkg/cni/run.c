/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdio.h>
#include <stdlib.h>

#include "nodeprep/file.h"
#include "nodeprep/gpu.h"
#include "nodeprep/time.h"

static void session_done(struct cni_session *s)
{
	np_kube_free(s->kube);
	np_vcenter_free(s->vcenter);
	np_state_free(s->state);
	np_kube_config_free(s->kube_config);
	np_pool_input_done(&s->input);
	np_gpu_catalogue_free(s->catalogue);
	np_cni_config_done(&s->config);
	free(s->answer);
	free(s->details);
}

void np_cni_answer_done(struct np_cni_answer *a)
{
	free(a->text);
	*a = (struct np_cni_answer){ 0 };
}

static int (*const runners[NP_CNI_COMMAND_MAX])(struct cni_session *s, struct np_err *err) = {
	[NP_CNI_ADD] = cni_add, [NP_CNI_CHECK] = cni_check,   [NP_CNI_DEL] = cni_del,
	[NP_CNI_GC] = cni_gc,   [NP_CNI_STATUS] = cni_status,
};

/* Names the call for people. */
static void name_call(struct cni_session *s)
{
	int used = snprintf(s->words, sizeof(s->words), "%s %s",
			    np_cni_command_name(s->call.command), s->holder);

	if (s->call.pod[0] != '\0' && used > 0 && (size_t)used < sizeof(s->words))
		snprintf(s->words + used, sizeof(s->words) - (size_t)used, " pod %s", s->call.pod);
}

static int serve(struct cni_session *s, const char *bytes, size_t size, struct np_err *err)
{
	const struct np_cni_host *h = s->host;

	if (s->call.command == NP_CNI_VERSION)
		return np_cni_version_answer(bytes, size, &s->answer, err);
	if (np_cni_config_parse(s->call.command, bytes, size, h->name, &s->config, &s->version,
				err) < 0)
		return np_err_ret(err);
	np_file_set_deadline(np_clock_ms() + cni_timeout_ms(s));
	np_cni_holder(&s->config, &s->call, s->holder);
	name_call(s);
	if (h->open_log(h->ctx, s->config.log_file, s->words, err) < 0 ||
	    np_gpu_catalogue_new(&s->catalogue, err) < 0 || cni_load_server(s, err) < 0)
		return np_err_ret(err);
	return runners[s->call.command](s, err);
}

static int run(struct cni_session *s, struct np_err *err)
{
	NP_AUTO(np_freep) char *bytes = NULL;
	size_t size = 0;

	if (np_cni_call_read(&s->host->environment, &s->call, err) < 0 ||
	    s->host->read(s->host->ctx, &bytes, &size, err) < 0)
		return np_err_ret(err);
	return serve(s, bytes, size, err);
}

/* The error object is logged too, since some runtimes drop it. */
static void answer_error(struct cni_session *s, const struct np_err *why, struct np_cni_answer *ret)
{
	if (s->words[0] != '\0')
		cni_add_details(s, s->words);
	ret->code = s->code != 0 ? s->code : np_code_cni(why->code);
	ret->text = np_cni_error(s->version, ret->code, why->text, s->details ? s->details : "");
	s->host->log(s->host->ctx, "error", why->text);
}

void np_cni_run(const struct np_cni_host *host, struct np_cni_answer *ret)
{
	NP_AUTO(session_done) struct cni_session s = { .host = host, .version = NP_CNI_1_1_0 };
	struct np_err err = NP_ERR_INIT;

	*ret = (struct np_cni_answer){ 0 };
	if (run(&s, &err) < 0)
		answer_error(&s, &err, ret);
	else
		ret->text = np_take(s.answer);
}

const char *np_cni_answer_text(const struct np_cni_answer *a)
{
	static const char no_memory[] =
		"{\"cniVersion\":\"1.1.0\",\"code\":11,\"msg\":\"out of memory\",\"details\":\"\"}\n";

	if (!a->text)
		return a->code != 0 ? no_memory : "";
	return a->text;
}
