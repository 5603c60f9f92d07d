/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEPREP_SIM_INTERNAL_H
#define NODEPREP_SIM_INTERNAL_H

#include <jansson.h>
#include <stdint.h>
#include <time.h>

#include "nodeprep/err.h"
#include "nodeprep/serve.h"
#include "nodeprep/sim.h"
#include "nodeprep/text.h"
#include "nodeprep/time.h"

#define GROUP "vmoperator.vmware.com"
#define PLURAL "virtualmachineclasses"
#define KIND "VirtualMachineClass"
#define STORED_API GROUP "/v1alpha6"

/* --- text.c --------------------------------------------------------------------------------- */

/* Returns a complete copy or NULL; json_copy() omits members without memory. */
json_t *sim_copy_flat(json_t *j);

/* Dumps as Go's encoder does: compact, <, > and & escaped. NULL: no memory. */
char *sim_go_dump(const json_t *j, bool sorted);

/* Returns the text in double quotes, as Go's %q writes it; NULL: no memory. */
char *sim_go_quote(const char *text);

/* Replaces the non-ASCII bytes of a text that is not UTF-8, so that JSON can hold it. */
void sim_make_utf8(char *text);

/* Undoes percent-encoding, where `plus` also '+'; a U+0000 becomes '?'. NULL: no memory. */
char *sim_url_decode(const char *text, size_t size, bool plus);

/* Reads a query's parameters as an object of decoded texts; empty ones are left out. */
int sim_query_parse(const char *query, json_t **ret, struct np_err *err);

/* Convert base64url without padding, as in continue tokens. NULL: no memory, or invalid text. */
char *sim_base64url(const char *text);
char *sim_base64url_decode(const char *text);

bool sim_is_dns_subdomain(const char *text);
bool sim_is_dns_label(const char *text);
bool sim_is_label_value(const char *text);

#define UID_TEXT_MAX 37
int sim_random_uid(char buf[static UID_TEXT_MAX], struct np_err *err);
/* Makes the same UID for the same two texts. */
int sim_derived_uid(const char *seed, const char *name, char buf[static UID_TEXT_MAX],
		    struct np_err *err);

/* Returns n random bytes as 2n hex digits. */
int sim_random_hex(size_t n, char **ret, struct np_err *err);

/* --- decode.c ------------------------------------------------------------------------------- */

struct decoded {
	json_t *json;
	json_t *twice; /* paths of the keys that were given twice */
	char error[160]; /* what Go's decoder says; "" where json is set */
};

/* Decodes a body; an invalid body is not a failure but sets an error text. */
int sim_decode_json(const char *bytes, size_t size, struct decoded *ret, struct np_err *err);
void sim_decoded_done(struct decoded *d);

/* --- users.c -------------------------------------------------------------------------------- */

struct user {
	char *name, *token;
	char *verbs; /* blank separated; "*" is every verb */
};

struct users {
	size_t n;
	struct user *items;
};

int sim_users_add(struct users *u, const char *name, const char *token, const char *verbs,
		  struct np_err *err);
int sim_users_load(struct users *u, const char *path, struct np_err *err);
void sim_users_done(struct users *u);
const struct user *sim_users_by_token(const struct users *u, const char *token);
bool sim_user_may(const struct user *u, const char *verb);

/* --- store.c -------------------------------------------------------------------------------- */

struct change {
	uint64_t version;
	const char *type; /* ADDED, MODIFIED, DELETED */
	json_t *object;
};

struct store {
	char *dir; /* NULL: in memory alone */
	uint64_t version;
	size_t n, cap;
	struct stored {
		char *key; /* "namespace/name"; a cluster's "/name" */
		json_t *json;
	} * items; /* sorted by key */
	size_t n_changes, first_change; /* a ring */
	struct change *changes;
};

enum { CHANGES_MAX = 4096 };

int sim_store_open(struct store *s, const char *dir, struct np_err *err);
void sim_store_done(struct store *s);

/* Returns the first place whose key is not below `key`. */
size_t sim_store_seek(const struct store *s, const char *key);
json_t *sim_store_find(const struct store *s, const char *key);

/* Gives the object the next resourceVersion and keeps it; takes it, also on failure. */
int sim_store_put_take(struct store *s, const char *key, json_t *object, struct np_err *err);
/* *ret is the object as it was, with the version of its end. */
int sim_store_remove(struct store *s, const char *key, json_t **ret, struct np_err *err);

/* Reads a small file of the state; 0 where there is none. */
int sim_state_read(const char *dir, const char *name, char **ret, struct np_err *err);
int sim_state_write(const char *dir, const char *name, const char *text, struct np_err *err);

/* --- identity.c ----------------------------------------------------------------------------- */

struct identity {
	char *ca_pem, *cert_pem, *key_pem;
};

int sim_identity_make(struct identity *id, const char *state_dir, struct np_err *err);
void sim_identity_done(struct identity *id);

/* --- faults.c ------------------------------------------------------------------------------- */

enum fault_kind {
	FAULT_NONE,
	FAULT_CONCURRENT_WRITE,
	FAULT_CUT,
	FAULT_CUT_BODY,
	FAULT_DELAY,
	FAULT_HUGE_BODY,
	FAULT_SLOW_BODY,
	FAULT_STATUS,
};

struct fault {
	json_t *spec; /* as it was set */
	enum fault_kind kind;
	const char *method, *path; /* borrowed from spec; NULL: any */
	unsigned status;
	const char *retry_after;
	const char *message; /* of a status; NULL: as a real server words it */
	uint64_t delay_ms, after, count, bytes, seen;
	bool has_effect;
};

struct faults {
	size_t n;
	struct fault *items;
};

/* Replaces the list; returns 1, or 0 and the reason in *ret_why where `spec` is invalid. */
int sim_faults_set(struct faults *f, json_t *spec, char why[static 200], struct np_err *err);
void sim_faults_done(struct faults *f);
/* Returns the remaining list. */
json_t *sim_faults_left(const struct faults *f);
/* Returns the fault that this request meets, and counts it; NULL: none. */
struct fault *sim_faults_meet(struct faults *f, const char *method, const char *path);

/* --- answers -------------------------------------------------------------------------------- */

struct np_sim {
	struct store store;
	struct store untyped; /* other kinds, "plural/namespace/name" */
	struct users users;
	struct identity identity;
	struct faults faults;
	char *seed; /* of the namespaces' UIDs */
	time_t born;
	json_t *namespaces; /* names, where not any is taken; NULL: any */
	bool cluster_scoped;
	bool has_pools; /* NodePools, Clusters and TanzuKubernetesClusters are served */
	void (*log)(void *ctx, const char *line);
	void *log_ctx;
};

/* The parts of a path; "" where the path has none. */
struct route {
	bool is_resource;
	const char *group, *version, *ns, *resource, *name, *sub;
};

struct call {
	struct np_sim *sim;
	const struct np_serve_request *req;
	struct np_serve_reply *reply;
	char *path; /* decoded */
	char *segments; /* the path cut at its slashes, which route points into */
	json_t *params; /* of the query */
	struct route route;
	const char *verb;
	bool is_authentic; /* no token, or one that is a user's */
	const struct user *user; /* NULL: anonymous */
};

/* Returns a parameter of the query; NULL where it is absent or empty. */
const char *sim_param(const struct call *c, const char *name);

/* Answers with JSON, in Go's order of a map's keys where `sorted`. Takes the tree. */
int sim_answer_json_take(struct call *c, unsigned code, json_t *j, bool sorted, struct np_err *err);
int sim_answer_text(struct call *c, unsigned code, const char *text, struct np_err *err);
int sim_answer_no_page(struct call *c, struct np_err *err);
int sim_add_warning(struct call *c, const char *text, struct np_err *err);

/* Makes a failure's Status; takes the details (NULL: none). NULL: no memory. */
json_t *sim_new_status(unsigned code, const char *reason, const char *message, json_t *details);

/* Answers with a failure's Status; takes the details. */
int sim_refuse(struct call *c, struct np_err *err, unsigned code, const char *reason,
	       json_t *details, const char *fmt, ...) __attribute__((format(printf, 6, 7)));

/* {"name", "group", "kind"} without those that are NULL or "". */
json_t *sim_details_of(const char *name, const char *group, const char *kind);

int sim_refuse_not_found(struct call *c, struct np_err *err);
int sim_refuse_conflict(struct call *c, struct np_err *err);

/* The invalid object: "KIND.GROUP "NAME" is invalid: ...". */
struct subject {
	const char *kind, *group, *name;
};

/* Adds {"reason", "message", "field"}. */
int sim_add_cause(json_t *causes, struct np_err *err, const char *reason, const char *field,
		  const char *fmt, ...) __attribute__((format(printf, 5, 6)));
/* Answers 422 with the causes, which it takes. */
int sim_refuse_invalid(struct call *c, const struct subject *who, json_t *causes,
		       struct np_err *err);

/* --- schema.c ------------------------------------------------------------------------------- */

/*
 * Drops what the schema does not know, and nulls; the paths of the former are added to `unknown`.
 */
int sim_schema_prune(json_t *object, json_t *unknown, struct np_err *err);
/* Adds the object's errors to `causes`. */
int sim_schema_check(json_t *object, const char *version, json_t *causes, struct np_err *err);

/*
 * --- managed_fields.c
 * -------------------------------------------------------------------------------
 */

struct writer {
	const char *manager;
	const char *api_version;
};

/* Sets the new object's managedFields from the old one's (NULL: created) and what changed. */
int sim_managed_fields_update(json_t *old, json_t *object, const struct writer *w,
			      struct np_err *err);

/* --- patch.c -------------------------------------------------------------------------------- */

/* Returns the target (may be NULL) after an RFC 7386 patch; NULL: no memory. */
json_t *sim_merge_patch(json_t *target, json_t *patch);

/* --- the resources -------------------------------------------------------------------------- */

int sim_answer_discovery(struct call *c, struct np_err *err);
int sim_answer_namespaces(struct call *c, struct np_err *err);

/* review.c */
bool sim_is_review(const struct call *c);
int sim_answer_review(struct call *c, struct np_err *err);
int sim_answer_class(struct call *c, struct np_err *err);
int sim_answer_list(struct call *c, struct np_err *err);
int sim_answer_watch(struct call *c, struct np_err *err);
int sim_answer_faults(struct call *c, struct np_err *err);
bool sim_is_untyped(const struct call *c);
int sim_answer_untyped(struct call *c, struct np_err *err);
/* Append what discovery says of them: the resources of a group's version, and the groups of pools (NULL: all). */
int sim_add_untyped_resources(const struct np_sim *sim, const struct route *r, json_t *resources,
			      struct np_err *err);
int sim_add_pool_groups(const struct np_sim *sim, const char *name, json_t *groups,
			struct np_err *err);

/* versions.c: the versions of the group, the newest first. */
struct np_words sim_versions(const struct np_sim *sim);
bool sim_is_version_served(const struct np_sim *sim, const char *version);

/* namespaces.c */
bool sim_has_namespace(const struct np_sim *sim, const char *name);

/* Returns the object as the version in the path shows it; NULL: no memory. */
json_t *sim_as_version(json_t *object, const char *version);

/* Changes the answer as the fault prescribes. */
int sim_spoil_answer(struct call *c, const struct fault *f, struct np_err *err);

/* Changes an object as a second client would (the fault "concurrent-write"). */
int sim_write_concurrently(struct call *c, const struct fault *f, struct np_err *err);

#endif
