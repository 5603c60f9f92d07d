/* SPDX-License-Identifier: Apache-2.0 */
#include "hookd.h"

#include <inttypes.h>
#include <sys/resource.h>

#include "nodeprep/err.h"

#define MIB (UINT64_C(1) << 20)
#define BODY_MAX (20 * MIB)

enum {
	FILES = 32, /* listeners, standard streams, files that are read */
	FILES_OF_LOOP = 4,
	FILES_OF_WORKER = 3, /* to the API servers */
	PROBES_MOST = 256,
	PROBES_LEAST = 8,
	CONNECTIONS_LEAST = 32,
	RESTS_OF_LOOP = 64, /* of refused connections that are read to their end */
	CONNECTION_BYTES = 32 << 10, /* an idle one with TLS, seen with 1,000 of them */
};

/* The program itself, with the largest request and its answer at work in each thread. */
#define PROGRAM_BYTES (32 * MIB)

static uint64_t raise_limit(uint64_t wanted)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return wanted;
	if (limit.rlim_cur < wanted) {
		rlim_t before = limit.rlim_cur;

		limit.rlim_cur = limit.rlim_max == RLIM_INFINITY || wanted < limit.rlim_max
					 ? wanted
					 : limit.rlim_max;
		if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
			limit.rlim_cur = before;
	}
	return limit.rlim_cur < wanted ? limit.rlim_cur : wanted;
}

static int find_connections(const struct options *o, struct bounds *ret, struct np_err *err)
{
	uint64_t fixed = FILES + o->threads * FILES_OF_LOOP + o->workers * FILES_OF_WORKER;
	uint64_t rests = o->threads * RESTS_OF_LOOP;
	uint64_t limit = raise_limit(fixed + rests + PROBES_MOST + o->max_connections);
	uint64_t least = fixed + 2 * (PROBES_LEAST + CONNECTIONS_LEAST), left = limit - fixed;

	if (limit < least)
		return np_fail(err, NP_E_USAGE,
			       "the limit of open files is %" PRIu64 ": at least %" PRIu64
			       " are needed for %" PRIu64 " threads and %" PRIu64 " workers",
			       limit, least, o->threads, o->workers);
	left -= rests < left / 4 ? rests : left / 4;
	ret->probes = left / 4 < PROBES_MOST ? (unsigned)left / 4 : PROBES_MOST;
	left -= ret->probes;
	ret->connections = (unsigned)(left < o->max_connections ? left : o->max_connections);
	return 0;
}

/* Each body may be copied once more into one piece, so that half of what is left is for them. */
static int find_bodies(const struct options *o, struct bounds *ret, struct np_err *err)
{
	uint64_t fixed = PROGRAM_BYTES + (uint64_t)ret->connections * CONNECTION_BYTES;
	uint64_t least = fixed + 3 * BODY_MAX;

	if (o->max_memory < least)
		return np_fail(err, NP_E_USAGE,
			       "--max-memory: at least %" PRIu64 "Mi are needed for %u connections",
			       (least + MIB - 1) / MIB, ret->connections);
	ret->bodies = (o->max_memory - fixed) / 2;
	return 0;
}

int bounds_find(const struct options *o, struct bounds *ret, struct np_err *err)
{
	if (find_connections(o, ret, err) < 0 || find_bodies(o, ret, err) < 0)
		return np_err_ret(err);
	return 0;
}
