/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEPREP_PKG_HOOK_TESTBED_H
#define NODEPREP_PKG_HOOK_TESTBED_H

/* testbed - calls of hooks, for hook's unit tests. */

#include "internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "nodeprep/err.h"
#include "nodeprep/hook.h"

#define A100 "{\"vendorId\":4318,\"deviceId\":8368}"
#define H100 "{\"vendorId\":4318,\"deviceId\":9008}"
#define NIC "{\"vendorId\":5555,\"deviceId\":4113}"
#define TEXT_MAX 8192

static struct np_catalogue *catalogue;

static inline int set_up(void **state)
{
	struct np_err err = NP_ERR_INIT;

	(void)state;
	return np_gpu_catalogue_new(&catalogue, &err);
}

static inline int tear_down(void **state)
{
	(void)state;
	np_gpu_catalogue_free(catalogue);
	return 0;
}

static inline struct np_hook_answer call_with(const struct np_hook_options *o,
					      enum np_hook_kind kind, const char *body)
{
	struct np_hook_answer a = { .body = NULL };
	struct np_err err = NP_ERR_INIT;

	if (np_hook_call(o, kind, body, strlen(body), &a, &err) < 0)
		fail_msg("%s", err.text);
	return a;
}

static inline struct np_hook_answer call(enum np_hook_kind kind, const char *body)
{
	const struct np_hook_options o = { .catalogue = catalogue };

	return call_with(&o, kind, body);
}

#endif
