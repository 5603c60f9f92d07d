/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_BENCH_BARE_H
#define TESTS_BENCH_BARE_H

/* bare - what the bare programs share: they make the requests of a run of nodeprep, and nothing else. */

#include <curl/curl.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Drops what a server answers, and counts it where `ctx` is not NULL. */
static inline size_t bare_drop(char *bytes, size_t size, size_t n, void *ctx)
{
	size_t *got = ctx;

	(void)bytes;
	if (got)
		*got += size * n;
	return size * n;
}

/* Sets up the libraries as nodeprep does. */
static inline void bare_init(void)
{
	OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL);
	curl_global_init(CURL_GLOBAL_DEFAULT);
}

/* Returns the file's text until the next call; "" where there is none. */
static inline char *bare_load(const char *path)
{
	static char text[1 << 20];
	FILE *f = fopen(path, "r");
	size_t n = f ? fread(text, 1, sizeof(text) - 1, f) : 0;

	if (f)
		fclose(f);
	text[n] = '\0';
	return text;
}

/* Returns the headers of a request of nodeprep's to an API server, the caller's. */
static inline struct curl_slist *bare_headers(const char *token)
{
	char authorization[4096];
	struct curl_slist *headers;

	snprintf(authorization, sizeof(authorization), "Authorization: Bearer %s", token);
	headers = curl_slist_append(NULL, authorization);
	headers = curl_slist_append(headers, "Accept: application/json");
	return curl_slist_append(headers, "Content-Type: application/merge-patch+json");
}

/* Sends the request by `easy`; 0 where the status is of the 200s, else -1, with a line that `who` begins. */
static inline int bare_request(CURL *easy, const char *who, const char *method, const char *url,
			       const char *body)
{
	long status = 0;

	curl_easy_setopt(easy, CURLOPT_URL, url);
	curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body);
	if (!body)
		curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
	curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method);
	if (curl_easy_perform(easy) != CURLE_OK)
		return -1;
	curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
	if (status >= 200 && status < 300)
		return 0;
	fprintf(stderr, "%s: %s %s: %ld\n", who, method, url, status);
	return -1;
}

#endif
