/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <malloc.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "nodeprep/time.h"

/*
 * Limits: which connections wait, which are evicted and which are closed as too slow. A client's
 * time counts from the moment it could act, so delays of the loop itself never count against a
 * client.
 */

enum {
	SWEEP_MS = 20,
	SWEEP_ITERATIONS = 2, /* without progress, after which a client counts as stuck */
	IDLE_MS = 100, /* of silence, after which a client may be evicted */
	EVICT_AT_ONCE = 16,
	HANDSHAKES_MOST = 64, /* in one loop at a time */
	LARGE_BYTES = 16 << 10,
	TURNS = 2, /* large bodies in one loop at a time */
	TURNS_MOST = 64, /* where some are slow */
	TURN_BYTES = 4 << 10, /* that a large body must receive within a sweep to keep its slot */
	FRESH_MOST = 96, /* that wait for a slot, before the loop stops accepting */
	SMALL_BYTES = 1 << 20, /* most requests of Cluster API's hooks are smaller */
	STEP_BYTES = 64 << 10, /* the step by which memory is reserved */
	MEMORY_PRESS_MS = 200,
	MEMORY_WAIT_MS = 1000,
	MEMORY_WAIT_MOST_MS = 8000, /* Cluster API waits 10 s for an answer */
	STARVED_MOST = 32, /* waiters for which one sweep looks for memory */
	RATE_GRACE_MS = 2000,
	UNREAD_MS = 5000, /* a client may leave its response unread */
	TRIM_BYTES = 8 << 20,
	TRIM_OPENING = 16, /* handshakes at a time, of some 45 KB each */
};

/* --- the quiet -------------------------------------------------------------------------------- */

void serve_conn_hold(struct conn *c)
{
	if (c->quiet_in)
		TAILQ_REMOVE(c->quiet_in, c, quiet);
	c->quiet_in = NULL;
}

void serve_conn_moved(struct conn *c)
{
	struct loop *l = c->loop;

	serve_conn_hold(c);
	if (c->closes_soon)
		return;
	c->moved_ms = np_clock_ms();
	c->moved_iteration = l->iteration;
	c->quiet_in = &l->quiet[c->fresh ? 0 : 1];
	TAILQ_INSERT_TAIL(c->quiet_in, c, quiet);
}

static bool has_been_silent(const struct conn *c, uint64_t ms)
{
	return np_clock_ms() - c->moved_ms >= ms &&
	       c->loop->iteration - c->moved_iteration >= SWEEP_ITERATIONS;
}

static bool is_same_address(const struct conn *a, const struct conn *b)
{
	return a->has_address && b->has_address &&
	       memcmp(a->address, b->address, sizeof(a->address)) == 0;
}

static void evict(struct conn *c)
{
	atomic_fetch_add(&c->loop->server->n_evicted, 1);
	serve_conn_close_soon(c);
}

/* Finds the connection that has been silent longest, of one address where given; NULL: none. */
static struct conn *find_idlest(struct loop *l, const struct conn *newcomer)
{
	struct conn *c;

	for (size_t i = 0; i < 2; i++)
		TAILQ_FOREACH(c, &l->quiet[i], quiet)
		{
			if (!has_been_silent(c, IDLE_MS))
				break;
			if (!c->waits && (!newcomer || is_same_address(c, newcomer)))
				return c;
		}
	return NULL;
}

/* --- connections ------------------------------------------------------------------------------ */

static void arm_sweep(struct loop *l, unsigned ms)
{
	struct timeval tv = serve_timeval(ms);

	if (ms == 0 || !evtimer_pending(l->sweep_timer, NULL))
		evtimer_add(l->sweep_timer, &tv);
}

bool serve_loop_is_crowded(const struct loop *l)
{
	return l->n_handshaking >= HANDSHAKES_MOST || l->n_fresh >= FRESH_MOST;
}

static bool is_server_full(const struct loop *l)
{
	return atomic_load(&l->server->n_conns) >= l->server->o.connections_max;
}

void serve_loop_resume_accept(struct loop *l)
{
	struct conn *idlest;

	if (!l->is_full || l->stopping || !l->listener)
		return;
	if (l->lacks_files && (idlest = find_idlest(l, NULL)))
		evict(idlest);
	if (l->server->o.plain && (l->lacks_files || is_server_full(l)))
		serve_plain_make_room(l);
	else if (is_server_full(l))
		for (int i = 0; i < EVICT_AT_ONCE && (idlest = find_idlest(l, NULL)); i++)
			evict(idlest);
	l->lacks_files = false;
	if (is_server_full(l) || serve_loop_is_crowded(l)) {
		arm_sweep(l, SWEEP_MS);
		return;
	}
	l->is_full = false;
	evconnlistener_enable(l->listener);
}

void serve_loop_pause(struct loop *l, unsigned ms)
{
	if (l->is_full)
		return;
	l->is_full = true;
	evconnlistener_disable(l->listener);
	arm_sweep(l, ms);
}

void serve_loop_count_conn(struct loop *l)
{
	struct np_serve *s = l->server;

	l->n_conns++;
	if (atomic_fetch_add(&s->n_conns, 1) + 1 >= s->o.connections_max)
		serve_loop_pause(l, 0);
}

/* An IPv6 address counts by its /64 network: a client with one address of it has all. */
static void read_address(struct conn *c)
{
	struct sockaddr_storage ss = { .ss_family = AF_UNSPEC };
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&ss;
	socklen_t size = sizeof(ss);

	c->has_address = true;
	if (getpeername(bufferevent_getfd(c->bev), (struct sockaddr *)&ss, &size) < 0)
		return;
	c->address[0] = (unsigned char)ss.ss_family;
	if (ss.ss_family == AF_INET)
		memcpy(c->address + 1, &((const struct sockaddr_in *)&ss)->sin_addr, 4);
	else if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr))
		memcpy(c->address + 1, v6->sin6_addr.s6_addr + 12, 4);
	else
		memcpy(c->address + 1, v6->sin6_addr.s6_addr, 8);
}

static void hold_to_share(struct conn *c)
{
	unsigned n = 0, most = c->loop->server->o.per_address_max;
	struct conn *other;

	LIST_FOREACH(other, &c->loop->conns, link)
	n += !other->closes_soon && is_same_address(other, c);
	if (n > most && (other = find_idlest(c->loop, c)) && other != c)
		evict(other);
}

void serve_loop_settle_newcomers(struct loop *l)
{
	struct conn *c;

	LIST_FOREACH(c, &l->conns, link)
	{
		if (c->has_address || !c->bev)
			break;
		read_address(c);
		if (l->server->o.per_address_max > 0)
			hold_to_share(c);
	}
}

void serve_conn_end_shaking(struct conn *c)
{
	if (!c->handshaking)
		return;
	c->handshaking = false;
	c->loop->n_opening--;
	if (c->counted)
		c->loop->n_handshaking--;
	c->counted = false;
	serve_loop_resume_accept(c->loop);
}

/* Stalled handshakes keep their connections but do not count towards the limit. */
static void pass_stuck_handshakes(struct loop *l)
{
	struct conn *c;

	TAILQ_FOREACH(c, &l->quiet[0], quiet)
	{
		if (!has_been_silent(c, SWEEP_MS))
			break;
		if (c->counted)
			l->n_handshaking--;
		c->counted = false;
	}
}

/* --- memory ----------------------------------------------------------------------------------- */

/* TLS records are not whole pages: a body takes up to three eighths more memory than its size. */
size_t serve_bounds_of_body(size_t size)
{
	return size + size * 3 / 8 + 2 * (size_t)STEP_BYTES;
}

static void note_peak(struct np_serve *s, size_t now)
{
	size_t peak = atomic_load(&s->memory_peak);

	while (now > peak && !atomic_compare_exchange_weak(&s->memory_peak, &peak, now))
		;
}

void serve_release(struct np_serve *s, size_t *charged)
{
	atomic_fetch_sub(&s->memory, *charged);
	*charged = 0;
}

void serve_conn_release_body(struct conn *c)
{
	if (c->charged > 0 && !c->refusal)
		c->loop->relieved_ms = np_clock_ms();
	serve_release(c->loop->server, &c->charged);
}

void serve_conn_charge_answer(struct conn *c, size_t size)
{
	struct np_serve *s = c->loop->server;

	serve_conn_release_answer(c);
	c->answer_charged = size;
	note_peak(s, atomic_fetch_add(&s->memory, size) + size);
}

void serve_conn_release_answer(struct conn *c)
{
	serve_release(c->loop->server, &c->answer_charged);
}

static size_t sum_of_address(const struct conn *c)
{
	const struct conn *other;
	size_t sum = 0;

	LIST_FOREACH(other, &c->loop->conns, link)
	if (other == c || is_same_address(other, c))
		sum += other->charged;
	return sum;
}

static bool is_small(const struct conn *c)
{
	return c->wire.has_length && c->wire.length <= SMALL_BYTES;
}

/*
 * The last quarter is reserved for small bodies; an address gets half, small ones a quarter more.
 */
static size_t find_most(const struct conn *c, bool of_address)
{
	const struct np_serve_options *o = &c->loop->server->o;
	size_t quarter = o->memory_max / 4, least = serve_bounds_of_body(o->body_max);
	size_t most = (of_address ? 2 : 3) * quarter;

	if (most < least)
		most = least;
	if (is_small(c))
		most += quarter;
	return most < o->memory_max ? most : o->memory_max;
}

/*
 * A small body reserves all of its memory at once: it can then always be finished. With steps, many
 * bodies could each wait for the memory of the others. A large one reserves as it grows.
 */
static size_t find_need(const struct conn *c)
{
	size_t next = c->received + STEP_BYTES;
	size_t whole = is_small(c) ? serve_bounds_of_body(c->wire.length) : 0;

	return whole > next ? whole : next;
}

/* Reserves memory for the bytes received and those that are to come; false where there is none. */
static bool charge(struct conn *c)
{
	struct np_serve *s = c->loop->server;
	size_t more, now;

	if (s->o.memory_max == 0 || c->charged >= c->received + STEP_BYTES / 2)
		return true;
	more = find_need(c) - c->charged;
	if (sum_of_address(c) + more > find_most(c, true))
		return false;
	now = atomic_fetch_add(&s->memory, more) + more;
	if (now > find_most(c, false)) {
		atomic_fetch_sub(&s->memory, more);
		return false;
	}
	note_peak(s, now);
	c->charged += more;
	return true;
}

/*
 * Finds the connection whose memory has been idle longest, except those that wait for the server.
 */
static struct conn *find_hoarder(struct loop *l)
{
	struct conn *c, *worst = NULL;

	LIST_FOREACH(c, &l->conns, link)
	if (c->quiet_in && !c->waits && c->charged + c->answer_charged > 0 &&
	    has_been_silent(c, IDLE_MS) && (!worst || c->moved_ms < worst->moved_ms))
		worst = c;
	return worst;
}

/* Finds a waiting connection with memory whose address has more than this one's. */
static struct conn *find_richer(const struct conn *c)
{
	size_t most = sum_of_address(c);
	struct conn *other, *richest = NULL;

	LIST_FOREACH(other, &c->loop->conns, link)
	{
		size_t sum = other->waits && other->charged > 0 ? sum_of_address(other) : 0;

		if (sum > most) {
			most = sum;
			richest = other;
		}
	}
	return richest;
}

/* The client should retry: a longer wait would exceed its own deadline. */
static void refuse_body(struct conn *c)
{
	atomic_fetch_add(&c->loop->server->n_refused, 1);
	serve_conn_end_turn(c);
	serve_conn_hold(c);
	c->refusal = 503;
	serve_conn_arm(c, 0);
}

/*
 * Evicts a connection to free memory for the body: the one idle longest, or, where all that have
 * memory wait for more, one of the address that has most. Returns true where the body itself has
 * waited too long and is refused: meanwhile no other was finished, or its client's own deadline is near.
 */
static bool starve(struct conn *c)
{
	struct conn *other = find_hoarder(c->loop);
	uint64_t now = np_clock_ms(), ms = now - c->held_ms;
	bool is_relieved = now - c->loop->relieved_ms < MEMORY_WAIT_MS && ms < MEMORY_WAIT_MOST_MS;

	if (other)
		evict(other);
	else if (ms >= MEMORY_PRESS_MS && (other = find_richer(c)))
		refuse_body(other);
	if (ms < MEMORY_WAIT_MS || is_relieved)
		return false;
	refuse_body(c);
	return true;
}

static bool are_bodies_over(struct np_serve *s)
{
	size_t peak = atomic_load(&s->memory_peak), now = atomic_load(&s->memory);

	return peak >= TRIM_BYTES && now <= peak / 4 &&
	       atomic_compare_exchange_strong(&s->memory_peak, &peak, now);
}

static bool is_burst_over(struct loop *l)
{
	if (l->most_opening < TRIM_OPENING || l->n_opening > l->most_opening / 8)
		return false;
	l->most_opening = l->n_opening;
	return true;
}

/* Returns the memory of large bodies, or of a burst of handshakes, to the system. */
static void trim(struct loop *l)
{
	bool bodies = are_bodies_over(l->server), burst = is_burst_over(l);

	if (bodies || burst)
		malloc_trim(0);
}

/* --- turns ------------------------------------------------------------------------------------ */

static void end_waiting(struct conn *c)
{
	uint64_t now = np_clock_ms();

	if (!c->waits)
		return;
	c->waits = false;
	TAILQ_REMOVE(&c->loop->waiting[c->is_last], c, turn);
	if (c->fresh && !c->is_last)
		c->loop->n_fresh--;
	c->stage_ms += now - c->held_ms;
	serve_loop_resume_accept(c->loop);
}

static void drop_turn(struct conn *c)
{
	if (!c->has_turn)
		return;
	c->has_turn = false;
	TAILQ_REMOVE(&c->loop->turns, c, turn);
	c->loop->n_turns--;
	if (c->is_large)
		c->loop->n_large_turns--;
}

static bool has_waiting(const struct loop *l)
{
	return !TAILQ_EMPTY(&l->waiting[0]) || !TAILQ_EMPTY(&l->waiting[1]);
}

static void give_turn(struct conn *c)
{
	end_waiting(c);
	c->has_turn = true;
	TAILQ_INSERT_TAIL(&c->loop->turns, c, turn);
	c->loop->n_turns++;
	c->is_large = !is_small(c);
	if (c->is_large)
		c->loop->n_large_turns++;
	c->turn_ms = np_clock_ms();
	c->turn_bytes = c->stage_bytes;
	serve_conn_moved(c);
	/* Bytes already received may complete the request at once. */
	bufferevent_enable(c->bev, EV_READ);
}

static bool has_turn_for(const struct conn *c)
{
	const struct loop *l = c->loop;

	return l->n_turns - (is_small(c) ? l->n_large_turns : 0) < l->most_turns;
}

/* Memory that is too short for one body, by its address or size, may suffice for another. */
static void give_turns(struct loop *l)
{
	unsigned starved = 0;

	for (size_t i = 0; i < 2; i++) {
		struct conn *c, *next;
		bool has_memory;

		for (c = TAILQ_FIRST(&l->waiting[i]); c; c = next) {
			if (!has_turn_for(c) || starved == STARVED_MOST)
				break;
			if (charge(c)) {
				next = TAILQ_NEXT(c, turn);
				give_turn(c);
				continue;
			}
			starved++;
			has_memory = c->charged > 0;
			next = TAILQ_NEXT(c, turn);
			if (!starve(c))
				continue;
			/* What it held suffices for others, once its connection is closed. */
			if (has_memory)
				return;
			next = TAILQ_FIRST(&l->waiting[i]);
		}
	}
}

/* A body slower than the loop moves to the end of the queue. */
static void pass_slow_bodies(struct loop *l)
{
	struct conn *c, *next;

	for (c = TAILQ_FIRST(&l->turns); c; c = next) {
		next = TAILQ_NEXT(c, turn);
		if (np_clock_ms() - c->turn_ms < SWEEP_MS)
			continue;
		if (c->stage_bytes - c->turn_bytes < TURN_BYTES) {
			drop_turn(c);
			c->slow = true;
			continue;
		}
		c->turn_ms = np_clock_ms();
		c->turn_bytes = c->stage_bytes;
	}
}

void serve_loop_sweep(struct loop *l)
{
	pass_stuck_handshakes(l);
	if (has_waiting(l)) {
		pass_slow_bodies(l);
		give_turns(l);
	}
	if (has_waiting(l)) {
		/* Several slow bodies share a slot, or each would wait for all the others. */
		l->most_turns = 2 * l->most_turns < TURNS_MOST ? 2 * l->most_turns : TURNS_MOST;
		arm_sweep(l, SWEEP_MS);
	}
	serve_loop_resume_accept(l);
}

void serve_conn_end_turn(struct conn *c)
{
	struct loop *l = c->loop;

	c->received = 0;
	end_waiting(c);
	c->fresh = c->slow = false;
	if (!c->has_turn)
		return;
	drop_turn(c);
	l->most_turns = TURNS;
	if (has_waiting(l))
		arm_sweep(l, 0);
}

/* Without a slot the rest of a large body stays in the kernel's buffers. */
void serve_conn_await_turn(struct conn *c)
{
	struct loop *l = c->loop;

	if (c->received <= LARGE_BYTES || c->waits || !serve_wire_in_body(&c->wire) ||
	    (c->has_turn && charge(c)))
		return;
	drop_turn(c);
	c->waits = true;
	c->held_ms = np_clock_ms();
	c->is_last = c->slow || !is_small(c);
	TAILQ_INSERT_TAIL(&l->waiting[c->is_last], c, turn);
	if (c->fresh && !c->is_last)
		l->n_fresh++;
	if (serve_loop_is_crowded(l))
		serve_loop_pause(l, 0);
	bufferevent_disable(c->bev, EV_READ);
	if (l->most_turns < TURNS)
		l->most_turns = TURNS;
	arm_sweep(l, has_turn_for(c) ? 0 : SWEEP_MS);
}

/* --- rates ------------------------------------------------------------------------------------ */

static bool is_too_slow(const struct conn *c, const struct np_serve_options *o)
{
	uint64_t now = np_clock_ms(), ms = now - c->stage_ms;

	if (c->sending)
		return now - c->moved_ms > UNREAD_MS;
	if (serve_wire_in_body(&c->wire))
		return o->body_rate > 0 && ms > RATE_GRACE_MS &&
		       c->stage_bytes < o->body_rate * (ms - RATE_GRACE_MS) / 1000;
	return (c->handshaking || c->wire.place != WIRE_START) && ms > o->head_ms;
}

void serve_loop_check_rates(struct loop *l)
{
	struct conn *c;

	LIST_FOREACH(c, &l->conns, link)
	if (c->quiet_in && !c->waits && !c->refusal && is_too_slow(c, &l->server->o))
		evict(c);
	trim(l);
}
