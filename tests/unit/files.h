/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_UNIT_FILES_H
#define TESTS_UNIT_FILES_H

/*
 * files - reads test data. A file or folder that cannot be read fails the test.
 */

#include <stddef.h>
#include <stdint.h>

/* Returns the file's bytes, with a NUL behind them; the caller frees them. *ret_size may be NULL. */
char *load_file(const char *path, size_t *ret_size);

/* Writes the text, and nothing else, into the file. */
void save_file(const char *path, const char *text);

/* Calls `each` for every entry that is not hidden, in alphabetical order; returns their number. */
size_t each_entry(const char *folder, void (*each)(const char *path));

/*
 * Calls `target`, which has the signature of a fuzz target, for every file of the corpus; returns their
 * number. As under libFuzzer nothing readable is behind the bytes, and `target` must return 0.
 */
size_t replay_corpus(const char *folder, int (*target)(const uint8_t *bytes, size_t size));

#endif
