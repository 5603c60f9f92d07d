/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

/*
 * Fuzzes the heads of responses, line by line as libcurl gives them. A head is rejected for a reason
 * that is named, once and for good, and what is kept of it fits and is in order.
 */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fuzz_check(const struct kube_head *h, bool is_good)
{
	size_t digits = strspn(h->length, "0123456789");
	uint64_t wait_ms = 0;

	if (is_good != (h->problem[0] == '\0') || h->length[digits] != '\0')
		abort();
	if (is_good && h->is_chunked && h->length[0])
		abort();
	if (kube_retry_after(h->retry_after, 1792567680, &wait_ms) &&
	    (kube_wait_bounded(wait_ms, 100) < 100 ||
	     kube_wait_bounded(wait_ms, 100) > KUBE_WAIT_ASKED_MAX_MS))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct kube_head h = { .accepts_gzip = size % 2 == 0 };
	const char *bytes = (const char *)data;
	bool is_good = true;

	while (size > 0 && is_good) {
		const char *end = memchr(bytes, '\n', size);
		size_t n = end ? (size_t)(end + 1 - bytes) : size;
		char line[KUBE_HEAD_LINE_MAX], text[64];

		is_good = kube_head_feed(&h, bytes, n, line);
		fuzz_check(&h, is_good);
		if (is_good)
			(void)kube_warning_parse(line, text, sizeof(text));
		bytes += n;
		size -= n;
	}
	return 0;
}
