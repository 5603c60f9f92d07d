/* SPDX-License-Identifier: Apache-2.0 */
#include "nodeprep/base64.h"

#include <limits.h>
#include <openssl/evp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/err.h"
#include "nodeprep/text.h"

size_t np_base64_size(size_t size)
{
	return size <= INT_MAX / 4 * 3 ? (size + 2) / 3 * 4 : SIZE_MAX / 2;
}

void np_base64_write(const char *bytes, size_t size, char *to)
{
	EVP_EncodeBlock((unsigned char *)to, (const unsigned char *)bytes, (int)size);
}

char *np_base64_encode(const char *bytes, size_t size)
{
	char *text = malloc(np_base64_size(size) + 1);

	if (text)
		np_base64_write(bytes, size, text);
	return text;
}

/* EVP_DecodeBlock() skips some wrong characters, and takes '=' anywhere. */
static bool is_base64(const char *text, size_t size)
{
	size_t body = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
				   "+/");

	return size > 0 && size % 4 == 0 && size - body <= 2 &&
	       strspn(text + body, "=") == size - body;
}

bool np_base64_decode(const char *text, char **ret_bytes, size_t *ret_size)
{
	size_t size = 0, length = strlen(text);
	NP_AUTO(np_wipep) char *clean = calloc(1, length + 1);
	NP_AUTO(np_freep) char *bytes = malloc(length / 4 * 3 + 4);
	int n;

	if (!clean || !bytes || length > INT_MAX)
		return false;
	for (const char *p = text; *p; p++)
		if (!strchr(" \t\r\n", *p))
			clean[size++] = *p;
	if (!is_base64(clean, size))
		return false;
	n = EVP_DecodeBlock((unsigned char *)bytes, (const unsigned char *)clean, (int)size);
	if (n < 0)
		return false;
	/* The padding is decoded as zero bytes. */
	*ret_size = (size_t)n - (size - strcspn(clean, "="));
	bytes[*ret_size] = '\0';
	*ret_bytes = np_take(bytes);
	return true;
}
