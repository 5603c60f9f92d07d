/* SPDX-License-Identifier: Apache-2.0 */
#include "catalogue.h"

#include <stddef.h>

#include "nodeprep/err.h"

struct np_catalogue *catalogue;

int set_up_catalogue(void **state)
{
	struct np_err err = NP_ERR_INIT;

	(void)state;
	return np_gpu_catalogue_new(&catalogue, &err);
}

int tear_down_catalogue(void **state)
{
	(void)state;
	np_gpu_catalogue_free(catalogue);
	catalogue = NULL;
	return 0;
}
