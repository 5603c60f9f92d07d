/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEPREP_KUBE_INTERNAL_H
#define NODEPREP_KUBE_INTERNAL_H

/*
 * kube's private declarations: the configuration, the secrets, and the pure functions that
 * interpret a response or a broken connection.
 */

#include <curl/curl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "nodeprep/doc.h"
#include "nodeprep/kube.h"
#include "nodeprep/kube_exchange.h"
#include "nodeprep/stamp.h"

/* --- secret.c ------------------------------------------------------------------------------- */

/* Shorter ones would turn ordinary words of a message into "[redacted]". */
#define KUBE_SECRET_MIN 6

/* The number of rotated secrets (tokens of a long run) that are remembered. */
#define KUBE_SECRETS_ROTATED_MAX 256

struct kube_secrets {
	size_t n;
	char **texts;
	bool rotates; /* the oldest are forgotten, except the first `n_fixed` */
	size_t n_fixed;
};

/* Remembers `size` bytes of text; a text shorter than KUBE_SECRET_MIN is ignored. */
int kube_secrets_add(struct kube_secrets *s, const char *text, size_t size, struct np_err *err);

/* Remembers each line of a PEM file except the armour. */
int kube_secrets_add_lines(struct kube_secrets *s, const char *text, size_t size,
			   struct np_err *err);
void kube_secrets_done(struct kube_secrets *s);

/* Writes `text` with every secret replaced; a text that does not fit is cut and ends in "...". */
void kube_redact(const struct kube_secrets *s, const char *text, char *buf, size_t size);

/* Redacts the error's own text. */
void kube_redact_err(const struct kube_secrets *s, struct np_err *err);

/* --- curl.c ---------------------------------------------------------------------------------- */

/* For NP_AUTO. */
void kube_curl_freep(char **p);
void kube_curlu_freep(CURLU **u);

/* Reports what curl_url_set() or curl_url_get() made of the server's address. */
int kube_fail_address(CURLUcode code, const char *server, struct np_err *err);

/* Tells in *ret whether the server's address has the part. */
int kube_has_part(CURLU *url, CURLUPart part, const char *server, bool *ret, struct np_err *err);

/* --- text.c ---------------------------------------------------------------------------------- */

/* A list of owned texts. */
struct kube_texts {
	size_t n;
	char **items;
};

/* Adds the concatenation of `prefix` and `text`. */
int kube_texts_add(struct kube_texts *t, const char *prefix, const char *text, struct np_err *err);
int kube_texts_add_take(struct kube_texts *t, char *take, struct np_err *err);
int kube_texts_copy(struct kube_texts *to, const struct kube_texts *from, struct np_err *err);
void kube_texts_done(struct kube_texts *t);

/* Tells whether the text is one word that is valid in a header line. */
bool kube_is_header_text(const char *text);

/* Tells whether the text is valid in a header line; blanks are allowed. */
bool kube_is_header_value(const char *text);

/* --- config.c, kubeconfig.c ------------------------------------------------------------------ */

/* Bytes of a certificate, of a CA bundle or of a key, in PEM. */
struct kube_blob {
	char *bytes;
	size_t size;
};

/* Wipes the bytes. */
void kube_blob_done(struct kube_blob *b);

struct np_kube_config {
	char *server; /* no slash at its end */
	char *ns; /* NULL until the last step of loading */
	char *user_name; /* the kubeconfig's; NULL until the last step of loading */
	char *who; /* whose credentials are sent, for messages; NULL: none */
	char *ca_name; /* which CA is trusted, for messages */
	char *trust_hint; /* likewise; NULL: none */
	struct kube_blob ca, cert, key;
	bool insecure;
	char *tls_server_name;
	char *proxy_url; /* of the kubeconfig: used without exceptions */
	char *proxy, *http_proxy, *no_proxy; /* of the environment */
	char *token, *token_file;
	char *ca_file, *cert_file, *key_file; /* NULL: not from a file */
	struct kube_renewal *renewal; /* reference-counted; clones share it */
	char *username, *password;
	char *as_user, *as_uid;
	struct kube_texts as_groups;
	struct kube_texts as_extra; /* whole header lines */
	struct kube_plugin *plugin; /* reference-counted; clones share its credentials */
	json_t *extension; /* what the cluster's entry holds for plugins */
	bool no_compression;
	char *user_agent;
	uint64_t request_timeout_ms, deadline_ms;
	void (*log)(void *ctx, const char *line);
	void *log_ctx;
	void (*trace)(void *ctx, const char *line);
	unsigned trace_level;
	void *trace_ctx;
	bool (*is_cancelled)(void *ctx);
	void *cancel_ctx;
	struct kube_secrets secrets;
};

/* The kubeconfig files, in order of precedence. */
struct kube_files {
	size_t n;
	struct np_doc **docs;
};

/* Adds the file's document; a file that is empty adds none. */
int kube_files_add(struct kube_files *files, const char *path, struct np_err *err);

/* Adds the document that the bytes hold, as kube_files_add() does. */
int kube_files_parse(struct kube_files *files, const char *path, const char *bytes, size_t size,
		     struct np_err *err);
void kube_files_done(struct kube_files *files);

/* Fills the configuration from the requested or else the current context. */
int kube_files_apply(const struct kube_files *files, const struct np_kube_options *o,
		     struct np_kube_config *c, struct np_err *err);

/* A text member of a mapping, and where it goes. */
struct kube_text_field {
	const char *key;
	size_t offset; /* of a const char * */
	bool secret; /* its value may not be quoted */
};

/* Reads a text; "" counts as absent, and absent leaves *ret. */
int kube_read_text(struct np_val node, bool secret, const char **ret, struct np_err *err);

/* Reads the table's fields of `node` into the structure at `entry`; "" counts as absent. */
int kube_read_fields(struct np_val node, const struct kube_text_field *fields, void *entry,
		     struct np_err *err);

/* Resolves a path of the kubeconfig against the folder of the file that names it. */
int kube_resolve(struct np_val node, const char *path, char **ret, struct np_err *err);

/* Puts the node's place in front of the error's text. */
int kube_wrap_place(struct np_val n, struct np_err *err);

/* Loads a certificate or key from its data, else from its file, else none. */
int kube_load_pem(struct np_val data_node, const char *data, struct np_val file_node,
		  const char *file, struct kube_blob *ret, struct np_err *err);

/* Sets *ret to the path of the file that kube_load_pem() loads; leaves it where it loads none. */
int kube_keep_path(struct np_val file_node, const char *data, const char *file, char **ret,
		   struct np_err *err);

/* --- user.c ---------------------------------------------------------------------------------- */

/* Sets the credentials and the impersonation of the kubeconfig's user. */
int kube_user_apply(struct np_val node, const struct np_kube_options *o, struct np_kube_config *c,
		    struct np_err *err);

/* --- plugin.c, pluginconfig.c ---------------------------------------------------------------- */

enum kube_interactive {
	KUBE_INTERACTIVE_NEVER,
	KUBE_INTERACTIVE_IF_AVAILABLE,
	KUBE_INTERACTIVE_ALWAYS,
};

/* The credential that an exec plugin returns. */
struct kube_credential {
	char *token; /* NULL: none */
	struct kube_blob cert, key;
	bool expires;
	int64_t expiry; /* seconds since 1970 */
};

/* An exec plugin and its last credential. */
struct kube_plugin {
	atomic_uint refs;
	struct kube_texts args; /* the command first */
	struct kube_texts env; /* NAME=value */
	char *path; /* PATH, where the command is looked for */
	char *api_version, *hint;
	char *info; /* of the cluster, as JSON; NULL: not provided */
	bool provide_cluster, stdin_taken;
	enum kube_interactive mode;
	pthread_mutex_t lock; /* guards the members below; held while the plugin runs */
	struct kube_credential credential;
	unsigned generation; /* counts its credentials; 0: none yet */
};

struct kube_plugin *kube_plugin_new(void);
struct kube_plugin *kube_plugin_ref(struct kube_plugin *p);
void kube_plugin_unref(struct kube_plugin *p);
const char *kube_plugin_command(const struct kube_plugin *p);

/* Reads a user's `exec`; absent: no plugin. */
int kube_plugin_load(struct np_val node, const struct np_kube_options *o, struct np_kube_config *c,
		     struct np_err *err);

/* Keeps the cluster's extension that is meant for plugins. */
int kube_extension_load(struct np_val list, struct np_kube_config *c, struct np_err *err);

/* Builds the cluster information for the plugin, once the rest of the configuration is complete. */
int kube_plugin_finish(struct np_kube_config *c, struct np_err *err);

/*
 * Makes the client send the plugin's credentials. Runs the plugin where they are absent or expired,
 * or, with `again`, where the server has rejected the last ones. The plugin must end by `until`.
 */
int kube_plugin_use(struct np_kube *k, bool again, uint64_t until, struct np_err *err);

/* Parses a plugin's output. */
int kube_credential_parse(const char *bytes, size_t size, const char *api_version,
			  struct kube_credential *ret, struct np_err *err);
void kube_credential_done(struct kube_credential *c);

/* Replaces *slot by a copy; NULL and "" give NULL. */
int kube_set_text(char **slot, const char *text, struct np_err *err);

/* Reads a token file: one line, blanks at its end dropped. */
int kube_token_load(const char *path, char **ret, struct np_err *err);

/* Sets the token to send and remembers it as a secret; takes `token`. */
int kube_config_set_token_take(struct np_kube_config *c, char *token, struct np_err *err);

/* --- renewal.c ------------------------------------------------------------------------------- */

enum kube_file_kind {
	KUBE_FILE_CA,
	KUBE_FILE_CERT,
	KUBE_FILE_KEY,
	KUBE_FILE_TOKEN,
	KUBE_FILE_MAX_KIND,
};

/*
 * The credentials' files, which are loaded again once they change. What is in use is replaced after
 * all files could be loaded and belong together; else the attempt is repeated.
 */
struct kube_renewal {
	atomic_uint refs;
	pthread_mutex_t lock; /* guards the members below */
	char *paths[KUBE_FILE_MAX_KIND]; /* NULL: not from a file */
	struct kube_blob blobs[KUBE_FILE_TOKEN]; /* CA, certificate and key in use */
	char *token; /* in use; NULL: none */
	struct np_stamp stamps[KUBE_FILE_MAX_KIND]; /* of what is in use */
	uint64_t looked_ms; /* when the files were looked at last */
	unsigned generation; /* counts what was loaded */
	bool is_news; /* loaded, and not reported yet */
	enum np_code code; /* of the last failure */
	char reason[NP_ERR_TEXT_MAX], reported[NP_ERR_TEXT_MAX]; /* the last failures; "": none */
	struct np_kube_credential_stats stats;
};

/* Sets c->renewal for the files of the configuration. */
int kube_renewal_new(struct np_kube_config *c, struct np_err *err);
struct kube_renewal *kube_renewal_ref(struct kube_renewal *r);
void kube_renewal_unref(struct kube_renewal *r);

/*
 * Makes the client use newer files, where there are any. Looks at them every few seconds alone
 * unless `is_forced`, where it loads them too. Files that cannot be used are no failure.
 */
int kube_renewal_use(struct np_kube *k, bool is_forced, struct np_err *err);

/* Returns when the first of the certificates expires, in seconds since 1970; 0: there is none. */
int64_t kube_pem_not_after(const struct kube_blob *b);

/* --- reply.c --------------------------------------------------------------------------------- */

/* A request, in the words that messages use. */
struct kube_call {
	const char *verb; /* as RBAC names it: get, list, patch */
	const char *method;
	const char *path; /* escaped, with its query */
	const char *resource; /* "virtualmachineclasses.vmoperator.vmware.com"; NULL: a bare path */
	const char *ns; /* NULL: of the cluster, or all */
	const char *name; /* NULL: a list */
	const char *body; /* NULL: none */
	const char *content_type; /* of the body */
	bool repeatable; /* may be sent again when it is not known whether it arrived */
	bool no_object; /* nobody wants the object that a successful response holds */
	const struct np_kube_exchange *exchange; /* NULL: a request of the Kubernetes API */
};

struct kube_answer {
	long status;
	const char *body;
	size_t size;
	const char *retry_after; /* the header's value; "" where there is none */
	const char *who; /* whose credentials were sent; NULL: none */
	const struct kube_secrets *secrets;
};

/* Returns 0 for a 2xx; else fails with the code and the text of the status. */
int kube_answer_check(const struct kube_call *call, const struct kube_answer *answer,
		      struct np_err *err);

/* Tells by the status alone whether the same request may succeed later. */
bool kube_status_is_retried(long status);

/* Tells the same by the whole answer; its body ends in a NUL. */
bool kube_answer_is_retried(const struct kube_answer *answer);

/* Reads a Retry-After value, seconds or an HTTP date; false where it is neither. */
bool kube_retry_after(const char *value, time_t now, uint64_t *ret_ms);

/* Sets *ret_ms to the wait that the answer asks for; false where it asks for none. */
bool kube_answer_wait(const struct kube_answer *answer, time_t now, uint64_t *ret_ms);

/* The longest wait that a server's Retry-After is obeyed for: no answer stops a client for good. */
#define KUBE_WAIT_ASKED_MAX_MS UINT64_C(30000)

/*
 * Bounds the wait that the server asks for: at least the client's own backoff, so that
 * `Retry-After: 0` is no request storm, and at most KUBE_WAIT_ASKED_MAX_MS.
 */
uint64_t kube_wait_bounded(uint64_t asked_ms, uint64_t backoff_ms);

/* Returns the wait before attempt `attempt` + 1, spread over ±50 % by `random`. */
uint64_t kube_backoff(unsigned attempt, uint32_t random);

/* Spreads `ms` over ±50 %. */
uint64_t kube_jitter(uint64_t ms, uint32_t random);

#define KUBE_WHAT_MAX 512

/* Writes the call's object for messages: "secrets 'x' in namespace 'y'". */
void kube_call_describe(const struct kube_call *call, char buf[static KUBE_WHAT_MAX]);

/*
 * Parses an answer's body; the error names the object of a number or string that jansson cannot
 * hold.
 */
int kube_body_parse(const struct kube_call *call, const struct kube_answer *answer, json_t **ret,
		    struct np_err *err);

/* Writes the text of a `299 - "text"` header value; false for any other value. */
bool kube_warning_parse(const char *value, char *buf, size_t size);

/* --- transport.c ----------------------------------------------------------------------------- */

enum kube_again {
	KUBE_NEVER, /* it would fail again */
	KUBE_UNSENT, /* the server cannot have seen it */
	KUBE_MAYBE, /* the server may have seen it */
};

/* The server's certificate as seen; "" where unknown. */
struct kube_peer {
	char names[400]; /* the hosts it is for: "'a', 'b'" */
	char issuer[200];
	int depth; /* of the failing certificate: 0 is the server's own, the others signed it */
	char subject[200], not_before[40], not_after[40]; /* likewise */
	char fingerprint[100]; /* SHA-256 of the server's own: "AB:CD:..." */
};

/* The reason for a missing answer. */
struct kube_net_error {
	CURLcode code;
	long verify; /* X509_V_ERR_... */
	int os_errno;
	const char *detail; /* libcurl's message */
	const char *server;
	const char *host;
	const char *user; /* whose client certificate was sent */
	const char *ca; /* what the server's certificate was checked against */
	const char *hint; /* how to trust another one; NULL: none */
	const struct kube_peer *peer;
	long proxy_status; /* of the proxy's answer to CONNECT; 0: none */
	uint64_t elapsed_ms; /* how long the request lasted */
	bool has_memory; /* whatever libcurl says */
};

/* Returns whether the request may be sent again. */
enum kube_again kube_net_error_again(const struct kube_net_error *t);

/* Fails with a message for the reason. */
int kube_net_error_fail(const struct kube_net_error *t, struct np_err *err);

/* --- peer.c ---------------------------------------------------------------------------------- */

/* Makes the handle record the server's certificate; `peer` outlives the connection. */
bool kube_peer_watch(CURL *easy, struct kube_peer *peer);

/* --- proxy.c --------------------------------------------------------------------------------- */

/* Sets *ret to whether Go's rules exempt the host from proxies, by NO_PROXY or by itself. */
int kube_proxy_is_excepted(const char *no_proxy, const char *host, const char *port, bool *ret,
			   struct np_err *err);

/* Tells whether the address is that of a proxy with a supported scheme. */
bool kube_proxy_is_known(const char *url);

/* Sets *ret to the proxy for the host in libcurl's notation; "" for none. */
int kube_proxy_choose(const struct np_kube_config *c, const char *host, const char *port,
		      char **ret, struct np_err *err);

/* --- handle.c --------------------------------------------------------------------------------- */

enum { KUBE_WARNINGS_MAX = 64 };

struct np_kube {
	struct np_kube_config *config;
	CURLM *multi; /* holds the connection */
	char *base; /* the server's address as libcurl gets it */
	char *host; /* without port, as messages say it */
	char *proxy; /* as libcurl gets it; "": none */
	struct kube_peer peer; /* of the connection */
	struct curl_slist *connect_to;
	uint64_t deadline; /* by the monotonic clock; UINT64_MAX: none */
	uint64_t deadline_ms; /* as it was asked for */
	unsigned identity; /* counts the credentials that were in use */
	unsigned plugin_generation; /* which of the plugin's are */
	unsigned renewal_generation; /* which of the files' */
	bool answered; /* the server has answered in this run */
	bool multiplexed; /* the last answer came by HTTP/2 */
	uint64_t paused_until; /* the server has asked for it: no request begins before */
	long status; /* of the last answer; 0: none */
	size_t n_warnings;
	char *warnings[KUBE_WARNINGS_MAX];
};

/* Makes a handle for one request. */
int kube_easy_new(struct np_kube *k, CURL **ret, struct np_err *err);

/* Appends a whole header line. */
int kube_line_append(struct curl_slist **list, const char *line, struct np_err *err);

/* Appends "name: value". */
int kube_header_append(struct curl_slist **list, const char *name, const char *value,
		       struct np_err *err);

/* Appends the Host header of a server that is verified by another name. */
int kube_host_append(struct np_kube *k, struct curl_slist **list, struct np_err *err);

/* Wipes and frees the lines. */
void kube_slist_freep(struct curl_slist **list);

/*
 * --- transfer.c --------------------------------------------------------------------------------
 */

#define KUBE_HEAD_LINE_MAX 2048

/* What the heads of one exchange said; all zero at its beginning. */
struct kube_head {
	size_t bytes;
	unsigned lines;
	bool accepts_gzip; /* the request does */
	bool is_whole; /* the last response's head is */
	bool is_chunked, is_encoded;
	char length[24]; /* Content-Length; "": none */
	char retry_after[64];
	char problem[128]; /* what the client cannot accept: "two different Content-Lengths"; "" */
};

/*
 * Takes one line of a head, as libcurl gives it, and sets `line` to it without its end. False: the
 * response is unacceptable, and h->problem says what it has.
 */
bool kube_head_feed(struct kube_head *h, const char *bytes, size_t size,
		    char line[static KUBE_HEAD_LINE_MAX]);

/* Growing bytes of one answer. */
struct kube_reply {
	struct np_kube *k;
	const struct np_kube_exchange *exchange; /* NULL: none */
	char *body;
	size_t size, cap;
	struct kube_head head;
	struct curl_slist *lines; /* of the head, for a trace */
	bool too_large, no_memory;
};

/* The outcome of one attempt, and the wait before the next one. */
struct kube_outcome {
	enum { KUBE_DONE, KUBE_FAILED, KUBE_LOST_UNSENT, KUBE_AGAIN } kind;
	bool has_wait;
	uint64_t wait_ms;
};

/* One request in progress, attempt by attempt. */
struct kube_transfer {
	const struct kube_call *call;
	enum { KUBE_DUE, KUBE_RUNNING, KUBE_ENDED } state;
	uint64_t due; /* when the next attempt begins */
	CURL *easy;
	struct curl_slist *headers;
	char detail[CURL_ERROR_SIZE];
	size_t uploaded; /* bytes of the body */
	struct kube_reply reply;
	long status; /* of the last attempt; 0: no answer */
	unsigned attempts, unsent;
	bool may_be_stored; /* an earlier attempt whose answer was lost may have changed the object */
	unsigned identity; /* the np_kube's when the last attempt began */
	bool renewed; /* its credentials, after a 401 */
	json_t *result;
	char *body; /* in place of `result`, of an exchange */
	size_t body_size;
	struct np_err error; /* NP_OK: `result` or `body` is set */
	/*
	 * For a transfer that makes one call after another: called at the start, when its state is KUBE_ENDED,
	 * and after each call. May give it the next one by kube_transfer_again(); where not `may_begin`, only one
	 * that belongs to what was begun. NULL: it makes one call, and its error may end all.
	 */
	void (*follow)(struct kube_transfer *f, bool may_begin);
	void *ctx; /* of follow() */
};

/* Makes the call the transfer's next one, `wait_ms` from now; borrows it until that has ended. */
void kube_transfer_again(struct kube_transfer *f, const struct kube_call *call, uint64_t wait_ms);

/* Creates the handle of the next attempt, which may last `timeout_ms` (0: no limit). */
int kube_transfer_prepare(struct np_kube *k, struct kube_transfer *f, uint64_t timeout_ms,
			  struct np_err *err);

/* Frees the last attempt's data and removes its handle from the connection. */
void kube_transfer_clear(struct np_kube *k, struct kube_transfer *f);

/* Sets *out from libcurl's code or the answer's status. */
int kube_transfer_judge(struct np_kube *k, struct kube_transfer *f, CURLcode code,
			struct kube_outcome *out, struct np_err *err);

/* Fails with what the head has that the client cannot accept. */
int kube_fail_head(const struct kube_call *call, const struct kube_head *head, struct np_err *err);

/* Appends to the answer's body; false beyond `max` or without memory. */
bool kube_reply_add(struct kube_reply *reply, const char *bytes, size_t size, size_t max);

/* Rereads an old token file, and runs the plugin where its credentials have expired. */
int kube_identity_freshen(struct np_kube *k, uint64_t until, struct np_err *err);

/* Tells whether a 401 is worth another attempt, since there are newer credentials. */
bool kube_identity_renew(struct np_kube *k, struct kube_transfer *f, uint64_t until);

/* Logs a line with secrets removed. */
void kube_log(struct np_kube *k, const char *prefix, const char *text);

/* --- trace.c --------------------------------------------------------------------------------- */

#define KUBE_MASK "[redacted]"

/* Trace what is about to be sent, a line of the response's head, and the response. */
void kube_trace_request(struct np_kube *k, const struct kube_transfer *f);
void kube_trace_header(struct kube_reply *reply, const char *line);
void kube_trace_answer(struct np_kube *k, const struct kube_transfer *f, CURLcode code);

/* --- clean.c, clean_text.c, clean_xml.c --------------------------------------------------------------------------------- */

/* Tells whether a member, header or setting of that name holds a secret: "client-key-data". */
bool kube_is_secret_name(const char *name);

/* Returns the body as text without what may be secret, the caller's; NULL where memory runs out. */
char *kube_body_clean(const char *body, size_t size);

/* The same of XML, well-formed or not. */
char *kube_xml_clean(const char *text);

enum kube_text {
	KUBE_TEXT_PATH, /* a path and a query of ours: a value ends at '&' */
	KUBE_TEXT_PLAIN,
	KUBE_TEXT_HEADER, /* a header's value: whatever is behind '?' or '#' is masked */
};

/* The same of a text that is no tree: see clean_text.c. */
char *kube_text_clean(const char *text, enum kube_text kind);

/* --- exchange.c ------------------------------------------------------------------------------ */

/* Lets the exchange judge the answer. */
int kube_exchange_judge(const struct np_kube_exchange *x, const struct kube_transfer *f,
			bool *ret_again, struct np_err *err);

/* Moves the answer's bytes to the transfer. */
int kube_exchange_take(struct kube_transfer *f, struct np_err *err);

/* --- client.c -------------------------------------------------------------------------------- */

/* The interval at which is_cancelled() is polled. */
#define KUBE_POLL_MS 100

bool kube_is_cancelled(const struct np_kube *k);
int kube_fail_cancelled(struct np_err *err);

/* Sends the call, retries where that is safe, and parses the answer. */
int kube_send(struct np_kube *k, const struct kube_call *call, json_t **ret, struct np_err *err);

/*
 * Performs `n` transfers, at most `most` at a time. An error that concerns all of them fails the
 * call; else each transfer has its result or its error. One that follow()s fails by itself alone.
 */
int kube_perform(struct np_kube *k, struct kube_transfer *transfers, size_t n, size_t most,
		 struct np_err *err);

/* --- api.c ----------------------------------------------------------------------------------- */

/* Sets *ret to the escaped path of a resource, of a collection where `name` is NULL. */
int kube_path(const struct np_kube_resource *r, const char *ns, const char *name, char **ret,
	      struct np_err *err);

#define KUBE_RESOURCE_MAX 256

/* Writes "plural.group" as RBAC messages call it. */
void kube_name_resource(const struct np_kube_resource *r, char buf[static KUBE_RESOURCE_MAX]);

/* Returns the namespace that a request about one object names; NULL: it is cluster-scoped. */
const char *kube_ns_of(const struct np_kube *k, const struct np_kube_resource *r, const char *ns);

/* --- write.c --------------------------------------------------------------------------------- */

/* A call about one object, with the texts that it points to. */
struct kube_request {
	struct kube_call call;
	char resource[KUBE_RESOURCE_MAX];
	char *body, *path, *full;
};

/* Make a request; `name` stays borrowed. */
int kube_request_get(const struct np_kube *k, const struct np_kube_resource *r, const char *ns,
		     const char *name, struct kube_request *ret, struct np_err *err);
int kube_request_patch(const struct np_kube *k, const struct np_kube_resource *r, const char *ns,
		       const char *name, const struct np_kube_patch *patch,
		       struct kube_request *ret, struct np_err *err);
void kube_request_done(struct kube_request *r);

/* --- update.c -------------------------------------------------------------------------------- */

/* Jitter and limit as those of np_kube_pause(), but without the wait itself: sets *ret_ms to its length. */
int kube_plan_pause(const struct np_kube *k, uint64_t ms, uint64_t *ret_ms, struct np_err *err);

/* --- watch.c --------------------------------------------------------------------------------- */

/* The limit of received bytes that are not yet a whole event. */
#define KUBE_LINE_MAX ((size_t)8 << 20)

/* One line of a watch. */
struct kube_event {
	enum { KUBE_EVENT_OBJECT, KUBE_EVENT_GONE } kind;
	enum np_kube_event type;
	json_t *object; /* new */
	char version[NP_KUBE_VERSION_MAX];
};

/* Parses one line, which is not empty. An ERROR event is an error, except 410. */
int kube_event_parse(const struct kube_call *call, const struct kube_secrets *secrets,
		     const char *line, size_t size, struct kube_event *ret, struct np_err *err);

/* A watch on its connection. */
struct kube_stream {
	struct np_kube *k;
	struct np_kube_watch *watch;
	struct kube_call call;
	struct kube_transfer *f;
	uint64_t heard; /* when it began, or the last bytes came */
	bool is_open; /* the server has accepted the watch */
	size_t had; /* bytes of an unfinished line at the last look */
};

enum { KUBE_GO_ON = 1 }; /* not over yet; 0: it ended well; < 0: failed */

/* Hands on the whole lines that were received, and drops them. */
int kube_stream_take(struct kube_stream *s, struct np_err *err);

#define KUBE_FILE_MAX (UINT64_C(1) << 20)

#endif
