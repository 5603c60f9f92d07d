/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_UNIT_CAPI_H
#define TESTS_UNIT_CAPI_H

/*
 * capi - the objects of Cluster API that the supervisor of a test serves beside the classes.
 *
 * Scope   created, read and merge-patched in version v1beta1, without a schema.
 * Faults  capi_fail() answers the next requests of a method with a status and does nothing else.
 */

#include <jansson.h>
#include <stdbool.h>

#include "nodeprep/serve.h"

struct capi {
	json_t *objects; /* by path; NULL: the server has no such API */
	unsigned version;
	const char *fail_method; /* NULL: none */
	unsigned fail_status, fail_count;
};

/* Tells whether the path is of Cluster API's groups, and answers it. */
bool capi_handle(struct capi *c, const struct np_serve_request *req, struct np_serve_reply *reply);

#endif
