/* SPDX-License-Identifier: Apache-2.0 */

/*
 * bare_writer URL CA TOKEN NAMESPACE CLASSES PARALLEL PATCH_FILE - makes the requests of an apply over
 * CLASSES classes ("gpu-0", ...): discovery, a GET of each, a PATCH of each with the file's body, over one
 * HTTP/2 connection, PARALLEL at a time. It reads no JSON and plans nothing: the floor under any writer.
 */

#include "bare.h"

#define API "/apis/vmoperator.vmware.com"
#define QUERY "?fieldManager=nodeprep&fieldValidation=Strict"

struct writer {
	const char *url, *ca, *ns, *body;
	struct curl_slist *headers;
	CURLM *multi;
	int failed;
};

static void start(struct writer *w, const char *path, const char *body)
{
	CURL *easy = curl_easy_init();
	char url[1024];

	snprintf(url, sizeof(url), "%s%s", w->url, path);
	curl_easy_setopt(easy, CURLOPT_URL, url);
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, w->headers);
	curl_easy_setopt(easy, CURLOPT_CAINFO, w->ca);
	curl_easy_setopt(easy, CURLOPT_PIPEWAIT, 1L);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, bare_drop);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, NULL);
	if (body) {
		curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, "PATCH");
		curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body);
	}
	curl_multi_add_handle(w->multi, easy);
}

static int finish(struct writer *w)
{
	CURLMsg *message;
	int left, n = 0;

	while ((message = curl_multi_info_read(w->multi, &left))) {
		CURL *easy = message->easy_handle;
		long status = 0;

		curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
		if (message->data.result != CURLE_OK || status != 200)
			w->failed++;
		curl_multi_remove_handle(w->multi, easy);
		curl_easy_cleanup(easy);
		n++;
	}
	return n;
}

/* Makes a request of each class, `most` at a time. */
static void run(struct writer *w, int classes, int most, const char *body)
{
	int next = 0, under_way = 0, running;
	char path[512];

	while (next < classes || under_way > 0) {
		for (; next < classes && under_way < most; next++, under_way++) {
			snprintf(path, sizeof(path),
				 API "/v1alpha6/namespaces/%s/virtualmachineclasses/gpu-%d%s",
				 w->ns, next, body ? QUERY : "");
			start(w, path, body);
		}
		curl_multi_perform(w->multi, &running);
		under_way -= finish(w);
		if (running > 0)
			curl_multi_poll(w->multi, NULL, 0, 1000, NULL);
	}
}

static void ask(struct writer *w, const char *path)
{
	int running = 1;

	start(w, path, NULL);
	while (running > 0) {
		curl_multi_perform(w->multi, &running);
		if (running > 0)
			curl_multi_poll(w->multi, NULL, 0, 1000, NULL);
	}
	finish(w);
}

int main(int argc, char *argv[])
{
	struct writer w = { .failed = 0 };
	int classes, most;

	if (argc != 8)
		return 2;
	bare_init();
	w.url = argv[1];
	w.ca = argv[2];
	w.ns = argv[4];
	classes = atoi(argv[5]);
	most = atoi(argv[6]);
	w.headers = bare_headers(argv[3]);
	w.multi = curl_multi_init();
	curl_multi_setopt(w.multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, 1L);
	ask(&w, API);
	ask(&w, API "/v1alpha6");
	run(&w, classes, most, NULL);
	run(&w, classes, most, bare_load(argv[7]));
	if (w.failed > 0)
		fprintf(stderr, "bare_writer: %d requests failed\n", w.failed);
	curl_multi_cleanup(w.multi);
	curl_slist_free_all(w.headers);
	return w.failed > 0;
}
