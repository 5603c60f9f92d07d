/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

#include "nodeprep/err.h"
#include "nodeprep/text.h"

static const char mask[] = KUBE_MASK;

static bool has_secret(const struct kube_secrets *s, const char *text, size_t size)
{
	for (size_t i = 0; i < s->n; i++)
		if (strlen(s->texts[i]) == size && memcmp(s->texts[i], text, size) == 0)
			return true;
	return false;
}

/* Tokens rotate in a long run; the oldest has expired by then. */
static void forget_oldest(struct kube_secrets *s)
{
	if (!s->rotates || s->n < s->n_fixed + KUBE_SECRETS_ROTATED_MAX)
		return;
	np_wipep(&s->texts[s->n_fixed]);
	s->n--;
	memmove(&s->texts[s->n_fixed], &s->texts[s->n_fixed + 1],
		(s->n - s->n_fixed) * sizeof(s->texts[0]));
}

int kube_secrets_add(struct kube_secrets *s, const char *text, size_t size, struct np_err *err)
{
	char **texts;

	if (size < KUBE_SECRET_MIN || has_secret(s, text, size))
		return 0;
	forget_oldest(s);
	texts = reallocarray(s->texts, s->n + 1, sizeof(*texts));
	if (!texts)
		return np_fail_nomem(err);
	s->texts = texts;
	s->texts[s->n] = strndup(text, size);
	if (!s->texts[s->n])
		return np_fail_nomem(err);
	s->n++;
	return 0;
}

int kube_secrets_add_lines(struct kube_secrets *s, const char *text, size_t size,
			   struct np_err *err)
{
	const char *end = text + size;

	while (text < end) {
		size_t line = 0;

		while (text + line < end && text[line] != '\n' && text[line] != '\r')
			line++;
		if (strncmp(text, "-----", 5) != 0 && kube_secrets_add(s, text, line, err) < 0)
			return np_err_ret(err);
		text += line + 1;
	}
	return 0;
}

void kube_secrets_done(struct kube_secrets *s)
{
	for (size_t i = 0; i < s->n; i++)
		np_wipep(&s->texts[i]);
	free(s->texts);
	*s = (struct kube_secrets){ 0 };
}

/* Returns the length of the longest secret that `text` starts with; 0 where there is none. */
static size_t match_secret(const struct kube_secrets *s, const char *text)
{
	size_t longest = 0;

	for (size_t i = 0; i < s->n; i++) {
		size_t size = strlen(s->texts[i]);

		if (size > longest && strncmp(text, s->texts[i], size) == 0)
			longest = size;
	}
	return longest;
}

/*
 * The text is compared whole and cut afterwards: a secret that straddles the cut would otherwise
 * stay half readable.
 */
void kube_redact(const struct kube_secrets *s, const char *text, char *buf, size_t size)
{
	size_t out = 0;

	while (*text) {
		size_t hit = match_secret(s, text);
		size_t piece = hit > 0 ? sizeof(mask) - 1 : 1;

		if (out + piece >= size)
			break;
		memcpy(buf + out, hit > 0 ? mask : text, piece);
		out += piece;
		text += hit > 0 ? hit : 1;
	}
	if (*text && size > 3) {
		out = out > size - 4 ? size - 4 : out;
		memcpy(buf + out, "...", 3);
		out += 3;
	}
	buf[out] = '\0';
}

void kube_redact_err(const struct kube_secrets *s, struct np_err *err)
{
	char text[NP_ERR_TEXT_MAX];

	kube_redact(s, err->text, text, sizeof(text));
	memcpy(err->text, text, sizeof(text));
}
