/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_UNIT_EXPECT_H
#define TESTS_UNIT_EXPECT_H

/*
 * expect - the small checks that unit tests share.
 */

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Fails with `what` unless `text` contains `part`. */
void expect_has(const char *what, const char *text, const char *part);

#endif
