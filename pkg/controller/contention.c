/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <string.h>

/* Drops the times that are too long ago to count. */
static void drop_old(struct contention *f, uint64_t now_ms)
{
	while (f->n > 0 && now_ms - f->at_ms[0] > CONTENTION_WITHIN_MS) {
		f->n--;
		memmove(f->at_ms, f->at_ms + 1, f->n * sizeof(f->at_ms[0]));
	}
}

bool controller_contention_is_yielded(const struct contention *f, uint64_t wanted)
{
	return f->yielded && f->wanted == wanted;
}

bool controller_contention_lost(struct contention *f, uint64_t wanted, uint64_t now_ms)
{
	if (controller_contention_is_yielded(f, wanted))
		return true;
	/* A changed pool is a person's decision: counting restarts. */
	if (f->wanted != wanted)
		*f = (struct contention){ .wanted = wanted };
	drop_old(f, now_ms);
	if (f->n < CONTENTION_MOST)
		f->at_ms[f->n++] = now_ms;
	f->yielded = f->n == CONTENTION_MOST;
	return f->yielded;
}

void controller_contention_resume(struct contention *f, uint64_t wanted)
{
	*f = (struct contention){ .yielded = true, .wanted = wanted };
}

void controller_contention_settle(struct contention *f)
{
	if (f->yielded)
		*f = (struct contention){ .wanted = f->wanted };
}
