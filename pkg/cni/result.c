/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/err.h"
#include "nodeprep/json.h"

/* --- results --------------------------------------------------------------------------------- */

/* Returns the result of an attachment that configures no network. */
static json_t *empty_result(enum np_cni_version version)
{
	return json_pack("{s:s, s:[], s:[], s:[], s:{}}", "cniVersion",
			 np_cni_version_name(version), "interfaces", "ips", "routes", "dns");
}

/* Up to 0.4.0 each address has its IP version; later versions forbid it. */
static int convert_ip(json_t *ip, enum np_cni_version to)
{
	const char *address = json_string_value(json_object_get(ip, "address"));

	if (to > NP_CNI_0_4_0) {
		json_object_del(ip, "version");
		return 0;
	}
	if (!json_is_object(ip) || json_object_get(ip, "version"))
		return 0;
	return json_object_set_new(ip, "version",
				   json_string(address && strchr(address, ':') ? "6" : "4"));
}

static int convert(json_t *result, enum np_cni_version from, enum np_cni_version to)
{
	json_t *ip;
	size_t i;

	if (from == to)
		return 0;
	json_array_foreach (json_object_get(result, "ips"), i, ip)
		if (convert_ip(ip, to) < 0)
			return -1;
	return json_object_set_new(result, "cniVersion", json_string(np_cni_version_name(to)));
}

/* Returns prevResult, converted if its version is not the configuration's. */
static json_t *result_base(const struct np_cni_config *c)
{
	json_auto_t *result = NULL;
	enum np_cni_version from = c->version;
	const char *text;

	if (!np_doc_is_present(c->prev_result))
		return empty_result(c->version);
	result = json_deep_copy(c->prev_result.json);
	text = json_string_value(json_object_get(result, "cniVersion"));
	if (text)
		cni_find_version(text, &from);
	else if (json_object_set_new(result, "cniVersion",
				     json_string(np_cni_version_name(c->version))) < 0)
		return NULL;
	return convert(result, from, c->version) < 0 ? NULL : json_incref(result);
}

/* Returns the object as one line, with numbers as `plan` prints them; NULL where memory runs out. */
static char *line_of(const json_t *object)
{
	NP_AUTO(np_freep)
	char *text = object ? np_json_text(object, JSON_COMPACT | JSON_REAL_PRECISION(15)) : NULL;
	char *line = NULL;

	if (!text || asprintf(&line, "%s\n", text) < 0)
		return NULL;
	return line;
}

int np_cni_result(const struct np_cni_config *c, json_t *plan, char **ret, struct np_err *err)
{
	json_auto_t *result = result_base(c);
	char *line = NULL;

	if (result && json_object_set(result, NP_CNI_PLAN_KEY, plan) == 0)
		line = line_of(result);
	if (!line)
		return np_fail_nomem(err);
	*ret = line;
	return 0;
}

/* --- VERSION --------------------------------------------------------------------------------- */

/* A runtime may send nothing; the version that it sends comes back, supported or not. */
int np_cni_version_answer(const char *bytes, size_t size, char **ret, struct np_err *err)
{
	const char *text = np_cni_version_name(NP_CNI_1_1_0);
	json_auto_t *root = NULL, *answer = NULL, *list = json_array();
	json_error_t why;
	char *line;

	if (strspn(bytes, " \t\r\n") < size) {
		root = json_loadb(bytes, size, JSON_DECODE_ANY, &why);
		if (!json_is_object(root))
			return np_fail(err, NP_E_DECODE, "configuration: expected a JSON object");
		if (json_is_string(json_object_get(root, "cniVersion")))
			text = json_string_value(json_object_get(root, "cniVersion"));
	}
	for (enum np_cni_version i = 0; i < NP_CNI_VERSION_MAX; i++)
		if (json_array_append_new(list, json_string(np_cni_version_name(i))) < 0)
			return np_fail_nomem(err);
	answer = json_pack("{s:s, s:O}", "cniVersion", text, "supportedVersions", list);
	line = line_of(answer);
	if (!line)
		return np_fail_nomem(err);
	*ret = line;
	return 0;
}

/* --- errors ---------------------------------------------------------------------------------- */

char *np_cni_error(enum np_cni_version version, unsigned code, const char *msg, const char *details)
{
	json_auto_t *object =
		json_pack("{s:s, s:i, s:s, s:s}", "cniVersion", np_cni_version_name(version),
			  "code", (int)code, "msg", msg, "details", details);

	return line_of(object);
}

/* --- drift ----------------------------------------------------------------------------------- */

#define VALUE_MAX 120

/* Writes a value as JSON, cut, since a list of devices is long; ASCII can be cut anywhere. */
static void write_value(FILE *f, const json_t *value)
{
	NP_AUTO(np_freep)
	char *text = value ? np_json_text(value, JSON_COMPACT | JSON_ENCODE_ANY | JSON_ENSURE_ASCII)
			   : NULL;

	if (!text)
		fputs("absent", f);
	else if (strlen(text) > VALUE_MAX)
		fprintf(f, "%.*s...", VALUE_MAX, text);
	else
		fputs(text, f);
}

static void write_class(FILE *f, const struct np_plan_class *c)
{
	fprintf(f, "%s%s%s", c->ns ? c->ns : "", c->ns ? "/" : "", c->name);
}

/* The annotation is long: the message has only what is missing. */
static void write_item(FILE *f, const struct np_plan_class *c, const struct np_change_item *item)
{
	struct np_last_writer writer;

	fputs("class '", f);
	write_class(f, c);
	fprintf(f, "': %s is ", item->path);
	if (strstr(item->path, "nodeprep.dev~1managed")) {
		fputs("without this attachment's pools", f);
		return;
	}
	write_value(f, item->from);
	fputs(", expected ", f);
	write_value(f, item->to);
	if (np_vmclass_is_overwritten(c->class, item->path) &&
	    np_vmclass_last_writer(c->class, item->path, &writer))
		fprintf(f, " (overwritten by '%s')", writer.manager);
}

static void write_all(FILE *f, const struct np_plan *plan, size_t most)
{
	size_t n = 0;

	for (size_t i = 0; i < plan->n_classes; i++) {
		const struct np_plan_class *c = &plan->classes[i];

		for (size_t k = 0; k < c->change.n && n < most; k++) {
			fputs(n++ > 0 ? "; " : "", f);
			write_item(f, c, &c->change.items[k]);
		}
	}
}

static char *list_drift(const struct np_plan *plan, size_t most)
{
	NP_AUTO(np_freep) char *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return NULL;
	write_all(f, plan, most);
	return fclose(f) == 0 ? np_take(text) : NULL;
}

static size_t count_drift(const struct np_plan *plan)
{
	size_t n = 0;

	for (size_t i = 0; i < plan->n_classes; i++)
		if (json_object_size(plan->classes[i].change.patch) > 0)
			n += plan->classes[i].change.n > 0 ? plan->classes[i].change.n : 1;
	return n;
}

int np_cni_drift(const struct np_plan *plan, char **ret_details, struct np_err *err)
{
	NP_AUTO(np_freep) char *details = NULL;
	NP_AUTO(np_freep) char *first = NULL;
	size_t n = count_drift(plan);

	if (n == 0)
		return 0;
	details = list_drift(plan, SIZE_MAX);
	first = list_drift(plan, 1);
	if (!details || !first)
		return np_fail_nomem(err);
	*ret_details = np_take(details);
	return n == 1 ? np_fail(err, NP_E_DRIFT, "drift: %s", first)
		      : np_fail(err, NP_E_DRIFT, "drift: %s, and %zu more", first, n - 1);
}
