/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/err.h"

struct user_entry {
	struct np_val node;
	const char *cert_file, *cert_data, *key_file, *key_data;
	const char *as_uid, *as_user, *password, *token, *token_file, *username;
};

static const struct kube_text_field user_fields[] = {
	{ "as", offsetof(struct user_entry, as_user), false },
	{ "as-uid", offsetof(struct user_entry, as_uid), false },
	{ "client-certificate", offsetof(struct user_entry, cert_file), false },
	{ "client-certificate-data", offsetof(struct user_entry, cert_data), true },
	{ "client-key", offsetof(struct user_entry, key_file), false },
	{ "client-key-data", offsetof(struct user_entry, key_data), true },
	{ "password", offsetof(struct user_entry, password), true },
	{ "token", offsetof(struct user_entry, token), true },
	{ "tokenFile", offsetof(struct user_entry, token_file), false },
	{ "username", offsetof(struct user_entry, username), false },
	{ NULL, 0, false },
};

/* --- ways to log in -------------------------------------------------------------------------- */

static int apply_certificate(const struct user_entry *e, struct np_kube_config *c,
			     struct np_err *err)
{
	struct np_val cert = np_doc_get(e->node, "client-certificate-data");
	struct np_val key = np_doc_get(e->node, "client-key-data");

	if (kube_load_pem(cert, e->cert_data, np_doc_get(e->node, "client-certificate"),
			  e->cert_file, &c->cert, err) < 0 ||
	    kube_load_pem(key, e->key_data, np_doc_get(e->node, "client-key"), e->key_file, &c->key,
			  err) < 0)
		return np_err_ret(err);
	if (kube_keep_path(np_doc_get(e->node, "client-certificate"), e->cert_data, e->cert_file,
			   &c->cert_file, err) < 0 ||
	    kube_keep_path(np_doc_get(e->node, "client-key"), e->key_data, e->key_file,
			   &c->key_file, err) < 0)
		return np_err_ret(err);
	if (!c->cert.bytes != !c->key.bytes)
		return np_doc_fail(e->node, err, NP_E_SPEC,
				   "user '%s' has a client %s without a client %s", c->user_name,
				   c->cert.bytes ? "certificate" : "key",
				   c->cert.bytes ? "key" : "certificate");
	if (e->key_data &&
	    kube_secrets_add_lines(&c->secrets, e->key_data, strlen(e->key_data), err) < 0)
		return np_err_ret(err);
	if (!c->key.bytes)
		return 0;
	return kube_secrets_add_lines(&c->secrets, c->key.bytes, c->key.size, err);
}

/* With both, the file's token is the one to send, and the other stands in until it can be read. */
static int apply_token_file(const struct user_entry *e, struct np_kube_config *c,
			    struct np_err *err)
{
	struct np_val node = np_doc_get(e->node, "tokenFile");
	struct np_err why = NP_ERR_INIT;
	char *token;

	if (kube_resolve(node, e->token_file, &c->token_file, err) < 0)
		return np_err_ret(err);
	if (kube_token_load(c->token_file, &token, &why) == 0)
		return kube_config_set_token_take(c, token, err);
	if (e->token)
		return 0;
	*err = why;
	return kube_wrap_place(node, err);
}

static int apply_token(const struct user_entry *e, struct np_kube_config *c, struct np_err *err)
{
	char *token;

	if (e->token && !kube_is_header_text(e->token))
		return np_doc_fail(np_doc_get(e->node, "token"), err, NP_E_SPEC,
				   "token holds a blank or a control character");
	if (e->token_file && apply_token_file(e, c, err) < 0)
		return np_err_ret(err);
	if (!e->token || c->token)
		return 0;
	token = strdup(e->token);
	return token ? kube_config_set_token_take(c, token, err) : np_fail_nomem(err);
}

/* Removed from Kubernetes in 1.26: kubectl says so too. */
static int refuse_auth_provider(struct np_val node, const char *user, struct np_err *err)
{
	struct np_val provider = np_doc_get(node, "auth-provider");

	if (!np_doc_is_present(provider))
		return 0;
	return np_doc_fail_key(provider, err, NP_E_USAGE,
			       "user '%s': auth-provider was removed from Kubernetes and is not "
			       "supported: give an exec plugin, a token or a client certificate",
			       user);
}

/* --- impersonation --------------------------------------------------------------------------- */

static int check_identity(struct np_val n, const char *text, struct np_err *err)
{
	if (text && !kube_is_header_value(text))
		return np_doc_fail(n, err, NP_E_SPEC, "%s holds a control character", n.key);
	return 0;
}

/* Adds each text of a list; `prefix` goes in front of it. */
static int add_texts(struct np_val list, const char *prefix, struct kube_texts *ret,
		     struct np_err *err)
{
	if (np_doc_list(list, err) < 0)
		return np_err_ret(err);
	for (size_t i = 0; i < np_doc_count(list); i++) {
		struct np_val item = np_doc_at(list, i);
		const char *text = NULL;

		if (np_doc_string(item, &text, err) < 0 || check_identity(item, text, err) < 0)
			return np_err_ret(err);
		if (text && kube_texts_add(ret, prefix, text, err) < 0)
			return np_err_ret(err);
	}
	return 0;
}

/* A header's name holds few characters: the others are written as in an address. */
static void escape_name(const char *name, char *buf, size_t size)
{
	static const char legal[] = "!#$&'*+-.^_`|~";
	size_t out = 0;

	for (; *name && out + 4 < size; name++) {
		if (isalnum((unsigned char)*name) || strchr(legal, *name))
			buf[out++] = *name;
		else
			out += (size_t)snprintf(buf + out, size - out, "%%%02X",
						(unsigned char)*name);
	}
	buf[out] = '\0';
}

static int add_extra(struct np_val extra, struct kube_texts *ret, struct np_err *err)
{
	if (!np_doc_is_present(extra))
		return 0;
	if (np_doc_object(extra, err) < 0)
		return np_err_ret(err);
	for (struct np_val n = np_doc_next(extra, NULL); n.key; n = np_doc_next(extra, n.key)) {
		char name[512], prefix[600];

		escape_name(n.key, name, sizeof(name));
		snprintf(prefix, sizeof(prefix), "Impersonate-Extra-%s: ", name);
		if (add_texts(n, prefix, ret, err) < 0)
			return np_err_ret(err);
	}
	return 0;
}

static int apply_impersonation(const struct user_entry *e, struct np_kube_config *c,
			       struct np_err *err)
{
	if (check_identity(np_doc_get(e->node, "as"), e->as_user, err) < 0 ||
	    check_identity(np_doc_get(e->node, "as-uid"), e->as_uid, err) < 0 ||
	    kube_set_text(&c->as_user, e->as_user, err) < 0 ||
	    kube_set_text(&c->as_uid, e->as_uid, err) < 0 ||
	    add_texts(np_doc_get(e->node, "as-groups"), "", &c->as_groups, err) < 0)
		return np_err_ret(err);
	return add_extra(np_doc_get(e->node, "as-user-extra"), &c->as_extra, err);
}

/* --- all of it ------------------------------------------------------------------------------- */

static int name_credentials(struct np_kube_config *c, struct np_err *err)
{
	char *who = NULL;
	int n = c->plugin ? asprintf(&who, "user '%s', which '%s' gave", c->user_name,
				     kube_plugin_command(c->plugin))
			  : asprintf(&who, "user '%s'", c->user_name);

	if (n < 0)
		return np_fail_nomem(err);
	free(c->who);
	c->who = who;
	return 0;
}

int kube_user_apply(struct np_val node, const struct np_kube_options *o, struct np_kube_config *c,
		    struct np_err *err)
{
	struct user_entry e = { .node = node };

	if (kube_read_fields(node, user_fields, &e, err) < 0 || apply_certificate(&e, c, err) < 0 ||
	    apply_impersonation(&e, c, err) < 0)
		return np_err_ret(err);
	/* A token of the command line stands for every other way to log in. */
	if (o->token || o->token_file)
		return 0;
	if (apply_token(&e, c, err) < 0)
		return np_err_ret(err);
	if (!c->token && (kube_set_text(&c->username, e.username, err) < 0 ||
			  kube_set_text(&c->password, e.password, err) < 0))
		return np_err_ret(err);
	/* As client-go: a plugin is not asked where there is another way in. */
	if (!c->token && !c->username && !c->cert.bytes &&
	    (refuse_auth_provider(node, c->user_name, err) < 0 ||
	     kube_plugin_load(np_doc_get(node, "exec"), o, c, err) < 0))
		return np_err_ret(err);
	return c->token || c->username || c->cert.bytes || c->plugin ? name_credentials(c, err) : 0;
}
