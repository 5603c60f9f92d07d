/* SPDX-License-Identifier: Apache-2.0 */

/*
 * bare_vcenter URL CA USER:PASSWORD REQUESTS_FILE - makes the requests of one run of nodeprep against vCenter,
 * with the same TLS library over one connection, and does nothing else: no JSON and no XML is read,
 * nothing is planned. REQUESTS_FILE has a line for each: METHOD PATH BODY_FILE, or - where it has no body.
 * What nodeprep takes beyond this is what nodeprep itself costs.
 */

#include "bare.h"

#define SESSION_PATH "/api/session"

struct answer {
	char text[1 << 16];
	size_t size;
};

static size_t keep(char *bytes, size_t size, size_t n, void *ctx)
{
	struct answer *a = ctx;
	size_t rest = sizeof(a->text) - a->size - 1, taken = n < rest ? n : rest;

	(void)size;
	memcpy(a->text + a->size, bytes, taken);
	a->size += taken;
	a->text[a->size] = '\0';
	return n;
}

/* The header of a session; the token is the answer without its quotes. */
static struct curl_slist *session_header(struct curl_slist *headers, struct answer *a)
{
	char line[256];

	if (a->size < 2)
		return headers;
	a->text[a->size - 1] = '\0';
	snprintf(line, sizeof(line), "vmware-api-session-id: %s", a->text + 1);
	return curl_slist_append(headers, line);
}

static int run(CURL *easy, char *argv[], FILE *requests)
{
	static struct answer a;
	struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
	char method[16], path[1024], file[1024], url[2048];
	int r = 0;

	while (r == 0 && fscanf(requests, "%15s %1023s %1023s", method, path, file) == 3) {
		int is_login = strcmp(path, SESSION_PATH) == 0 && strcmp(method, "POST") == 0;

		snprintf(url, sizeof(url), "%s%s", argv[1], path);
		curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
		curl_easy_setopt(easy, CURLOPT_WRITEDATA, &a);
		curl_easy_setopt(easy, CURLOPT_USERPWD, is_login ? argv[3] : NULL);
		a.size = 0;
		r = bare_request(easy, "bare_vcenter", method, url,
				 strcmp(file, "-") == 0 ? NULL : bare_load(file));
		if (r == 0 && is_login)
			headers = session_header(headers, &a);
	}
	curl_slist_free_all(headers);
	return r;
}

int main(int argc, char *argv[])
{
	CURL *easy;
	FILE *requests;
	int r;

	if (argc != 5)
		return 2;
	requests = fopen(argv[4], "r");
	if (!requests)
		return 2;
	bare_init();
	easy = curl_easy_init();
	curl_easy_setopt(easy, CURLOPT_CAINFO, argv[2]);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, keep);
	r = run(easy, argv, requests);
	curl_easy_cleanup(easy);
	fclose(requests);
	return r < 0;
}
