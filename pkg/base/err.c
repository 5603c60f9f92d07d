/* SPDX-License-Identifier: Apache-2.0 */
#include "nodeprep/err.h"

#include <assert.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/text.h"

static const char ellipsis[] = "...";

/* Exit statuses: docs/contract.md. CNI: the specification's section 5 up to 99, then docs/cni-plugin.md. */
static const struct code_row {
	const char *name;
	int exit_status;
	unsigned cni;
} code_rows[] = {
	[NP_OK] = { "ok", 0, 0 },
	[NP_E_USAGE] = { "usage", 2, 4 },
	[NP_E_SPEC] = { "bad-input", 3, 7 },
	[NP_E_WINDOW] = { "window", 3, 103 },
	[NP_E_NOT_FOUND] = { "not-found", 4, 100 },
	[NP_E_REFUSED] = { "refused", 5, 50 },
	[NP_E_FORBIDDEN] = { "forbidden", 5, 102 },
	[NP_E_CONFLICT] = { "conflict", 6, 11 },
	[NP_E_RETRY] = { "try-again", 6, 11 },
	[NP_E_IO] = { "io", 3, 5 },
	[NP_E_NOMEM] = { "no-memory", 70, 11 },
	[NP_E_BUG] = { "bug", 70, 99 },
	[NP_E_VERSION] = { "version", 3, 1 },
	[NP_E_DECODE] = { "decode", 3, 6 },
	[NP_E_DRIFT] = { "drift", 1, 101 },
	[NP_E_RECORD] = { "invalid-record", 3, 104 },
	[NP_E_NOT_ALLOWED] = { "not-allowed", 5, 102 },
};
_Static_assert(sizeof(code_rows) / sizeof(code_rows[0]) == NP_CODE_MAX, "one row a code");

/* Copies `from` as it may be shown; tells whether it had to be cut. */
static size_t copy_escaped(char *to, size_t room, const char *from, bool *ret_cut)
{
	char piece[NP_TEXT_ESCAPE_MAX];
	size_t used = 0, n;

	while ((n = np_text_escape_next(&from, piece)) > 0) {
		*ret_cut = used + n > room;
		if (*ret_cut)
			return used;
		memcpy(to + used, piece, n);
		used += n;
	}
	*ret_cut = false;
	return used;
}

static void set_text(struct np_err *err, const char *text)
{
	char clean[NP_ERR_TEXT_MAX];
	size_t used;
	bool cut;

	used = copy_escaped(clean, sizeof(clean) - 1, text, &cut);
	if (cut) {
		used = copy_escaped(clean, sizeof(clean) - sizeof(ellipsis), text, &cut);
		memcpy(clean + used, ellipsis, sizeof(ellipsis) - 1);
		used += sizeof(ellipsis) - 1;
	}
	clean[used] = '\0';
	memcpy(err->text, clean, used + 1);
}

/* Formats into `buf`; its size exceeds the text's, so that set_text() sees that there was more. */
__attribute__((format(printf, 3, 0))) static void format(char *buf, size_t size, const char *fmt,
							 va_list ap)
{
	if (vsnprintf(buf, size, fmt, ap) < 0)
		snprintf(buf, size, "(a message that cannot be formatted)");
}

int np_fail(struct np_err *err, enum np_code code, const char *fmt, ...)
{
	char buf[NP_ERR_TEXT_MAX + 8];
	va_list ap;

	assert(code > NP_OK && code < NP_CODE_MAX);
	va_start(ap, fmt);
	format(buf, sizeof(buf), fmt, ap);
	va_end(ap);
	err->code = code;
	set_text(err, buf);
	return -(int)code;
}

int np_fail_nomem(struct np_err *err)
{
	return np_fail(err, NP_E_NOMEM, "out of memory");
}

int np_wrap(struct np_err *err, const char *fmt, ...)
{
	char outer[NP_ERR_TEXT_MAX + 8];
	char buf[sizeof(outer) + NP_ERR_TEXT_MAX + 2];
	va_list ap;

	assert(err->code > NP_OK && err->code < NP_CODE_MAX);
	va_start(ap, fmt);
	format(outer, sizeof(outer), fmt, ap);
	va_end(ap);
	snprintf(buf, sizeof(buf), "%s: %s", outer, err->text);
	set_text(err, buf);
	return np_err_ret(err);
}

static const struct code_row *row_of(enum np_code code)
{
	return &code_rows[(unsigned)code < NP_CODE_MAX ? code : NP_E_BUG];
}

int np_code_exit_status(enum np_code code)
{
	return row_of(code)->exit_status;
}

enum np_code np_code_worse(enum np_code a, enum np_code b)
{
	return np_code_exit_status(b) > np_code_exit_status(a) ? b : a;
}

unsigned np_code_cni(enum np_code code)
{
	return row_of(code)->cni;
}

const char *np_code_name(enum np_code code)
{
	return row_of(code)->name;
}

void np_freep(void *p)
{
	free(*(void **)p);
}
