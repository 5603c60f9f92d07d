/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <bsd/stdlib.h>
#include <string.h>
#include <time.h>

#include "nodeprep/err.h"

bool kube_is_cancelled(const struct np_kube *k)
{
	const struct np_kube_config *c = k->config;

	return c->is_cancelled && c->is_cancelled(c->cancel_ctx);
}

int kube_fail_cancelled(struct np_err *err)
{
	return np_fail(err, NP_E_RETRY, "interrupted");
}
