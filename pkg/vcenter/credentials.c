/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "nodeprep/err.h"
#include "nodeprep/file.h"
#include "nodeprep/text.h"
#include "nodeprep/time.h"

#define LINE_MAX_BYTES 4096

/* How long a pipe may take without a limit of the run. */
#define STDIN_MS UINT64_C(60000)

void vcenter_credentials_done(struct vcenter_credentials *c)
{
	free(c->user);
	np_wipep(&c->password);
	*c = (struct vcenter_credentials){ 0 };
}

/* A person at a terminal may take their time, unless the user sets a limit. */
static uint64_t stdin_deadline(const struct np_vcenter_options *o)
{
	if (o->deadline_ms == 0 && isatty(STDIN_FILENO))
		return UINT64_MAX;
	return np_clock_ms() + (o->deadline_ms > 0 ? o->deadline_ms : STDIN_MS);
}

int vcenter_line_load(const char *path, const char *kind, uint64_t stdin_deadline, char **ret,
		      struct np_err *err)
{
	NP_AUTO(np_wipep) char *line = NULL;
	size_t size;
	int r = strcmp(path, "-") == 0
			? np_file_load_stdin(LINE_MAX_BYTES, stdin_deadline, &line, &size, err)
			: np_file_load(path, LINE_MAX_BYTES, &line, &size, err);

	if (r < 0)
		return r;
	if (size > 0 && line[size - 1] == '\n')
		line[--size] = '\0';
	if (size > 0 && line[size - 1] == '\r')
		line[--size] = '\0';
	if (size == 0)
		return np_fail(err, NP_E_SPEC, "'%s': holds no %s", path, kind);
	if (strlen(line) != size || line[strcspn(line, "\r\n")])
		return np_fail(err, NP_E_SPEC,
			       "'%s': holds more than the one line with the %s, or binary bytes",
			       path, kind);
	*ret = np_take(line);
	return 0;
}

static int copy(const char *text, char **ret, struct np_err *err)
{
	*ret = strdup(text);
	return *ret ? 0 : np_fail_nomem(err);
}

/* The places of one of the two texts. */
struct places {
	const char *option, *file; /* of which one may be given */
	const char *in_url, *in_env;
	const char *option_name, *kind, *env_name;
	uint64_t deadline; /* of standard input */
};

static int check_places(const struct places *p, struct np_err *err)
{
	if (p->option && p->file)
		return np_fail(err, NP_E_USAGE, "a %s and a %s file are mutually exclusive",
			       p->kind, p->kind);
	if ((p->option || p->file) && p->in_url)
		return np_fail(err, NP_E_USAGE, "%s and the %s in --vcenter are mutually exclusive",
			       p->option_name, p->kind);
	return 0;
}

static int choose(const struct places *p, char **ret, struct np_err *err)
{
	const char *text = p->option ? p->option : p->in_url ? p->in_url : p->in_env;

	if (check_places(p, err) < 0)
		return np_err_ret(err);
	if (p->file)
		return vcenter_line_load(p->file, p->kind, p->deadline, ret, err) < 0
			       ? np_wrap(err, "%s", p->option_name)
			       : 0;
	if (!text || !text[0])
		return np_fail(err, NP_E_USAGE, "no vCenter %s is given: expected %s or %s",
			       p->kind, p->option_name, p->env_name);
	return copy(text, ret, err);
}

/* Basic authentication ends the user at its first colon; XML has no control characters. */
static int check_texts(const struct vcenter_credentials *c, struct np_err *err)
{
	bool is_user = false, is_password = false;

	if (vcenter_is_xml_text(c->user, &is_user, err) < 0 ||
	    vcenter_is_xml_text(c->password, &is_password, err) < 0)
		return np_err_ret(err);
	if (strchr(c->user, ':') || !is_user)
		return np_fail(err, NP_E_SPEC,
			       "vCenter user '%s' holds a colon, a control character or bytes that "
			       "are not UTF-8",
			       c->user);
	if (!is_password)
		return np_fail(err, NP_E_SPEC,
			       "the password of vCenter user '%s' holds a control character or "
			       "bytes that are not UTF-8",
			       c->user);
	return 0;
}

int vcenter_credentials_load(const struct np_vcenter_options *o, const struct vcenter_address *a,
			     struct vcenter_credentials *ret, struct np_err *err)
{
	const struct places user = { .option = o->username,
				     .file = o->username_file,
				     .in_url = a->user && a->user[0] ? a->user : NULL,
				     .in_env = o->username_env,
				     .option_name = "--vcenter-username",
				     .kind = "user",
				     .env_name = "GOVC_USERNAME",
				     .deadline = stdin_deadline(o) };
	const struct places password = { .option = o->password,
					 .file = o->password_file,
					 .in_url = a->password,
					 .in_env = o->password_env,
					 .option_name = "--vcenter-password-file",
					 .kind = "password",
					 .env_name = "GOVC_PASSWORD",
					 .deadline = user.deadline };
	NP_AUTO(vcenter_credentials_done) struct vcenter_credentials c = { 0 };

	if (choose(&user, &c.user, err) < 0 || choose(&password, &c.password, err) < 0 ||
	    check_texts(&c, err) < 0)
		return np_err_ret(err);
	*ret = c;
	c = (struct vcenter_credentials){ 0 };
	return 0;
}
