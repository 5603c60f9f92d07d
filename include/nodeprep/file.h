/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEPREP_FILE_H
#define NODEPREP_FILE_H

/*
 * file - reads and replaces whole files, closes descriptors.
 *
 * Reads      a FIFO or a character device is waited for until a deadline, so that none hangs; a directory, a
 *            block device and a socket are errors.
 * Writes     only regular files are written or replaced. A device, FIFO, socket or directory stays as it is.
 * Errors     NP_E_IO: the file cannot be read or written, is too large, or its end did not come in time;
 *            NP_E_NOMEM.
 */

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct np_err;

/* Closes a descriptor, where it is one; for NP_AUTO. */
void np_closep(int *fd);

/* How long one read waits unless a deadline is set. */
#define NP_FILE_WAIT_MS UINT64_C(10000)

/*
 * Sets the deadline of all reads of this process from now on, in np_clock_ms(); 0: NP_FILE_WAIT_MS for each.
 * One setting for the process, like alarm(2): a command's run is its process, and daemons set none.
 */
void np_file_set_deadline(uint64_t deadline);

/* Returns "FIFO", "character device", "regular file", ... */
const char *np_file_kind(mode_t mode);

/* Reads a whole file of at most `max` bytes; *ret is the caller's and ends in a NUL beyond *ret_size. */
int np_file_load(const char *path, uint64_t max, char **ret, size_t *ret_size, struct np_err *err);

/* The same for standard input, until a deadline in np_clock_ms(); UINT64_MAX: none. */
int np_file_load_stdin(uint64_t max, uint64_t deadline, char **ret, size_t *ret_size,
		       struct np_err *err);

/*
 * Opens a regular file to write, `how` being O_APPEND, O_CREAT, O_EXCL and O_TRUNC as in open(2). Follows no
 * symbolic link in the last part of the path, as another user may have put it there.
 */
int np_file_open_write(const char *path, int how, mode_t mode, int *ret_fd, struct np_err *err);

/*
 * Writes a file of that mode; a reader sees the old file or the new one, never a part of it. A symbolic link
 * to a regular file, or to nothing, is replaced; the file behind it stays.
 */
int np_file_replace(const char *path, const char *bytes, size_t size, mode_t mode,
		    struct np_err *err);

#endif
