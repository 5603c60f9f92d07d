/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/file.h"

enum { TOKENS_MAX = 1 << 20 };

int sim_users_add(struct users *u, const char *name, const char *token, const char *verbs,
		  struct np_err *err)
{
	struct user *items = reallocarray(u->items, u->n + 1, sizeof(*items));
	struct user *user;

	if (!items)
		return np_fail_nomem(err);
	u->items = items;
	user = &items[u->n];
	user->name = strdup(name);
	user->token = strdup(token);
	user->verbs = strdup(verbs);
	u->n++;
	return user->name && user->token && user->verbs ? 0 : np_fail_nomem(err);
}

void sim_users_done(struct users *u)
{
	for (size_t i = 0; i < u->n; i++) {
		free(u->items[i].name);
		free(u->items[i].token);
		free(u->items[i].verbs);
	}
	free(u->items);
	*u = (struct users){ 0, NULL };
}

const struct user *sim_users_by_token(const struct users *u, const char *token)
{
	size_t size = strlen(token);

	for (size_t i = 0; i < u->n; i++)
		if (strlen(u->items[i].token) == size &&
		    CRYPTO_memcmp(u->items[i].token, token, size) == 0)
			return &u->items[i];
	return NULL;
}

bool sim_user_may(const struct user *u, const char *verb)
{
	if (!u)
		return false;
	for (const char *p = u->verbs; *p;) {
		size_t size = strcspn(p, " ");

		if ((size == 1 && *p == '*') ||
		    (size == strlen(verb) && strncmp(p, verb, size) == 0))
			return true;
		p += size + (p[size] == ' ');
	}
	return false;
}

/* The token itself must not reach a message. */
static int add_line(struct users *u, const char *path, unsigned number, char *line,
		    struct np_err *err)
{
	char *token = strsep(&line, ","), *name = strsep(&line, ",");

	if (!name || !*token || !*name)
		return np_fail(err, NP_E_SPEC, "%s:%u: token,user[,verb...] is needed", path,
			       number);
	for (char *p = line; p && *p; p++)
		if (*p == ',')
			*p = ' ';
	return sim_users_add(u, name, token, line ? line : "", err);
}

int sim_users_load(struct users *u, const char *path, struct np_err *err)
{
	NP_AUTO(np_freep) char *bytes = NULL;
	char *rest, *line;
	size_t size;

	if (np_file_load(path, TOKENS_MAX, &bytes, &size, err) < 0)
		return np_err_ret(err);
	rest = bytes;
	for (unsigned number = 1; (line = strsep(&rest, "\n")); number++) {
		line[strcspn(line, "\r")] = '\0';
		if (*line && *line != '#' && add_line(u, path, number, line, err) < 0)
			return np_err_ret(err);
	}
	return 0;
}
