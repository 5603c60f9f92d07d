/* SPDX-License-Identifier: Apache-2.0 */
#include "nodeprep/file.h"

#include <bsd/string.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "nodeprep/err.h"
#include "nodeprep/units.h"

enum { FIRST_BYTES = 16 * 1024 };

void np_closep(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static int fail_errno(const char *path, int code, struct np_err *err)
{
	static const struct {
		int code;
		const char *text;
	} known[] = {
		{ EACCES, "permission denied" },
		{ EISDIR, "is a directory: expected a file" },
		{ ELOOP, "too many symbolic links" },
		{ ENOENT, "no such file" },
		{ ENOTDIR, "no such file: a part of its path is not a directory" },
	};
	char buf[128], text[128];

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (known[i].code == code)
			return np_fail(err, NP_E_IO, "'%s': %s", path, known[i].text);
	strlcpy(text, strerror_r(code, buf, sizeof(buf)), sizeof(text));
	text[0] = (char)tolower((unsigned char)text[0]);
	return np_fail(err, NP_E_IO, "'%s': cannot be read: %s", path, text);
}

static int open_file(const char *path, int *ret_fd, struct np_err *err)
{
	NP_AUTO(np_closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return fail_errno(path, errno, err);
	if (S_ISDIR(st.st_mode))
		return fail_errno(path, EISDIR, err);
	*ret_fd = fd;
	fd = -1;
	return 0;
}

/* Appends what one read() gives; *size stays where the end is reached. */
static int read_some(int fd, const char *path, char *buf, size_t room, size_t *size,
		     struct np_err *err)
{
	ssize_t got;

	do
		got = read(fd, buf + *size, room);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return fail_errno(path, errno, err);
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

int np_file_load(const char *path, uint64_t max, char **ret, size_t *ret_size, struct np_err *err)
{
	NP_AUTO(np_closep) int fd = -1;
	NP_AUTO(np_freep) char *buf = NULL;
	size_t size = 0, cap = 0;
	int r;

	if (open_file(path, &fd, err) < 0)
		return np_err_ret(err);
	do {
		/* One byte is for the NUL, one tells a file that is too large from a full one. */
		if (size + 1 >= cap && grow(&buf, &cap, max, err) < 0)
			return np_err_ret(err);
		r = read_some(fd, path, buf, cap - size - 1, &size, err);
		if (r < 0)
			return r;
		if (size > max)
			return np_fail(err, NP_E_IO, "'%s': larger than %" PRIu64 " bytes", path,
				       max);
	} while (r > 0);
	buf[size] = '\0';
	*ret = np_take(buf);
	*ret_size = size;
	return 0;
}
