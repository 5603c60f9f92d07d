/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEPREP_CMD_NODEPREP_CMD_H
#define NODEPREP_CMD_NODEPREP_CMD_H

/*
 * cmd - what the subcommands share: options, input, log, exit status. Only here is the environment
 * read, a line logged and the process ended.
 */

#include "../common/log.h"
#include "../common/options.h"
#include "../common/vcenter.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nodeprep/err.h"
#include "nodeprep/kube.h"
#include "nodeprep/render.h"
#include "nodeprep/sync.h"
#include "nodeprep/warnings.h"

#define EXIT_FINDINGS 1

/* Where the classes are. */
enum classes_from { CLASSES_BY_DEFAULT, CLASSES_KUBERNETES, CLASSES_VCENTER };

/* What several commands take; what one alone takes is in its own file. */
struct options {
	struct texts files; /* -f */
	struct texts catalogues; /* --catalogue */
	struct texts captures; /* --catalogue-from */
	struct texts arguments; /* positional */
	struct texts as_groups; /* --as-group */
	bool recursive;
	bool may_list; /* without -f, pools are read from the API server */
	bool all_namespaces; /* -A */
	const char *labels; /* -l */
	const char *fields; /* --field-selector */
	enum np_format format;
	struct np_warning_set ignored; /* --ignore-warning */
	bool quiet; /* -q */
	bool allow_shrink;
	bool restore_hidden;
	uint64_t max_window; /* GB; 0: no bound but the contract's */
	uint64_t parallel; /* classes that are written at a time; 0: the default */
	enum np_dry_run dry_run;
	unsigned verbosity;
	unsigned log_form; /* enum log_form */
	bool help;
	struct np_kube_options kube;
	struct vcenter_flags vcenter;
	enum classes_from classes; /* --classes */
	const char *state_dir; /* --state-dir */
	uint64_t deadline; /* of the run, in np_clock_ms() */
};

struct command {
	const char *name;
	int (*run)(const struct options *o, struct np_err *err); /* exit status, or < 0 with *err */
	unsigned options; /* which groups of shared options it takes */
	const struct option_table *own; /* its own options; NULL: none */
	size_t arguments; /* how many positional ones at most */
	const char *usage; /* behind the name */
	const char *help;
};

enum option_group {
	OPT_INPUT = 1 << 0, /* -f -R --catalogue */
	OPT_OUTPUT = 1 << 1, /* -o */
	OPT_API = 1 << 2, /* kubectl's global options */
	OPT_PLAN = 1 << 3, /* --allow-shrink --restore-hidden-devices --ignore-warning */
	OPT_APPLY = 1 << 4, /* --dry-run */
	OPT_SVG = 1 << 5, /* -o svg too */
	OPT_CATALOGUE = 1 << 6, /* --catalogue without -f */
	OPT_VCENTER = 1 << 7, /* vCenter's options, --classes and --state-dir */
	OPT_TIMEOUT = 1 << 8, /* --timeout without the API's options */
	OPT_DAEMON = 1 << 9, /* runs until a signal */
	OPT_SESSION = 1 << 10, /* vCenter's options, and TLS without the API's options */
	OPT_LIVE = 1 << 11, /* -A -l --field-selector: pools of the API server in place of -f */
	OPT_PARALLEL = 1 << 12, /* --parallel */
	OPT_SELECTOR = 1 << 13, /* -l without -A and --field-selector */
};

/* The commands' own options. */
extern const struct option_table controller_options, host_apply_options, host_check_options,
	install_cni_options, node_check_options, revert_options, status_options, vm_apply_options,
	vm_check_options, vm_revert_options;

/* All commands; only main.c names them. */
struct commands {
	const struct command *items;
	size_t n;
};

/* main.c: returns the command of that name; NULL: there is none. */
const struct command *command_find(const struct commands *c, const char *name);

/* options.c: returns the index of the subcommand, which may follow global options; 0: there is none. */
int options_find_command(const struct commands *c, int argc, char *argv[]);

/* Reads the words around the subcommand, which stands first in argv. */
int options_parse(const struct command *c, int argc, char *argv[], struct options *ret,
		  struct np_err *err);
void options_done(struct options *o);

/* Reads what kubectl reads of the environment. */
void options_environment(struct np_kube_options *k);

/* Returns where records are kept: --state-dir, or what the environment says. */
struct np_state_options options_state(const char *dir);

/* Returns the limit of the whole run, in milliseconds. */
uint64_t options_timeout(const struct options *o);

/* Reads standard input, or a file; "-" is standard input. */
int options_load(const struct options *o, const char *path, char **ret, size_t *ret_size,
		 struct np_err *err);

void options_help(const struct command *c);

/* What completion needs: the command's options that begin with the word; and what its next word is. */
void options_complete(const struct command *c, const char *word);
const char *options_next_argument(const struct command *c, const char *word);
const char *options_next_name(const struct command *c, const char *word);

/* completion_values.c: what the names of kubeconfigs, of a server and of the program itself offer. */
struct completion {
	const struct command *c;
	int argc;
	char **argv; /* from the program's name on; the last word is what is completed */
	int at; /* of the command in argv */
	void (*offer)(const char *value, const char *help, const char *word);
};

/* Offers values of that option (NULL: of the positional argument); false: there are none to know. */
bool completion_values(const struct completion *x, const char *option);

/* completion.c: prints what may be the last word of argv, and in the last line ":4", or ":0" for files too. */
int run_complete(const struct commands *commands, int argc, char *argv[], struct np_err *err);

void options_overview(const struct commands *c);

/* warnings.c: logs the warnings of the plan, its classes and its templates, each line once a run. */
void log_notes(const struct np_plan *plan);
/* The same, without those that are findings of `check`. */
void log_minor_notes(const struct np_plan *plan);
/* The same, but of the classes and templates alone that `name` selects for `explain`. */
void log_notes_of(const struct np_plan *plan, const char *name);
void log_plan_errors(const struct np_plan *plan);

/* hints.c: says that the server has no such namespace, and returns true, if that is known. */
bool log_missing_namespace(struct np_kube *kube, const char *ns);

/* hints.c: says that no class of the namespace is managed, or that the namespace does not exist; NULL: no class at all. */
void log_no_status(struct np_kube *kube, const char *ns);

/* hints.c: names near classes for those that were not found, in the input or on the server (NULL: there is none). */
void log_hints(struct np_kube *kube, const struct np_plan *plan);

/* Notes the code of an error that is logged. */
void hints_note(enum np_code code);

/* Names the ClusterRoles that grant what the command needs, if the server forbade anything of it. */
void hints_log_role(const struct command *c, const struct options *o);

/* progress.c: one line on a terminal's stderr that comes and goes; nothing elsewhere. */
void progress_init(const struct options *o);
void progress_show(void *ctx, enum np_sync_stage stage, size_t done, size_t total);
void progress_clear(void);

/* signals.c: from here on SIGINT and SIGTERM are noted, and the second one kills. */
void signals_watch(void);
bool signals_is_stopped(void *ctx);

/* A file's text, to be given back corrected. */
struct kept_file {
	char *name;
	char *bytes;
	size_t size;
};

/* What a subcommand works on: catalogue, input, and the classes from the input or the API. */
struct work {
	struct np_catalogue *catalogue;
	struct np_input input;
	struct np_selector *selector; /* of -l, for what -f names; NULL: none */
	struct np_kube_config *config;
	struct np_err config_error; /* why there is no config, where there is none */
	struct np_kube *kube; /* NULL: not connected */
	struct np_vcenter *vcenter; /* NULL: not connected */
	struct np_state *state;
	struct np_class_store store; /* of the classes, once connected */
	struct np_fetched fetched;
	struct np_plan plan;
	size_t n_kept;
	struct kept_file *kept; /* texts of flat cluster-configuration files */
	bool tolerate_record; /* an invalid record is what is looked for, not what stops */
	bool has_capacity; /* the hosts' capacity is added to the plan */
	bool failed; /* the input could be parsed, but the plan holds errors and nothing else */
};

void work_done(struct work *w);

/*
 * input.c: makes the catalogue, and reads everything that -f names. Fails where bytes cannot be
 * parsed; whatever else is wrong with the documents sets w->failed and stands in w->plan.errors.
 */
int work_load(const struct options *o, struct work *w, struct np_err *err);

/* Reads the files of -f, as far as they can be read. */
int work_load_files(const struct options *o, struct work *w, struct np_err *err);

/* Finds out where the API is; an error is reported once the API is needed. work_load() does it too. */
void work_load_config(const struct options *o, struct work *w);

/* Makes *what the error of a plan that has failed, once the input is parsed. */
int work_fail(struct work *w, const struct np_err *what, struct np_err *err);

/* live.c: tells whether the pools are read from the API server, and refuses options that contradict each other. */
int live_is_wanted(const struct options *o, bool *ret, struct np_err *err);

/* Adds the server's NodePools, Clusters and TanzuKubernetesClusters to the input. */
int live_load(const struct options *o, struct work *w, struct np_err *err);

/* Parses -l for what -f names. */
int live_select(const struct options *o, struct work *w, struct np_err *err);

/* Logs which pools `apply` leaves to the controller or a hook, which registered them. */
void live_log_left(const struct np_plan *plan);

/* Tells whether the classes are vCenter's. */
bool is_vcenter(const struct options *o);

/* Connects to where the classes are; fails where no server is configured. */
int work_connect(const struct options *o, struct work *w, struct np_err *err);

/* Makes a client of the vCenter that the options name. */
int vcenter_connect(const struct options *o, struct np_vcenter **ret, struct np_err *err);

/* Connects to the API server of the pools, which w->kube is from then on. */
int work_connect_pools(const struct options *o, struct work *w, struct np_err *err);

/* Connects to the API server that the options name; to none where they name none. */
int work_connect_kube(const struct options *o, struct work *w, struct np_err *err);

/* Plans: with the input's classes where it holds any, else with fetched ones. */
int work_plan(const struct options *o, struct work *w, struct np_err *err);

/* Plans for a command about a vCenter's hosts or VMs, and connects to it; fails where the plan has an error. */
int work_plan_valid(const struct options *o, struct work *w, const char *otherwise,
		    struct np_err *err);

struct np_plan_options plan_options(const struct options *o, const struct work *w);

/* output.c: tells whether programs read the form, which then holds the errors as well. */
bool is_for_programs(const struct options *o);

/* Writes to stdout; a failure is an error, so that a full disk is not taken for success. */
int put(const char *text, struct np_err *err);

/* Writes the plan to standard output. */
int put_plan(const struct np_plan *plan, enum np_format format, struct np_err *err);

/* Prints the changes of host-apply or vm-apply in the format asked for; `member` names an item's object. */
struct np_vsphere_changes;
int put_changes(const struct options *o, const struct np_vsphere_changes *c, const char *kind,
		const char *member, struct np_err *err);

/* Tells whether standard output is a terminal with colours, and NO_COLOR is not set. */
bool is_colour_terminal(void);

/* Tells whether it failed because the reader has gone. */
bool put_was_cut(void);

/*
 * manifests.c: writes what puts the plan's replacements of templates in place, as YAML for kubectl apply,
 * and flat files corrected.
 */
int put_manifests(const struct work *w, bool *ret_any, struct np_err *err);

/* Keeps the bytes where a flat file was added since there were `n_before` templates. */
int keep_flat_take(struct work *w, const char *name, size_t n_before, char **bytes, size_t size,
		   struct np_err *err);

/* Says what the new templates will do to nodes. */
void log_rollouts(const struct np_plan *plan);

/* Print and log what apply did to templates and MachineDeployments. */
int put_applied(const struct options *o, const struct np_sync_objects *objects, struct np_err *err);
void log_applied(const struct np_sync_objects *objects);

/* cni.c: answers a CNI runtime; returns the exit status. */
int run_cni(void);

int run_apply(const struct options *o, struct np_err *err);
int run_check(const struct options *o, struct np_err *err);
int run_completion(const struct options *o, struct np_err *err);
int run_controller(const struct options *o, struct np_err *err);
int run_diff(const struct options *o, struct np_err *err);
int run_explain(const struct options *o, struct np_err *err);
int run_gpus(const struct options *o, struct np_err *err);
int run_help(const struct options *o, struct np_err *err);
int run_host_apply(const struct options *o, struct np_err *err);
int run_host_check(const struct options *o, struct np_err *err);
int run_install_cni(const struct options *o, struct np_err *err);
int run_node_check(const struct options *o, struct np_err *err);
int run_plan(const struct options *o, struct np_err *err);
int run_revert(const struct options *o, struct np_err *err);
int run_status(const struct options *o, struct np_err *err);
int run_version(const struct options *o, struct np_err *err);
int run_vm_apply(const struct options *o, struct np_err *err);
int run_vm_check(const struct options *o, struct np_err *err);
int run_vm_revert(const struct options *o, struct np_err *err);

#endif
