/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdlib.h>

/*
 * Requests as bytes. However they are cut into pieces the reader says the same, it says 0, 400 or 501, and a
 * body never goes on beyond its length.
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
