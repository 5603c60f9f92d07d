/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static bool is_cut;

int put(const char *text, struct np_err *err)
{
	if (fputs(text, stdout) != EOF && fflush(stdout) != EOF)
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
