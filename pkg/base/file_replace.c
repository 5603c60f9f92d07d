/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "nodeprep/err.h"
#include "nodeprep/file.h"

static int fail_errno(const char *path, struct np_err *err)
{
	return np_fail(err, NP_E_IO, "'%s': %s", path, strerror(errno));
}

static int fail_kind(const char *path, mode_t mode, struct np_err *err)
{
	return np_fail(err, NP_E_IO, "'%s': is a %s: expected a regular file", path,
		       np_file_kind(mode));
}

static int write_all(int fd, const char *bytes, size_t size)
{
	while (size > 0) {
		ssize_t n = write(fd, bytes, size);

		if (n < 0 && errno != EINTR)
			return -1;
		bytes += n > 0 ? n : 0;
		size -= n > 0 ? (size_t)n : 0;
	}
	return 0;
}

/*
 * After a crash of the machine, too, it is the old file or the new one; but the file is there, and a
 * folder that may not be read, or that its file system cannot sync, is no reason to say otherwise.
 */
static int sync_folder(const char *path)
{
	NP_AUTO(np_closep) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0 && fsync(fd) == 0)
		return 0;
	return errno == EACCES || errno == EINVAL ? 0 : -1;
}

/* Returns the path up to its last part, "." where that is all; the caller's, NULL: no memory. */
static char *folder_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (!slash)
		return strdup(".");
	return slash == path ? strdup("/") : strndup(path, (size_t)(slash - path));
}

/* A rename replaces devices, FIFOs and sockets too, and with a link to one the way to it. */
static int check_target(const char *path, struct np_err *err)
{
	struct stat st;

	if (lstat(path, &st) < 0 || S_ISREG(st.st_mode))
		return 0;
	if (S_ISLNK(st.st_mode) && (stat(path, &st) < 0 || S_ISREG(st.st_mode)))
		return 0;
	return fail_kind(path, st.st_mode, err);
}

int np_file_replace(const char *path, const char *bytes, size_t size, mode_t mode,
		    struct np_err *err)
{
	const char *slash = strrchr(path, '/');
	NP_AUTO(np_freep) char *folder = folder_of(path);
	NP_AUTO(np_freep) char *temporary = NULL;
	NP_AUTO(np_closep) int fd = -1;

	if (!folder ||
	    asprintf(&temporary, "%s/.%s.XXXXXX", folder, slash ? slash + 1 : path) < 0) {
		temporary = NULL;
		return np_fail_nomem(err);
	}
	if (check_target(path, err) < 0)
		return np_err_ret(err);
	fd = mkostemp(temporary, O_CLOEXEC);
	if (fd < 0)
		return fail_errno(folder, err);
	if (write_all(fd, bytes, size) < 0 || fchmod(fd, mode) < 0 || fsync(fd) < 0 ||
	    rename(temporary, path) < 0) {
		fail_errno(path, err);
		unlink(temporary);
		return np_err_ret(err);
	}
	return sync_folder(folder) < 0 ? fail_errno(folder, err) : 0;
}

int np_file_open_write(const char *path, int how, mode_t mode, int *ret_fd, struct np_err *err)
{
	int flags = O_WRONLY | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW | O_NONBLOCK | (how & ~O_TRUNC);
	NP_AUTO(np_closep) int fd = -1;
	struct stat st;

	/* Looked at before it is opened: opening some devices has effects. */
	if (lstat(path, &st) == 0 && !S_ISREG(st.st_mode))
		return fail_kind(path, st.st_mode, err);
	fd = open(path, flags, mode);
	if (fd < 0 || fstat(fd, &st) < 0)
		return fail_errno(path, err);
	if (!S_ISREG(st.st_mode))
		return fail_kind(path, st.st_mode, err);
	if ((how & O_TRUNC) != 0 && ftruncate(fd, 0) < 0)
		return fail_errno(path, err);
	*ret_fd = fd;
	fd = -1;
	return 0;
}
