/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "nodeprep/file.h"

/* Between two looks at a lock that another process holds. */
#define WAIT_MS 20

struct np_state_lock {
	const struct np_state *s;
	char group[STATE_FILE_MAX];
	char entry[STATE_FILE_MAX], fresh[STATE_FILE_MAX], file[STATE_FILE_MAX];
	int dir; /* of the group */
	int fd; /* of the lock; -1: not held */
};

/* The file goes while its lock is held: a process that waited for it sees that in is_current(). */
void np_state_unlock(struct np_state_lock *lock)
{
	if (!lock)
		return;
	if (lock->fd >= 0)
		unlinkat(lock->dir, lock->file, 0);
	np_closep(&lock->fd);
	np_closep(&lock->dir);
	free(lock);
}

void np_state_unlockp(struct np_state_lock **lock)
{
	np_state_unlock(*lock);
}

/* --- locking --------------------------------------------------------------------------------- */

/* Tells whether the locked file is still the one that others find. */
static bool is_current(const struct np_state_lock *lock, int fd)
{
	struct stat ours, theirs;

	return fstat(fd, &ours) == 0 &&
	       fstatat(lock->dir, lock->file, &theirs, AT_SYMLINK_NOFOLLOW) == 0 &&
	       ours.st_ino == theirs.st_ino && ours.st_dev == theirs.st_dev;
}

/* Tries once: 1 where the lock is held, 0 where another process has it. */
static int try_lock(struct np_state_lock *lock, struct np_err *err)
{
	NP_AUTO(np_closep) int fd = -1;
	int got = state_open_file(lock->s, lock->group, lock->dir, lock->file, O_RDWR | O_CREAT,
				  &fd, err);

	if (got <= 0)
		return got;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK || errno == EINTR
			       ? 0
			       : state_fail(lock->s, lock->group, lock->file, err);
	if (!is_current(lock, fd))
		return 0;
	lock->fd = fd;
	fd = -1;
	return 1;
}

static int wait_for(struct np_state_lock *lock, np_state_wait_fn *wait, void *ctx,
		    struct np_err *err)
{
	struct np_err why = NP_ERR_INIT;

	if (wait(ctx, WAIT_MS, &why) == 0)
		return 0;
	return np_fail(err, why.code, "state directory: another nodeprep holds '%s/%s/%s': %s",
		       lock->s->dir, lock->group, lock->file, why.text);
}

int np_state_lock(const struct np_state *s, const char *group, const char *name,
		  np_state_wait_fn *wait, void *ctx, struct np_state_lock **ret, struct np_err *err)
{
	NP_AUTO(np_state_unlockp) struct np_state_lock *lock = calloc(1, sizeof(*lock));
	int got;

	if (!lock)
		return np_fail_nomem(err);
	lock->s = s;
	lock->dir = lock->fd = -1;
	if (state_check_name(name, err) < 0 ||
	    state_open_group(s, group, true, &lock->dir, err) < 0)
		return np_err_ret(err);
	snprintf(lock->group, sizeof(lock->group), "%s", group);
	snprintf(lock->entry, sizeof(lock->entry), "%s.json", name);
	snprintf(lock->fresh, sizeof(lock->fresh), ".%s.json", name);
	snprintf(lock->file, sizeof(lock->file), "%s.lock", name);
	while ((got = try_lock(lock, err)) == 0)
		if (wait_for(lock, wait, ctx, err) < 0)
			return np_err_ret(err);
	if (got < 0)
		return np_err_ret(err);
	*ret = np_take(lock);
	return 0;
}

/* --- writing --------------------------------------------------------------------------------- */

static int write_all(int fd, const char *bytes, size_t size)
{
	while (size > 0) {
		ssize_t n = write(fd, bytes, size);

		if (n < 0 && errno != EINTR)
			return -1;
		bytes += n > 0 ? n : 0;
		size -= n > 0 ? (size_t)n : 0;
	}
	return fsync(fd);
}

/* A process that was killed may have left its temporary file: only the lock's holder makes one. */
static int write_fresh(struct np_state_lock *lock, const char *bytes, size_t size)
{
	NP_AUTO(np_closep) int fd = -1;

	if (unlinkat(lock->dir, lock->fresh, 0) < 0 && errno != ENOENT)
		return -1;
	fd = openat(lock->dir, lock->fresh, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		    0600);
	return fd < 0 ? -1 : write_all(fd, bytes, size);
}

int np_state_write(struct np_state_lock *lock, const char *bytes, size_t size, struct np_err *err)
{
	if (size > NP_STATE_MAX)
		return np_fail(err, NP_E_IO, "state directory: '%s' would be larger than %u bytes",
			       lock->entry, (unsigned)NP_STATE_MAX);
	if (write_fresh(lock, bytes, size) < 0 ||
	    renameat(lock->dir, lock->fresh, lock->dir, lock->entry) < 0 || fsync(lock->dir) < 0) {
		state_fail(lock->s, lock->group, lock->entry, err);
		unlinkat(lock->dir, lock->fresh, 0);
		return np_err_ret(err);
	}
	return 0;
}

int np_state_remove(struct np_state_lock *lock, struct np_err *err)
{
	if (unlinkat(lock->dir, lock->entry, 0) < 0)
		return errno == ENOENT ? 0 : state_fail(lock->s, lock->group, lock->entry, err);
	return fsync(lock->dir) < 0 ? state_fail(lock->s, lock->group, lock->entry, err) : 0;
}
