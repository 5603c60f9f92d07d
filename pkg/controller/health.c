/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

void controller_health_begin(struct watch_health *h, uint64_t now_ms)
{
	*h = (struct watch_health){ .good_ms = now_ms };
}

void controller_health_open(struct watch_health *h, uint64_t now_ms)
{
	h->is_open = true;
	h->opened_ms = now_ms;
}

uint64_t controller_health_close(struct watch_health *h, uint64_t now_ms)
{
	uint64_t lasted = h->is_open ? now_ms - h->opened_ms : 0;

	if (lasted >= HEALTH_ESTABLISHED_MS)
		h->good_ms = now_ms;
	if (lasted >= HEALTH_SUSTAINED_MS)
		h->attempts = 0;
	else if (h->attempts < UINT32_MAX)
		h->attempts++;
	h->is_open = false;
	return lasted;
}

/*
 * What counts is the time from one watch's start to the next one's: after a watch that lasted longer
 * than its pause only a short one is left, so that a proxy that ends each watch after half a minute
 * blinds nobody for long.
 */
uint64_t controller_health_pause(const struct watch_health *h, uint64_t lasted_ms, uint32_t random)
{
	uint64_t least = HEALTH_PAUSE_FIRST_MS, middle = least, pause;

	for (unsigned i = 1; i < h->attempts && middle < HEALTH_PAUSE_MOST_MS; i++)
		middle *= 2;
	if (middle > HEALTH_PAUSE_MOST_MS)
		middle = HEALTH_PAUSE_MOST_MS;
	pause = middle > lasted_ms + least ? middle - lasted_ms : least;
	return pause - pause / 4 + random % (pause / 2 + 1);
}

uint64_t controller_health_down_ms(const struct watch_health *h, uint64_t now_ms)
{
	if (h->is_open && now_ms - h->opened_ms >= HEALTH_ESTABLISHED_MS)
		return 0;
	return now_ms - h->good_ms;
}

bool controller_health_is_lost(const struct watch_health *h, uint64_t now_ms)
{
	return controller_health_down_ms(h, now_ms) >= HEALTH_LOST_MS;
}
