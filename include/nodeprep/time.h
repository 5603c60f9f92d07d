/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEPREP_TIME_H
#define NODEPREP_TIME_H

/*
 * time - times as Kubernetes writes them (RFC 3339).
 */

#include <stdbool.h>
#include <stdint.h>

/* Tells whether the text is a time as API servers write it: "2026-11-25T19:40:41Z". Such sort as texts. */
bool np_time_is_api(const char *text);

#define NP_TIME_TEXT_MAX 64

/* Writes and reads RFC 3339 in UTC, "2026-11-25T19:40:41Z"; np_time_read() returns 0 for what is none. */
void np_time_text(int64_t seconds, char buf[static NP_TIME_TEXT_MAX]);
int64_t np_time_read(const char *text);

/* Writes the present as metav1.MicroTime is written: "2026-11-25T19:40:41.000000Z". */
void np_time_micro(char buf[static NP_TIME_TEXT_MAX]);

/* Reads an RFC 3339 time as seconds since 1970; fractions are dropped. */
bool np_time_parse(const char *text, int64_t *ret);

#endif
