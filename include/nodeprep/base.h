/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEPREP_BASE_H
#define NODEPREP_BASE_H

/*
 * base - what every other module stands on. A file includes the headers of what it uses:
 *
 * base64.h    base64 (RFC 4648)
 * err.h       the error value and the two idioms of ownership
 * file.h      reading whole files, closing descriptors
 * json.h      members' texts, errors as JSON, JSON pointers
 * map.h       a hash map with keys of several texts
 * text.h      the nearest of several words, blanks at both ends, hex digits, secrets
 * time.h      the monotonic clock, RFC 3339
 * units.h     sizes, Kubernetes quantities, durations
 * warnings.h  a list of warnings with stable codes
 *
 * These names have no module in them: np_fail(), np_map_find().
 */

#include "nodeprep/base64.h"
#include "nodeprep/err.h"
#include "nodeprep/file.h"
#include "nodeprep/json.h"
#include "nodeprep/map.h"
#include "nodeprep/text.h"
#include "nodeprep/time.h"
#include "nodeprep/units.h"
#include "nodeprep/warnings.h"

#endif
