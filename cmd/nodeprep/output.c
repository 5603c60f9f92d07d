/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool is_cut;

static int fail_output(struct np_err *err)
{
	is_cut = errno == EPIPE;
	return np_fail(err, NP_E_IO, "standard output: %s", strerror(errno));
}

int put(const char *text, struct np_err *err)
{
	if (fputs(text, stdout) != EOF && fflush(stdout) != EOF && !ferror(stdout))
		return 0;
	return fail_output(err);
}

int put_plan(const struct np_plan *plan, enum np_format format, struct np_err *err)
{
	const struct np_render_style style = { .colour = is_colour_terminal() };
	NP_AUTO(np_freep) char *text = NULL;

	if (format != NP_FORMAT_JSON)
		return np_render_plan_styled(plan, format, &style, &text, err) < 0 ? np_err_ret(err)
										   : put(text, err);
	if (np_render_plan_json(stdout, plan, err) < 0)
		return err->code == NP_E_IO ? fail_output(err) : np_err_ret(err);
	return put("", err);
}

bool put_was_cut(void)
{
	return is_cut;
}

bool is_for_programs(const struct options *o)
{
	return o->format == NP_FORMAT_JSON || o->format == NP_FORMAT_YAML;
}

bool is_colour_terminal(void)
{
	const char *no_colour = getenv("NO_COLOR"), *term = getenv("TERM");

	return isatty(STDOUT_FILENO) && (!no_colour || no_colour[0] == '\0') &&
	       (!term || strcmp(term, "dumb") != 0);
}
