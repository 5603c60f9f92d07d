/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEPREP_CMD_COMMON_CATALOGUE_H
#define NODEPREP_CMD_COMMON_CATALOGUE_H

/*
 * catalogue - the built-in GPU catalogue with the cards of --catalogue files.
 */

#include "options.h"

#include "nodeprep/err.h"
#include "nodeprep/gpu.h"

#define CATALOGUE_HELP "YAML list of cards to add to the built-in ones; repeatable"

#define CAPTURE_HELP "lspci, esxcli or vmware.log capture to take a card's BARs from; repeatable"

/* Makes the catalogue, and adds each file's cards and those of the captures (NULL: none). */
int catalogue_load(const struct texts *files, const struct texts *captures,
		   struct np_catalogue **ret, struct np_err *err);

#endif
