/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEPREP_TIME_H
#define NODEPREP_TIME_H

/*
 * time - the monotonic clock, and times as Kubernetes writes them (RFC 3339).
 *
 * Ownership  borrows its arguments, allocates nothing, any thread.
 */

#include <stdbool.h>
#include <stdint.h>

/* Returns milliseconds of the monotonic clock, which a change of the wall clock does not move. */
uint64_t np_clock_ms(void);

/* Tells whether the text is a time as API servers write it: "2026-11-25T19:40:41Z". Such sort as texts. */
bool np_time_is_api(const char *text);

#define NP_TIME_TEXT_MAX 64

/* Writes seconds since 1970 in UTC, "2026-11-25T19:40:41Z"; what no calendar has is written as 1970. */
void np_time_text(int64_t seconds, char buf[static NP_TIME_TEXT_MAX]);

/* Writes the present: "2026-11-25T19:40:41Z". */
void np_time_now(char buf[static NP_TIME_TEXT_MAX]);

/* Writes the present with milliseconds, or as metav1.MicroTime: "2026-11-25T19:40:41.000000Z". */
void np_time_milli(char buf[static NP_TIME_TEXT_MAX]);
void np_time_micro(char buf[static NP_TIME_TEXT_MAX]);

/* Reads an RFC 3339 time as seconds since 1970 and drops fractions; false: the text is none. */
bool np_time_parse(const char *text, int64_t *ret);

#endif
