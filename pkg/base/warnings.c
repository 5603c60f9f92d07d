/* SPDX-License-Identifier: Apache-2.0 */
#include "nodeprep/warnings.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

int np_notes_add(struct np_notes *notes, struct np_err *err, enum np_warning warning,
		 const char *fmt, ...)
{
	NP_AUTO(np_freep) char *message = NULL;
	struct np_note *items;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&message, fmt, ap);
	va_end(ap);
	if (n < 0) {
		message = NULL;
		return np_fail_nomem(err);
	}
	items = reallocarray(notes->items, notes->n + 1, sizeof(*items));
	if (!items)
		return np_fail_nomem(err);
	notes->items = items;
	notes->items[notes->n++] =
		(struct np_note){ warning, np_warning_kind(warning)->code, np_take(message) };
	return 0;
}

void np_notes_done(struct np_notes *notes)
{
	for (size_t i = 0; i < notes->n; i++)
		free(notes->items[i].message);
	free(notes->items);
	*notes = (struct np_notes){ 0 };
}
