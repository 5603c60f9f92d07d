/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "nodeprep/map.h"

enum {
	EVENT_TIMEOUT_MS = 5000,
	SAME_WORD_MS = 60000,
};

/* Goes on while the machine sleeps, and is not moved by who sets the wall clock. */
uint64_t controller_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void controller_wait(struct np_controller *c, uint64_t ms)
{
	struct timespec end;

	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += (time_t)(ms / 1000);
	end.tv_nsec += (long)(ms % 1000) * 1000000;
	if (end.tv_nsec >= 1000000000) {
		end.tv_sec++;
		end.tv_nsec -= 1000000000;
	}
	pthread_cond_timedwait(&c->changed, &c->lock, &end);
}

void controller_pause(struct np_controller *c, uint64_t ms)
{
	uint64_t now = controller_now_ms(), end = now + ms;

	pthread_mutex_lock(&c->lock);
	for (; now < end && !controller_is_stopping(c); now = controller_now_ms())
		controller_wait(c, end - now);
	pthread_mutex_unlock(&c->lock);
}

bool controller_is_stopping(const struct np_controller *c)
{
	return atomic_load(&c->stopping);
}

bool controller_may_write(const struct np_controller *c)
{
	return !controller_is_stopping(c) && controller_now_ms() < atomic_load(&c->valid_until_ms);
}

static bool are_synced(const struct np_controller *c, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (c->reflectors[i].wanted && !atomic_load(&c->reflectors[i].synced))
			return false;
	return true;
}

bool controller_is_synced(const struct np_controller *c)
{
	return are_synced(c, WATCHED_MAX);
}

bool controller_are_owners_synced(const struct np_controller *c)
{
	return are_synced(c, WATCHED_CLASS);
}

__attribute__((format(printf, 3, 0))) static void write_line(const struct np_controller *c,
							     const struct np_controller_line *about,
							     const char *fmt, va_list ap)
{
	struct np_controller_line line = *about;
	char text[NP_ERR_TEXT_MAX + 512];

	vsnprintf(text, sizeof(text), fmt, ap);
	line.text = text;
	if (c->o.log)
		c->o.log(c->o.log_ctx, &line);
}

void controller_log(const struct np_controller *c, const char *level, const char *fmt, ...)
{
	const struct np_controller_line about = { .level = level };
	va_list ap;

	va_start(ap, fmt);
	write_line(c, &about, fmt, ap);
	va_end(ap);
}

void controller_log_line(const struct np_controller *c, const struct np_controller_line *about,
			 const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	write_line(c, about, fmt, ap);
	va_end(ap);
}

void controller_warn(const struct np_controller *c, struct log_dedup *last, const char *what,
		     const char *text)
{
	uint64_t hash = np_map_hash(0, text), now = controller_now_ms();

	if (last->hash == hash && now - last->at_ms < SAME_WORD_MS)
		return;
	last->hash = hash;
	last->at_ms = now;
	controller_log_line(
		c, &(struct np_controller_line){ .level = "warning", .resource = last->resource },
		"%s: %s", what, text);
}

static bool is_read_cancelled(void *ctx)
{
	return controller_is_stopping(ctx);
}

static bool is_write_cancelled(void *ctx)
{
	return !controller_may_write(ctx);
}

static bool (*const cancels[])(void *ctx) = {
	[CLIENT_READS] = is_read_cancelled,
	[CLIENT_WRITES] = is_write_cancelled,
	[CLIENT_OF_LEASE] = NULL,
	[CLIENT_EVENTS] = controller_events_are_cancelled,
};

int controller_client(struct np_controller *c, bool of_classes, enum client kind,
		      struct np_kube **ret, struct np_err *err)
{
	const struct np_kube_config *from = of_classes && c->classes ? c->classes : c->pools;
	struct np_kube_config *config = NULL;

	if (np_kube_config_clone(from, &config, err) < 0)
		return np_err_ret(err);
	np_kube_config_set_cancel(config, cancels[kind], c);
	/*
	 * A request sent under the lease must be answered before another holder can take the lease.
	 */
	if (kind == CLIENT_WRITES && c->o.leader_elect)
		np_kube_config_set_timeout(config, c->o.lease_ms - c->o.renew_ms);
	/* A request that has begun may outlast what cancels it. */
	if (kind == CLIENT_EVENTS)
		np_kube_config_set_timeout(config, EVENT_TIMEOUT_MS);
	return np_kube_new_take(config, ret, err);
}

void np_controller_stop(struct np_controller *c)
{
	pthread_mutex_lock(&c->lock);
	atomic_store(&c->stopping, true);
	pthread_cond_broadcast(&c->changed);
	pthread_mutex_unlock(&c->lock);
}
