/* SPDX-License-Identifier: Apache-2.0 */

/*
 * bare URL CA TOKEN NAMESPACE CLASS PATCH_FILE - makes the four requests of one ADD of the CNI plugin,
 * with the same TLS library over one connection, and does nothing else: no JSON is read, nothing is
 * planned. What ADD takes beyond this is what nodeprep itself costs.
 */

#include <curl/curl.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define API "/apis/vmoperator.vmware.com"

static size_t drop(char *bytes, size_t size, size_t n, void *ctx)
{
	(void)bytes;
	*(size_t *)ctx += size * n;
	return size * n;
}

static int request(CURL *easy, const char *method, const char *url, const char *body)
{
	size_t got = 0;
	long status = 0;

	curl_easy_setopt(easy, CURLOPT_URL, url);
	curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method);
	curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body);
	if (!body)
		curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, &got);
	if (curl_easy_perform(easy) != CURLE_OK)
		return -1;
	curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
	if (status == 200 && got > 0)
		return 0;
	fprintf(stderr, "bare: %s %s: %ld\n", method, url, status);
	return -1;
}

static char *load(const char *path)
{
	static char text[1 << 20];
	FILE *f = fopen(path, "r");
	size_t n = f ? fread(text, 1, sizeof(text) - 1, f) : 0;

	if (f)
		fclose(f);
	text[n] = '\0';
	return text;
}

static int run(CURL *easy, char *argv[])
{
	char url[4][1024];

	snprintf(url[0], sizeof(url[0]), "%s" API, argv[1]);
	snprintf(url[1], sizeof(url[1]), "%s" API "/v1alpha6", argv[1]);
	snprintf(url[2], sizeof(url[2]),
		 "%s" API "/v1alpha6/namespaces/%s/virtualmachineclasses/%s", argv[1], argv[4],
		 argv[5]);
	snprintf(url[3], sizeof(url[3]), "%s?fieldManager=nodeprep&fieldValidation=Strict", url[2]);
	if (request(easy, "GET", url[0], NULL) < 0 || request(easy, "GET", url[1], NULL) < 0 ||
	    request(easy, "GET", url[2], NULL) < 0)
		return -1;
	return request(easy, "PATCH", url[3], load(argv[6]));
}

int main(int argc, char *argv[])
{
	char authorization[4096];
	struct curl_slist *headers = NULL;
	CURL *easy;
	int r;

	if (argc != 7)
		return 2;
	OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL);
	curl_global_init(CURL_GLOBAL_DEFAULT);
	easy = curl_easy_init();
	snprintf(authorization, sizeof(authorization), "Authorization: Bearer %s", argv[3]);
	headers = curl_slist_append(headers, authorization);
	headers = curl_slist_append(headers, "Accept: application/json");
	headers = curl_slist_append(headers, "Content-Type: application/merge-patch+json");
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(easy, CURLOPT_CAINFO, argv[2]);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, drop);
	r = run(easy, argv);
	curl_slist_free_all(headers);
	curl_easy_cleanup(easy);
	return r < 0;
}
