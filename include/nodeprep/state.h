/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEPREP_STATE_H
#define NODEPREP_STATE_H

/*
 * state - a directory of small files for what has no other place to be kept, such as vCenter's records.
 *
 * Layout     DIRECTORY/GROUP/NAME.json, and NAME.lock beside it while an entry is held. What is in an entry is
 *            its owner's business.
 * Locks      an entry is written only by who holds its lock, one process at a time; a process that ends, in
 *            whatever way, holds none. Reading takes no lock: an entry is replaced as a whole.
 * Crashes    an entry that was written is on the disk before np_state_write() returns. A process that is killed
 *            leaves the old entry or the new one.
 * Rights     directories 0700, files 0600. A directory or file that is a symbolic link, belongs to another user or
 *            is writable by others is an error, since its content decides what is restored.
 * Bounds     an entry has at most NP_STATE_MAX bytes.
 * Ownership  a lock borrows its state. Results are the caller's.
 * Errors     NP_E_IO: a path that cannot be used, with what to do; NP_E_USAGE: no directory is known; NP_E_RETRY: wait()
 *            gave up; NP_E_SPEC: an invalid file name; NP_E_NOMEM.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nodeprep/err.h"

#define NP_STATE_MAX (UINT64_C(512) << 10)
#define NP_STATE_ROOT "/var/lib/nodeprep"

/* Where the directory is; every member may be NULL (false). Borrowed. */
struct np_state_options {
	const char *dir; /* --state-dir */
	const char *xdg_state_home; /* $XDG_STATE_HOME */
	const char *home; /* $HOME */
	bool is_root; /* then NP_STATE_ROOT, unless `dir` is set */
};

struct np_state;

/* Finds out where the directory is; neither reads nor creates it. */
int np_state_new(const struct np_state_options *o, struct np_state **ret, struct np_err *err);
void np_state_free(struct np_state *s);
void np_state_freep(struct np_state **s);

/* Returns the directory's path. */
const char *np_state_dir(const struct np_state *s);

/* Writes the path of an entry, for messages. */
#define NP_STATE_PATH_MAX 4096
void np_state_path(const struct np_state *s, const char *group, const char *name,
		   char buf[static NP_STATE_PATH_MAX]);

/* Reads an entry: 1 with *ret set, which ends in a NUL beyond *ret_size; 0 where there is none; < 0. */
int np_state_read(const struct np_state *s, const char *group, const char *name, char **ret,
		  size_t *ret_size, struct np_err *err);

/* Called with each entry's name; a negative return ends the listing with it. */
typedef int np_state_each_fn(void *ctx, const char *name, struct np_err *err);

/* Lists the entries of a group, sorted by name. */
int np_state_list(const struct np_state *s, const char *group, np_state_each_fn *each, void *ctx,
		  struct np_err *err);

/* Waits about `ms`; a negative return gives up. */
typedef int np_state_wait_fn(void *ctx, uint64_t ms, struct np_err *err);

struct np_state_lock;

/* Locks an entry, whether it exists or not; creates the directories. Another holder is waited for. */
int np_state_lock(const struct np_state *s, const char *group, const char *name,
		  np_state_wait_fn *wait, void *ctx, struct np_state_lock **ret,
		  struct np_err *err);

/* Replaces the entry. */
int np_state_write(struct np_state_lock *lock, const char *bytes, size_t size, struct np_err *err);

/* Removes the entry, if there is one. */
int np_state_remove(struct np_state_lock *lock, struct np_err *err);

void np_state_unlock(struct np_state_lock *lock);
void np_state_unlockp(struct np_state_lock **lock);

#endif
