/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "nodeprep/text.h"

/*
 * Texts for a trace, without what may be secret in them: in a URL the user, the password, the query and the fragment; in any
 * text the value behind a name that means a secret, "token=x". Where such a value ends is not known, so the rest of
 * its line is masked.
 */

enum { NAME_MAX_BYTES = 128 };

/* Parts of names, in lower case and without '-', '_', '.' and blanks. */
static const char *const secret_parts[] = {
	"accesskey",   "apikey",     "assertion",    "authorization", "bearer",    "clientkey",
	"cloudconfig", "cookie",     "credential",   "dockerconfig",  "guestinfo", "jwt",
	"keydata",     "kubeconfig", "licensekey",   "passphrase",    "passwd",    "password",
	"privatekey",  "pwd",        "samlresponse", "secret",        "sessionid", "signature",
	"ticket",      "token",      "userdata",
};

bool kube_is_secret_name(const char *name)
{
	char plain[NAME_MAX_BYTES];
	size_t n = 0;

	for (; *name && n < sizeof(plain) - 1; name++)
		if (!strchr("-_. ", *name))
			plain[n++] = (char)tolower((unsigned char)*name);
	plain[n] = '\0';
	for (size_t i = 0; i < sizeof(secret_parts) / sizeof(secret_parts[0]); i++)
		if (strstr(plain, secret_parts[i]))
			return true;
	return *name != '\0';
}

static const char name_bytes[] =
	"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.%";
static const char url_ends[] = " \t\r\n\"'<>";

struct text {
	const char *at;
	enum kube_text kind;
	bool in_url;
	FILE *out;
};

static void put(struct text *t, size_t n)
{
	fwrite(t->at, 1, n, t->out);
	t->at += n;
}

/* Masks `n` bytes. */
static void hide(struct text *t, size_t n)
{
	if (n > 0)
		fputs(KUBE_MASK, t->out);
	t->at += n;
}

/* Returns the length of "%3D", an '=' within a query within a query, encoded as often as it is; 0 where there is none. */
static size_t encoded_equals(const char *at)
{
	size_t n = 1;

	if (at[0] != '%')
		return 0;
	while (at[n] == '2' && at[n + 1] == '5')
		n += 2;
	return strncasecmp(at + n, "3d", 2) == 0 ? n + 2 : 0;
}

static size_t measure_name(const char *at)
{
	size_t most = strspn(at, name_bytes), n = 0;

	while (n < most && encoded_equals(at + n) == 0)
		n++;
	return n;
}

/* Tells whether the name, which may be encoded as in a URL, means a secret. */
static bool is_secret_word(const char *at, size_t n)
{
	NP_AUTO(kube_curl_freep) char *name = NULL;
	int size = 0;

	if (n == 0)
		return false;
	name = n < INT_MAX ? curl_easy_unescape(NULL, at, (int)n, &size) : NULL;
	return !name || strlen(name) != (size_t)size || kube_is_secret_name(name);
}

/* Skips the blanks and the quotes behind a name. */
static const char *skip_quotes(const char *at)
{
	static const char *const quotes[] = { "&quot;", "&apos;", "&#34;", "&#39;" };
	const char *before;

	do {
		before = at;
		at += strspn(at, " \t\"'\\");
		for (size_t i = 0; i < sizeof(quotes) / sizeof(quotes[0]); i++)
			if (strncmp(at, quotes[i], strlen(quotes[i])) == 0)
				at += strlen(quotes[i]);
	} while (at != before);
	return at;
}

/* Returns where the value of the name before `at` begins; NULL where there is none. */
static const char *find_value(const struct text *t, const char *at)
{
	size_t encoded = encoded_equals(at);

	if (encoded > 0)
		return at + encoded;
	at = skip_quotes(at);
	if (*at == '=')
		return at + 1;
	return *at == ':' && t->kind != KUBE_TEXT_PATH && strncmp(at, "://", 3) != 0 ? at + 1
										     : NULL;
}

static void put_word(struct text *t)
{
	size_t n = measure_name(t->at);
	const char *value = find_value(t, t->at + n);

	if (!value || !is_secret_word(t->at, n)) {
		put(t, n + encoded_equals(t->at + n));
		return;
	}
	value += strspn(value, " \t");
	put(t, (size_t)(value - t->at));
	hide(t, strcspn(t->at, t->kind == KUBE_TEXT_PATH ? "&" : "\r\n"));
}

/* Returns the length of "user:password" behind "://"; a password may hold what ends a host in a valid URL. */
static size_t measure_user(const char *at)
{
	size_t whole = strcspn(at, url_ends), host = strcspn(at, "/?#"), n;
	size_t limit = host < whole ? host : whole;
	const char *colon = memchr(at, ':', limit);

	if (colon && at[0] != '[' && colon + 1 + strspn(colon + 1, "0123456789") < at + limit)
		limit = whole;
	for (n = limit; n > 0 && at[n - 1] != '@'; n--)
		;
	return n > 0 ? n - 1 : 0;
}

static void put_host(struct text *t)
{
	put(t, strlen("://"));
	hide(t, measure_user(t->at));
	t->in_url = true;
}

static void put_other(struct text *t)
{
	bool is_query = (*t->at == '?' || *t->at == '#') && t->kind != KUBE_TEXT_PATH &&
			(t->in_url || t->kind == KUBE_TEXT_HEADER);

	if (strchr(url_ends, *t->at))
		t->in_url = false;
	put(t, 1);
	if (is_query)
		hide(t, strcspn(t->at, url_ends));
}

/* A key in PEM, or PEM in base64: anything that begins like PEM and is not a certificate. */
static bool has_private_key(const char *text)
{
	static const char begin[] = "LS0tLS1CRUdJTiB", certificate[] = "LS0tLS1CRUdJTiBDRVJU";

	return strstr(text, "PRIVATE KEY-----") ||
	       (strncmp(text, begin, strlen(begin)) == 0 &&
		strncmp(text, certificate, strlen(certificate)) != 0);
}

char *kube_text_clean(const char *text, enum kube_text kind)
{
	struct text t = { .at = text, .kind = kind };
	char *clean = NULL;
	size_t size = 0;

	if (has_private_key(text))
		return strdup(KUBE_MASK);
	t.out = open_memstream(&clean, &size);
	if (!t.out)
		return NULL;
	while (*t.at)
		if (strncmp(t.at, "://", 3) == 0)
			put_host(&t);
		else if (strchr(name_bytes, *t.at))
			put_word(&t);
		else
			put_other(&t);
	if (fclose(t.out) == 0)
		return clean;
	free(clean);
	return NULL;
}
