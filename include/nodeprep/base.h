/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEPREP_BASE_H
#define NODEPREP_BASE_H

/*
 * base - what every other module stands on. A file includes the headers of what it uses:
 *
 * err.h       the error value and the two idioms of ownership
 * file.h      reading whole files
 * json.h      jansson helpers
 * map.h       a hash map of entries that their owners allocate
 * text.h      the nearest of several words, hex digits
 * time.h      RFC 3339
 * units.h     sizes, Kubernetes quantities, durations
 * warnings.h  a list of warnings with stable codes
 *
 * These names have no module in them: np_fail(), np_map_find().
 */

#include "nodeprep/err.h"
#include "nodeprep/json.h"
#include "nodeprep/map.h"
#include "nodeprep/text.h"
#include "nodeprep/time.h"
#include "nodeprep/units.h"
#include "nodeprep/warnings.h"

#endif
