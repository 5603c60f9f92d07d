/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <ctype.h>
#include <string.h>

/*
 * A strict parser of HTTP/1.1 (RFC 9112) in front of evhttp, which is too lenient: where two
 * parsers disagree about the end of a request, requests can be smuggled. It stores only its
 * position in the request.
 */

enum { LENGTH_DIGITS_MAX = 18, CHUNK_DIGITS_MAX = 8, BAD = 400, NOT_SERVED = 501 };

static bool is_token(unsigned char c)
{
	return isalnum(c) || (c && strchr("!#$%&'*+-.^_`|~", c));
}

static bool is_named(const struct wire *w, const char *name)
{
	return strlen(name) == w->n_name && memcmp(w->name, name, w->n_name) == 0;
}

/* A length is digits only; two lengths must agree. */
static int read_length(struct wire *w)
{
	uint64_t length = 0;

	if (w->n_value == 0 || w->n_value > LENGTH_DIGITS_MAX)
		return BAD;
	for (size_t i = 0; i < w->n_value; i++) {
		if (w->value[i] < '0' || w->value[i] > '9')
			return BAD;
		length = 10 * length + (uint64_t)(w->value[i] - '0');
	}
	if (w->has_length && w->length != length)
		return BAD;
	w->has_length = true;
	w->length = length;
	return 0;
}

static int read_encoding(struct wire *w)
{
	if (w->is_chunked)
		return BAD;
	if (w->n_value != 7 || strncasecmp(w->value, "chunked", 7) != 0)
		return NOT_SERVED;
	w->is_chunked = true;
	return 0;
}

static int end_header(struct wire *w)
{
	while (w->n_value > 0 && w->n_value <= sizeof(w->value) &&
	       strchr(" \t", w->value[w->n_value - 1]))
		w->n_value--;
	if (w->in_trailer)
		return 0;
	if (is_named(w, "content-length"))
		return read_length(w);
	return is_named(w, "transfer-encoding") ? read_encoding(w) : 0;
}

static void start_request(struct wire *w)
{
	*w = (struct wire){ .place = WIRE_START };
}

/* evhttp reads no body for the other methods: the next byte begins the next request. */
static int end_head(struct wire *w)
{
	static const char *const with_body[] = { "POST ", "PUT ", "PATCH " };
	bool may = false;

	if (w->in_trailer) {
		start_request(w);
		return 0;
	}
	for (size_t i = 0; i < sizeof(with_body) / sizeof(with_body[0]); i++)
		may = may || strncmp(w->method, with_body[i], strlen(with_body[i])) == 0;
	if (w->is_chunked && w->has_length)
		return BAD;
	if (!may && strncmp(w->method, "GET ", 4) == 0 && (w->is_chunked || w->length > 0))
		return BAD;
	if (may && w->is_chunked) {
		w->place = WIRE_CHUNK_SIZE;
		w->n_value = 0;
		w->left = 0;
	} else if (may && w->length > 0) {
		w->place = WIRE_BODY;
		w->left = w->length;
	} else {
		start_request(w);
	}
	return 0;
}

static int end_line(struct wire *w)
{
	switch (w->place) {
	case WIRE_LINE:
		w->place = WIRE_HEADER;
		return 0;
	case WIRE_HEADER:
		return w->in_header ? BAD : end_head(w);
	case WIRE_VALUE:
		w->place = WIRE_HEADER;
		w->in_header = false;
		return end_header(w);
	case WIRE_CHUNK_SIZE:
		if (w->n_value == 0)
			return BAD;
		w->place = w->left > 0 ? WIRE_CHUNK : WIRE_HEADER;
		w->in_trailer = w->left == 0;
		w->in_header = false;
		return 0;
	case WIRE_CHUNK_END:
		w->place = WIRE_CHUNK_SIZE;
		w->n_value = 0;
		return 0;
	case WIRE_START:
	case WIRE_BODY:
	case WIRE_CHUNK:
		break;
	}
	return BAD;
}

static int feed_name(struct wire *w, unsigned char c)
{
	if (c == ':' && w->in_header) {
		w->place = WIRE_VALUE;
		w->n_value = 0;
		return 0;
	}
	if (!is_token(c))
		return BAD;
	if (!w->in_header)
		w->n_name = 0;
	w->in_header = true;
	if (w->n_name < sizeof(w->name))
		w->name[w->n_name] = (char)tolower(c);
	w->n_name++;
	return 0;
}

static void feed_value(struct wire *w, unsigned char c)
{
	if (w->n_value == 0 && (c == ' ' || c == '\t'))
		return;
	if (w->n_value < sizeof(w->value))
		w->value[w->n_value] = (char)c;
	w->n_value++;
}

static int feed_size(struct wire *w, unsigned char c)
{
	if (!isxdigit(c) || w->n_value == CHUNK_DIGITS_MAX)
		return BAD;
	w->n_value++;
	w->left = 16 * w->left + (uint64_t)(isdigit(c) ? c - '0' : tolower(c) - 'a' + 10);
	return 0;
}

/* Takes one byte of a line, except its end. */
static int feed_line(struct wire *w, unsigned char c)
{
	if ((c < ' ' && c != '\t') || c == 0x7f)
		return BAD;
	switch (w->place) {
	case WIRE_START:
		w->place = WIRE_LINE;
		w->n_value = 0;
		/* fall through */
	case WIRE_LINE:
		if (w->n_value < sizeof(w->method) - 1)
			w->method[w->n_value++] = (char)c;
		return 0;
	case WIRE_HEADER:
		return feed_name(w, c);
	case WIRE_VALUE:
		feed_value(w, c);
		return 0;
	case WIRE_CHUNK_SIZE:
		return feed_size(w, c);
	case WIRE_CHUNK_END:
	case WIRE_BODY:
	case WIRE_CHUNK:
		break;
	}
	return BAD;
}

static int feed_byte(struct wire *w, unsigned char c)
{
	if (w->saw_cr) {
		w->saw_cr = false;
		return c == '\n' ? end_line(w) : BAD;
	}
	if (c == '\n')
		return BAD;
	w->saw_cr = c == '\r';
	return w->saw_cr ? 0 : feed_line(w, c);
}

/* Skips the available bytes of a body. */
static size_t pass_body(struct wire *w, size_t n)
{
	size_t taken = n < w->left ? n : (size_t)w->left;

	w->left -= taken;
	if (w->left > 0)
		return taken;
	if (w->place == WIRE_CHUNK)
		w->place = WIRE_CHUNK_END;
	else
		start_request(w);
	return taken;
}

static bool is_passing(const struct wire *w)
{
	return w->place == WIRE_BODY || w->place == WIRE_CHUNK;
}

bool serve_wire_in_body(const struct wire *w)
{
	return w->place >= WIRE_BODY || w->in_trailer;
}

int serve_wire_feed(struct wire *w, const char *bytes, size_t n)
{
	for (size_t i = 0; i < n;) {
		int status;

		if (is_passing(w)) {
			i += pass_body(w, n - i);
			continue;
		}
		status = feed_byte(w, (unsigned char)bytes[i++]);
		if (status != 0)
			return status;
	}
	return 0;
}

bool serve_wire_skip(struct wire *w, size_t n)
{
	if (!is_passing(w) || n >= w->left)
		return false;
	pass_body(w, n);
	return true;
}
