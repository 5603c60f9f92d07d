/* SPDX-License-Identifier: Apache-2.0 */
#include "../common/catalogue.h"
#include "cmd.h"

int run_gpus(const struct options *o, struct np_err *err)
{
	NP_AUTO(np_gpu_catalogue_freep) struct np_catalogue *cat = NULL;
	NP_AUTO(np_freep) char *text = NULL;
	const char *filter = o->arguments.n > 0 ? o->arguments.items[0] : NULL;

	if (o->files.n > 0)
		return np_fail(err, NP_E_USAGE,
			       "gpus does not take -f; add cards with --catalogue");
	if (catalogue_load(&o->catalogues, &o->captures, &cat, err) < 0 ||
	    np_render_gpus(cat, filter, o->format, &text, err) < 0)
		return np_err_ret(err);
	return put(text, err);
}
