/* SPDX-License-Identifier: Apache-2.0 */
#include "nodeprep/gzip.h"

#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <zlib.h>

#include "nodeprep/err.h"

#define GZIP_ALONE (MAX_WBITS + 16) /* no zlib header, no raw deflate */

/* Returns Z_STREAM_END where the whole stream fits into `room`. */
static int inflate_into(z_stream *z, char *to, size_t room)
{
	int r = inflateInit2(z, GZIP_ALONE);

	if (r != Z_OK)
		return r;
	z->next_out = (Bytef *)to;
	z->avail_out = (uInt)room;
	r = inflate(z, Z_FINISH);
	inflateEnd(z);
	return r;
}

bool np_gzip_inflate(const char *bytes, size_t size, size_t max, char **ret_bytes, size_t *ret_size)
{
	/* zlib takes a pointer to bytes that it does not change. */
	z_stream z = { .next_in = (Bytef *)(uintptr_t)bytes, .avail_in = (uInt)size };
	NP_AUTO(np_freep) char *to = NULL;

	if (size > INT_MAX || max > INT_MAX)
		return false;
	to = malloc(max + 1);
	if (!to || inflate_into(&z, to, max) != Z_STREAM_END)
		return false;
	to[z.total_out] = '\0';
	*ret_size = z.total_out;
	*ret_bytes = np_take(to);
	return true;
}
