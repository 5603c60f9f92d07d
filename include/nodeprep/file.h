/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEPREP_FILE_H
#define NODEPREP_FILE_H

/*
 * file - reads and replaces whole files, closes descriptors.
 *
 * Errors     NP_E_IO: the file cannot be read or written, or is too large; NP_E_NOMEM.
 */

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct np_err;

/* Closes a descriptor, where it is one; for NP_AUTO. */
void np_closep(int *fd);

/* Reads a whole file of at most `max` bytes; *ret is the caller's and ends in a NUL beyond *ret_size. */
int np_file_load(const char *path, uint64_t max, char **ret, size_t *ret_size, struct np_err *err);

/* Writes a file of that mode; a reader sees the old file or the new one, never a part of it. */
int np_file_replace(const char *path, const char *bytes, size_t size, mode_t mode,
		    struct np_err *err);

#endif
