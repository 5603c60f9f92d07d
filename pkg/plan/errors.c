/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/warnings.h"

int np_plan_add_error(struct np_plan *plan, const struct np_err *what, struct np_err *err)
{
	struct np_err *errors;

	if (what->code == NP_E_NOMEM)
		return np_fail_nomem(err);
	errors = reallocarray(plan->errors, plan->n_errors + 1, sizeof(*errors));
	if (!errors)
		return np_fail_nomem(err);
	plan->errors = errors;
	plan->errors[plan->n_errors++] = *what;
	return 0;
}

int plan_pool_error(struct np_plan *plan, const struct np_pool *pool, struct np_err *err,
		    enum np_code code, const char *fmt, ...)
{
	struct np_err what = NP_ERR_INIT;
	char id[NP_POOL_ID_MAX], text[NP_ERR_TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	np_pool_id(pool, id);
	/* An object of an API has no file position: its identity suffices. */
	if (pool->source.line == 0)
		np_fail(&what, code, "pool '%s': %s", id, text);
	else
		np_fail(&what, code, "%s:%u: pool '%s': %s", pool->source.file, pool->source.line,
			id, text);
	return np_plan_add_error(plan, &what, err);
}
