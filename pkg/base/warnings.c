/* SPDX-License-Identifier: Apache-2.0 */
#include "nodeprep/warnings.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
		(struct np_warning){ .warning = warning,
				     .code = np_warning_kind(warning)->code,
				     .message = np_take(message) };
	return 0;
}

void np_warnings_done(struct np_warnings *warnings)
{
	for (size_t i = 0; i < warnings->n; i++)
		free(warnings->items[i].message);
	free(warnings->items);
	*warnings = (struct np_warnings){ 0 };
}

_Static_assert(NP_WARNING_MAX <= 64, "a bit for each kind");

/* Returns NP_WARNING_MAX where no kind has the code. */
static enum np_warning_id find_kind(const char *code, size_t size)
{
	enum np_warning_id i = 0;

	while (i < NP_WARNING_MAX && (strncmp(np_warning_kind(i)->code, code, size) != 0 ||
				      np_warning_kind(i)->code[size] != '\0'))
		i++;
	return i;
}

static bool is_ignorable(enum np_warning_id id)
{
	return id < NP_WARNING_MAX && np_warning_kind(id)->severity != NP_SEVERITY_ERROR;
}

int np_warning_set_add(struct np_warning_set *set, const char *code, struct np_err *err)
{
	enum np_warning_id id = find_kind(code, strlen(code));
	const char *codes[NP_WARNING_MAX], *near;

	if (is_ignorable(id)) {
		set->bits |= UINT64_C(1) << id;
		return 0;
	}
	if (id < NP_WARNING_MAX)
		return np_fail(err, NP_E_USAGE,
			       "warning '%s' cannot be ignored: it reports an error", code);
	for (enum np_warning_id i = 0; i < NP_WARNING_MAX; i++)
		codes[i] = np_warning_kind(i)->code;
	near = np_text_near(code, NP_WORDS(codes));
	if (near)
		return np_fail(err, NP_E_USAGE, "unknown warning '%s': did you mean '%s'?", code,
			       near);
	return np_fail(err, NP_E_USAGE, "unknown warning '%s': docs/warnings.md lists the codes",
		       code);
}

void np_warning_set_read(struct np_warning_set *set, const char *text)
{
	static const char blanks[] = ", \t\r\n";

	while (text && *text) {
		size_t size = strcspn(text, blanks);
		enum np_warning_id id = find_kind(text, size);

		if (size > 0 && is_ignorable(id))
			set->bits |= UINT64_C(1) << id;
		text += size;
		text += strspn(text, blanks);
	}
}

void np_warnings_ignore(struct np_warnings *warnings, size_t from, struct np_warning_set set)
{
	for (size_t i = from; i < warnings->n; i++)
		if ((set.bits >> warnings->items[i].warning & 1) != 0)
			warnings->items[i].is_ignored = true;
}
