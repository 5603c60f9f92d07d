/* SPDX-License-Identifier: Apache-2.0 */
#include "vcenter.h"

#include <stdlib.h>
#include <string.h>

#include "nodeprep/text.h"

#define AT(member) offsetof(struct vcenter_flags, member)

void vcenter_scrub(char *url)
{
	char *scheme = strstr(url, "://"), *start = scheme ? scheme + 3 : url;
	char *at = memrchr(start, '@', strcspn(start, "/?#"));
	char *colon = at ? memchr(start, ':', (size_t)(at - start)) : NULL;
	size_t rest;

	if (!colon)
		return;
	rest = strlen(at);
	memmove(colon, at, rest);
	explicit_bzero(colon + rest, (size_t)(at - colon));
}

/* The value is a word of argv, which every user of the host can read. */
static int read_url(const char *value, void *at, struct np_err *err)
{
	char **url = at, *word;

	np_wipep(url);
	*url = strdup(value);
	if (!*url)
		return np_fail_nomem(err);
	memcpy(&word, &value, sizeof(word));
	vcenter_scrub(word);
	return 0;
}

static const struct option_row rows[] = {
	{ "vcenter", 0, "URL", OPTION_READ, AT(url),
	  .help = "vCenter to use: HOST, HOST:PORT or https://[USER[:PASSWORD]@]HOST[:PORT]",
	  .read = read_url },
	{ "vcenter-password-file", 0, "FILE", OPTION_TEXT, AT(options.password_file),
	  .help = "file with vCenter's password, or - (standard input); else GOVC_PASSWORD" },
	{ "vcenter-username", 0, "NAME", OPTION_TEXT, AT(options.username),
	  .help = "vCenter user; else GOVC_USERNAME" },
};

struct option_table vcenter_table(struct vcenter_flags *target)
{
	return (struct option_table){ OPTION_ROWS(rows), target, 0 };
}

void vcenter_environment(struct vcenter_flags *f)
{
	f->options.username_env = getenv("GOVC_USERNAME");
	f->options.password_env = getenv("GOVC_PASSWORD");
	f->options.ca_files_env = getenv("GOVC_TLS_CA_CERTS");
}

int vcenter_finish(struct vcenter_flags *f, const struct np_kube_options *k, bool stdin_taken,
		   struct np_err *err)
{
	struct np_vcenter_options *o = &f->options;

	o->url = f->url;
	o->ca_file = k->ca_file;
	o->tls_server_name = k->tls_server_name;
	o->insecure = k->insecure;
	o->proxy = k->proxy;
	o->no_proxy = k->no_proxy;
	o->request_timeout_ms = k->request_timeout_ms;
	o->deadline_ms = k->deadline_ms;
	o->user_agent = k->user_agent;
	o->log = k->log;
	o->log_ctx = k->log_ctx;
	o->trace = k->trace;
	o->trace_level = k->trace_level;
	o->trace_ctx = k->trace_ctx;
	o->is_cancelled = k->is_cancelled;
	o->cancel_ctx = k->cancel_ctx;
	if (!np_vcenter_is_configured(o) && (o->username || o->password_file || f->url))
		return np_fail(err, NP_E_USAGE, "%s: expected --vcenter URL as well",
			       o->username        ? "--vcenter-username"
			       : o->password_file ? "--vcenter-password-file"
						  : "--vcenter ''");
	if (stdin_taken && o->password_file && strcmp(o->password_file, "-") == 0)
		return np_fail(err, NP_E_USAGE,
			       "-f - and --vcenter-password-file - are mutually exclusive: "
			       "standard input holds one of them");
	return 0;
}

void vcenter_flags_done(struct vcenter_flags *f)
{
	np_wipep(&f->url);
	*f = (struct vcenter_flags){ 0 };
}
