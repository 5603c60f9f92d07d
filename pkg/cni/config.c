/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/err.h"
#include "nodeprep/json.h"
#include "nodeprep/text.h"
#include "nodeprep/units.h"

/* As messages call the bytes on standard input. */
#define SOURCE "configuration"
#define TIMEOUT_MOST_MS UINT64_C(3600000)

static const char *const version_names[NP_CNI_VERSION_MAX] = {
	[NP_CNI_0_4_0] = "0.4.0",
	[NP_CNI_1_0_0] = "1.0.0",
	[NP_CNI_1_1_0] = "1.1.0",
};

const char *np_cni_version_name(enum np_cni_version version)
{
	return version_names[version];
}

bool cni_find_version(const char *text, enum np_cni_version *ret)
{
	for (enum np_cni_version i = 0; i < NP_CNI_VERSION_MAX; i++) {
		if (strcmp(text, version_names[i]) == 0) {
			*ret = i;
			return true;
		}
	}
	return false;
}

void np_cni_config_done(struct np_cni_config *c)
{
	np_doc_unref(c->doc);
	free(c->valid);
	*c = (struct np_cni_config){ 0 };
}

/* --- JSON ------------------------------------------------------------------------------------ */

static int fail_json(const json_error_t *why, struct np_err *err)
{
	/* jansson has a text for what is wrong with JSON, none for running out of memory. */
	if (json_error_code(why) == json_error_out_of_memory || why->text[0] == '\0')
		return np_fail_nomem(err);
	return np_fail(err, NP_E_DECODE, SOURCE ":%d:%d: not valid JSON: %s",
		       why->line > 0 ? why->line : 1, why->column > 0 ? why->column : 1, why->text);
}

/* Anything but a JSON object is NP_E_DECODE; an object that is not valid is NP_E_SPEC. */
static int decode(const char *bytes, size_t size, json_t **ret, struct np_err *err)
{
	json_error_t why;
	json_auto_t *root = NULL;

	if (size > NP_CNI_CONFIG_MAX)
		return np_fail(err, NP_E_DECODE, SOURCE ": larger than %" PRIu64 " bytes",
			       NP_CNI_CONFIG_MAX);
	root = json_loadb(bytes, size, JSON_DECODE_ANY, &why);
	if (!root && strspn(bytes, " \t\r\n") >= size)
		return np_fail(err, NP_E_DECODE,
			       SOURCE ": standard input is empty: expected a JSON object");
	if (!root)
		return fail_json(&why, err);
	if (!json_is_object(root))
		return np_fail(err, NP_E_DECODE, SOURCE ": expected a JSON object");
	*ret = json_incref(root);
	return 0;
}

/* The specification: without cniVersion it is 0.1.0. */
static int read_version(const json_t *root, enum np_cni_version *ret, struct np_err *err)
{
	const json_t *value = json_object_get(root, "cniVersion");

	if (value && !json_is_string(value))
		return np_fail(err, NP_E_SPEC,
			       SOURCE
			       ": cniVersion is not a string: expected one such as \"1.1.0\"");
	if (!value)
		return np_fail(err, NP_E_VERSION,
			       "cniVersion is not given, which means 0.1.0: " CNI_VERSIONS_TEXT
			       " are supported");
	if (!cni_find_version(json_string_value(value), ret))
		return np_fail(err, NP_E_VERSION,
			       "cniVersion '%.64s': " CNI_VERSIONS_TEXT " are supported",
			       json_string_value(value));
	return 0;
}

static int check_command(enum np_cni_command command, enum np_cni_version version,
			 struct np_err *err)
{
	if ((command == NP_CNI_GC || command == NP_CNI_STATUS) && version < NP_CNI_1_1_0)
		return np_fail(err, NP_E_VERSION,
			       "CNI_COMMAND %s came with version 1.1.0, but cniVersion is '%s'",
			       np_cni_command_name(command), version_names[version]);
	return 0;
}

/* Reads the same bytes with their positions; an error now is valid JSON with invalid content. */
static int read_document(const char *bytes, size_t size, struct np_doc **ret, struct np_err *err)
{
	NP_AUTO(np_doc_reader_freep) struct np_doc_reader *reader = NULL;
	int got;

	if (np_doc_reader_new(SOURCE, bytes, size, &reader, err) < 0)
		return np_err_ret(err);
	got = np_doc_reader_next(reader, ret, err);
	if (got == 0)
		return np_fail(err, NP_E_BUG, SOURCE ": JSON without a document");
	return got < 0 ? got : 0;
}

/* --- fields ---------------------------------------------------------------------------------- */

enum kind {
	KIND_TEXT,
	KIND_BOOL,
	KIND_DURATION,
	KIND_GB,
	KIND_POOLS,
	KIND_SUPERVISOR,
	KIND_VCENTER
};

struct field {
	const char *key;
	enum kind kind;
	size_t offset;
};

#define AT(member) offsetof(struct np_cni_config, member)

static const struct field fields[] = {
	{ "dryRun", KIND_BOOL, AT(dry_run) },
	{ "instance", KIND_TEXT, AT(instance) },
	{ "logFile", KIND_TEXT, AT(log_file) },
	{ "maxWindowGB", KIND_GB, AT(max_window_gb) },
	{ "nodePool", KIND_POOLS, AT(node_pool) },
	{ "planFile", KIND_TEXT, AT(plan_file) },
	{ "specFile", KIND_TEXT, AT(spec_file) },
	{ "stateDir", KIND_TEXT, AT(state_dir) },
	{ "supervisor", KIND_SUPERVISOR, AT(supervisor) },
	{ "timeout", KIND_DURATION, AT(timeout_ms) },
};

static const char *const field_words[] = { "dryRun",     "instance", "logFile",  "maxWindowGB",
					   "nodePool",   "planFile", "specFile", "stateDir",
					   "supervisor", "timeout" };

_Static_assert(sizeof(fields) / sizeof(fields[0]) == sizeof(field_words) / sizeof(field_words[0]),
	       "each field has its word");

#undef AT
#define AT(member) offsetof(struct np_cni_supervisor, member)

static const struct field supervisor_fields[] = {
	{ "caFile", KIND_TEXT, AT(ca_file) },        { "context", KIND_TEXT, AT(context) },
	{ "kubeconfig", KIND_TEXT, AT(kubeconfig) }, { "namespace", KIND_TEXT, AT(ns) },
	{ "server", KIND_TEXT, AT(server) },         { "tokenFile", KIND_TEXT, AT(token_file) },
	{ "vcenter", KIND_VCENTER, AT(vcenter) },
};

static const char *const supervisor_words[] = { "caFile", "context",   "kubeconfig", "namespace",
						"server", "tokenFile", "vcenter" };

_Static_assert(sizeof(supervisor_fields) / sizeof(supervisor_fields[0]) ==
		       sizeof(supervisor_words) / sizeof(supervisor_words[0]),
	       "each field has its word");

#undef AT
#define AT(member) offsetof(struct np_cni_vcenter, member)

static const struct field vcenter_fields[] = {
	{ "caFile", KIND_TEXT, AT(ca_file) },
	{ "passwordFile", KIND_TEXT, AT(password_file) },
	{ "url", KIND_TEXT, AT(url) },
	{ "usernameFile", KIND_TEXT, AT(username_file) },
};

static const char *const vcenter_words[] = { "caFile", "passwordFile", "url", "usernameFile" };

_Static_assert(sizeof(vcenter_fields) / sizeof(vcenter_fields[0]) ==
		       sizeof(vcenter_words) / sizeof(vcenter_words[0]),
	       "each field has its word");

/* Keys of the specification and of libcni: never a misspelt key of nodeprep. */
static const char *const foreign_words[] = { "args", "capabilities", "cniVersion",
					     "dns",  "ipMasq",       "ipam",
					     "name", "prevResult",   "runtimeConfig",
					     "type" };

static int read_text(struct np_val n, const char **ret, struct np_err *err)
{
	const char *text = NULL;

	if (np_doc_string(n, &text, err) < 0)
		return np_err_ret(err);
	if (!*text)
		return np_doc_fail(n, err, NP_E_SPEC, "%s is '': leave it out, or give a value",
				   n.key);
	*ret = text;
	return 0;
}

/* "30s" as kubectl writes durations, or whole seconds. */
static int read_duration(struct np_val n, uint64_t *ret, struct np_err *err)
{
	struct np_err why = NP_ERR_INIT;
	char quoted[NP_DOC_TEXT_MAX];
	uint64_t ms = 0;

	np_doc_text(n, quoted);
	if (json_is_integer(n.json) && json_integer_value(n.json) > 0 &&
	    (uint64_t)json_integer_value(n.json) <= TIMEOUT_MOST_MS / 1000)
		ms = (uint64_t)json_integer_value(n.json) * 1000;
	else if (json_is_string(n.json) &&
		 np_duration_parse(json_string_value(n.json), &ms, &why) < 0)
		ms = 0;
	if (ms == 0 || ms > TIMEOUT_MOST_MS)
		return np_doc_fail(
			n, err, NP_E_SPEC,
			"timeout is '%s': expected seconds from 1 to 3600, or a duration "
			"such as \"30s\"",
			quoted);
	*ret = ms;
	return 0;
}

static int read_pools(struct np_val n, struct np_val *ret, struct np_err *err)
{
	if (!json_is_object(n.json) && !json_is_array(n.json))
		return np_doc_fail(n, err, NP_E_SPEC,
				   "nodePool is not an object: expected a NodePool or another kind "
				   "that has pools, or a list of them");
	for (size_t i = 0; i < np_doc_count(n); i++)
		if (np_doc_object(np_doc_at(n, i), err) <= 0)
			return np_doc_fail(n, err, NP_E_SPEC,
					   "nodePool[%zu] is not an object: expected a NodePool or "
					   "another kind that has pools",
					   i);
	*ret = n;
	return 0;
}

static int read_supervisor(struct np_val n, struct np_cni_supervisor *ret, struct np_err *err);
static int read_vcenter(struct np_val n, struct np_cni_vcenter *ret, struct np_err *err);

static int read_field(const struct field *f, struct np_val n, void *at, struct np_err *err)
{
	switch (f->kind) {
	case KIND_TEXT:
		return read_text(n, at, err);
	case KIND_BOOL:
		return np_doc_bool(n, at, err) < 0 ? np_err_ret(err) : 0;
	case KIND_DURATION:
		return read_duration(n, at, err);
	case KIND_GB:
		return np_doc_uint(n, 1, NP_WINDOW_GB_MAX, at, err) < 0 ? np_err_ret(err) : 0;
	case KIND_POOLS:
		return read_pools(n, at, err);
	case KIND_SUPERVISOR:
		return read_supervisor(n, at, err);
	case KIND_VCENTER:
		return read_vcenter(n, at, err);
	}
	return np_fail(err, NP_E_BUG, "field '%s' has no kind", f->key);
}

static int read_fields(struct np_val n, const struct field *rows, size_t n_rows, void *base,
		       struct np_err *err)
{
	for (size_t i = 0; i < n_rows; i++) {
		struct np_val value = np_doc_get(n, rows[i].key);

		if (np_doc_is_present(value) &&
		    read_field(&rows[i], value, (char *)base + rows[i].offset, err) < 0)
			return np_err_ret(err);
	}
	return 0;
}

static bool is_among(const char *text, struct np_words words)
{
	for (size_t i = 0; i < words.n; i++)
		if (strcmp(text, words.word[i]) == 0)
			return true;
	return false;
}

/* Ignores unknown keys, but rejects one that resembles a key of nodeprep. */
static int check_near(struct np_val root, struct np_err *err)
{
	for (struct np_val n = np_doc_next(root, NULL); n.key; n = np_doc_next(root, n.key)) {
		const char *near = np_text_near(n.key, NP_WORDS(field_words));

		if (near && !is_among(n.key, NP_WORDS(field_words)) &&
		    !is_among(n.key, NP_WORDS(foreign_words)))
			return np_doc_fail_key(n, err, NP_E_SPEC,
					       "unknown key '%.64s': did you mean '%s'?", n.key,
					       near);
	}
	return 0;
}

/* Rejects every key that is not known; `where` is the object's name with its dot. */
static int check_known(struct np_val n, const char *where, struct np_words words, const char *known,
		       struct np_err *err)
{
	if (np_doc_object(n, err) < 0)
		return np_err_ret(err);
	for (struct np_val m = np_doc_next(n, NULL); m.key; m = np_doc_next(n, m.key)) {
		const char *near = np_text_near(m.key, words);

		if (is_among(m.key, words))
			continue;
		if (near)
			return np_doc_fail_key(m, err, NP_E_SPEC,
					       "unknown key '%s%.64s': did you mean '%s'?", where,
					       m.key, near);
		return np_doc_fail_key(m, err, NP_E_SPEC, "unknown key '%s%.64s': known are %s",
				       where, m.key, known);
	}
	return 0;
}

static int read_vcenter(struct np_val n, struct np_cni_vcenter *ret, struct np_err *err)
{
	if (check_known(n, "supervisor.vcenter.", NP_WORDS(vcenter_words),
			"caFile, passwordFile, url and usernameFile", err) < 0 ||
	    read_fields(n, vcenter_fields, sizeof(vcenter_fields) / sizeof(vcenter_fields[0]), ret,
			err) < 0)
		return np_err_ret(err);
	if (!ret->url)
		return np_doc_fail(n, err, NP_E_SPEC,
				   "supervisor.vcenter has no url: expected vCenter's address");
	return 0;
}

/* vCenter stands for the API server, so no key of the latter goes with it. */
static int check_one_server(struct np_val n, struct np_err *err)
{
	if (!np_doc_is_present(np_doc_get(n, "vcenter")))
		return 0;
	for (size_t i = 0; i < sizeof(supervisor_words) / sizeof(supervisor_words[0]); i++) {
		struct np_val other = np_doc_get(n, supervisor_words[i]);

		if (np_doc_is_present(other) && strcmp(other.key, "vcenter") != 0)
			return np_doc_fail_key(
				other, err, NP_E_SPEC,
				"supervisor.%s and supervisor.vcenter are mutually exclusive",
				other.key);
	}
	return 0;
}

static int read_supervisor(struct np_val n, struct np_cni_supervisor *ret, struct np_err *err)
{
	if (check_known(n, "supervisor.", NP_WORDS(supervisor_words),
			"caFile, context, kubeconfig, namespace, server, tokenFile and vcenter",
			err) < 0 ||
	    check_one_server(n, err) < 0)
		return np_err_ret(err);
	return read_fields(n, supervisor_fields,
			   sizeof(supervisor_fields) / sizeof(supervisor_fields[0]), ret, err);
}

/* --- the network ----------------------------------------------------------------------------- */

static int read_name(struct np_val root, const char **ret, struct np_err *err)
{
	struct np_val n = np_doc_get(root, "name");
	char quoted[NP_DOC_TEXT_MAX];

	if (np_doc_string(n, ret, err) < 0)
		return np_err_ret(err);
	np_doc_text(n, quoted);
	if (!*ret)
		return np_doc_fail(n, err, NP_E_SPEC,
				   "name is missing: expected the network's name");
	if (!cni_is_name(*ret))
		return np_doc_fail(
			n, err, NP_E_SPEC,
			"name is '%s': expected at most %d letters, digits, '_', '.' and '-', "
			"the first a letter or digit",
			quoted, NP_CNI_NAME_MAX);
	return 0;
}

/* In a holder it is between slashes. */
static bool is_instance(const char *text)
{
	for (const char *c = text; *c; c++)
		if (*c == '/' || !isgraph((unsigned char)*c))
			return false;
	return *text && strlen(text) <= NP_CNI_NAME_MAX;
}

static int check_instance(struct np_val root, const char *host, struct np_cni_config *c,
			  struct np_err *err)
{
	bool is_set = !!c->instance;

	if (!is_set)
		c->instance = host;
	if (is_instance(c->instance))
		return 0;
	return np_doc_fail(
		np_doc_get(root, "instance"), err, NP_E_SPEC,
		"%s is '%.64s': expected at most %d printable ASCII characters without slashes%s",
		is_set ? "instance" : "the host's name", c->instance, NP_CNI_NAME_MAX,
		is_set ? "" : ": set instance");
}

/* libcni sets these; nodeprep has no capabilities. */
static int check_runtime(struct np_val root, struct np_err *err)
{
	if (np_doc_object(np_doc_get(root, "runtimeConfig"), err) < 0)
		return np_err_ret(err);
	if (np_doc_object(np_doc_get(root, "capabilities"), err) < 0)
		return np_err_ret(err);
	return 0;
}

static int check_prev_result(struct np_val prev, struct np_err *err)
{
	struct np_val n = np_doc_get(prev, "cniVersion");
	enum np_cni_version version;
	const char *text = NULL;

	if (np_doc_object(prev, err) < 0 || np_doc_string(n, &text, err) < 0)
		return np_err_ret(err);
	if (text && !cni_find_version(text, &version))
		return np_doc_fail(n, err, NP_E_VERSION,
				   "prevResult's cniVersion is '%.64s': " CNI_VERSIONS_TEXT
				   " are supported",
				   text);
	return 0;
}

/* --- valid attachments ----------------------------------------------------------------------- */

static int read_attachment(struct np_val n, struct np_cni_attachment *ret, struct np_err *err)
{
	struct np_val container = np_doc_get(n, "containerID"), ifname = np_doc_get(n, "ifname");

	if (np_doc_object(n, err) <= 0)
		return np_doc_fail(
			n, err, NP_E_SPEC,
			"a valid attachment is not an object: expected containerID and ifname");
	ret->container = NULL;
	ret->ifname = "";
	if (np_doc_string(container, &ret->container, err) < 0 ||
	    np_doc_string(ifname, &ret->ifname, err) < 0)
		return np_err_ret(err);
	if (!ret->container)
		return np_doc_fail(n, err, NP_E_SPEC, "a valid attachment has no containerID");
	return 0;
}

static int read_valid(struct np_val list, struct np_cni_config *c, struct np_err *err)
{
	size_t n = np_doc_count(list);
	struct np_cni_attachment *items;

	if (np_doc_list(list, err) <= 0)
		return np_doc_is_present(list) ? np_err_ret(err) : 0;
	c->has_valid = true;
	items = reallocarray(c->valid, c->n_valid + n + 1, sizeof(*items));
	if (!items)
		return np_fail_nomem(err);
	c->valid = items;
	for (size_t i = 0; i < n; i++) {
		if (read_attachment(np_doc_at(list, i), &items[c->n_valid], err) < 0)
			return np_err_ret(err);
		c->n_valid++;
	}
	return 0;
}

/* --- the whole ------------------------------------------------------------------------------- */

static int check_pools(enum np_cni_command command, struct np_val root,
		       const struct np_cni_config *c, struct np_err *err)
{
	bool needs = command == NP_CNI_ADD || command == NP_CNI_CHECK || command == NP_CNI_STATUS;

	if (c->spec_file && np_doc_is_present(c->node_pool))
		return np_doc_fail_key(np_doc_get(root, "specFile"), err, NP_E_SPEC,
				       "specFile and nodePool are mutually exclusive");
	if (needs && !np_cni_has_pools(c))
		return np_doc_fail(root, err, NP_E_SPEC,
				   "no pools: set nodePool (inline) or specFile (a path)");
	return 0;
}

static int read_config(enum np_cni_command command, const char *host, struct np_cni_config *c,
		       struct np_err *err)
{
	struct np_val root = np_doc_root(c->doc);

	c->timeout_ms = NP_CNI_TIMEOUT_MS;
	c->prev_result = np_doc_get(root, "prevResult");
	if (read_name(root, &c->name, err) < 0 || check_near(root, err) < 0 ||
	    read_fields(root, fields, sizeof(fields) / sizeof(fields[0]), c, err) < 0 ||
	    check_instance(root, host, c, err) < 0 || check_runtime(root, err) < 0 ||
	    check_pools(command, root, c, err) < 0)
		return np_err_ret(err);
	if (command == NP_CNI_ADD && check_prev_result(c->prev_result, err) < 0)
		return np_err_ret(err);
	if (command != NP_CNI_GC)
		return 0;
	if (read_valid(np_doc_get(root, CNI_VALID_KEY), c, err) < 0)
		return np_err_ret(err);
	return read_valid(np_doc_get(root, CNI_VALID_KEY_OLD), c, err);
}

int np_cni_config_parse(enum np_cni_command command, const char *bytes, size_t size,
			const char *host, struct np_cni_config *ret,
			enum np_cni_version *ret_version, struct np_err *err)
{
	NP_AUTO(np_cni_config_done) struct np_cni_config c = { 0 };
	json_auto_t *root = NULL;

	if (decode(bytes, size, &root, err) < 0 || read_version(root, &c.version, err) < 0)
		return np_err_ret(err);
	*ret_version = c.version;
	if (check_command(command, c.version, err) < 0 ||
	    read_document(bytes, size, &c.doc, err) < 0 || read_config(command, host, &c, err) < 0)
		return np_err_ret(err);
	*ret = c;
	c = (struct np_cni_config){ 0 };
	return 0;
}

bool np_cni_has_pools(const struct np_cni_config *c)
{
	return c->spec_file || np_doc_is_present(c->node_pool);
}

/* Parses the pool as a text of its own, so that messages have its name and a position in it. */
static int add_pool(struct np_val n, const char *name, const struct np_catalogue *cat,
		    struct np_input *in, struct np_err *err)
{
	NP_AUTO(np_freep) char *text = np_json_text(n.json, JSON_COMPACT);

	if (!text)
		return np_fail_nomem(err);
	return np_pool_input_parse(in, cat, name, text, strlen(text), err);
}

int np_cni_add_pools(const struct np_cni_config *c, const struct np_catalogue *cat,
		     struct np_input *in, struct np_err *err)
{
	char name[48];

	if (json_is_object(c->node_pool.json))
		return add_pool(c->node_pool, "nodePool", cat, in, err);
	for (size_t i = 0; i < np_doc_count(c->node_pool); i++) {
		snprintf(name, sizeof(name), "nodePool[%zu]", i);
		if (add_pool(np_doc_at(c->node_pool, i), name, cat, in, err) < 0)
			return np_err_ret(err);
	}
	return 0;
}
