/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "nodeprep/text.h"

/* What revert alone takes. */
static struct flags {
	bool all_holders, discard_record, yes;
	const char *holder; /* NULL: "apply" */
} flags;

#define AT(member) offsetof(struct flags, member)

static const struct option_row rows[] = {
	{ "all-holders", 0, NULL, OPTION_FLAG, AT(all_holders),
	  .help = "release every registration of the pools' classes, by any holder" },
	{ "discard-record", 0, NULL, OPTION_FLAG, AT(discard_record),
	  .help = "remove the classes' records, valid or not, and leave every field as it is" },
	{ "holder", 0, "NAME", OPTION_TEXT, AT(holder),
	  .help = "release what this holder registered, such as controller; apply by default" },
	{ "yes", 'y', NULL, OPTION_FLAG, AT(yes),
	  .help = "do not ask before releasing for others" },
};

const struct option_table revert_options = { OPTION_ROWS(rows), &flags, 0 };

static const char *dry_run_text(const struct options *o)
{
	return o->dry_run == NP_DRY_RUN_CLIENT   ? " (dry run)"
	       : o->dry_run == NP_DRY_RUN_SERVER ? " (server dry run)"
						 : "";
}

static bool has_several_namespaces(const struct np_plan *plan)
{
	for (size_t i = 1; i < plan->n_classes; i++) {
		const char *a = plan->classes[0].ns, *b = plan->classes[i].ns;

		if (strcmp(a ? a : "", b ? b : "") != 0)
			return true;
	}
	return false;
}

/* One line a class, as kubectl prints them; with its namespace where the name alone may mean two. */
static void print_class(const struct options *o, const struct np_plan *plan, size_t i,
			const struct np_sync_outcome *r)
{
	const struct np_plan_class *c = &plan->classes[i];
	bool with_ns = c->ns && has_several_namespaces(plan);
	char what[NP_CHANGE_TEXT_MAX] = "";

	if (r->result == NP_SYNC_FAILED || !c->found)
		return;
	printf("virtualmachineclass.%s/",
	       strcmp(plan->api, "vcenter") == 0 ? "vcenter" : NP_VMCLASS_GROUP);
	np_text_write(stdout, c->name);
	if (r->result == NP_SYNC_PATCHED)
		np_render_change_text(&c->change, what);
	printf(" %s%s%s%s%s%s", np_sync_result_name(r->result), what[0] ? " (" : "", what,
	       what[0] ? ")" : "", r->result == NP_SYNC_PATCHED ? dry_run_text(o) : "",
	       with_ns ? " in namespace " : "");
	np_text_write(stdout, with_ns ? c->ns : "");
	fputc('\n', stdout);
}

static void log_failure(const struct np_plan_class *c, const struct np_sync_outcome *r)
{
	if (r->result != NP_SYNC_FAILED)
		return;
	hints_note(r->error.code);
	log_format("error", "virtualmachineclass %s%s%s: %s", c->ns ? c->ns : "", c->ns ? "/" : "",
		   c->name, r->error.text);
}

static size_t count_results(const struct np_sync *a, enum np_sync_result result)
{
	size_t n = 0;

	for (size_t i = 0; i < a->plan.n_classes; i++)
		n += a->classes[i].result == result;
	return n;
}

/* What the user must know next: changes reach no VM that runs; a part that failed can be redone. */
static void log_outcome(const struct options *o, const struct np_sync *a, bool revert)
{
	size_t failed = count_results(a, NP_SYNC_FAILED);
	size_t patched = count_results(a, NP_SYNC_PATCHED);

	if (failed > 0 && a->plan.n_classes > 1)
		log_format("error", "%s%zu of %zu classes %s; run %s again to finish",
			   a->was_stopped ? "interrupted: " : "", failed, a->plan.n_classes,
			   a->was_stopped ? "are not written" : "failed",
			   revert ? "revert" : "apply");
	if (patched > 0 && o->dry_run == NP_DRY_RUN_NONE && !flags.discard_record)
		log_line("info",
			 "changes apply to newly created VMs only; roll out the node pools");
}

static int print_results(const struct options *o, const struct np_sync *a,
			 const struct np_sync_objects *objects, struct np_err *err)
{
	NP_AUTO(np_freep) char *text = NULL;
	json_auto_t *tree = NULL;

	if (o->format == NP_FORMAT_JSON || o->format == NP_FORMAT_YAML) {
		tree = np_sync_tree(a);
		if (!tree || np_sync_objects_add(tree, objects) < 0)
			return np_fail_nomem(err);
		if (np_render_tree(tree, o->format, &text, err) < 0)
			return np_err_ret(err);
		return put(text, err);
	}
	if (o->format == NP_FORMAT_WIDE && np_render_plan(&a->plan, o->format, &text, err) < 0)
		return np_err_ret(err);
	if (text && (put(text, err) < 0 || put("\n", err) < 0))
		return np_err_ret(err);
	for (size_t i = 0; a->classes && i < a->plan.n_classes; i++)
		print_class(o, &a->plan, i, &a->classes[i]);
	return put_applied(o, objects, err);
}

/* A class that is gone needs no way back. */
static void log_missing(const struct np_plan *plan)
{
	for (size_t i = 0; i < plan->n_classes; i++) {
		const struct np_plan_class *c = &plan->classes[i];

		if (!c->found && strcmp(plan->api, "vcenter") == 0)
			log_format("info", "VM class '%s' not found: nothing to revert", c->name);
		else if (!c->found)
			log_format("info", "virtualmachineclass %s/%s not found: nothing to revert",
				   c->ns, c->name);
	}
}

/* Without a record nothing can be restored: say where it was looked for. */
static void log_records(const struct work *w, const struct np_plan *plan)
{
	char path[NP_STATE_PATH_MAX];

	for (size_t i = 0; i < plan->n_classes; i++) {
		const struct np_plan_class *c = &plan->classes[i];

		if (!c->class || c->n_pools == 0 || c->class->managed)
			continue;
		np_state_path(w->state, w->store.group, c->name, path);
		log_format("info",
			   "VM class '%s' has no record in '%s': nothing to revert; --state-dir "
			   "names the folder of the records",
			   c->name, path);
	}
}

/* A template that no new one replaces: what is to be done with it is the user's. */
static void log_templates(const struct np_plan *plan, bool all)
{
	char text[NP_PLAN_TEMPLATE_TEXT_MAX];

	for (size_t i = 0; i < plan->n_templates; i++) {
		if (np_plan_template_new_name(&plan->templates[i]) && !all)
			continue;
		np_plan_template_text(&plan->templates[i], text);
		log_line("info", text);
	}
}

/* --- releasing for others -------------------------------------------------------------------- */

static bool is_for_others(void)
{
	return flags.all_holders || flags.holder;
}

static int check_flags(const struct options *o, struct np_err *err)
{
	if (flags.discard_record && is_for_others())
		return np_fail(
			err, NP_E_USAGE,
			"--discard-record is mutually exclusive with --holder and --all-holders");
	if (flags.all_holders && flags.holder)
		return np_fail(err, NP_E_USAGE,
			       "--holder and --all-holders are mutually exclusive");
	if (flags.holder && flags.holder[0] == '\0')
		return np_fail(err, NP_E_USAGE, "--holder '': expected a name, such as controller");
	if (is_for_others() && !flags.yes && o->dry_run == NP_DRY_RUN_NONE && !isatty(STDIN_FILENO))
		return np_fail(err, NP_E_USAGE,
			       "--holder and --all-holders release what other programs registered: "
			       "confirm it with --yes, or look first with --dry-run=client");
	return 0;
}

/* A class whose registrations are listed. */
struct listing {
	const struct np_plan_class *c;
	struct np_class_desired want;
};

static bool list_registration(void *ctx, const char *id, const char *holder)
{
	const struct listing *l = ctx;

	if (np_vmclass_is_reverted(&l->want, id, holder))
		fprintf(stderr, "  class %s%s%s: pool '%s', registered by '%s'\n",
			l->c->ns ? l->c->ns : "", l->c->ns ? "/" : "", l->c->name, id, holder);
	return true;
}

/* Lists what the plan releases; the ids of its pools are the members. */
static int list_class(const struct np_plan *plan, const struct np_plan_class *c, struct np_err *err)
{
	struct listing l = { .c = c };
	NP_AUTO(np_freep) struct np_member *members = calloc(c->n_pools + 1, sizeof(*members));
	NP_AUTO(np_freep) char(*ids)[NP_POOL_ID_MAX] = calloc(c->n_pools + 1, sizeof(*ids));

	if (!members || !ids)
		return np_fail_nomem(err);
	for (size_t i = 0; i < c->n_pools; i++) {
		np_pool_id(plan->pools[c->pools[i]].pool, ids[i]);
		members[i].id = ids[i];
	}
	l.want.members = members;
	l.want.n_members = c->n_pools;
	l.want.all_holders = flags.all_holders;
	l.want.holder = flags.holder;
	np_vmclass_record_each(c->class ? c->class->managed : NULL, list_registration, &l);
	return 0;
}

/* Lists what will be released, and asks; returns 1 for yes, 0 for no. */
static int confirm(const struct np_plan *plan, struct np_err *err)
{
	char answer[16] = "";

	fputs("These registrations will be released:\n", stderr);
	for (size_t i = 0; i < plan->n_classes; i++)
		if (plan->classes[i].n_pools > 0 && list_class(plan, &plan->classes[i], err) < 0)
			return np_err_ret(err);
	fputs("A class without registrations gets its original values, whatever VMs use it. A program\n"
	      "that still runs, such as the controller, registers its pools again.\n"
	      "Release them? [y/N] ",
	      stderr);
	if (!fgets(answer, sizeof(answer), stdin))
		return 0;
	return strcasecmp(answer, "y\n") == 0 || strcasecmp(answer, "yes\n") == 0;
}

/* Reads and patches; what stands against that, once the input is parsed, is the plan's error. */
static int patch(const struct options *o, bool revert, enum np_dry_run dry_run, struct work *w,
		 struct np_sync *ret, struct np_err *err)
{
	struct np_sync_options ao = {
		.dry_run = dry_run,
		.parallel = (unsigned)o->parallel,
		.progress = { .progress = progress_show, .is_stopped = signals_is_stopped },
	};
	struct np_err why = NP_ERR_INIT;

	if (work_load(o, w, err) < 0)
		return np_err_ret(err);
	if (!w->failed && w->input.n_classes > 0)
		log_format("info",
			   "%zu VirtualMachineClass document(s) in the input are ignored: the "
			   "server's are read",
			   w->input.n_classes);
	ao.plan = plan_options(o, w);
	ao.plan.revert = revert;
	ao.plan.discard_record = revert && flags.discard_record;
	ao.plan.all_holders = revert && flags.all_holders;
	if (revert && flags.holder)
		ao.plan.holder = flags.holder;
	signals_watch();
	if (!w->failed &&
	    (work_connect(o, w, &why) < 0 ||
	     np_sync_run(&w->store, &w->input, &ao, ret, &why) < 0) &&
	    work_fail(w, &why, err) < 0)
		return np_err_ret(err);
	if (w->failed) {
		ret->plan = w->plan;
		w->plan = (struct np_plan){ 0 };
	}
	progress_clear();
	return 0;
}

static void log_all(const struct options *o, const struct np_sync *a, bool revert)
{
	if (o->format == NP_FORMAT_TABLE)
		log_notes(&a->plan);
	log_templates(&a->plan, revert || is_vcenter(o));
	log_plan_errors(&a->plan);
	if (!a->classes && np_plan_code(&a->plan) == NP_OK)
		log_line("error", "a pool holds a placeholder: nothing was written");
	for (size_t i = 0; a->classes && i < a->plan.n_classes; i++)
		log_failure(&a->plan.classes[i], &a->classes[i]);
	if (a->classes)
		log_outcome(o, a, revert);
	if (revert)
		log_missing(&a->plan);
}

static int run_patches(const struct options *o, bool revert, struct np_err *err)
{
	NP_AUTO(work_done) struct work w = { 0 };
	NP_AUTO(np_sync_done) struct np_sync a = { 0 };
	NP_AUTO(np_sync_objects_done) struct np_sync_objects objects = { 0 };
	int status, other;

	if (patch(o, revert, o->dry_run, &w, &a, err) < 0)
		return np_err_ret(err);
	if (!revert && a.classes && !a.was_stopped && w.kube && !is_vcenter(o) &&
	    np_sync_templates(w.kube, &a.plan, o->dry_run, &objects, err) < 0)
		return np_err_ret(err);
	if ((!w.failed || is_for_programs(o)) && print_results(o, &a, &objects, err) < 0)
		return np_err_ret(err);
	log_all(o, &a, revert);
	if (!revert)
		log_hints(is_vcenter(o) ? NULL : w.kube, &a.plan);
	if (revert && w.state)
		log_records(&w, &a.plan);
	log_applied(&objects);
	if (!revert)
		live_log_left(&a.plan);
	status = np_code_exit_status(np_sync_code(&a));
	other = np_code_exit_status(np_sync_objects_code(&objects));
	return other > status ? other : status;
}

int run_apply(const struct options *o, struct np_err *err)
{
	return run_patches(o, false, err);
}

/* Plans, and asks whether to go on: 1, or 0 where not. A plan with errors is left to the run itself. */
static int ask(const struct options *o, struct np_err *err)
{
	NP_AUTO(work_done) struct work w = { 0 };
	NP_AUTO(np_sync_done) struct np_sync a = { 0 };

	if (patch(o, true, NP_DRY_RUN_CLIENT, &w, &a, err) < 0)
		return np_err_ret(err);
	return a.classes ? confirm(&a.plan, err) : 1;
}

int run_revert(const struct options *o, struct np_err *err)
{
	int go_on = 1;

	if (check_flags(o, err) < 0)
		return np_err_ret(err);
	if (is_for_others() && !flags.yes && o->dry_run == NP_DRY_RUN_NONE)
		go_on = ask(o, err);
	if (go_on < 0)
		return go_on;
	if (go_on > 0)
		return run_patches(o, true, err);
	log_line("info", "cancelled: nothing was written");
	return 0;
}
