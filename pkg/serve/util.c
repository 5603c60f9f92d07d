/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <arpa/inet.h>
#include <event2/listener.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "nodeprep/err.h"

struct timeval serve_timeval(uint64_t ms)
{
	return (struct timeval){ (time_t)(ms / 1000), (suseconds_t)(ms % 1000 * 1000) };
}

void serve_log(const struct np_serve *s, const char *level, const char *line)
{
	if (s->o.log)
		s->o.log(s->o.log_ctx, level, line);
}

void serve_loop_wake(struct loop *l)
{
	const uint64_t one = 1;

	/* The counter cannot overflow: each read resets it. */
	if (write(l->wake_fd, &one, sizeof(one)) < 0)
		return;
}
