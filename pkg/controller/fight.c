/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <string.h>

/* Drops the times that are too long ago to count. */
static void drop_old(struct fight *f, uint64_t now_ms)
{
	while (f->n > 0 && now_ms - f->at_ms[0] > FIGHT_WITHIN_MS) {
		f->n--;
		memmove(f->at_ms, f->at_ms + 1, f->n * sizeof(f->at_ms[0]));
	}
}

bool fight_is_left(const struct fight *f, uint64_t wanted)
{
	return f->left && f->wanted == wanted;
}

bool fight_lost_round(struct fight *f, uint64_t wanted, uint64_t now_ms)
{
	if (fight_is_left(f, wanted))
		return true;
	/* A pool that now says something else is a person's word: it begins anew. */
	if (f->wanted != wanted)
		*f = (struct fight){ .wanted = wanted };
	drop_old(f, now_ms);
	if (f->n < FIGHT_MOST)
		f->at_ms[f->n++] = now_ms;
	f->left = f->n == FIGHT_MOST;
	return f->left;
}

void fight_resume(struct fight *f, uint64_t wanted)
{
	*f = (struct fight){ .left = true, .wanted = wanted };
}

void fight_settle(struct fight *f)
{
	if (f->left)
		*f = (struct fight){ .wanted = f->wanted };
}
