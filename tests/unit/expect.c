/* SPDX-License-Identifier: Apache-2.0 */
#include "expect.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

void expect_has(const char *what, const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("%s: '%s' lacks '%s'", what, text, part);
}
