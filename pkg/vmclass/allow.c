/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdio.h>
#include <string.h>

#include "nodeprep/json.h"

/*
 * The class's owner writes this annotation. Two programs must not read one text differently, so that a
 * list with one invalid item allows no namespace.
 */

#define NAMESPACE_MAX 63
#define ALLOWED_MAX (16 << 10)
#define SUGGESTED_MAX 200
#define BLANKS " \t\r\n"

/* One item of the list. */
struct item {
	const char *p;
	size_t n;
};

/* Reads the item at *at without blanks around it, and moves *at behind its comma (NULL: the last). */
static struct item next_item(const char **at)
{
	size_t n = strcspn(*at, ",");
	struct item item = { *at, n };

	*at = (*at)[n] == ',' ? *at + n + 1 : NULL;
	while (item.n > 0 && strchr(BLANKS, item.p[0])) {
		item.p++;
		item.n--;
	}
	while (item.n > 0 && strchr(BLANKS, item.p[item.n - 1]))
		item.n--;
	return item;
}

/* Tells whether the item is a namespace's name (RFC 1123 label), or "*". */
static bool is_valid(struct item item)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789-";

	if (item.n == 1 && item.p[0] == '*')
		return true;
	if (item.n == 0 || item.n > NAMESPACE_MAX || item.p[0] == '-' || item.p[item.n - 1] == '-')
		return false;
	for (size_t i = 0; i < item.n; i++)
		if (!memchr(letters, item.p[i], sizeof(letters) - 1))
			return false;
	return true;
}

static bool is_match(struct item item, const char *ns)
{
	return (item.n == 1 && item.p[0] == '*') ||
	       (strlen(ns) == item.n && memcmp(item.p, ns, item.n) == 0);
}

/* How the annotation stands to a namespace. */
struct reading {
	bool is_absent, is_allowed;
	bool is_invalid;
	struct item invalid; /* the first invalid item; p NULL: no string, or too long */
};

static struct reading read_list(const json_t *list, const char *ns)
{
	const char *at = json_string_value(list);
	struct reading r = { .is_absent = !list };

	if (!list)
		return r;
	r.is_invalid = !at || json_string_length(list) > ALLOWED_MAX ||
		       strlen(at) != json_string_length(list);
	while (at && !r.is_invalid) {
		struct item item = next_item(&at);

		r.is_invalid = !is_valid(item);
		if (r.is_invalid)
			r.invalid = item;
		r.is_allowed = r.is_allowed || is_match(item, ns);
	}
	r.is_allowed = r.is_allowed && !r.is_invalid;
	return r;
}

/* Writes "NAME" or "NAME -n NAMESPACE", as kubectl names the class. */
static void write_target(const struct np_vmclass_scope *scope, char *buf, size_t size)
{
	snprintf(buf, size, "%.253s%s%.63s", scope->name, scope->ns ? " -n " : "",
		 scope->ns ? scope->ns : "");
}

static void tell_invalid(const struct np_vmclass_scope *scope, const struct reading *r,
			 struct np_err *ret)
{
	np_fail(ret, NP_E_NOT_ALLOWED,
		"VirtualMachineClass '%.253s': annotation '%s' %s%.*s%s, so it allows no namespace: "
		"expected names of namespaces or *, separated by commas",
		scope->name, NP_ALLOWED_ANNOTATION,
		r->invalid.p ? "has the item '" : "is not a string of at most 16 KiB",
		(int)(r->invalid.n < NAMESPACE_MAX ? r->invalid.n : NAMESPACE_MAX),
		r->invalid.p ? r->invalid.p : "", r->invalid.p ? "'" : "");
}

/* A list that is too long for a message is not in the command, which would replace it. */
static void write_remedy(const struct np_vmclass_scope *scope, const char *old, const char *ns,
			 char *buf, size_t size)
{
	char target[400];

	write_target(scope, target, sizeof(target));
	if (strlen(old) > SUGGESTED_MAX)
		snprintf(buf, size, "can add it to the annotation %s", NP_ALLOWED_ANNOTATION);
	else
		snprintf(buf, size,
			 "can run: kubectl annotate vmclass %s --overwrite %s='%s%s%.63s'", target,
			 NP_ALLOWED_ANNOTATION, old, *old ? "," : "", ns);
}

static void tell_missing(const struct np_vmclass_scope *scope, const json_t *list, const char *ns,
			 struct np_err *ret)
{
	const char *old = json_string_value(list);
	char remedy[900];

	write_remedy(scope, old ? old : "", ns, remedy, sizeof(remedy));
	np_fail(ret, NP_E_NOT_ALLOWED,
		"VirtualMachineClass '%.253s' is shared by several namespaces and does not allow "
		"namespace '%.63s': its owner %s",
		scope->name, ns, remedy);
}

bool np_vmclass_allows(const json_t *object, const struct np_vmclass_scope *scope, const char *ns,
		       struct np_err *ret_why)
{
	const json_t *metadata = json_object_get(object, "metadata");
	const json_t *annotations = json_object_get(metadata, "annotations");
	const json_t *list = json_object_get(annotations, NP_ALLOWED_ANNOTATION);
	struct reading r;

	if (scope->ns && strcmp(scope->ns, ns) == 0)
		return true;
	r = read_list(json_is_null(list) ? NULL : list, ns);
	if (r.is_allowed)
		return true;
	if (r.is_invalid)
		tell_invalid(scope, &r, ret_why);
	else
		tell_missing(scope, list, ns, ret_why);
	return false;
}
