/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEPREP_CMD_NODEPREP_NODE_CMD_H
#define NODEPREP_CMD_NODEPREP_NODE_CMD_H

/*
 * node_cmd - what node-check and host-check share.
 */

#include <jansson.h>
#include <stdbool.h>

#include "nodeprep/report.h"

/* 0 where all is well, 1 where something is wrong, 6 where it cannot be told. */
int exit_of_verdict(enum np_verdict pass);

#endif
