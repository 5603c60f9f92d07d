/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <bsd/string.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { HEAD_MAX = 256 << 10, LINES_MAX = 1000, LENGTH_DIGITS_MAX = 18 };

__attribute__((format(printf, 2, 3))) static bool reject(struct kube_head *h, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(h->problem, sizeof(h->problem), fmt, ap);
	va_end(ap);
	return false;
}

/* Returns the value of a header line of that name, in lower case; NULL where it is another. */
static const char *value_of(const char *line, const char *name)
{
	size_t n = strlen(name);

	if (strncasecmp(line, name, n) != 0 || line[n] != ':')
		return NULL;
	line += n + 1;
	return line + strspn(line, " \t");
}

/* Two lengths, or a length and chunks: nobody can tell where such a response ends. */
static bool take_length(struct kube_head *h, const char *value)
{
	size_t n = strspn(value, "0123456789");

	if (n == 0 || n > LENGTH_DIGITS_MAX || value[n + strspn(value + n, " \t")] != '\0')
		return reject(h, "the invalid Content-Length '%.40s'", value);
	if (h->length[0] && (strncmp(h->length, value, n) != 0 || h->length[n] != '\0'))
		return reject(h, "two different Content-Lengths");
	if (h->is_chunked)
		return reject(h, "both a Content-Length and a Transfer-Encoding");
	snprintf(h->length, sizeof(h->length), "%.*s", (int)n, value);
	return true;
}

static bool take_transfer_encoding(struct kube_head *h, const char *value)
{
	if (strcasecmp(value, "chunked") != 0)
		return reject(h, "the unsupported Transfer-Encoding '%.40s'", value);
	if (h->length[0])
		return reject(h, "both a Content-Length and a Transfer-Encoding");
	h->is_chunked = true;
	return true;
}

static bool take_encoding(struct kube_head *h, const char *value)
{
	if (!value[0] || strcasecmp(value, "identity") == 0)
		return true;
	if (h->accepts_gzip && !h->is_encoded && strcasecmp(value, "gzip") == 0) {
		h->is_encoded = true;
		return true;
	}
	return reject(h, "the unsupported Content-Encoding '%.40s'", value);
}

static bool take_retry_after(struct kube_head *h, const char *value)
{
	strlcpy(h->retry_after, value, sizeof(h->retry_after));
	return true;
}

static const struct {
	const char *name;
	bool (*take)(struct kube_head *h, const char *value);
} fields[] = {
	{ "content-encoding", take_encoding },
	{ "content-length", take_length },
	{ "retry-after", take_retry_after },
	{ "transfer-encoding", take_transfer_encoding },
};

static bool take_line(struct kube_head *h, const char *line)
{
	/* Each response of an exchange opens so; only the last one counts. */
	if (strncmp(line, "HTTP/", 5) == 0) {
		h->retry_after[0] = h->length[0] = '\0';
		h->is_chunked = h->is_encoded = h->is_whole = false;
		return true;
	}
	if (line[0] == '\0')
		h->is_whole = true;
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		const char *value = value_of(line, fields[i].name);

		if (value)
			return fields[i].take(h, value);
	}
	return true;
}

bool kube_head_feed(struct kube_head *h, const char *bytes, size_t size,
		    char line[static KUBE_HEAD_LINE_MAX])
{
	h->bytes += size;
	if (h->bytes > HEAD_MAX)
		return reject(h, "a head that is larger than %d KiB", HEAD_MAX >> 10);
	if (++h->lines > LINES_MAX)
		return reject(h, "more than %d header lines", LINES_MAX);
	if (size > 0 && memchr(bytes, '\0', size))
		return reject(h, "a NUL in its head");
	while (size > 0 && strchr(" \t\r\n", bytes[size - 1]))
		size--;
	snprintf(line, KUBE_HEAD_LINE_MAX, "%.*s", (int)size, bytes);
	/* What is cut is no field that matters here. */
	return size >= KUBE_HEAD_LINE_MAX || take_line(h, line);
}
