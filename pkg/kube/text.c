/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/err.h"

int kube_texts_add_take(struct kube_texts *t, char *take, struct np_err *err)
{
	NP_AUTO(np_freep) char *text = take;
	char **items = reallocarray(t->items, t->n + 1, sizeof(*items));

	if (!items)
		return np_fail_nomem(err);
	t->items = items;
	t->items[t->n++] = np_take(text);
	return 0;
}

int kube_texts_add(struct kube_texts *t, const char *prefix, const char *text, struct np_err *err)
{
	char *full = NULL;

	if (asprintf(&full, "%s%s", prefix, text) < 0)
		return np_fail_nomem(err);
	return kube_texts_add_take(t, full, err);
}

int kube_texts_copy(struct kube_texts *to, const struct kube_texts *from, struct np_err *err)
{
	for (size_t i = 0; i < from->n; i++)
		if (kube_texts_add(to, "", from->items[i], err) < 0)
			return np_err_ret(err);
	return 0;
}

void kube_texts_done(struct kube_texts *t)
{
	for (size_t i = 0; i < t->n; i++)
		kube_wipep(&t->items[i]);
	free(t->items);
	*t = (struct kube_texts){ 0 };
}

bool kube_is_header_text(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text <= ' ' || *text == 0x7f)
			return false;
	return true;
}

bool kube_is_header_value(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			return false;
	return true;
}

/* Reads `n` digits at *text and moves on; false where there are none or the number is too large. */
static bool read_digits(const char **text, size_t n, int max, int *ret)
{
	*ret = 0;
	for (size_t i = 0; i < n; i++, (*text)++) {
		if (!isdigit((unsigned char)**text))
			return false;
		*ret = *ret * 10 + (**text - '0');
	}
	return *ret <= max;
}

static bool read_char(const char **text, const char *set)
{
	if (!**text || !strchr(set, **text))
		return false;
	(*text)++;
	return true;
}

/* "Z" or "+hh:mm" at the end. */
static bool read_zone(const char *text, int64_t *ret_s)
{
	int sign = *text == '-' ? -1 : 1, hours, minutes;

	*ret_s = 0;
	if (read_char(&text, "Zz"))
		return !*text;
	if (!read_char(&text, "+-") || !read_digits(&text, 2, 23, &hours) ||
	    !read_char(&text, ":") || !read_digits(&text, 2, 59, &minutes))
		return false;
	*ret_s = sign * (hours * 3600 + minutes * 60);
	return !*text;
}

bool kube_time_parse(const char *text, int64_t *ret)
{
	struct tm tm = { 0 };
	int64_t zone;

	if (!read_digits(&text, 4, 9999, &tm.tm_year) || !read_char(&text, "-") ||
	    !read_digits(&text, 2, 12, &tm.tm_mon) || !read_char(&text, "-") ||
	    !read_digits(&text, 2, 31, &tm.tm_mday) || !read_char(&text, "Tt") ||
	    !read_digits(&text, 2, 23, &tm.tm_hour) || !read_char(&text, ":") ||
	    !read_digits(&text, 2, 59, &tm.tm_min) || !read_char(&text, ":") ||
	    !read_digits(&text, 2, 60, &tm.tm_sec))
		return false;
	if (read_char(&text, ".")) {
		if (!isdigit((unsigned char)*text))
			return false;
		text += strspn(text, "0123456789");
	}
	if (tm.tm_mon < 1 || tm.tm_mday < 1 || !read_zone(text, &zone))
		return false;
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	*ret = (int64_t)timegm(&tm) - zone;
	return true;
}
