/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "nodeprep/cni.h"
#include "nodeprep/file.h"
#include "nodeprep/time.h"

/* A runtime writes the configuration at once; one that does not is not waited for. */
#define STDIN_MS 10000
#define CODE_UNAVAILABLE 50
/* A runtime asks for the status often, and wants to know soon. */
#define STATUS_MS UINT64_C(10000)

/* One call, from the environment to the answer. */
struct exec {
	struct np_cni_call call;
	enum np_cni_version version; /* of what goes out */
	struct np_cni_config config;
	char host[NP_CNI_NAME_MAX + 2];
	char holder[NP_CNI_HOLDER_MAX];
	char words[NP_CNI_HOLDER_MAX + NP_CNI_POD_MAX + 128]; /* which call it is, for people */
	struct np_catalogue *catalogue;
	struct np_input input;
	struct np_kube_config *kube_config;
	struct np_kube *kube;
	char *answer; /* what goes to stdout; NULL: nothing */
	char *details; /* more about a failure; NULL: nothing */
	unsigned code; /* of a failure; 0: the one of its np_code */
};

static void exec_done(struct exec *e)
{
	np_kube_free(e->kube);
	np_kube_config_free(e->kube_config);
	np_pool_input_done(&e->input);
	np_gpu_catalogue_free(e->catalogue);
	np_cni_config_done(&e->config);
	free(e->answer);
	free(e->details);
}

/* --- standard input -------------------------------------------------------------------------- */

/* Waits until there is something to read, or the end. */
static int wait_stdin(int64_t deadline, struct np_err *err)
{
	struct pollfd p = { .fd = STDIN_FILENO, .events = POLLIN };
	int64_t left = deadline - (int64_t)np_clock_ms();
	int n = left > 0 ? poll(&p, 1, (int)left) : 0;

	if (n == 0)
		return np_fail(err, NP_E_IO,
			       "standard input: no end of the configuration within %d s",
			       STDIN_MS / 1000);
	if (n < 0 && errno != EINTR)
		return np_fail(err, NP_E_IO, "standard input: %s", strerror(errno));
	if (n > 0 && (p.revents & POLLNVAL) != 0)
		return np_fail(err, NP_E_IO, "standard input is closed");
	return n > 0;
}

static int read_stdin(char **ret, size_t *ret_size, struct np_err *err)
{
	NP_AUTO(np_freep) char *bytes = malloc(NP_CNI_CONFIG_MAX + 2);
	int64_t deadline = (int64_t)np_clock_ms() + STDIN_MS;
	size_t size = 0;
	ssize_t got = 1;

	if (!bytes)
		return np_fail_nomem(err);
	while (got != 0) {
		int ready = wait_stdin(deadline, err);

		if (ready < 0)
			return ready;
		if (ready == 0)
			continue;
		got = read(STDIN_FILENO, bytes + size, NP_CNI_CONFIG_MAX + 1 - size);
		if (got < 0 && errno != EINTR && errno != EAGAIN)
			return np_fail(err, NP_E_IO, "standard input: %s", strerror(errno));
		size += got > 0 ? (size_t)got : 0;
		if (size > NP_CNI_CONFIG_MAX)
			return np_fail(
				err, NP_E_IO,
				"standard input: the configuration is larger than %llu bytes",
				(unsigned long long)NP_CNI_CONFIG_MAX);
	}
	bytes[size] = '\0';
	*ret = np_take(bytes);
	*ret_size = size;
	return 0;
}

/* --- pools ----------------------------------------------------------------------------------- */

static int load_pools(struct exec *e, struct np_err *err)
{
	NP_AUTO(np_freep) char *bytes = NULL;
	const char *path = e->config.spec_file;
	size_t size;

	if (np_cni_add_pools(&e->config, e->catalogue, &e->input, err) < 0)
		return np_err_ret(err);
	if (path && (np_file_load(path, NP_DOC_INPUT_MAX, &bytes, &size, err) < 0 ||
		     np_pool_input_parse(&e->input, e->catalogue, path, bytes, size, err) < 0))
		return np_err_ret(err);
	if (np_pool_input_finish(&e->input, err) < 0)
		return np_err_ret(err);
	if (e->input.n_pools == 0)
		return np_fail(err, NP_E_SPEC, "%s names no pool", path ? path : "nodePool");
	if (e->input.n_classes > 0)
		log_format(
			"info",
			"%zu VirtualMachineClass document(s) in the configuration are ignored: the "
			"server's are read",
			e->input.n_classes);
	return 0;
}

/* --- the API --------------------------------------------------------------------------------- */

static void log_retry(void *ctx, const char *line)
{
	(void)ctx;
	log_line("info", line);
}

static struct np_kube_options kube_options(const struct exec *e)
{
	const struct np_cni_supervisor *s = &e->config.supervisor;
	struct np_kube_options o = { 0 };

	options_environment(&o);
	o.kubeconfig = s->kubeconfig;
	o.context = s->context;
	o.ns = s->ns;
	o.server = s->server;
	o.ca_file = s->ca_file;
	o.token_file = s->token_file;
	o.deadline_ms = e->config.timeout_ms;
	if (e->call.command == NP_CNI_STATUS && o.deadline_ms > STATUS_MS)
		o.deadline_ms = STATUS_MS;
	o.log = log_retry;
	/* Whatever kubeconfig lies about on the host: its credentials are not this server's. */
	if (s->server && !s->kubeconfig) {
		o.kubeconfig_env = NULL;
		o.home = NULL;
	}
	return o;
}

/* What is wrong with the way to the API is the configuration's fault. */
static int load_kube_config(struct exec *e, struct np_err *err)
{
	struct np_kube_options o = kube_options(e);
	struct np_err why = NP_ERR_INIT;

	if (!np_kube_is_configured(&o))
		return np_fail(err, NP_E_SPEC,
			       "no API server is configured: say supervisor.kubeconfig, or server, "
			       "tokenFile and caFile");
	if (np_kube_config_load(&o, &e->kube_config, &why) < 0) {
		bool is_ours = why.code == NP_E_USAGE || why.code == NP_E_NOT_FOUND;

		return np_fail(err, is_ours ? NP_E_SPEC : why.code, "%s", why.text);
	}
	e->input.default_namespace = np_kube_config_namespace(e->kube_config);
	return 0;
}

/* --- failures -------------------------------------------------------------------------------- */

/* Appends to what is told beside the message; what does not fit into memory is left out. */
static void add_details(struct exec *e, const char *text)
{
	char *longer;

	if (asprintf(&longer, "%s%s%s", e->details ? e->details : "", e->details ? "; " : "",
		     text) < 0)
		return;
	free(e->details);
	e->details = longer;
}

/* Keeps the first error of the code that counts; the others go to the details. */
static void take_error(struct exec *e, const struct np_err *what, enum np_code code,
		       struct np_err *err)
{
	if (what->code == NP_OK)
		return;
	if (what->code == code && err->code == NP_OK)
		*err = *what;
	else
		add_details(e, what->text);
}

/* Makes one error of what is wrong with a plan and its classes. */
static int check_apply(struct exec *e, const struct np_sync *a, struct np_err *err)
{
	enum np_code code = np_sync_code(a);

	if (code == NP_OK)
		return 0;
	for (size_t i = 0; i < a->plan.n_errors; i++)
		take_error(e, &a->plan.errors[i], code, err);
	for (size_t i = 0; a->classes && i < a->plan.n_classes; i++)
		take_error(e, &a->classes[i].error, code, err);
	if (err->code == NP_OK)
		return np_fail(err, code, "a pool holds a placeholder: nothing was written");
	return np_err_ret(err);
}

/* A server without the API serves nobody: that is no class that is missing. */
static int fail_api(struct exec *e, struct np_err *err)
{
	if (err->code == NP_E_NOT_FOUND)
		e->code = CODE_UNAVAILABLE;
	return np_err_ret(err);
}

/* --- commands -------------------------------------------------------------------------------- */

static int connect_api(struct exec *e, struct np_err *err)
{
	return np_kube_new_take(np_take(e->kube_config), &e->kube, err);
}

static void log_templates(const struct np_plan *plan)
{
	char text[NP_PLAN_TEMPLATE_TEXT_MAX];

	for (size_t i = 0; i < plan->n_templates; i++) {
		np_plan_template_text(&plan->templates[i], text);
		log_line("info", text);
	}
}

static int finish_add(struct exec *e, const struct np_sync *a, struct np_err *err)
{
	NP_AUTO(np_freep) char *text = NULL;
	json_auto_t *tree = np_sync_tree(a);

	if (!tree)
		return np_fail_nomem(err);
	if (e->config.plan_file &&
	    (np_render_tree(tree, NP_FORMAT_JSON, &text, err) < 0 ||
	     file_replace(e->config.plan_file, text, strlen(text), 0644, err) < 0))
		return np_wrap(err, "planFile");
	return np_cni_result(&e->config, tree, &e->answer, err);
}

static void log_classes(const struct np_sync *a)
{
	for (size_t i = 0; a->classes && i < a->plan.n_classes; i++)
		log_format("info", "class %s/%s %s",
			   a->plan.classes[i].ns ? a->plan.classes[i].ns : "",
			   a->plan.classes[i].name, np_sync_result_name(a->classes[i].result));
}

static int exec_add(struct exec *e, struct np_err *err)
{
	NP_AUTO(np_sync_done) struct np_sync a = { 0 };
	struct np_sync_options o = { .plan = { .catalogue = e->catalogue, .holder = e->holder },
				     .dry_run = e->config.dry_run ? NP_DRY_RUN_CLIENT
								  : NP_DRY_RUN_NONE };

	if (load_pools(e, err) < 0 || connect_api(e, err) < 0)
		return np_err_ret(err);
	if (np_sync_run(e->kube, &e->input, &o, &a, err) < 0)
		return fail_api(e, err);
	log_notes(&a.plan);
	log_templates(&a.plan);
	log_classes(&a);
	if (check_apply(e, &a, err) < 0)
		return np_err_ret(err);
	return finish_add(e, &a, err);
}

static int exec_check(struct exec *e, struct np_err *err)
{
	NP_AUTO(np_sync_done) struct np_sync a = { 0 };
	struct np_plan_options o = { .catalogue = e->catalogue, .holder = e->holder };

	if (load_pools(e, err) < 0 || connect_api(e, err) < 0)
		return np_err_ret(err);
	if (np_sync_fetch(e->kube, &e->input, &a.fetched, err) < 0)
		return fail_api(e, err);
	o.classes = a.fetched.items;
	o.n_classes = a.fetched.n;
	if (np_plan_make(&e->input, &o, &a.plan, err) < 0)
		return np_err_ret(err);
	log_notes(&a.plan);
	if (check_apply(e, &a, err) < 0)
		return np_err_ret(err);
	return np_cni_drift(&a.plan, &e->details, err);
}

/* --- leaving --------------------------------------------------------------------------------- */

static bool is_mine(void *ctx, const char *holder)
{
	const struct exec *e = ctx;

	return strcmp(holder, e->holder) == 0;
}

static bool is_stale(void *ctx, const char *holder)
{
	const struct exec *e = ctx;

	return np_cni_is_stale(&e->config, holder);
}

static bool is_known(const char *const *names, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

/* Returns the pools' namespaces behind `first`, which may be NULL. */
static const char **list_namespaces(const struct exec *e, const char *first, size_t *ret_n)
{
	const char **names = calloc(e->input.n_pools + 1, sizeof(*names));
	size_t n = 0;

	if (!names)
		return NULL;
	if (first)
		names[n++] = first;
	for (size_t i = 0; i < e->input.n_pools; i++) {
		const char *ns = e->input.pools[i].ns;

		if (!np_pool_is_placeholder(ns) && !is_known(names, n, ns))
			names[n++] = ns;
	}
	*ret_n = n;
	return names;
}

/* Where the pools are not known, what holds a class may be in any namespace that can be read. */
static int leave(struct exec *e, struct np_release_options *o, bool all, struct np_release *ret,
		 struct np_err *err)
{
	NP_AUTO(np_freep) const char **names = NULL;
	struct np_err why = NP_ERR_INIT;

	if (all && np_sync_release(e->kube, o, ret, &why) == 0)
		return 0;
	if (all && why.code != NP_E_FORBIDDEN) {
		*err = why;
		return np_err_ret(err);
	}
	names = list_namespaces(e, np_kube_namespace(e->kube), &o->n_namespaces);
	if (!names)
		return np_fail_nomem(err);
	o->namespaces = names;
	return np_sync_release(e->kube, o, ret, err);
}

static void log_leave(const struct np_release *l)
{
	for (size_t i = 0; i < l->warnings.n; i++)
		log_format("warning", "%s: %s", l->warnings.items[i].code,
			   l->warnings.items[i].message);
	for (size_t i = 0; i < l->n; i++) {
		const struct np_release_class *c = &l->classes[i];

		log_format("info", "class %s/%s %s", c->ns ? c->ns : "", c->name,
			   np_sync_result_name(c->result));
		for (size_t k = 0; k < c->warnings.n; k++)
			log_format("warning", "%s: %s/%s: %s", c->warnings.items[k].code,
				   c->ns ? c->ns : "", c->name, c->warnings.items[k].message);
	}
}

static int check_leave(struct exec *e, const struct np_release *l, struct np_err *err)
{
	enum np_code code = np_sync_release_code(l);

	for (size_t i = 0; i < l->n; i++)
		take_error(e, &l->classes[i].error, code, err);
	return code == NP_OK ? 0 : np_err_ret(err);
}

/* The specification wants DEL to go through: pools that cannot be read any more are no obstacle. */
static int exec_leave(struct exec *e, np_holder_fn *leaves, struct np_err *err)
{
	NP_AUTO(np_sync_release_done) struct np_release l = { 0 };
	struct np_err why = NP_ERR_INIT;
	struct np_release_options o = { .catalogue = e->catalogue,
					.releases = leaves,
					.ctx = e,
					.dry_run = e->config.dry_run,
					.in = &e->input };
	bool is_unknown = !np_cni_has_pools(&e->config);

	if (!is_unknown && load_pools(e, &why) < 0) {
		log_format("warning", "the pools cannot be read, so every class is looked at: %s",
			   why.text);
		is_unknown = true;
	}
	if (is_unknown)
		o.in = NULL;
	if (connect_api(e, err) < 0 || leave(e, &o, is_unknown, &l, err) < 0)
		return np_err_ret(err);
	log_leave(&l);
	return check_leave(e, &l, err);
}

static int exec_del(struct exec *e, struct np_err *err)
{
	return exec_leave(e, is_mine, err);
}

static int exec_gc(struct exec *e, struct np_err *err)
{
	if (!e->config.has_valid) {
		log_line("info", "no list of valid attachments: nothing is dropped");
		return 0;
	}
	return exec_leave(e, is_stale, err);
}

/* The namespaces of the pools' classes. */
static int check_rights(struct exec *e, const struct np_kube_resource *r, struct np_err *err)
{
	NP_AUTO(np_freep) const char **names = NULL;
	size_t n = 0;

	names = list_namespaces(e, NULL, &n);
	if (!names)
		return np_fail_nomem(err);
	return np_sync_check_access(e->kube, r, n, names, err);
}

static int check_api(struct exec *e, struct np_err *err)
{
	NP_AUTO(np_sync_fetched_done) struct np_fetched fetched = { 0 };
	NP_AUTO(np_plan_done) struct np_plan plan = { 0 };
	struct np_plan_options o = { .catalogue = e->catalogue, .holder = e->holder };

	if (connect_api(e, err) < 0 || np_sync_fetch(e->kube, &e->input, &fetched, err) < 0 ||
	    check_rights(e, &fetched.resource, err) < 0)
		return np_err_ret(err);
	o.classes = fetched.items;
	o.n_classes = fetched.n;
	if (np_plan_make(&e->input, &o, &plan, err) < 0)
		return np_err_ret(err);
	if (plan.n_errors == 0)
		return 0;
	*err = plan.errors[0];
	return np_err_ret(err);
}

/* Whatever would keep ADD from its work makes the plugin unavailable. */
static int exec_status(struct exec *e, struct np_err *err)
{
	if (load_pools(e, err) < 0)
		return np_err_ret(err);
	if (check_api(e, err) < 0) {
		e->code = CODE_UNAVAILABLE;
		return np_err_ret(err);
	}
	return 0;
}

/* --- the whole ------------------------------------------------------------------------------- */

static int (*const runners[NP_CNI_COMMAND_MAX])(struct exec *e, struct np_err *err) = {
	[NP_CNI_ADD] = exec_add, [NP_CNI_CHECK] = exec_check,   [NP_CNI_DEL] = exec_del,
	[NP_CNI_GC] = exec_gc,   [NP_CNI_STATUS] = exec_status,
};

/* Says which call it is, for people. */
static void name_call(struct exec *e)
{
	int used = snprintf(e->words, sizeof(e->words), "%s %s",
			    np_cni_command_name(e->call.command), e->holder);

	if (e->call.pod[0] != '\0' && used > 0 && (size_t)used < sizeof(e->words))
		snprintf(e->words + used, sizeof(e->words) - (size_t)used, " pod %s", e->call.pod);
}

static const char *host_name(char *buf, size_t size)
{
	if (gethostname(buf, size) < 0)
		return "";
	buf[size - 1] = '\0';
	return buf;
}

static int serve(struct exec *e, const char *bytes, size_t size, struct np_err *err)
{
	if (e->call.command == NP_CNI_VERSION)
		return np_cni_version_answer(bytes, size, &e->answer, err);
	if (np_cni_config_parse(e->call.command, bytes, size, host_name(e->host, sizeof(e->host)),
				&e->config, &e->version, err) < 0)
		return np_err_ret(err);
	np_cni_holder(&e->config, &e->call, e->holder);
	name_call(e);
	if (log_open(e->config.log_file, e->words, err) < 0 ||
	    np_gpu_catalogue_new(&e->catalogue, err) < 0 || load_kube_config(e, err) < 0)
		return np_err_ret(err);
	return runners[e->call.command](e, err);
}

static int answer(struct exec *e, struct np_err *err)
{
	struct np_cni_environment env = { getenv("CNI_COMMAND"), getenv("CNI_CONTAINERID"),
					  getenv("CNI_IFNAME"), getenv("CNI_ARGS") };
	NP_AUTO(np_freep) char *bytes = NULL;
	size_t size = 0;

	if (np_cni_call_read(&env, &e->call, err) < 0 || read_stdin(&bytes, &size, err) < 0)
		return np_err_ret(err);
	return serve(e, bytes, size, err);
}

/* The error object is the answer then; it is logged too, since some runtimes drop it. */
static void put_error(struct exec *e, const struct np_err *why)
{
	static const char no_memory[] =
		"{\"cniVersion\":\"1.1.0\",\"code\":11,\"msg\":\"out of memory\",\"details\":\"\"}\n";
	unsigned code = e->code != 0 ? e->code : np_code_cni(why->code);
	struct np_err ignored = NP_ERR_INIT;
	NP_AUTO(np_freep) char *text = NULL;

	if (e->words[0] != '\0')
		add_details(e, e->words);
	text = np_cni_error(e->version, code, why->text, e->details ? e->details : "");
	if (put(text ? text : no_memory, &ignored) < 0)
		log_line("error", ignored.text);
	log_line("error", why->text);
}

int run_exec(void)
{
	NP_AUTO(exec_done) struct exec e = { .version = NP_CNI_1_1_0 };
	struct np_err err = NP_ERR_INIT;

	if (answer(&e, &err) < 0) {
		put_error(&e, &err);
		return 1;
	}
	if (e.answer && put(e.answer, &err) < 0) {
		log_line("error", err.text);
		return 1;
	}
	return 0;
}
