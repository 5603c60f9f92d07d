/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/err.h"
#include "nodeprep/map.h"

/*
 * Fuzzes the reader of a watch. What it hands on, its version and its end must not depend on how the
 * bytes are split.
 */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What came of the bytes. */
struct fuzz_seen {
	uint64_t hash; /* of the events */
	int result;
	enum np_code code;
	char version[NP_KUBE_VERSION_MAX];
};

static int fuzz_event_of_watch(void *ctx, enum np_kube_event event, json_t *object,
			       struct np_err *err)
{
	struct fuzz_seen *seen = ctx;
	char *text = json_dumps(object, JSON_COMPACT | JSON_SORT_KEYS);

	(void)err;
	if (!json_is_object(object) || event >= NP_KUBE_EVENT_MAX)
		abort();
	seen->hash = np_map_hash(seen->hash + event, text ? text : "");
	free(text);
	return 0;
}

static void fuzz_watch(const char *bytes, size_t size, size_t step, struct fuzz_seen *seen)
{
	struct np_kube_config config = { .server = NULL };
	struct np_kube k = { .config = &config };
	struct np_kube_watch watch = { .version = "1", .each = fuzz_event_of_watch, .ctx = seen };
	struct kube_transfer f = { .call = NULL };
	struct kube_stream s = { .k = &k, .watch = &watch, .f = &f, .is_open = true };
	struct np_err err = NP_ERR_INIT;

	s.call = (struct kube_call){
		.verb = "watch", .method = "GET", .path = "/apis/x/v1/y", .resource = "y.x"
	};
	seen->result = KUBE_GO_ON;
	for (size_t at = 0; at < size && seen->result == KUBE_GO_ON; at += step) {
		size_t n = size - at < step ? size - at : step;

		if (!kube_reply_add(&f.reply, bytes + at, n, KUBE_LINE_MAX))
			abort();
		seen->result = kube_stream_take(&s, &err);
	}
	if (seen->result < 0 && err.text[0] == '\0')
		abort();
	seen->code = err.code;
	memcpy(seen->version, watch.version, sizeof(seen->version));
	free(f.reply.body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_seen whole = { .hash = 0 }, parts = { .hash = 0 };

	fuzz_watch((const char *)data, size, size > 0 ? size : 1, &whole);
	fuzz_watch((const char *)data, size, 7, &parts);
	if (whole.hash != parts.hash || whole.result != parts.result || whole.code != parts.code ||
	    strcmp(whole.version, parts.version) != 0)
		abort();
	return 0;
}
