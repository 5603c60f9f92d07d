/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEPREP_STAMP_H
#define NODEPREP_STAMP_H

/*
 * stamp - what tells a file from its next version, without reading it.
 *
 * Ownership  borrows its arguments, allocates nothing, any thread.
 */

#include <stdbool.h>
#include <sys/types.h>
#include <time.h>

struct np_stamp {
	bool is_there;
	dev_t device;
	ino_t inode;
	off_t size;
	struct timespec modified, changed; /* changed: contents, name, owner or mode */
};

/* Returns the file's stamp; all zero if the file does not exist. It follows links. */
struct np_stamp np_stamp_of(const char *path);
bool np_stamp_equal(const struct np_stamp *a, const struct np_stamp *b);

#endif
