/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool is_cut;

int put(const char *text, struct np_err *err)
{
	if (fputs(text, stdout) != EOF && fflush(stdout) != EOF && !ferror(stdout))
		return 0;
	is_cut = errno == EPIPE;
	return np_fail(err, NP_E_IO, "standard output: %s", strerror(errno));
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
