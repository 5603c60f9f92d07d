/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEPREP_FILE_H
#define NODEPREP_FILE_H

/*
 * file - reads whole files, closes descriptors.
 *
 * Errors     NP_E_IO: the file cannot be read, or is too large; NP_E_NOMEM.
 */

#include <stddef.h>
#include <stdint.h>

struct np_err;

/* Closes a descriptor, where it is one; for NP_AUTO. */
void np_closep(int *fd);

/* Reads a whole file of at most `max` bytes; *ret is the caller's and ends in a NUL beyond *ret_size. */
int np_file_load(const char *path, uint64_t max, char **ret, size_t *ret_size, struct np_err *err);

#endif
