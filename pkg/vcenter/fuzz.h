/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEPREP_VCENTER_FUZZ_H
#define NODEPREP_VCENTER_FUZZ_H

/*
 * fuzz - the frame of this module's fuzz targets.
 */

#include "internal.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/err.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Aborts unless the error has a code and a text without the password. */
static inline void fuzz_expect_error(const struct np_err *err)
{
	if (err->code == NP_OK || !err->text[0] || strstr(err->text, "pass&word1"))
		abort();
}

/* Calls fn() with the input, which a NUL follows as it does an answer's bytes, and a client with a password. */
static inline int fuzz(const uint8_t *data, size_t size,
		       void (*fn)(const struct np_vcenter *v, const char *bytes, size_t size))
{
	static const struct np_vcenter_options o = { .url = "u:pass&word1@127.0.0.1:1" };
	static struct np_vcenter *v;
	struct np_err err = NP_ERR_INIT;
	char *bytes;

	if (!v && np_vcenter_new(&o, &v, &err) < 0)
		abort();
	bytes = calloc(1, size + 1);
	if (!bytes)
		return 0;
	if (size > 0)
		memcpy(bytes, data, size);
	fn(v, bytes, size);
	free(bytes);
	return 0;
}

#endif
