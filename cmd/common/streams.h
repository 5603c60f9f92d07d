/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEPREP_CMD_COMMON_STREAMS_H
#define NODEPREP_CMD_COMMON_STREAMS_H

/*
 * streams - standard input, output and error.
 */

/*
 * Opens those that are closed on /dev/null, before the program opens anything else: a file or a socket would
 * get their numbers, and with them log lines and results. Reads and writes of input and output fail as before.
 */
void streams_open(void);

#endif
