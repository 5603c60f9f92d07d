/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdlib.h>

/*
 * Fuzzes the parser of requests. The result must not depend on how the bytes are split, must be 0,
 * 400 or 501, and a body must end at its length.
 */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct wire whole = { .place = WIRE_START }, bytes = { .place = WIRE_START };
	int status = serve_wire_feed(&whole, (const char *)data, size), other = 0;

	for (size_t i = 0; i < size && other == 0; i++)
		other = serve_wire_feed(&bytes, (const char *)data + i, 1);
	if (status != other || (status != 0 && status != 400 && status != 501))
		abort();
	if (status == 0 && (whole.place != bytes.place || whole.left != bytes.left ||
			    whole.is_chunked != bytes.is_chunked))
		abort();
	return 0;
}
