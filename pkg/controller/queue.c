/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdlib.h>

/* --- a binary heap whose first place is 1 ---------------------------------------------------- */

static bool is_before(const struct queue_item *a, const struct queue_item *b)
{
	return a->due_ms != b->due_ms ? a->due_ms < b->due_ms : a->order < b->order;
}

static void put_at(struct queue *q, size_t at, struct queue_item *item)
{
	q->heap[at - 1] = item;
	item->at = at;
}

static void sift_up(struct queue *q, struct queue_item *item)
{
	size_t at = item->at;

	for (; at > 1 && is_before(item, q->heap[at / 2 - 1]); at /= 2)
		put_at(q, at, q->heap[at / 2 - 1]);
	put_at(q, at, item);
}

static void sift_down(struct queue *q, struct queue_item *item)
{
	size_t at = item->at;

	while (2 * at <= q->n) {
		size_t child = 2 * at;

		if (child < q->n && is_before(q->heap[child], q->heap[child - 1]))
			child++;
		if (!is_before(q->heap[child - 1], item))
			break;
		put_at(q, at, q->heap[child - 1]);
		at = child;
	}
	put_at(q, at, item);
}

int controller_queue_reserve(struct queue *q, size_t n, struct np_err *err)
{
	size_t room = q->room != 0 ? q->room : 64;
	struct queue_item **heap;

	if (n <= q->room)
		return 0;
	while (room < n)
		room *= 2;
	heap = reallocarray(q->heap, room, sizeof(*q->heap));
	if (!heap)
		return np_fail_nomem(err);
	q->heap = heap;
	q->room = room;
	return 0;
}

static int push(struct queue *q, struct queue_item *item, uint64_t due_ms, struct np_err *err)
{
	if (controller_queue_reserve(q, q->n + 1, err) < 0)
		return np_err_ret(err);
	item->due_ms = due_ms;
	item->order = q->orders++;
	q->n++;
	put_at(q, q->n, item);
	sift_up(q, item);
	return 0;
}

void controller_queue_remove(struct queue *q, struct queue_item *item)
{
	struct queue_item *last;
	size_t at = item->at;

	if (at == 0)
		return;
	item->at = 0;
	last = q->heap[--q->n];
	if (last == item)
		return;
	put_at(q, at, last);
	sift_up(q, last);
	sift_down(q, last);
}

/* --- the queue ------------------------------------------------------------------------------- */

int controller_queue_add(struct queue *q, struct queue_item *item, uint64_t due_ms,
			 struct np_err *err)
{
	if (item->running) {
		item->again = true;
		return 0;
	}
	if (item->at == 0)
		return push(q, item, due_ms, err);
	if (due_ms < item->due_ms) {
		item->due_ms = due_ms;
		sift_up(q, item);
	}
	return 0;
}

struct queue_item *controller_queue_pop(struct queue *q, uint64_t now_ms, uint64_t *ret_due_ms)
{
	struct queue_item *item = q->n > 0 ? q->heap[0] : NULL;

	*ret_due_ms = item ? item->due_ms : UINT64_MAX;
	if (!item || item->due_ms > now_ms)
		return NULL;
	controller_queue_remove(q, item);
	item->running = true;
	item->again = false;
	return item;
}

uint64_t controller_queue_backoff_ms(unsigned failures, uint32_t random)
{
	uint64_t most = QUEUE_BACKOFF_MOST_MS, middle = QUEUE_BACKOFF_FIRST_MS;

	for (unsigned i = 1; i < failures && middle < most; i++)
		middle *= 2;
	if (middle > most)
		middle = most;
	return middle - middle / 4 + random % (middle / 2 + 1);
}

int controller_queue_done(struct queue *q, struct queue_item *item, bool failed, uint64_t now_ms,
			  uint32_t random, struct np_err *err)
{
	bool again = item->again;

	item->running = item->again = false;
	item->failures = failed ? item->failures + (item->failures < UINT32_MAX) : 0;
	/* A change is processed without delay, even after a failure: it may be the fix. */
	if (again)
		return push(q, item, now_ms, err);
	if (failed)
		return push(q, item, now_ms + controller_queue_backoff_ms(item->failures, random),
			    err);
	return 0;
}
