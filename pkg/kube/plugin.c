/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <bsd/string.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "nodeprep/doc.h"
#include "nodeprep/err.h"
#include "nodeprep/file.h"
#include "nodeprep/text.h"
#include "nodeprep/time.h"

#define OUTPUT_MAX ((size_t)1 << 20)
/* The limit without a nearer deadline; the user may have to type a password. */
#define RUN_MAX_MS UINT64_C(300000)

/* --- birth and death ------------------------------------------------------------------------- */

void kube_credential_done(struct kube_credential *c)
{
	np_wipep(&c->token);
	kube_blob_done(&c->cert);
	kube_blob_done(&c->key);
	*c = (struct kube_credential){ 0 };
}

struct kube_plugin *kube_plugin_new(void)
{
	struct kube_plugin *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	atomic_init(&p->refs, 1);
	pthread_mutex_init(&p->lock, NULL);
	return p;
}

struct kube_plugin *kube_plugin_ref(struct kube_plugin *p)
{
	if (p)
		atomic_fetch_add(&p->refs, 1);
	return p;
}

void kube_plugin_unref(struct kube_plugin *p)
{
	if (!p || atomic_fetch_sub(&p->refs, 1) > 1)
		return;
	kube_credential_done(&p->credential);
	kube_texts_done(&p->args);
	kube_texts_done(&p->env);
	free(p->path);
	free(p->api_version);
	free(p->hint);
	free(p->info);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

const char *kube_plugin_command(const struct kube_plugin *p)
{
	return p->args.items[0];
}

/* --- what it says ---------------------------------------------------------------------------- */

/* Reads a string member; absent gives NULL. */
static int read_member(const json_t *status, const char *key, const char **ret, struct np_err *err)
{
	const json_t *value = json_object_get(status, key);

	*ret = NULL;
	if (!value || json_is_null(value))
		return 0;
	if (!json_is_string(value))
		return np_fail(err, NP_E_REFUSED, "its status.%s is not a string", key);
	if (json_string_length(value) > 0)
		*ret = json_string_value(value);
	return 0;
}

static int read_expiry(const json_t *status, struct kube_credential *ret, struct np_err *err)
{
	const char *text;

	if (read_member(status, "expirationTimestamp", &text, err) < 0)
		return np_err_ret(err);
	if (text && !np_time_parse(text, &ret->expiry))
		return np_fail(err, NP_E_REFUSED,
			       "its status.expirationTimestamp is not a time such as "
			       "2006-01-02T15:04:05Z");
	ret->expires = !!text;
	return 0;
}

static int copy_blob(const char *text, struct kube_blob *ret, struct np_err *err)
{
	if (!text)
		return 0;
	ret->bytes = strdup(text);
	if (!ret->bytes)
		return np_fail_nomem(err);
	ret->size = strlen(text);
	return 0;
}

static int read_status(const json_t *status, struct kube_credential *ret, struct np_err *err)
{
	const char *token, *cert, *key;

	if (!json_is_object(status))
		return np_fail(err, NP_E_REFUSED, "it returned no status");
	if (read_member(status, "token", &token, err) < 0 ||
	    read_member(status, "clientCertificateData", &cert, err) < 0 ||
	    read_member(status, "clientKeyData", &key, err) < 0 ||
	    read_expiry(status, ret, err) < 0)
		return np_err_ret(err);
	if (!token && !cert && !key)
		return np_fail(err, NP_E_REFUSED, "it returned neither a token nor a certificate");
	if (!cert != !key)
		return np_fail(err, NP_E_REFUSED, "it returned a %s without a %s",
			       cert ? "certificate" : "key", cert ? "key" : "certificate");
	if (token && !kube_is_header_text(token))
		return np_fail(err, NP_E_REFUSED, "its token holds a blank or a control character");
	if (token && kube_set_text(&ret->token, token, err) < 0)
		return np_err_ret(err);
	if (copy_blob(cert, &ret->cert, err) < 0)
		return np_err_ret(err);
	return copy_blob(key, &ret->key, err);
}

static int check_version(const json_t *root, const char *api_version, struct np_err *err)
{
	const char *kind = json_string_value(json_object_get(root, "kind"));
	const char *have = json_string_value(json_object_get(root, "apiVersion"));

	if (!kind || strcmp(kind, "ExecCredential") != 0)
		return np_fail(err, NP_E_REFUSED, "its output is not an ExecCredential");
	if (!have || strcmp(have, api_version) != 0)
		return np_fail(
			err, NP_E_REFUSED,
			"it is configured to use API version %s, but returned version '%.80s'",
			api_version, have ? have : "");
	return 0;
}

/* The parser's message may quote the output, so only the size is reported. */
int kube_credential_parse(const char *bytes, size_t size, const char *api_version,
			  struct kube_credential *ret, struct np_err *err)
{
	NP_AUTO(np_doc_reader_freep) struct np_doc_reader *reader = NULL;
	NP_AUTO(np_doc_unrefp) struct np_doc *doc = NULL;
	NP_AUTO(kube_credential_done) struct kube_credential c = { 0 };
	struct np_err why = NP_ERR_INIT;
	const json_t *root;

	if (np_doc_reader_new("output", bytes, size, &reader, &why) < 0 ||
	    np_doc_reader_next(reader, &doc, &why) < 0)
		return why.code == NP_E_NOMEM
			       ? np_fail_nomem(err)
			       : np_fail(err, NP_E_REFUSED,
					 "its output is neither JSON nor YAML (%zu bytes)", size);
	root = doc ? np_doc_root(doc).json : NULL;
	if (!json_is_object(root))
		return np_fail(err, NP_E_REFUSED, "its output is not an object (%zu bytes)", size);
	if (check_version(root, api_version, err) < 0 ||
	    read_status(json_object_get(root, "status"), &c, err) < 0)
		return np_err_ret(err);
	*ret = c;
	c = (struct kube_credential){ 0 };
	return 0;
}

/* --- how it is started ----------------------------------------------------------------------- */

/* Tells whether the plugin may ask the user; fails where it must and cannot. */
static int find_interactive(const struct kube_plugin *p, bool *ret, struct np_err *err)
{
	bool is_terminal = isatty(STDIN_FILENO) == 1;

	*ret = p->mode != KUBE_INTERACTIVE_NEVER && is_terminal && !p->stdin_taken;
	if (p->mode != KUBE_INTERACTIVE_ALWAYS || *ret)
		return 0;
	return np_fail(err, NP_E_REFUSED, "exec plugin cannot support interactive mode: %s",
		       is_terminal ? "standard input is unavailable: -f - reads it"
				   : "standard input is not a terminal");
}

/* Builds "KUBERNETES_EXEC_INFO={...}", the plugin's input. */
static char *make_info(const struct kube_plugin *p, bool interactive)
{
	char *text = NULL;

	if (asprintf(&text,
		     "KUBERNETES_EXEC_INFO={\"kind\":\"ExecCredential\",\"apiVersion\":\"%s\","
		     "\"spec\":{%s%s%s\"interactive\":%s}}",
		     p->api_version, p->info ? "\"cluster\":" : "", p->info ? p->info : "",
		     p->info ? "," : "", interactive ? "true" : "false") < 0)
		return NULL;
	return text;
}

/* Finds a command without a slash in PATH; NULL where it is missing. */
static char *find_in_path(const char *path, const char *command)
{
	NP_AUTO(np_freep) char *copy = strdup(path ? path : "/usr/local/bin:/usr/bin:/bin");
	char *rest = copy, *folder;

	while (rest && (folder = strsep(&rest, ":"))) {
		char *full = NULL;

		/* An empty entry would be the working folder, which Go does not search either. */
		if (!folder[0] || asprintf(&full, "%s/%s", folder, command) < 0)
			continue;
		if (access(full, X_OK) == 0)
			return full;
		free(full);
	}
	return NULL;
}

static int fail_missing(const struct kube_plugin *p, int code, struct np_err *err)
{
	char buf[128];

	if (code == ENOENT || code == ENOTDIR)
		return np_fail(err, NP_E_REFUSED, "exec: executable '%s' not found%s%s",
			       kube_plugin_command(p), p->hint ? ": " : "", p->hint ? p->hint : "");
	return np_fail(err, NP_E_REFUSED, "exec: executable '%s' cannot be run: %s",
		       kube_plugin_command(p), strerror_r(code, buf, sizeof(buf)));
}

/* The child inherits three descriptors only, and default signal dispositions. */
static int spawn(const char *path, char *const argv[], char *const env[], int out, bool interactive,
		 pid_t *ret)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t defaults, none;
	int r;

	sigemptyset(&none);
	sigemptyset(&defaults);
	sigaddset(&defaults, SIGPIPE);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setsigdefault(&attributes, &defaults);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
	posix_spawn_file_actions_init(&actions);
	r = posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
	if (r == 0 && !interactive)
		r = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY,
						     0);
	if (r == 0)
		r = posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
	if (r == 0)
		r = posix_spawn(ret, path, &actions, &attributes, argv, env);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attributes);
	return r;
}

/* Copies the texts, and `last` where it is set, into a list that ends in NULL. */
static char **make_list(const struct kube_texts *texts, char *last)
{
	char **list = calloc(texts->n + 2, sizeof(*list));

	for (size_t i = 0; list && i < texts->n; i++)
		list[i] = texts->items[i];
	if (list)
		list[texts->n] = last;
	return list;
}

static int start(const struct kube_plugin *p, int out, pid_t *ret, struct np_err *err)
{
	const char *command = kube_plugin_command(p);
	bool has_slash = !!strchr(command, '/'), interactive;
	NP_AUTO(np_freep) char *found = NULL;
	NP_AUTO(np_freep) char *info = NULL;
	NP_AUTO(np_freep) char **argv = make_list(&p->args, NULL);
	NP_AUTO(np_freep) char **env = NULL;
	int r;

	if (find_interactive(p, &interactive, err) < 0)
		return np_err_ret(err);
	info = make_info(p, interactive);
	env = make_list(&p->env, info);
	if (!info || !env || !argv)
		return np_fail_nomem(err);
	found = has_slash ? strdup(command) : find_in_path(p->path, command);
	if (!found)
		return has_slash ? np_fail_nomem(err) : fail_missing(p, ENOENT, err);
	r = spawn(found, argv, env, out, interactive, ret);
	return r == 0 ? 0 : fail_missing(p, r, err);
}

/* --- how it runs ----------------------------------------------------------------------------- */

/* A running plugin: its output so far and its deadline. */
struct run {
	const struct kube_plugin *p;
	struct np_kube *k;
	pid_t pid;
	int fd;
	uint64_t until;
	struct kube_blob output;
};

static void run_done(struct run *r)
{
	if (r->pid > 0) {
		kill(r->pid, SIGKILL);
		while (waitpid(r->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	np_closep(&r->fd);
	kube_blob_done(&r->output);
}

static int check_time(const struct run *r, struct np_err *err)
{
	if (kube_is_cancelled(r->k))
		return kube_fail_cancelled(err);
	if (np_clock_ms() < r->until)
		return 0;
	return np_fail(err, NP_E_RETRY, "exec: executable '%s' did not end in time",
		       kube_plugin_command(r->p));
}

/* Reads the available output; 0 at its end, 1 where more may come. */
static int read_output(struct run *r, struct np_err *err)
{
	ssize_t n = read(r->fd, r->output.bytes + r->output.size, OUTPUT_MAX + 1 - r->output.size);

	if (n < 0)
		return errno == EINTR || errno == EAGAIN
			       ? 1
			       : np_fail(err, NP_E_IO, "exec: the output of '%s' cannot be read",
					 kube_plugin_command(r->p));
	r->output.size += (size_t)n;
	if (r->output.size > OUTPUT_MAX)
		return np_fail(err, NP_E_REFUSED,
			       "exec: executable '%s' wrote more than 1 MiB to its standard output",
			       kube_plugin_command(r->p));
	return n > 0;
}

static int collect_output(struct run *r, struct np_err *err)
{
	int more = 1;

	r->output.bytes = calloc(1, OUTPUT_MAX + 2);
	if (!r->output.bytes)
		return np_fail_nomem(err);
	while (more > 0) {
		struct pollfd poller = { .fd = r->fd, .events = POLLIN };

		if (check_time(r, err) < 0)
			return np_err_ret(err);
		if (poll(&poller, 1, KUBE_POLL_MS) > 0)
			more = read_output(r, err);
	}
	return more;
}

/* Waits for the plugin's end; it may run on after it closed its output. */
static int collect_status(struct run *r, struct np_err *err)
{
	const char *command = kube_plugin_command(r->p);
	int status = 0;
	pid_t got;

	while ((got = waitpid(r->pid, &status, WNOHANG)) == 0 || (got < 0 && errno == EINTR)) {
		if (check_time(r, err) < 0)
			return np_err_ret(err);
		poll(NULL, 0, 5);
	}
	r->pid = 0;
	/* An interrupt of the terminal reaches the plugin too. */
	if (kube_is_cancelled(r->k))
		return kube_fail_cancelled(err);
	if (got > 0 && WIFSIGNALED(status))
		return np_fail(err, NP_E_REFUSED, "exec: executable '%s' was ended by signal %d",
			       command, WTERMSIG(status));
	if (got > 0 && WEXITSTATUS(status) != 0)
		return np_fail(err, NP_E_REFUSED, "exec: executable '%s' failed with exit code %d",
			       command, WEXITSTATUS(status));
	return 0;
}

/* Runs the plugin and keeps its credential. */
static int run_plugin(struct kube_plugin *p, struct np_kube *k, uint64_t until, struct np_err *err)
{
	uint64_t most = np_clock_ms() + RUN_MAX_MS;
	NP_AUTO(run_done)
	struct run r = { .p = p, .k = k, .fd = -1, .until = until < most ? until : most };
	NP_AUTO(np_closep) int out = -1;
	struct kube_credential fresh = { 0 };
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return np_fail(err, NP_E_IO, "exec: no pipe: %m");
	r.fd = fds[0];
	out = fds[1];
	if (start(p, out, &r.pid, err) < 0)
		return np_err_ret(err);
	np_closep(&out);
	out = -1;
	if (collect_output(&r, err) < 0 || collect_status(&r, err) < 0)
		return np_err_ret(err);
	if (kube_credential_parse(r.output.bytes, r.output.size, p->api_version, &fresh, err) < 0)
		return np_wrap(err, "exec: executable '%s'", kube_plugin_command(p));
	kube_credential_done(&p->credential);
	p->credential = fresh;
	p->generation++;
	return 0;
}

/* --- how it is used -------------------------------------------------------------------------- */

static int take_blob(const struct kube_blob *from, struct kube_blob *to, struct np_err *err)
{
	kube_blob_done(to);
	return copy_blob(from->bytes, to, err);
}

/* Makes the client send the plugin's last credential. */
static int take_credential(struct np_kube *k, const struct kube_credential *from,
			   struct np_err *err)
{
	struct np_kube_config *c = k->config;
	char *token;

	if (from->key.bytes &&
	    kube_secrets_add_lines(&c->secrets, from->key.bytes, from->key.size, err) < 0)
		return np_err_ret(err);
	if (take_blob(&from->cert, &c->cert, err) < 0 || take_blob(&from->key, &c->key, err) < 0)
		return np_err_ret(err);
	np_wipep(&c->token);
	if (!from->token)
		return 0;
	token = strdup(from->token);
	return token ? kube_config_set_token_take(c, token, err) : np_fail_nomem(err);
}

static bool is_expired(const struct kube_credential *c)
{
	return c->expires && time(NULL) > c->expiry;
}

int kube_plugin_use(struct np_kube *k, bool again, uint64_t until, struct np_err *err)
{
	struct kube_plugin *p = k->config->plugin;
	int r = 0;

	pthread_mutex_lock(&p->lock);
	/* Another thread that got a 401 may have run it already. */
	if (p->generation == 0 || is_expired(&p->credential) ||
	    (again && p->generation == k->plugin_generation))
		r = run_plugin(p, k, until, err);
	if (r == 0 && p->generation != k->plugin_generation) {
		r = take_credential(k, &p->credential, err);
		k->plugin_generation = p->generation;
		k->identity++;
	}
	pthread_mutex_unlock(&p->lock);
	return r < 0 ? np_wrap(err, "getting credentials") : 0;
}
