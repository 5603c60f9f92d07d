/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEPREP_SIM_EDIT_H
#define NODEPREP_SIM_EDIT_H

/* A writing request on its way from the body to the store. */

#include "internal.h"

enum { ECHO_MAX = 1024 }; /* bytes of a body that a message repeats */

/* The parameters of a write besides its body. */
struct edit {
	struct call *call;
	char *manager;
	const char *validation; /* Strict, Warn, Ignore; NULL: Warn */
	char *api_version; /* of the request's path */
	char *key;
	bool is_dry;
	bool is_done; /* the response is already set */
	struct decoded body;
	json_t *old; /* borrowed; NULL where it is created */
	json_t *object; /* the new object */
	json_t *unknown; /* warnings of pruning */
};

/* Reads the query; the request may be answered by then. */
int sim_edit_begin(struct edit *e, struct call *c, struct np_err *err);
void sim_edit_done(struct edit *e);

/* Refuses with one cause. */
int sim_edit_refuse(struct edit *e, const struct subject *who, const char *reason,
		    const char *field, const char *message, struct np_err *err);

/* Refuses a patch that yields an invalid object; the message quotes the whole object. */
int sim_edit_refuse_echo(struct edit *e, json_t *echo, const char *why, struct np_err *err);

/* Drops what the schema does not know: Strict refuses it, else the client is warned. */
int sim_edit_prune(struct edit *e, struct np_err *err);

/* The checks of an object, in the real server's order where they are called so. */
int sim_edit_check_meta_types(struct edit *e, struct np_err *err);
int sim_edit_check_identity(struct edit *e, struct np_err *err);
int sim_edit_check_namespace(struct edit *e, struct np_err *err);
int sim_edit_check_version(struct edit *e, struct np_err *err);
int sim_edit_validate(struct edit *e, struct np_err *err);

/* Restores the fields that a user's request cannot set. */
int sim_edit_keep_meta(struct edit *e, struct np_err *err);

/* The word of Go's decoder for a value's type. */
const char *sim_json_kind(const json_t *j);

#endif
