/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEPREP_CNI_H
#define NODEPREP_CNI_H

/*
 * cni - the CNI plugin: one call of a runtime, from its environment and configuration to the answer.
 *
 * Contract   the CNI specification, versions 0.4.0, 1.0.0 and 1.1.0, and docs/cni-plugin.md.
 *            Of the environment only CNI_COMMAND is required: a bootstrap has no network namespace.
 * I/O        np_cni_run() reads specFile, writes planFile and asks the Supervisor's API; the rest is pure.
 *            No function reads the environment, logs or exits: struct np_cni_host stands for the process.
 * Holders    "cni/NETWORK/INSTANCE/CONTAINER/IFNAME"; unset parts at the end are omitted, so that
 *            a bootstrap without ids is "cni/NETWORK/INSTANCE". No part contains a slash.
 * Keys       unknown keys are ignored; one that resembles a key of nodeprep is an error that names the
 *            correct one, since a misspelt dryRun would write. In `supervisor` every unknown key is an error.
 * Bounds     configuration 1 MiB; names, instances and container ids 253 bytes.
 * Ownership  a configuration keeps its document and borrows texts from it; results are the caller's.
 * Errors     NP_E_USAGE: the environment (code 4); NP_E_VERSION: a version, or a command that it
 *            lacks (1); NP_E_DECODE: not a JSON object (6); NP_E_SPEC: an invalid configuration (7).
 */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nodeprep/doc.h"
#include "nodeprep/kube.h"
#include "nodeprep/plan.h"
#include "nodeprep/state.h"

#define NP_CNI_CONFIG_MAX (UINT64_C(1) << 20)
#define NP_CNI_NAME_MAX 253
#define NP_CNI_TIMEOUT_MS UINT64_C(60000)
#define NP_CNI_PLAN_KEY "nodeprep.dev/plan"

enum np_cni_command {
	NP_CNI_ADD,
	NP_CNI_CHECK,
	NP_CNI_DEL,
	NP_CNI_GC,
	NP_CNI_STATUS,
	NP_CNI_VERSION,
	NP_CNI_COMMAND_MAX
};

enum np_cni_version { NP_CNI_0_4_0, NP_CNI_1_0_0, NP_CNI_1_1_0, NP_CNI_VERSION_MAX };

/* The environment's variables as they are; NULL where one is not set. */
struct np_cni_environment {
	const char *command; /* CNI_COMMAND */
	const char *container; /* CNI_CONTAINERID */
	const char *ifname; /* CNI_IFNAME */
	const char *args; /* CNI_ARGS */
};

#define NP_CNI_POD_MAX 512

/* What the environment asks for, checked. Borrows its texts. */
struct np_cni_call {
	enum np_cni_command command;
	const char *container; /* NULL: none */
	const char *ifname; /* NULL: none */
	char pod[NP_CNI_POD_MAX]; /* "namespace/name" from CNI_ARGS, for messages; "": unknown */
};

/* Reads the environment; an empty variable counts as none. */
int np_cni_call_read(const struct np_cni_environment *env, struct np_cni_call *ret,
		     struct np_err *err);

/* An attachment that the runtime calls valid. */
struct np_cni_attachment {
	const char *container;
	const char *ifname;
};

/* How to reach vCenter, which then is where the classes are; `url` NULL: it is not. */
struct np_cni_vcenter {
	const char *url, *username_file, *password_file, *ca_file;
};

/* How to reach the Supervisor's API; each NULL where it is not set. */
struct np_cni_supervisor {
	const char *kubeconfig, *context, *ns, *server, *token_file, *ca_file;
	struct np_cni_vcenter vcenter;
};

struct np_cni_config {
	struct np_doc *doc;
	enum np_cni_version version;
	const char *name; /* of the network */
	const char *instance;
	struct np_val node_pool; /* an object, or a list of them; absent: none */
	const char *spec_file; /* NULL: none */
	struct np_cni_supervisor supervisor;
	bool dry_run;
	uint64_t max_window_gb; /* 0: no bound but the contract's */
	const char *plan_file, *log_file; /* NULL: none */
	const char *state_dir; /* of the records of vCenter's classes; NULL: the default */
	uint64_t timeout_ms;
	struct np_val prev_result; /* absent: none; checked for ADD alone */
	bool has_valid; /* there is a list of valid attachments, maybe an empty one */
	size_t n_valid;
	struct np_cni_attachment *valid;
};

/*
 * Reads the configuration for a command other than VERSION; `host` is the instance if none is
 * set. *ret_version is set as soon as the version is known, even if the rest is not valid.
 */
int np_cni_config_parse(enum np_cni_command command, const char *bytes, size_t size,
			const char *host, struct np_cni_config *ret,
			enum np_cni_version *ret_version, struct np_err *err);
void np_cni_config_done(struct np_cni_config *c);

/* Tells whether the configuration has pools or a specFile. */
bool np_cni_has_pools(const struct np_cni_config *c);

/* Reads the pools of `nodePool` into the input, where there are any. */
int np_cni_add_pools(const struct np_cni_config *c, const struct np_catalogue *cat,
		     struct np_input *in, struct np_err *err);

/* "cni/" and four parts with their slashes; an interface's name has 15 bytes at most. */
#define NP_CNI_HOLDER_MAX (8 + 3 * NP_CNI_NAME_MAX + 16)

/* Writes the holder that this call registers or releases. */
void np_cni_holder(const struct np_cni_config *c, const struct np_cni_call *call,
		   char buf[static NP_CNI_HOLDER_MAX]);

/*
 * Tells whether a garbage collection releases the holder: it belongs to this network and instance, has
 * a container, and is not in the list. Without a list, nothing is released.
 */
bool np_cni_is_stale(const struct np_cni_config *c, const char *holder);

/* Writes ADD's result with its final newline; `plan` is borrowed. */
int np_cni_result(const struct np_cni_config *c, json_t *plan, char **ret, struct np_err *err);

/* Writes VERSION's answer; the runtime may have sent nothing. */
int np_cni_version_answer(const char *bytes, size_t size, char **ret, struct np_err *err);

/* Writes an error object with its final newline; NULL where memory runs out. */
char *np_cni_error(enum np_cni_version version, unsigned code, const char *msg,
		   const char *details);

/*
 * Fails with NP_E_DRIFT if a class of the plan differs from what its pools need; *ret_details (the
 * caller's) then lists each difference. Returns 0 if all are up to date.
 */
int np_cni_drift(const struct np_plan *plan, char **ret_details, struct np_err *err);

/* The process that the call runs in. */
struct np_cni_host {
	struct np_cni_environment environment;
	const char *name; /* the host's; "" where it has none */
	struct np_kube_options
		kube; /* what the environment says; the configuration goes before it */
	struct np_state_options state; /* likewise */
	/* Reads standard input: at most NP_CNI_CONFIG_MAX bytes, with a NUL behind them; the caller's. */
	int (*read)(void *ctx, char **ret, size_t *ret_size, struct np_err *err);
	/* Sends the log to a file (NULL: where it went before), with `words` in front of each line. */
	int (*open_log)(void *ctx, const char *path, const char *words, struct np_err *err);
	void (*log)(void *ctx, const char *level, const char *text);
	void (*log_plan)(void *ctx, const struct np_plan *plan); /* the plan's warnings */
	void *ctx; /* of all four */
};

struct np_cni_answer {
	char *text; /* NULL: nothing, or no memory; see np_cni_answer_text() */
	unsigned code; /* of the error object; 0: the call succeeded */
};

/* Runs one call; whatever goes wrong is in the answer. */
void np_cni_run(const struct np_cni_host *host, struct np_cni_answer *ret);
void np_cni_answer_done(struct np_cni_answer *a);

/* Returns what goes to standard output: "" for nothing. */
const char *np_cni_answer_text(const struct np_cni_answer *a);

/* Returns the specification's word: "ADD", "1.1.0". */
const char *np_cni_command_name(enum np_cni_command command);
const char *np_cni_version_name(enum np_cni_version version);

#endif
