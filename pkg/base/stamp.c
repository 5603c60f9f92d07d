/* SPDX-License-Identifier: Apache-2.0 */
#include "nodeprep/stamp.h"

#include <sys/stat.h>

struct np_stamp np_stamp_of(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return (struct np_stamp){ .is_there = false };
	return (struct np_stamp){ .is_there = true,
				  .device = st.st_dev,
				  .inode = st.st_ino,
				  .size = st.st_size,
				  .modified = st.st_mtim,
				  .changed = st.st_ctim };
}

static bool is_same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

bool np_stamp_equal(const struct np_stamp *a, const struct np_stamp *b)
{
	return a->is_there == b->is_there && a->device == b->device && a->inode == b->inode &&
	       a->size == b->size && is_same_time(&a->modified, &b->modified) &&
	       is_same_time(&a->changed, &b->changed);
}
