/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <bsd/string.h>
#include <ctype.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/base64.h"

enum {
	NAME_MAX_BYTES = 253,
	LABEL_MAX_BYTES = 63,
	UID_BYTES = 16,
};

json_t *sim_copy_flat(json_t *j)
{
	json_auto_t *copy = json_copy(j);

	return json_object_size(copy) == json_object_size(j) ? np_take(copy) : NULL;
}

/* The characters that encoding/json escapes beyond JSON's need, for embedding in HTML. */
static const struct escape {
	const char *bytes, *text;
} escapes[] = {
	{ "&", "\\u0026" },
	{ "<", "\\u003c" },
	{ ">", "\\u003e" },
	{ "\xe2\x80\xa8", "\\u2028" },
	{ "\xe2\x80\xa9", "\\u2029" },
};

static const struct escape *find_escape(const char *p)
{
	for (size_t i = 0; i < sizeof(escapes) / sizeof(escapes[0]); i++)
		if (strncmp(p, escapes[i].bytes, strlen(escapes[i].bytes)) == 0)
			return &escapes[i];
	return NULL;
}

char *sim_go_dump(const json_t *j, bool sorted)
{
	size_t flags = JSON_COMPACT | JSON_ENCODE_ANY | (sorted ? JSON_SORT_KEYS : 0);
	NP_AUTO(np_freep) char *plain = json_dumps(j, flags);
	size_t extra = 0, n = 0;
	char *text;

	if (!plain)
		return NULL;
	for (const char *p = plain; *p; p++)
		if (find_escape(p))
			extra += 6;
	if (extra == 0)
		return np_take(plain);
	text = malloc(strlen(plain) + extra + 1);
	if (!text)
		return NULL;
	for (const char *p = plain; *p;) {
		const struct escape *e = find_escape(p);

		if (e) {
			memcpy(text + n, e->text, 6);
			n += 6;
			p += strlen(e->bytes);
		} else {
			text[n++] = *p++;
		}
	}
	text[n] = '\0';
	return text;
}

char *sim_go_quote(const char *text)
{
	char *quoted = malloc(strlen(text) * 4 + 3), *p = quoted;

	if (!quoted)
		return NULL;
	*p++ = '"';
	for (; *text; text++) {
		unsigned char b = (unsigned char)*text;

		if (b == '"' || b == '\\') {
			*p++ = '\\';
			*p++ = (char)b;
		} else if (b < 0x20 || b == 0x7f) {
			p += sprintf(p, "\\x%02x", b);
		} else {
			*p++ = (char)b;
		}
	}
	*p++ = '"';
	*p = '\0';
	return quoted;
}

void sim_make_utf8(char *text)
{
	json_auto_t *fits = json_string(text);

	for (char *p = text; !fits && *p; p++)
		if ((unsigned char)*p >= 0x80)
			*p = '?';
}

static int hex_digit(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *at = c ? strchr(digits, tolower((unsigned char)c)) : NULL;

	return at ? (int)(at - digits) : -1;
}

char *sim_url_decode(const char *text, size_t size, bool plus)
{
	NP_AUTO(np_freep) char *out = malloc(size + 1);
	size_t n = 0;

	if (!out)
		return NULL;
	for (size_t i = 0; i < size; i++) {
		int high = text[i] == '%' && size - i > 2 ? hex_digit(text[i + 1]) : -1;
		int low = high >= 0 ? hex_digit(text[i + 2]) : -1;

		out[n] = plus && text[i] == '+' ? ' ' : text[i];
		if (low >= 0) {
			out[n] = (char)(high * 16 + low);
			i += 2;
		}
		/* U+0000 would end a C text, so it is dropped. */
		if (out[n] == '\0')
			out[n] = '?';
		n++;
	}
	out[n] = '\0';
	sim_make_utf8(out);
	return np_take(out);
}

static int add_param(json_t *params, const char *text, size_t size)
{
	const char *equals = memchr(text, '=', size);
	size_t name_size = equals ? (size_t)(equals - text) : size;
	NP_AUTO(np_freep) char *name = strndup(text, name_size);
	NP_AUTO(np_freep) char *value = NULL;

	if (!name)
		return -1;
	if (!equals || name_size + 1 == size || json_object_get(params, name))
		return 0;
	value = sim_url_decode(equals + 1, size - name_size - 1, true);
	sim_make_utf8(name);
	return value ? json_object_set_new(params, name, json_string(value)) : -1;
}

int sim_query_parse(const char *query, json_t **ret, struct np_err *err)
{
	json_auto_t *params = json_object();

	if (!params)
		return np_fail_nomem(err);
	for (const char *p = query; *p;) {
		size_t size = strcspn(p, "&");

		if (add_param(params, p, size) < 0)
			return np_fail_nomem(err);
		p += size + (p[size] == '&');
	}
	*ret = np_take(params);
	return 0;
}

static void swap_chars(char *text, const char *from, const char *to)
{
	for (char *p = text; *p; p++) {
		const char *at = strchr(from, *p);

		if (at)
			*p = to[at - from];
	}
}

char *sim_base64url(const char *text)
{
	char *out = np_base64_encode(text, strlen(text));

	if (!out)
		return NULL;
	swap_chars(out, "+/", "-_");
	out[strcspn(out, "=")] = '\0';
	return out;
}

char *sim_base64url_decode(const char *text)
{
	size_t size = strlen(text), padded = (size + 3) / 4 * 4;
	NP_AUTO(np_freep) char *in = malloc(padded + 1);
	char *out;

	if (!in || size % 4 == 1)
		return NULL;
	memcpy(in, text, size);
	memset(in + size, '=', padded - size);
	in[padded] = '\0';
	swap_chars(in, "-_", "+/");
	return np_base64_decode(in, &out, &size) ? out : NULL;
}

static bool is_lower_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* RFC 1123: lower case letters, digits and inner hyphens. */
static bool is_dns_part(const char *text, size_t size)
{
	if (size == 0 || !is_lower_alnum(text[0]) || !is_lower_alnum(text[size - 1]))
		return false;
	for (size_t i = 0; i < size; i++)
		if (!is_lower_alnum(text[i]) && text[i] != '-')
			return false;
	return true;
}

bool sim_is_dns_label(const char *text)
{
	return strlen(text) <= LABEL_MAX_BYTES && is_dns_part(text, strlen(text));
}

bool sim_is_dns_subdomain(const char *text)
{
	if (strlen(text) > NAME_MAX_BYTES)
		return false;
	for (;;) {
		size_t size = strcspn(text, ".");

		if (!is_dns_part(text, size))
			return false;
		if (text[size] == '\0')
			return true;
		text += size + 1;
	}
}

bool sim_is_label_value(const char *text)
{
	size_t size = strlen(text);

	if (size == 0)
		return true;
	if (size > LABEL_MAX_BYTES || !isalnum((unsigned char)text[0]) ||
	    !isalnum((unsigned char)text[size - 1]))
		return false;
	for (size_t i = 0; i < size; i++)
		if (!isalnum((unsigned char)text[i]) && !strchr("-_.", text[i]))
			return false;
	return true;
}

static void format_uid(unsigned char b[static UID_BYTES], unsigned version,
		       char buf[static UID_TEXT_MAX])
{
	size_t n = 0;

	b[6] = (unsigned char)((b[6] & 0x0f) | version << 4);
	b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
	for (size_t i = 0; i < UID_BYTES; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			buf[n++] = '-';
		snprintf(buf + n, UID_TEXT_MAX - n, "%02x", b[i]);
		n += 2;
	}
}

int sim_random_uid(char buf[static UID_TEXT_MAX], struct np_err *err)
{
	unsigned char bytes[UID_BYTES];

	if (RAND_bytes(bytes, sizeof(bytes)) != 1)
		return np_fail(err, NP_E_IO, "no random numbers");
	format_uid(bytes, 4, buf);
	return 0;
}

int sim_derived_uid(const char *seed, const char *name, char buf[static UID_TEXT_MAX],
		    struct np_err *err)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	NP_AUTO(np_freep) char *text = NULL;

	if (asprintf(&text, "%s/%s", seed, name) < 0) {
		text = NULL;
		return np_fail_nomem(err);
	}
	if (EVP_Digest(text, strlen(text), digest, NULL, EVP_sha256(), NULL) != 1)
		return np_fail_nomem(err);
	format_uid(digest, 5, buf);
	return 0;
}

int sim_random_hex(size_t n, char **ret, struct np_err *err)
{
	NP_AUTO(np_freep) unsigned char *bytes = malloc(n);
	char *text = malloc(2 * n + 1);

	if (!bytes || !text || RAND_bytes(bytes, (int)n) != 1) {
		free(text);
		return np_fail(err, NP_E_IO, "no random numbers");
	}
	for (size_t i = 0; i < n; i++)
		snprintf(text + 2 * i, 3, "%02x", bytes[i]);
	*ret = text;
	return 0;
}
