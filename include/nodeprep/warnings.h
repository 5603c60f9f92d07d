/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEPREP_WARNINGS_H
#define NODEPREP_WARNINGS_H

/*
 * warnings - a list of warnings, each with a stable code (docs/warnings.md).
 *
 * Ownership  the list owns its messages; codes are constants.
 * Errors     NP_E_NOMEM.
 */

#include <stddef.h>

struct np_err;

#endif
