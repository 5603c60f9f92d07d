/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd.h"

#include <pthread.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "nodeprep/time.h"

/* What is done sooner needs no progress; and a terminal is not written faster than people read. */
#define QUIET_MS 300
#define STEP_MS 100

/* A thread may log while another reports. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static struct {
	bool enabled;
	bool shown; /* a line stands on the terminal */
	uint64_t start_ms, last_ms;
} state;

void progress_init(const struct options *o)
{
	state.enabled = o->log_form == LOG_TEXT && isatty(STDERR_FILENO);
	state.start_ms = np_clock_ms();
}

static void clear_locked(void)
{
	if (state.shown)
		fputs("\r\033[K", stderr);
	state.shown = false;
}

void progress_clear(void)
{
	pthread_mutex_lock(&lock);
	clear_locked();
	pthread_mutex_unlock(&lock);
}

static void show_locked(enum np_sync_stage stage, size_t done, size_t total)
{
	uint64_t now = np_clock_ms();

	if (now - state.start_ms < QUIET_MS || now - state.last_ms < STEP_MS)
		return;
	clear_locked();
	fprintf(stderr, "%s classes: %zu of %zu", stage == NP_SYNC_READING ? "reading" : "writing",
		done, total);
	fflush(stderr);
	state.shown = true;
	state.last_ms = now;
}

void progress_show(void *ctx, enum np_sync_stage stage, size_t done, size_t total)
{
	(void)ctx;
	if (!state.enabled)
		return;
	pthread_mutex_lock(&lock);
	show_locked(stage, done, total);
	pthread_mutex_unlock(&lock);
}
