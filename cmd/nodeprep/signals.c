/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd.h"

#include <signal.h>
#include <stddef.h>

static volatile sig_atomic_t stopped;

static void on_signal(int number)
{
	stopped = number;
}

/* A second signal ends the process at once: its sender does not want to wait. */
void signals_watch(void)
{
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND };

	sigemptyset(&action.sa_mask);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

bool signals_is_stopped(void *ctx)
{
	(void)ctx;
	return stopped != 0;
}
