/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/err.h"
#include "nodeprep/text.h"

#define USER_INFO_MAX 4096
#define EXPECTED "expected HOST, HOST:PORT or https://HOST[:PORT]"

static void curlu_freep(CURLU **u)
{
	curl_url_cleanup(*u);
}

static void curl_textp(char **p)
{
	curl_free(*p);
}

void vcenter_address_done(struct vcenter_address *a)
{
	free(a->base);
	free(a->user);
	np_wipep(&a->password);
	*a = (struct vcenter_address){ 0 };
}

/* Decodes a part of the user information. */
static int decode(const char *text, size_t size, char **ret, struct np_err *err)
{
	NP_AUTO(np_wipep) char *escaped = strndup(text, size);
	NP_AUTO(curl_textp) char *plain = NULL;
	int n = 0;

	if (size > USER_INFO_MAX)
		return np_fail(err, NP_E_USAGE, "--vcenter: the user or password is too long");
	if (!escaped)
		return np_fail_nomem(err);
	plain = curl_easy_unescape(NULL, escaped, 0, &n);
	if (!plain)
		return np_fail_nomem(err);
	if (strlen(plain) != (size_t)n)
		return np_fail(err, NP_E_USAGE, "--vcenter: the user or password holds %%00");
	*ret = strdup(plain);
	explicit_bzero(plain, (size_t)n);
	return *ret ? 0 : np_fail_nomem(err);
}

/* Cuts "USER[:PASSWORD]@" off; as govc does, at the last '@', so that a user may hold one. */
static int take_user(const char **at, struct vcenter_address *a, struct np_err *err)
{
	size_t size = strcspn(*at, "/?#");
	const char *end = memrchr(*at, '@', size), *colon;

	if (!end)
		return 0;
	colon = memchr(*at, ':', (size_t)(end - *at));
	if (colon && decode(colon + 1, (size_t)(end - colon) - 1, &a->password, err) < 0)
		return np_err_ret(err);
	if (decode(*at, (size_t)((colon ? colon : end) - *at), &a->user, err) < 0)
		return np_err_ret(err);
	*at = end + 1;
	return 0;
}

static int fail_address(const char *rest, struct np_err *err)
{
	return np_fail(err, NP_E_USAGE, "--vcenter '%s' is not a valid address: " EXPECTED, rest);
}

static bool is_known_path(const char *path)
{
	return strcmp(path, "/") == 0 || strcmp(path, "/sdk") == 0 || strcmp(path, "/sdk/") == 0;
}

/* `rest` is what follows the user information. */
static int check_parts(CURLU *url, const char *rest, struct np_err *err)
{
	static const CURLUPart none[] = { CURLUPART_QUERY, CURLUPART_FRAGMENT, CURLUPART_USER,
					  CURLUPART_PASSWORD, CURLUPART_ZONEID };
	NP_AUTO(curl_textp) char *path = NULL;

	if (curl_url_get(url, CURLUPART_PATH, &path, 0) != CURLUE_OK)
		return np_fail_nomem(err);
	if (!is_known_path(path))
		return np_fail(err, NP_E_USAGE,
			       "--vcenter '%s' has the path '%s': " EXPECTED
			       "; only the path /sdk is accepted, and ignored",
			       rest, path);
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		NP_AUTO(curl_textp) char *part = NULL;

		if (curl_url_get(url, none[i], &part, 0) == CURLUE_OK)
			return fail_address(rest, err);
	}
	return 0;
}

static int make_base(CURLU *url, char **ret, struct np_err *err)
{
	NP_AUTO(curl_textp) char *host = NULL;
	NP_AUTO(curl_textp) char *port = NULL;
	bool has_port;

	if (curl_url_get(url, CURLUPART_HOST, &host, 0) != CURLUE_OK ||
	    curl_url_get(url, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) != CURLUE_OK)
		return np_fail_nomem(err);
	has_port = strcmp(port, "443") != 0;
	if (asprintf(ret, "https://%s%s%s", host, has_port ? ":" : "", has_port ? port : "") < 0) {
		*ret = NULL;
		return np_fail_nomem(err);
	}
	return 0;
}

static int read_host(const char *rest, struct vcenter_address *a, struct np_err *err)
{
	NP_AUTO(curlu_freep) CURLU *url = curl_url();
	NP_AUTO(np_freep) char *full = NULL;
	CURLUcode code;

	if (!url || asprintf(&full, "https://%s", rest) < 0) {
		full = NULL;
		return np_fail_nomem(err);
	}
	code = curl_url_set(url, CURLUPART_URL, full, 0);
	if (code == CURLUE_OUT_OF_MEMORY)
		return np_fail_nomem(err);
	if (code != CURLUE_OK)
		return fail_address(rest, err);
	return check_parts(url, rest, err) < 0 ? np_err_ret(err) : make_base(url, &a->base, err);
}

int vcenter_address_parse(const char *url, struct vcenter_address *ret, struct np_err *err)
{
	NP_AUTO(vcenter_address_done) struct vcenter_address a = { 0 };
	const char *scheme = strstr(url, "://"), *rest = scheme ? scheme + 3 : url;

	/* A password may hold "://", but a scheme holds letters alone. */
	if (scheme && strspn(url, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") !=
			      (size_t)(scheme - url))
		rest = url;
	else if (scheme && strncasecmp(url, "https://", 8) != 0)
		return np_fail(err, NP_E_USAGE,
			       "--vcenter: the scheme '%.*s' is not supported: " EXPECTED,
			       (int)(scheme - url), url);
	if (take_user(&rest, &a, err) < 0 || read_host(rest, &a, err) < 0)
		return np_err_ret(err);
	*ret = a;
	a = (struct vcenter_address){ 0 };
	return 0;
}
