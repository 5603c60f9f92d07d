/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "nodeprep/err.h"

/* The kernel's IFNAMSIZ without its NUL. */
#define IFNAME_MAX 15

static const char *const command_names[NP_CNI_COMMAND_MAX] = {
	[NP_CNI_ADD] = "ADD", [NP_CNI_CHECK] = "CHECK",   [NP_CNI_DEL] = "DEL",
	[NP_CNI_GC] = "GC",   [NP_CNI_STATUS] = "STATUS", [NP_CNI_VERSION] = "VERSION",
};

const char *np_cni_command_name(enum np_cni_command command)
{
	return command_names[command];
}

bool cni_is_name(const char *text)
{
	for (const char *c = text; *c; c++) {
		bool inner = c != text && strchr("_.-", *c);

		if (!inner && !(isascii(*c) && isalnum((unsigned char)*c)))
			return false;
	}
	return *text && strlen(text) <= NP_CNI_NAME_MAX;
}

static bool is_ifname(const char *text)
{
	if (strlen(text) > IFNAME_MAX || strcmp(text, ".") == 0 || strcmp(text, "..") == 0)
		return false;
	for (const char *c = text; *c; c++)
		if (*c == '/' || *c == ':' || !isgraph((unsigned char)*c))
			return false;
	return true;
}

static int read_command(const char *text, enum np_cni_command *ret, struct np_err *err)
{
	if (!text || !*text)
		return np_fail(
			err, NP_E_USAGE,
			"CNI_COMMAND is empty: expected ADD, CHECK, DEL, GC, STATUS or VERSION");
	for (enum np_cni_command i = 0; i < NP_CNI_COMMAND_MAX; i++) {
		if (strcmp(text, command_names[i]) == 0) {
			*ret = i;
			return 0;
		}
	}
	return np_fail(err, NP_E_USAGE,
		       "CNI_COMMAND is '%.64s': expected ADD, CHECK, DEL, GC, STATUS or VERSION",
		       text);
}

/* Copies the value of `key` in "K=V;K=V"; ignores anything else. */
static void find_arg(const char *args, const char *key, char *buf, size_t size)
{
	size_t n = strlen(key);

	while (args && *args) {
		size_t length = strcspn(args, ";");

		if (length > n && args[n] == '=' && strncmp(args, key, n) == 0) {
			snprintf(buf, size, "%.*s", (int)(length - n - 1), args + n + 1);
			return;
		}
		args += length + (args[length] == ';');
	}
}

static void read_pod(const char *args, char buf[static NP_CNI_POD_MAX])
{
	char ns[NP_CNI_POD_MAX / 2] = "", name[NP_CNI_POD_MAX / 2] = "";

	find_arg(args, "K8S_POD_NAMESPACE", ns, sizeof(ns));
	find_arg(args, "K8S_POD_NAME", name, sizeof(name));
	if (*name)
		snprintf(buf, NP_CNI_POD_MAX, "%s/%s", ns, name);
	/* The environment may be any bytes; messages are text. */
	for (char *c = buf; *c; c++)
		if (!isgraph((unsigned char)*c))
			*c = '?';
}

static const char *or_null(const char *text)
{
	return text && *text ? text : NULL;
}

int np_cni_call_read(const struct np_cni_environment *env, struct np_cni_call *ret,
		     struct np_err *err)
{
	struct np_cni_call call = { .container = or_null(env->container),
				    .ifname = or_null(env->ifname) };

	if (read_command(env->command, &call.command, err) < 0)
		return np_err_ret(err);
	if (call.container && !cni_is_name(call.container))
		return np_fail(
			err, NP_E_USAGE,
			"CNI_CONTAINERID is '%.64s': expected at most %d letters, digits, '_', "
			"'.' and '-', the first a letter or digit",
			call.container, NP_CNI_NAME_MAX);
	if (call.ifname && !is_ifname(call.ifname))
		return np_fail(
			err, NP_E_USAGE,
			"CNI_IFNAME is '%.64s': expected at most %d bytes without '/', ':' and "
			"blanks, and neither '.' nor '..'",
			call.ifname, IFNAME_MAX);
	read_pod(env->args, call.pod);
	*ret = call;
	return 0;
}
