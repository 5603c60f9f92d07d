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

/* Makes the catalogue and adds each file's cards. */
int catalogue_load(const struct texts *files, struct np_catalogue **ret, struct np_err *err);

#endif
