/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEPREP_BASE64_H
#define NODEPREP_BASE64_H

/*
 * base64 - base64 with padding (RFC 4648, section 4), by OpenSSL.
 *
 * Ownership  what is returned is the caller's.
 * Errors     NULL or false: the text is not base64, or memory runs out.
 */

#include <stdbool.h>
#include <stddef.h>

/* Returns how many characters `size` bytes become, without a NUL; SIZE_MAX / 2 for what is too large. */
size_t np_base64_size(size_t size);

/* Writes base64 and a NUL to `to`, which has np_base64_size() + 1 bytes. */
void np_base64_write(const char *bytes, size_t size, char *to);

/* Returns the bytes as base64. */
char *np_base64_encode(const char *bytes, size_t size);

/*
 * Reads base64, in which blanks and line ends are ignored. *ret_bytes ends in a NUL beyond *ret_size. The
 * empty text is not base64.
 */
bool np_base64_decode(const char *text, char **ret_bytes, size_t *ret_size);

#endif
