/* SPDX-License-Identifier: Apache-2.0 */
#include "nodeprep/text.h"

#include "internal.h"

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
		np_wipep(&t->items[i]);
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

int kube_set_text(char **slot, const char *text, struct np_err *err)
{
	char *copy = NULL;

	if (text && text[0]) {
		copy = strdup(text);
		if (!copy)
			return np_fail_nomem(err);
	}
	free(*slot);
	*slot = copy;
	return 0;
}
