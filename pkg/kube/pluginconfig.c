/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <bsd/string.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/base64.h"
#include "nodeprep/doc.h"
#include "nodeprep/err.h"
#include "nodeprep/json.h"

#define V1 "client.authentication.k8s.io/v1"
#define V1BETA1 "client.authentication.k8s.io/v1beta1"

/* The name of the cluster's extension for plugins. */
#define EXTENSION "client.authentication.k8s.io/exec"

static void plugin_unrefp(struct kube_plugin **p)
{
	kube_plugin_unref(*p);
}

struct exec_entry {
	struct np_val node;
	const char *api_version, *command, *hint, *mode;
};

static const struct kube_text_field exec_fields[] = {
	{ "apiVersion", offsetof(struct exec_entry, api_version), false },
	{ "command", offsetof(struct exec_entry, command), false },
	{ "installHint", offsetof(struct exec_entry, hint), false },
	{ "interactiveMode", offsetof(struct exec_entry, mode), false },
	{ NULL, 0, false },
};

/* --- its environment ------------------------------------------------------------------------- */

/* Sets NAME=value and replaces an earlier one, since a program would see the first. */
static int set_variable(struct kube_texts *env, const char *name, const char *value,
			struct np_err *err)
{
	size_t size = strlen(name);
	char *text = NULL;

	if (asprintf(&text, "%s=%s", name, value) < 0)
		return np_fail_nomem(err);
	for (size_t i = 0; i < env->n; i++) {
		if (strncmp(env->items[i], name, size) != 0 || env->items[i][size] != '=')
			continue;
		free(env->items[i]);
		env->items[i] = text;
		return 0;
	}
	return kube_texts_add_take(env, text, err);
}

static int copy_environment(char *const *environment, struct kube_plugin *p, struct np_err *err)
{
	for (; environment && *environment; environment++) {
		if (strncmp(*environment, "KUBERNETES_EXEC_INFO=", 21) == 0)
			continue;
		if (strncmp(*environment, "PATH=", 5) == 0 &&
		    kube_set_text(&p->path, *environment + 5, err) < 0)
			return np_err_ret(err);
		if (kube_texts_add(&p->env, "", *environment, err) < 0)
			return np_err_ret(err);
	}
	return 0;
}

/* Values may be secrets: none is quoted. */
static int add_variables(struct np_val list, struct kube_plugin *p, struct np_err *err)
{
	if (np_doc_list(list, err) < 0)
		return np_err_ret(err);
	for (size_t i = 0; i < np_doc_count(list); i++) {
		struct np_val item = np_doc_at(list, i);
		const char *name = NULL, *value = NULL;

		if (np_doc_object(item, err) < 0 ||
		    kube_read_text(np_doc_get(item, "name"), false, &name, err) < 0 ||
		    kube_read_text(np_doc_get(item, "value"), true, &value, err) < 0)
			return np_err_ret(err);
		if (!name || strchr(name, '='))
			return np_doc_fail(item, err, NP_E_SPEC,
					   "an environment variable has no name, or one with '='");
		if (set_variable(&p->env, name, value ? value : "", err) < 0)
			return np_err_ret(err);
	}
	return 0;
}

/* --- its command ----------------------------------------------------------------------------- */

static int set_version(const struct exec_entry *e, const struct np_kube_config *c,
		       struct kube_plugin *p, struct np_err *err)
{
	const char *version = e->api_version;

	if (!version)
		return np_doc_fail(e->node, err, NP_E_SPEC,
				   "user '%s': exec needs an apiVersion: " V1 " or " V1BETA1,
				   c->user_name);
	if (strcmp(version, V1) != 0 && strcmp(version, V1BETA1) != 0)
		return np_doc_fail(np_doc_get(e->node, "apiVersion"), err, NP_E_SPEC,
				   "user '%s': exec plugin: invalid apiVersion '%s': expected " V1
				   " or " V1BETA1 "%s",
				   c->user_name, version,
				   strstr(version, "/v1alpha1")
					   ? " (v1alpha1 was removed from Kubernetes: renew the "
					     "kubeconfig)"
					   : "");
	return kube_set_text(&p->api_version, version, err);
}

/* v1 requires the field; v1beta1 defaults it. */
static int set_mode(const struct exec_entry *e, const struct np_kube_config *c,
		    struct kube_plugin *p, struct np_err *err)
{
	static const char *const modes[] = { [KUBE_INTERACTIVE_NEVER] = "Never",
					     [KUBE_INTERACTIVE_IF_AVAILABLE] = "IfAvailable",
					     [KUBE_INTERACTIVE_ALWAYS] = "Always" };
	const char *mode = e->mode;

	if (!mode && strcmp(p->api_version, V1BETA1) == 0)
		mode = modes[KUBE_INTERACTIVE_IF_AVAILABLE];
	if (!mode)
		return np_doc_fail(e->node, err, NP_E_SPEC,
				   "user '%s': interactiveMode must be specified to use an exec "
				   "plugin: Never, IfAvailable or Always",
				   c->user_name);
	for (unsigned i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		if (strcmp(mode, modes[i]) != 0)
			continue;
		p->mode = (enum kube_interactive)i;
		return 0;
	}
	return np_doc_fail(
		np_doc_get(e->node, "interactiveMode"), err, NP_E_SPEC,
		"user '%s': invalid interactiveMode '%s': expected Never, IfAvailable or "
		"Always",
		c->user_name, mode);
}

/*
 * A command with a slash is relative to the kubeconfig's folder; one without is searched in PATH.
 */
static int set_command(const struct exec_entry *e, const struct np_kube_config *c,
		       struct kube_plugin *p, struct np_err *err)
{
	struct np_val list = np_doc_get(e->node, "args");
	char *command = NULL;

	if (!e->command)
		return np_doc_fail(e->node, err, NP_E_SPEC, "user '%s': exec needs a command",
				   c->user_name);
	if (strchr(e->command, '/')) {
		if (kube_resolve(np_doc_get(e->node, "command"), e->command, &command, err) < 0)
			return np_err_ret(err);
	} else if (kube_set_text(&command, e->command, err) < 0) {
		return np_err_ret(err);
	}
	if (kube_texts_add_take(&p->args, command, err) < 0 || np_doc_list(list, err) < 0)
		return np_err_ret(err);
	for (size_t i = 0; i < np_doc_count(list); i++) {
		const char *text = NULL;

		if (np_doc_string(np_doc_at(list, i), &text, err) < 0 ||
		    kube_texts_add(&p->args, "", text ? text : "", err) < 0)
			return np_err_ret(err);
	}
	return 0;
}

/* --- the cluster's information --------------------------------------------------------------- */

int kube_extension_load(struct np_val list, struct np_kube_config *c, struct np_err *err)
{
	if (np_doc_list(list, err) < 0)
		return np_err_ret(err);
	for (size_t i = 0; i < np_doc_count(list); i++) {
		struct np_val item = np_doc_at(list, i);
		const char *name = NULL;

		if (np_doc_object(item, err) < 0 ||
		    kube_read_text(np_doc_get(item, "name"), false, &name, err) < 0)
			return np_err_ret(err);
		if (!name || strcmp(name, EXTENSION) != 0)
			continue;
		json_decref(c->extension);
		c->extension = json_deep_copy(np_doc_get(item, "extension").json);
	}
	return 0;
}

static int set_member(json_t *object, const char *key, const char *text, struct np_err *err)
{
	if (text && json_object_set_new(object, key, json_string(text)) < 0)
		return np_fail_nomem(err);
	return 0;
}

static int set_ca(json_t *object, const struct kube_blob *ca, struct np_err *err)
{
	NP_AUTO(np_freep) char *text = NULL;

	if (!ca->bytes)
		return 0;
	text = np_base64_encode(ca->bytes, ca->size);
	if (!text)
		return np_fail_nomem(err);
	return set_member(object, "certificate-authority-data", text, err);
}

int kube_plugin_finish(struct np_kube_config *c, struct np_err *err)
{
	json_auto_t *cluster = json_object();

	if (!c->plugin || !c->plugin->provide_cluster)
		return 0;
	if (!cluster)
		return np_fail_nomem(err);
	if (set_member(cluster, "server", c->server, err) < 0 ||
	    set_member(cluster, "tls-server-name", c->tls_server_name, err) < 0 ||
	    set_member(cluster, "proxy-url", c->proxy_url, err) < 0 ||
	    set_ca(cluster, &c->ca, err) < 0)
		return np_err_ret(err);
	if ((c->insecure &&
	     json_object_set_new(cluster, "insecure-skip-tls-verify", json_true()) < 0) ||
	    (c->no_compression &&
	     json_object_set_new(cluster, "disable-compression", json_true()) < 0) ||
	    (c->extension && json_object_set(cluster, "config", c->extension) < 0))
		return np_fail_nomem(err);
	c->plugin->info = np_json_text(cluster, JSON_COMPACT);
	return c->plugin->info ? 0 : np_fail_nomem(err);
}

/* --- all of it ------------------------------------------------------------------------------- */

/* A hint of several lines goes into a message, which is one line. */
static void flatten(char *text)
{
	for (; text && *text; text++)
		if (*text == '\n' || *text == '\r' || *text == '\t')
			*text = ' ';
}

int kube_plugin_load(struct np_val node, const struct np_kube_options *o, struct np_kube_config *c,
		     struct np_err *err)
{
	NP_AUTO(plugin_unrefp) struct kube_plugin *p = NULL;
	struct exec_entry e = { .node = node };

	if (!np_doc_is_present(node) || json_is_null(node.json))
		return 0;
	p = kube_plugin_new();
	if (!p)
		return np_fail_nomem(err);
	if (np_doc_object(node, err) < 0 || kube_read_fields(node, exec_fields, &e, err) < 0 ||
	    set_version(&e, c, p, err) < 0 || set_mode(&e, c, p, err) < 0 ||
	    set_command(&e, c, p, err) < 0 || kube_set_text(&p->hint, e.hint, err) < 0 ||
	    copy_environment(o->environment, p, err) < 0 ||
	    add_variables(np_doc_get(node, "env"), p, err) < 0 ||
	    np_doc_bool(np_doc_get(node, "provideClusterInfo"), &p->provide_cluster, err) < 0)
		return np_err_ret(err);
	flatten(p->hint);
	p->stdin_taken = o->stdin_taken;
	c->plugin = np_take(p);
	return 0;
}
