/* SPDX-License-Identifier: Apache-2.0 */
#include "../common/catalogue.h"
#include "cmd.h"
#include "node_cmd.h"

#include <bsd/string.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "nodeprep/file.h"
#include "nodeprep/kube.h"
#include "nodeprep/nodecheck.h"
#include "nodeprep/report.h"
#include "nodeprep/time.h"

#define POLL_MS 500
#define TERMINATION_LOG "/dev/termination-log"
#define TERMINATION_MAX 4096 /* what the kubelet keeps of it */

/* A NULL is an option that was not given. */
static struct flags {
	const char *sysfs, *procfs, *log;
	const char *expect; /* --expect */
	const char *pool; /* --pool */
	const char *driver;
	const char *node_name;
	const char *termination_log;
	uint64_t wait_ms;
	bool patch_node, remove_taint;
} flags;

#define AT(member) offsetof(struct flags, member)

static const struct option_row rows[] = {
	{ "driver", 0, "NAME", OPTION_TEXT, AT(driver),
	  .help = "every GPU must be bound to this driver" },
	{ "expect", 0, "MODEL=N[,...]", OPTION_TEXT, AT(expect),
	  .help = "GPUs that the node must have; default: -f, $NODEPREP_EXPECT, the Node's annotation" },
	{ "kmsg", 0, "FILE", OPTION_TEXT, AT(log),
	  .help = "the kernel's log; /dev/kmsg by default, none with --sysfs" },
	{ "node-name", 0, "NAME", OPTION_TEXT, AT(node_name),
	  .help = "the Node to read and to patch, $NODE_NAME by default" },
	{ "patch-node", 0, NULL, OPTION_FLAG, AT(patch_node),
	  .help = "set the Node's condition GPUWindowReady, and create an Event" },
	{ "pool", 0, "NAME", OPTION_TEXT, AT(pool), .help = "the node's pool, of those in -f" },
	{ "procfs", 0, "DIR", OPTION_TEXT, AT(procfs), .help = "path of procfs, /proc by default" },
	{ "remove-taint", 0, NULL, OPTION_FLAG, AT(remove_taint),
	  .help = "remove the Node's taint nodeprep.dev/unverified when all checks pass" },
	{ "sysfs", 0, "DIR", OPTION_TEXT, AT(sysfs), .help = "path of sysfs, /sys by default" },
	{ "termination-log", 0, "FILE", OPTION_TEXT, AT(termination_log),
	  .help = "also write the result to this file; in a pod /dev/termination-log" },
	{ "wait", 0, "DURATION", OPTION_DURATION, AT(wait_ms),
	  .help = "repeat until all checks pass, for at most this time, such as 120s" },
};

const struct option_table node_check_options = { OPTION_ROWS(rows), &flags, 0 };

/* Where failures go before they are told: a waiting run may still be remedied. */
struct run {
	struct work work; /* catalogue, -f, the API */
	struct np_expectation expectation;
	struct np_node_hw machine;
	struct np_report report;
};

static void run_done(struct run *r)
{
	np_report_done(&r->report);
	np_nodecheck_done(&r->machine);
	free(r->expectation.items);
	work_done(&r->work);
}

/* --- what is expected --------------------------------------------------------------------------- */

static int make_room(struct np_expectation *x, size_t n, struct np_err *err)
{
	x->items = calloc(n > 0 ? n : 1, sizeof(*x->items));
	return x->items ? 0 : np_fail_nomem(err);
}

static int expect_asks(struct np_expectation *x, const struct np_gpu_request *asks, size_t n,
		       struct np_err *err)
{
	if (make_room(x, n, err) < 0)
		return np_err_ret(err);
	for (size_t i = 0; i < n; i++) {
		struct np_expected *e = &x->items[i];

		*e = (struct np_expected){ .gpu = asks[i].gpu,
					   .exact = asks[i].exact,
					   .id = asks[i].id,
					   .is_vgpu = !!asks[i].vgpu_profile,
					   .count = asks[i].count };
		strlcpy(e->text, asks[i].text, sizeof(e->text));
	}
	x->n = n;
	return 0;
}

static int expect_cards(struct np_expectation *x, const struct np_card *cards, size_t n,
			struct np_err *err)
{
	if (make_room(x, n, err) < 0)
		return np_err_ret(err);
	for (size_t i = 0; i < n; i++) {
		struct np_expected *e = &x->items[i];
		const char *profile = cards[i].profile;
		char id[NP_PCI_ID_MAX];

		*e = (struct np_expected){ .gpu = cards[i].gpu,
					   .exact = cards[i].has_id && !profile,
					   .id = cards[i].id,
					   .is_vgpu = !!profile,
					   .count = cards[i].addend.count };
		/* A profile is compared with the driver's name of it. */
		strlcpy(e->text, profile ? profile : np_plan_card_name(&cards[i], id),
			sizeof(e->text));
	}
	x->n = n;
	return 0;
}

static int expect_text(struct run *r, const char *source, const char *text, struct np_err *err)
{
	NP_AUTO(np_pool_requests_done) struct np_gpu_requests asks = { 0 };

	if (np_pool_requests_parse(r->work.catalogue, source, text, &asks, err) < 0)
		return np_err_ret(err);
	r->expectation.source = source;
	return expect_asks(&r->expectation, asks.items, asks.n, err);
}

static bool is_pool(const struct np_pool *pool, const char *name)
{
	char id[NP_POOL_ID_MAX];

	np_pool_id(pool, id);
	return strcmp(pool->name, name) == 0 || strcmp(id, name) == 0;
}

static int find_pool(const struct np_plan *plan, const struct np_plan_pool **ret,
		     struct np_err *err)
{
	size_t n = 0;

	for (size_t i = 0; i < plan->n_pools; i++) {
		if (!flags.pool || is_pool(plan->pools[i].pool, flags.pool)) {
			*ret = &plan->pools[i];
			n++;
		}
	}
	if (n == 1)
		return 0;
	if (n == 0 && flags.pool)
		return np_fail(err, NP_E_NOT_FOUND, "no pool '%s' in the input", flags.pool);
	if (n == 0)
		return np_fail(err, NP_E_SPEC, "no pool in the input");
	if (flags.pool)
		return np_fail(err, NP_E_USAGE,
			       "%zu pools are called '%s': set --pool namespace/cluster/pool", n,
			       flags.pool);
	return np_fail(err, NP_E_USAGE, "the input has %zu pools: select one with --pool", n);
}

static bool is_class_known(const struct np_plan *plan, const struct np_plan_pool *pool)
{
	if (pool->template_index != SIZE_MAX)
		return !!plan->templates[pool->template_index].template;
	return pool->class_index != SIZE_MAX && plan->classes[pool->class_index].found;
}

/* The class decides what a node gets; without it what the pool names is the least. */
static int expect_pool(const struct options *o, struct run *r, struct np_err *err)
{
	const struct np_plan_options p = plan_options(o, &r->work);
	const struct np_plan_pool *pool = NULL;

	if (np_plan_make(&r->work.input, &p, &r->work.plan, err) < 0 ||
	    find_pool(&r->work.plan, &pool, err) < 0)
		return np_err_ret(err);
	r->expectation.source = "the pool";
	if (pool->has_gpus && !pool->none_known && is_class_known(&r->work.plan, pool))
		return expect_cards(&r->expectation, pool->cards, pool->n_cards, err);
	if (pool->pool->gpus_unknown || pool->pool->n_requests == 0)
		return np_fail(err, NP_E_SPEC,
			       "pool '%s' does not say which GPUs a node gets: add its "
			       "VirtualMachineClass with -f, or name them in `gpus`",
			       pool->pool->name);
	r->expectation.allows_more = true;
	return expect_asks(&r->expectation, pool->pool->requests, pool->pool->n_requests, err);
}

static const char *node_name(void)
{
	const char *name = flags.node_name ? flags.node_name : getenv("NODE_NAME");

	return name && name[0] != '\0' ? name : NULL;
}

static int connect_api(const struct options *o, struct run *r, struct np_err *err)
{
	if (r->work.kube)
		return 0;
	if (!r->work.config && r->work.config_error.code == NP_OK)
		work_load_config(o, &r->work);
	return work_connect(o, &r->work, err);
}

/* A name of the environment alone asks for nothing where there is no API. */
static int expect_annotation(const struct options *o, struct run *r, struct np_err *err)
{
	json_auto_t *node = NULL;
	const char *text;

	if (!node_name() || (!flags.node_name && !np_kube_is_configured(&o->kube)))
		return 0;
	if (connect_api(o, r, err) < 0 ||
	    np_nodecheck_node_fetch(r->work.kube, node_name(), &node, err) < 0)
		return np_err_ret(err);
	text = np_nodecheck_node_annotation(node);
	return text ? expect_text(r, "the Node's annotation nodeprep.dev/gpus", text, err) : 0;
}

/* Reads -f; prints each document's error in a line; the first one is the error. */
static int load_pools(const struct options *o, struct run *r, struct np_err *err)
{
	if (work_load(o, &r->work, err) < 0)
		return np_err_ret(err);
	if (!r->work.failed)
		return 0;
	for (size_t i = 1; i < r->work.plan.n_errors; i++)
		log_line("error", r->work.plan.errors[i].text);
	*err = r->work.plan.errors[0];
	return np_err_ret(err);
}

static int load_expectation(const struct options *o, struct run *r, struct np_err *err)
{
	const char *environment = getenv("NODEPREP_EXPECT");

	if (flags.expect && o->files.n > 0)
		return np_fail(err, NP_E_USAGE, "--expect and -f are mutually exclusive");
	if (flags.pool && o->files.n == 0)
		return np_fail(err, NP_E_USAGE, "--pool needs -f, where the pool is");
	if (o->files.n > 0)
		return load_pools(o, r, err) < 0 ? np_err_ret(err) : expect_pool(o, r, err);
	if (catalogue_load(&o->catalogues, &o->captures, &r->work.catalogue, err) < 0)
		return np_err_ret(err);
	if (flags.expect)
		return expect_text(r, "--expect", flags.expect, err);
	if (environment && environment[0] != '\0')
		return expect_text(r, "NODEPREP_EXPECT", environment, err);
	return expect_annotation(o, r, err);
}

/* --- looking ------------------------------------------------------------------------------------ */

static struct np_nodecheck_roots machine_roots(void)
{
	/* The log of this machine says nothing of one whose sysfs lies elsewhere. */
	const char *log = flags.sysfs ? NULL : "/dev/kmsg";

	return (struct np_nodecheck_roots){
		.sysfs = flags.sysfs ? flags.sysfs : "/sys",
		.procfs = flags.procfs ? flags.procfs : "/proc",
		.log = flags.log ? flags.log : log,
	};
}

static int look(struct run *r, struct np_err *err)
{
	const struct np_nodecheck_roots roots = machine_roots();
	const struct np_nodecheck_options options = { .catalogue = r->work.catalogue,
						      .expectation = &r->expectation,
						      .driver = flags.driver };

	np_report_done(&r->report);
	np_nodecheck_done(&r->machine);
	if (np_nodecheck_scan(&roots, r->work.catalogue, &r->machine, err) < 0)
		return np_err_ret(err);
	return np_nodecheck_judge(&r->machine, &options, &r->report, err);
}

/* Looks until all is well, nothing can get better any more (twice, to be sure), time is up, or a signal came. */
static int look_until(struct run *r, struct np_err *err)
{
	uint64_t end = np_clock_ms() + flags.wait_ms;
	unsigned finals = 0;

	for (;;) {
		uint64_t now;

		if (look(r, err) < 0)
			return np_err_ret(err);
		finals = r->report.is_final ? finals + 1 : 0;
		now = np_clock_ms();
		if (r->report.pass == NP_VERDICT_YES || finals > 1 || now >= end ||
		    signals_is_stopped(NULL))
			return 0;
		now = end - now < POLL_MS ? end - now : POLL_MS;
		nanosleep(&(struct timespec){ .tv_nsec = (long)now * 1000000 }, NULL);
	}
}

/* --- telling ------------------------------------------------------------------------------------ */

static int print_report(const struct options *o, const struct run *r, struct np_err *err)
{
	const struct np_nodecheck_options options = {
		.catalogue = r->work.catalogue,
		.expectation = (struct np_expectation *)(uintptr_t)&r->expectation
	};
	NP_AUTO(np_freep) char *text = NULL;
	json_auto_t *tree = NULL;

	if (!is_for_programs(o)) {
		if (np_nodecheck_text(&r->machine, &r->report, o->format == NP_FORMAT_WIDE, &text,
				      err) < 0)
			return np_err_ret(err);
		return put(text, err);
	}
	tree = np_nodecheck_tree(&r->machine, &options, &r->report);
	if (!tree)
		return np_fail_nomem(err);
	if (np_render_tree(tree, o->format, &text, err) < 0)
		return np_err_ret(err);
	return put(text, err);
}

/* Writes where the user says, else in a pod where the kubelet looks; an empty file there is the kubelet's. */
static int write_last_words(const char *path, const char *text, struct np_err *err)
{
	NP_AUTO(np_closep) int fd = -1;
	int how = flags.termination_log ? O_TRUNC | O_CREAT : O_TRUNC;
	size_t size = strlen(text);

	if (np_file_open_write(path, how, 0644, &fd, err) < 0)
		return np_err_ret(err);
	if (write(fd, text, size < TERMINATION_MAX ? size : TERMINATION_MAX) < 0)
		return np_fail(err, NP_E_IO, "'%s': %s", path, strerror(errno));
	return 0;
}

static void write_termination_log(const char *text)
{
	const char *path = flags.termination_log ? flags.termination_log : TERMINATION_LOG;
	struct np_err err = NP_ERR_INIT;

	if (!flags.termination_log &&
	    (!getenv("KUBERNETES_SERVICE_HOST") || access(path, F_OK) < 0))
		return;
	if (write_last_words(path, text, &err) < 0)
		log_line("warning", err.text);
}

/* A node that failed has failed, whether or not the API could be told. */
static int tell_api(const struct options *o, struct run *r, const char *brief, struct np_err *err)
{
	const struct np_node_report news = { .name = node_name(),
					     .pass = r->report.pass,
					     .brief = brief,
					     .patch = flags.patch_node,
					     .remove_taint = flags.remove_taint };
	struct np_err why = NP_ERR_INIT;

	if (!news.patch && !news.remove_taint)
		return 0;
	if (connect_api(o, r, &why) == 0 &&
	    np_nodecheck_node_report(r->work.kube, &news, &why) == 0)
		return 0;
	if (r->report.pass != NP_VERDICT_YES) {
		log_line("warning", why.text);
		return 0;
	}
	*err = why;
	return np_err_ret(err);
}

static int tell(const struct options *o, struct run *r, struct np_err *err)
{
	NP_AUTO(np_freep) char *brief = NULL;

	if (np_report_brief(&r->report, "node-check", TERMINATION_MAX, &brief, err) < 0)
		return np_err_ret(err);
	write_termination_log(brief);
	if (print_report(o, r, err) < 0)
		return np_err_ret(err);
	return tell_api(o, r, brief, err);
}

int exit_of_verdict(enum np_verdict pass)
{
	if (pass == NP_VERDICT_UNKNOWN)
		return np_code_exit_status(NP_E_RETRY);
	return pass == NP_VERDICT_YES ? 0 : EXIT_FINDINGS;
}

static int check_node(const struct options *o, struct run *r, struct np_err *err)
{
	if ((flags.patch_node || flags.remove_taint) && !node_name())
		return np_fail(err, NP_E_USAGE,
			       "--patch-node and --remove-taint need --node-name or NODE_NAME");
	if (load_expectation(o, r, err) < 0 || look_until(r, err) < 0)
		return np_err_ret(err);
	/* The wait is over; the limit of the run bounds what is left. */
	np_file_set_deadline(np_clock_ms() + options_timeout(o));
	if (tell(o, r, err) < 0)
		return np_err_ret(err);
	return exit_of_verdict(r->report.pass);
}

int run_node_check(const struct options *o, struct np_err *err)
{
	NP_AUTO(run_done) struct run r = { 0 };
	int status;

	/* As a container's first process it would not end by a signal that it does not handle. */
	signals_watch();
	status = check_node(o, &r, err);
	if (status < 0) {
		char text[NP_ERR_TEXT_MAX + 32];

		snprintf(text, sizeof(text), "node-check: error: %s\n", err->text);
		write_termination_log(text);
	}
	return status;
}
