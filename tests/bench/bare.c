/* SPDX-License-Identifier: Apache-2.0 */

/*
 * bare URL CA TOKEN NAMESPACE CLASS PATCH_FILE - makes the four requests of one ADD of the CNI plugin,
 * with the same TLS library over one connection, and does nothing else: no JSON is read, nothing is
 * planned. What ADD takes beyond this is what nodeprep itself costs.
 */

#include "bare.h"

#define API "/apis/vmoperator.vmware.com"

/* An empty answer is no answer of an API server's. */
static int request(CURL *easy, const char *method, const char *url, const char *body)
{
	size_t got = 0;

	curl_easy_setopt(easy, CURLOPT_WRITEDATA, &got);
	return bare_request(easy, "bare", method, url, body) < 0 || got == 0 ? -1 : 0;
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
	return request(easy, "PATCH", url[3], bare_load(argv[6]));
}

int main(int argc, char *argv[])
{
	struct curl_slist *headers;
	CURL *easy;
	int r;

	if (argc != 7)
		return 2;
	bare_init();
	easy = curl_easy_init();
	headers = bare_headers(argv[3]);
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(easy, CURLOPT_CAINFO, argv[2]);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, bare_drop);
	r = run(easy, argv);
	curl_slist_free_all(headers);
	curl_easy_cleanup(easy);
	return r < 0;
}
