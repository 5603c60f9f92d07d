/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "nodeprep/file.h"

#define SUFFIX ".json"

void np_state_free(struct np_state *s)
{
	if (s)
		free(s->dir);
	free(s);
}

void np_state_freep(struct np_state **s)
{
	np_state_free(*s);
}

/* The XDG specification ignores a path that is not absolute. */
static bool is_absolute(const char *path)
{
	return path && path[0] == '/';
}

static int find_dir(const struct np_state_options *o, char **ret, struct np_err *err)
{
	int n;

	if (o->dir && o->dir[0] != '\0')
		n = asprintf(ret, "%s", o->dir);
	else if (o->is_root)
		n = asprintf(ret, "%s", NP_STATE_ROOT);
	else if (is_absolute(o->xdg_state_home))
		n = asprintf(ret, "%s/nodeprep", o->xdg_state_home);
	else if (is_absolute(o->home))
		n = asprintf(ret, "%s/.local/state/nodeprep", o->home);
	else
		return np_fail(err, NP_E_USAGE,
			       "no state directory is known, since neither XDG_STATE_HOME nor HOME "
			       "is set: set --state-dir");
	if (n >= 0)
		return 0;
	*ret = NULL;
	return np_fail_nomem(err);
}

int np_state_new(const struct np_state_options *o, struct np_state **ret, struct np_err *err)
{
	NP_AUTO(np_state_freep) struct np_state *s = calloc(1, sizeof(*s));

	if (!s)
		return np_fail_nomem(err);
	if (find_dir(o, &s->dir, err) < 0)
		return np_err_ret(err);
	/* A slash at the end would follow a symbolic link. */
	for (size_t n = strlen(s->dir); n > 1 && s->dir[n - 1] == '/'; n--)
		s->dir[n - 1] = '\0';
	*ret = np_take(s);
	return 0;
}

const char *np_state_dir(const struct np_state *s)
{
	return s->dir;
}

void np_state_path(const struct np_state *s, const char *group, const char *name,
		   char buf[static NP_STATE_PATH_MAX])
{
	snprintf(buf, NP_STATE_PATH_MAX, "%s/%s/%s" SUFFIX, s->dir, group, name);
}

/* --- reading --------------------------------------------------------------------------------- */

/* Reads what the descriptor has; one byte more than the bound tells a file that is too large. */
static int read_all(int fd, const char *path, char **ret, size_t *ret_size, struct np_err *err)
{
	NP_AUTO(np_freep) char *bytes = malloc(NP_STATE_MAX + 2);
	size_t size = 0;
	ssize_t got = 1;

	if (!bytes)
		return np_fail_nomem(err);
	while (got != 0) {
		got = read(fd, bytes + size, NP_STATE_MAX + 1 - size);
		if (got < 0 && errno != EINTR)
			return np_fail(err, NP_E_IO, "state directory: '%s' cannot be read", path);
		size += got > 0 ? (size_t)got : 0;
		if (size > NP_STATE_MAX)
			return np_fail(err, NP_E_IO,
				       "state directory: '%s' is larger than %" PRIu64 " bytes",
				       path, NP_STATE_MAX);
	}
	bytes[size] = '\0';
	*ret = np_take(bytes);
	*ret_size = size;
	return 1;
}

int np_state_read(const struct np_state *s, const char *group, const char *name, char **ret,
		  size_t *ret_size, struct np_err *err)
{
	NP_AUTO(np_closep) int dir = -1;
	NP_AUTO(np_closep) int fd = -1;
	char file[STATE_FILE_MAX], path[NP_STATE_PATH_MAX];
	int got = state_check_name(name, err);

	if (got == 0)
		got = state_open_group(s, group, false, &dir, err);
	if (got <= 0)
		return got;
	snprintf(file, sizeof(file), "%s" SUFFIX, name);
	got = state_open_file(s, group, dir, file, O_RDONLY, &fd, err);
	np_state_path(s, group, name, path);
	return got <= 0 ? got : read_all(fd, path, ret, ret_size, err);
}

/* --- listing --------------------------------------------------------------------------------- */

static int is_entry(const struct dirent *entry)
{
	size_t n = strlen(entry->d_name), suffix = strlen(SUFFIX);

	return entry->d_name[0] != '.' && n > suffix &&
	       strcmp(entry->d_name + n - suffix, SUFFIX) == 0;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

/* Calls `each` with the names, until it fails; frees the entries. */
static int visit(struct dirent **entries, int n, np_state_each_fn *each, void *ctx,
		 struct np_err *err)
{
	int r = 0;

	for (int i = 0; i < n; i++) {
		entries[i]->d_name[strlen(entries[i]->d_name) - strlen(SUFFIX)] = '\0';
		if (r >= 0)
			r = each(ctx, entries[i]->d_name, err);
		free(entries[i]);
	}
	free(entries);
	return r < 0 ? r : 0;
}

int np_state_list(const struct np_state *s, const char *group, np_state_each_fn *each, void *ctx,
		  struct np_err *err)
{
	NP_AUTO(np_closep) int dir = -1;
	struct dirent **entries = NULL;
	int got = state_open_group(s, group, false, &dir, err), n;

	if (got <= 0)
		return got;
	n = scandirat(dir, ".", &entries, is_entry, by_name);
	return n < 0 ? state_fail(s, group, NULL, err) : visit(entries, n, each, ctx, err);
}
