/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEPREP_GZIP_H
#define NODEPREP_GZIP_H

/*
 * gzip - bytes out of gzip (RFC 1952), by zlib.
 *
 * Bounds     what would become larger than the caller's limit is not gzip: no bomb goes off.
 * Ownership  what is returned is the caller's.
 * Errors     false: the bytes are not gzip, are cut, are too many, or memory runs out.
 */

#include <stdbool.h>
#include <stddef.h>

/* Inflates at most `max` bytes. *ret_bytes ends in a NUL beyond *ret_size. */
bool np_gzip_inflate(const char *bytes, size_t size, size_t max, char **ret_bytes,
		     size_t *ret_size);

#endif
