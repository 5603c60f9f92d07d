/* SPDX-License-Identifier: Apache-2.0 */
#include "nodeprep/warnings.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "nodeprep/text.h"

int np_warnings_add(struct np_warnings *warnings, struct np_err *err, enum np_warning_id warning,
		    const char *fmt, ...)
{
	NP_AUTO(np_freep) char *text = NULL;
	NP_AUTO(np_freep) char *message = NULL;
	struct np_warning *items;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (n < 0) {
		text = NULL;
		return np_fail_nomem(err);
	}
	message = np_text_escaped(text);
	if (!message)
		return np_fail_nomem(err);
	items = reallocarray(warnings->items, warnings->n + 1, sizeof(*items));
	if (!items)
		return np_fail_nomem(err);
	warnings->items = items;
	warnings->items[warnings->n++] =
		(struct np_warning){ warning, np_warning_kind(warning)->code, np_take(message) };
	return 0;
}

void np_warnings_done(struct np_warnings *warnings)
{
	for (size_t i = 0; i < warnings->n; i++)
		free(warnings->items[i].message);
	free(warnings->items);
	*warnings = (struct np_warnings){ 0 };
}
