/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "nodeprep/file.h"

int state_check_name(const char *name, struct np_err *err)
{
	size_t n = strlen(name);

	for (const char *c = name; *c; c++)
		if (!isascii(*c) || (!isalnum((unsigned char)*c) && !strchr("-_.", *c)))
			n = 0;
	if (n > 0 && n <= STATE_NAME_MAX && name[0] != '.')
		return 0;
	return np_fail(err, NP_E_SPEC, "'%.80s' cannot be the name of a record", name);
}

/* Puts "'DIR/GROUP/FILE': " and the text into *err. */
__attribute__((format(printf, 5, 6))) static int fail_at(const struct np_state *s,
							 const char *group, const char *file,
							 struct np_err *err, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return np_fail(err, NP_E_IO, "state directory: '%s%s%s%s%s': %s", s->dir, group ? "/" : "",
		       group ? group : "", file ? "/" : "", file ? file : "", text);
}

int state_fail(const struct np_state *s, const char *group, const char *file, struct np_err *err)
{
	static const struct {
		int code;
		const char *text;
	} known[] = {
		{ EACCES, "permission denied; set --state-dir to a directory of yours" },
		{ ELOOP, "is a symbolic link: expected what it points to" },
		{ EMLINK, "is a symbolic link: expected what it points to" },
		{ ENOENT, "no such directory" },
		{ ENOTDIR, "is not a directory, or a symbolic link to one" },
		{ EROFS, "is read-only; set --state-dir to a directory that can be written" },
	};
	char buf[128];

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (known[i].code == errno)
			return fail_at(s, group, file, err, "%s", known[i].text);
	return fail_at(s, group, file, err, "%s", strerror_r(errno, buf, sizeof(buf)));
}

/* Fails where another user could write it. */
static int check_owner(const struct np_state *s, const char *group, const char *file,
		       const struct stat *st, struct np_err *err)
{
	if (st->st_uid != geteuid())
		return fail_at(s, group, file, err,
			       "belongs to user %u, and nodeprep runs as user %u; set --state-dir",
			       (unsigned)st->st_uid, (unsigned)geteuid());
	if ((st->st_mode & 022) != 0)
		return fail_at(s, group, file, err,
			       "is writable by other users (mode %04o); run chmod go-w",
			       (unsigned)st->st_mode & 07777);
	return 0;
}

static int check_dir(const struct np_state *s, const char *group, int fd, struct np_err *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return state_fail(s, group, NULL, err);
	return check_owner(s, group, NULL, &st, err);
}

/* Opens a directory that is none of other users'; 0 where there is none. */
static int open_dir(const struct np_state *s, const char *group, int parent, const char *path,
		    int *ret_fd, struct np_err *err)
{
	NP_AUTO(np_closep)
	int fd = openat(parent, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0)
		return state_fail(s, group, NULL, err);
	if (check_dir(s, group, fd, err) < 0)
		return np_err_ret(err);
	*ret_fd = fd;
	fd = -1;
	return 1;
}

/* As mkdir -p; who runs nodeprep first on a host has none of these. */
static int make_dirs(const struct np_state *s, struct np_err *err)
{
	NP_AUTO(np_freep) char *path = strdup(s->dir);

	if (!path)
		return np_fail_nomem(err);
	for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(path, 0700) < 0 && errno != EEXIST)
			return state_fail(s, NULL, NULL, err);
		*slash = '/';
	}
	return mkdir(path, 0700) < 0 && errno != EEXIST ? state_fail(s, NULL, NULL, err) : 0;
}

static int open_base(const struct np_state *s, bool create, int *ret_fd, struct np_err *err)
{
	int got = open_dir(s, NULL, AT_FDCWD, s->dir, ret_fd, err);

	if (got != 0 || !create)
		return got;
	if (make_dirs(s, err) < 0)
		return np_err_ret(err);
	got = open_dir(s, NULL, AT_FDCWD, s->dir, ret_fd, err);
	errno = ENOENT;
	return got == 0 ? state_fail(s, NULL, NULL, err) : got;
}

int state_open_group(const struct np_state *s, const char *group, bool create, int *ret_fd,
		     struct np_err *err)
{
	NP_AUTO(np_closep) int base = -1;
	int got;

	if (state_check_name(group, err) < 0)
		return np_err_ret(err);
	got = open_base(s, create, &base, err);
	if (got <= 0)
		return got;
	got = open_dir(s, group, base, group, ret_fd, err);
	if (got != 0 || !create)
		return got;
	if ((mkdirat(base, group, 0700) < 0 && errno != EEXIST) || fsync(base) < 0)
		return state_fail(s, group, NULL, err);
	got = open_dir(s, group, base, group, ret_fd, err);
	errno = ENOENT;
	return got == 0 ? state_fail(s, group, NULL, err) : got;
}

int state_open_file(const struct np_state *s, const char *group, int group_fd, const char *file,
		    int flags, int *ret_fd, struct np_err *err)
{
	NP_AUTO(np_closep)
	int fd = openat(group_fd, file, flags | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC,
			0600);
	struct stat st;

	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0 || fstat(fd, &st) < 0)
		return state_fail(s, group, file, err);
	if (!S_ISREG(st.st_mode))
		return fail_at(s, group, file, err, "is not a regular file");
	if (check_owner(s, group, file, &st, err) < 0)
		return np_err_ret(err);
	*ret_fd = fd;
	fd = -1;
	return 1;
}
