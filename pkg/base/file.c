/* SPDX-License-Identifier: Apache-2.0 */
#include "nodeprep/file.h"

#include <bsd/string.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "nodeprep/err.h"
#include "nodeprep/time.h"

enum { FIRST_BYTES = 16 * 1024 };

static _Atomic uint64_t common_deadline; /* of all reads; 0: each has its own */

void np_file_set_deadline(uint64_t deadline)
{
	atomic_store(&common_deadline, deadline);
}

static uint64_t current_deadline(void)
{
	uint64_t deadline = atomic_load(&common_deadline);

	return deadline > 0 ? deadline : np_clock_ms() + NP_FILE_WAIT_MS;
}

const char *np_file_kind(mode_t mode)
{
	static const struct {
		mode_t format;
		const char *name;
	} kinds[] = {
		{ S_IFBLK, "block device" },  { S_IFCHR, "character device" },
		{ S_IFDIR, "directory" },     { S_IFIFO, "FIFO" },
		{ S_IFLNK, "symbolic link" }, { S_IFSOCK, "socket" },
	};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if ((mode & S_IFMT) == kinds[i].format)
			return kinds[i].name;
	return "regular file";
}

void np_closep(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static int fail_errno(const char *name, const char *quote, int code, struct np_err *err)
{
	static const struct {
		int code;
		const char *text;
	} known[] = {
		{ EACCES, "permission denied" },
		{ EBADF, "is closed" },
		{ EISDIR, "is a directory: expected a file" },
		{ ELOOP, "too many symbolic links" },
		{ ENOENT, "no such file" },
		{ ENOTDIR, "no such file: a part of its path is not a directory" },
	};
	char buf[128], text[128];

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (known[i].code == code)
			return np_fail(err, NP_E_IO, "%s%s%s: %s", quote, name, quote,
				       known[i].text);
	strlcpy(text, strerror_r(code, buf, sizeof(buf)), sizeof(text));
	text[0] = (char)tolower((unsigned char)text[0]);
	return np_fail(err, NP_E_IO, "%s%s%s: cannot be read: %s", quote, name, quote, text);
}

/* What is read: a file, or standard input. */
struct source {
	int fd;
	const char *name, *quote; /* the quote is empty where the name is no path */
	const char *kind; /* "FIFO"; NULL: a regular file */
	uint64_t deadline;
};

/* A FIFO without a writer and a device are opened at once, and waited for in wait_readable(). */
static int open_file(const char *path, int *ret_fd, const char **ret_kind, struct np_err *err)
{
	NP_AUTO(np_closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;

	if (fd < 0 && errno == ENXIO)
		return np_fail(err, NP_E_IO,
			       "'%s': is a socket or a device that is not there: expected a file",
			       path);
	if (fd < 0 || fstat(fd, &st) < 0)
		return fail_errno(path, "'", errno, err);
	if (S_ISDIR(st.st_mode))
		return fail_errno(path, "'", EISDIR, err);
	if (S_ISBLK(st.st_mode))
		return np_fail(err, NP_E_IO, "'%s': is a block device: expected a file", path);
	*ret_kind = S_ISREG(st.st_mode) ? NULL : np_file_kind(st.st_mode);
	*ret_fd = fd;
	fd = -1;
	return 0;
}

static int fail_timeout(const struct source *s, struct np_err *err)
{
	return np_fail(err, NP_E_IO, "%s%s%s: timed out before the end of the %s", s->quote,
		       s->name, s->quote, s->kind ? s->kind : "file");
}

/* Returns once a read will not block. Some files of procfs block as well. */
static int wait_readable(const struct source *s, struct np_err *err)
{
	struct pollfd p = { .fd = s->fd, .events = POLLIN };

	for (;;) {
		uint64_t now = np_clock_ms();
		uint64_t left = now < s->deadline ? s->deadline - now : 0;
		int n;

		if (s->kind && left == 0)
			return fail_timeout(s, err);
		n = poll(&p, 1, left < INT_MAX ? (int)left : INT_MAX);
		if (n > 0)
			return 0;
		if (n == 0 && left < INT_MAX)
			return fail_timeout(s, err);
		if (n < 0 && errno != EINTR)
			return fail_errno(s->name, s->quote, errno, err);
	}
}

/* Appends what one read() gives; *size stays where the end is reached. Returns whether more may come. */
static int read_some(const struct source *s, char *buf, size_t room, size_t *size,
		     struct np_err *err)
{
	ssize_t got;

	if (wait_readable(s, err) < 0)
		return np_err_ret(err);
	got = read(s->fd, buf + *size, room);
	if (got < 0 && (errno == EINTR || errno == EAGAIN))
		return 1;
	if (got < 0)
		return fail_errno(s->name, s->quote, errno, err);
	*size += (size_t)got;
	return got > 0;
}

static int grow(char **buf, size_t *cap, uint64_t max, struct np_err *err)
{
	size_t want = *cap > 0 ? *cap * 2 : FIRST_BYTES;
	char *bigger;

	if (want > max + 2)
		want = (size_t)max + 2;
	bigger = realloc(*buf, want);
	if (!bigger)
		return np_fail_nomem(err);
	*buf = bigger;
	*cap = want;
	return 0;
}

static int read_all(const struct source *s, uint64_t max, char **ret, size_t *ret_size,
		    struct np_err *err)
{
	NP_AUTO(np_freep) char *buf = NULL;
	size_t size = 0, cap = 0;
	int r;

	do {
		/* One byte is for the NUL, one tells a file that is too large from a full one. */
		if (size + 1 >= cap && grow(&buf, &cap, max, err) < 0)
			return np_err_ret(err);
		r = read_some(s, buf, cap - size - 1, &size, err);
		if (r < 0)
			return r;
		if (size > max)
			return np_fail(err, NP_E_IO, "%s%s%s: larger than %" PRIu64 " bytes",
				       s->quote, s->name, s->quote, max);
	} while (r > 0);
	buf[size] = '\0';
	*ret = np_take(buf);
	*ret_size = size;
	return 0;
}

int np_file_load(const char *path, uint64_t max, char **ret, size_t *ret_size, struct np_err *err)
{
	NP_AUTO(np_closep) int fd = -1;
	struct source s = { .name = path, .quote = "'", .deadline = current_deadline() };

	if (open_file(path, &fd, &s.kind, err) < 0)
		return np_err_ret(err);
	s.fd = fd;
	return read_all(&s, max, ret, ret_size, err);
}

int np_file_load_stdin(uint64_t max, uint64_t deadline, char **ret, size_t *ret_size,
		       struct np_err *err)
{
	struct source s = { STDIN_FILENO, "standard input", "", NULL, deadline };
	struct stat st;

	if (fstat(s.fd, &st) < 0)
		return fail_errno(s.name, s.quote, errno, err);
	s.kind = S_ISREG(st.st_mode) ? NULL : np_file_kind(st.st_mode);
	return read_all(&s, max, ret, ret_size, err);
}
