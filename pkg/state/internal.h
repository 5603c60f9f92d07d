/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEPREP_PKG_STATE_INTERNAL_H
#define NODEPREP_PKG_STATE_INTERNAL_H

/*
 * internal - what the files of state share: dir.c opens what can be trusted, state.c reads, lock.c locks and writes.
 */

#include "nodeprep/state.h"

#define STATE_NAME_MAX 128
#define STATE_FILE_MAX (STATE_NAME_MAX + 16)

struct np_state {
	char *dir;
};

/* Fails unless the name can be a file's. */
int state_check_name(const char *name, struct np_err *err);

/* Opens GROUP's directory; creates it and those above it where `create`, else 0 where there is none. 1: opened. */
int state_open_group(const struct np_state *s, const char *group, bool create, int *ret_fd,
		     struct np_err *err);

/* Opens a file of the group: 1, 0 where there is none; fails where it cannot be trusted. */
int state_open_file(const struct np_state *s, const char *group, int group_fd, const char *file,
		    int flags, int *ret_fd, struct np_err *err);

/* Fails with what errno says about GROUP/FILE; either may be NULL. */
int state_fail(const struct np_state *s, const char *group, const char *file, struct np_err *err);

#endif
