/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdarg.h>
#include <stdlib.h>

void *check_room(void *items, size_t n, size_t size)
{
	return (n & (n - 1)) == 0 ? reallocarray(items, n == 0 ? 1 : 2 * n, size) : items;
}

static void member_freep(struct np_check_member **m)
{
	if (*m)
		free((*m)->entry.key);
	free(*m);
}

/* Appends a member; the packed key begins with its text. */
static int append(struct np_check_set *s, const char *key, size_t value, struct np_err *err)
{
	NP_AUTO(member_freep) struct np_check_member *m = calloc(1, sizeof(*m));
	struct np_check_member **members =
		check_room(s->members, s->n, sizeof(struct np_check_member *));

	if (members)
		s->members = members;
	if (!members || !m)
		return np_fail_nomem(err);
	m->value = value;
	m->entry.key = np_key_pack(NP_KEY(key));
	if (!m->entry.key)
		return np_fail_nomem(err);
	if (np_map_insert(&s->map, &m->entry, err) < 0)
		return np_err_ret(err);
	s->members[s->n++] = np_take(m);
	return 1;
}

int check_set_add(struct np_check_set *s, size_t value, struct np_err *err, const char *fmt, ...)
{
	NP_AUTO(np_freep) char *key = NULL;
	struct np_check_member *m;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&key, fmt, ap);
	va_end(ap);
	if (n < 0) {
		key = NULL;
		return np_fail_nomem(err);
	}
	m = (struct np_check_member *)np_map_find(&s->map, NP_KEY(key));
	if (!m)
		return append(s, key, value, err);
	m->value = value;
	return 0;
}

int check_set_find(const struct np_check_set *s, const char *head, const char *tail,
		   const struct np_check_member **ret, struct np_err *err)
{
	NP_AUTO(np_freep) char *key = NULL;

	if (asprintf(&key, "%s\n%s", head, tail) < 0) {
		key = NULL;
		return np_fail_nomem(err);
	}
	*ret = (const struct np_check_member *)np_map_find(&s->map, NP_KEY(key));
	return 0;
}

void check_set_done(struct np_check_set *s)
{
	for (size_t i = 0; i < s->n; i++)
		member_freep(&s->members[i]);
	free(s->members);
	free(s->map.slots);
	*s = (struct np_check_set){ 0 };
}
