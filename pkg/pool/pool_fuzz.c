/* SPDX-License-Identifier: Apache-2.0 */
#include "nodeprep/pool.h"

#include <stdint.h>
#include <stdlib.h>

#include "nodeprep/err.h"
#include "nodeprep/gpu.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct np_catalogue *cat;
	struct np_input in = { .default_namespace = "fuzz" };
	struct np_err err = NP_ERR_INIT;

	if (!cat && np_gpu_catalogue_new(&cat, &err) < 0)
		abort();
	if (np_pool_input_parse(&in, cat, "fuzz.yaml", (const char *)data, size, &err) == 0)
		(void)np_pool_input_finish(&in, &err);
	np_pool_input_done(&in);
	in.in_folder = size % 2 == 1;
	if (np_pool_input_collect(&in, cat, "fuzz.yaml", (const char *)data, size, &err) == 0)
		(void)np_pool_input_finish(&in, &err);
	/* An error must have a text. */
	if (err.code != NP_OK && !err.text[0])
		abort();
	np_pool_input_done(&in);
	return 0;
}
