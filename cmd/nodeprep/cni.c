/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "nodeprep/cni.h"

/* A runtime writes the configuration at once. */
#define STDIN_MS 10000

/* --- standard input -------------------------------------------------------------------------- */

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Waits until there is something to read, or the end. */
static int wait_stdin(int64_t deadline, struct np_err *err)
{
	struct pollfd p = { .fd = STDIN_FILENO, .events = POLLIN };
	int64_t left = deadline - now_ms();
	int n = left > 0 ? poll(&p, 1, (int)left) : 0;

	if (n == 0)
		return np_fail(err, NP_E_IO,
			       "standard input: no end of the configuration within %d s",
			       STDIN_MS / 1000);
	if (n < 0 && errno != EINTR)
		return np_fail(err, NP_E_IO, "standard input: %s", strerror(errno));
	if (n > 0 && (p.revents & POLLNVAL) != 0)
		return np_fail(err, NP_E_IO, "standard input is closed");
	return n > 0;
}

static int read_stdin(void *ctx, char **ret, size_t *ret_size, struct np_err *err)
{
	NP_AUTO(np_freep) char *bytes = malloc(NP_CNI_CONFIG_MAX + 2);
	int64_t deadline = now_ms() + STDIN_MS;
	size_t size = 0;
	ssize_t got = 1;

	(void)ctx;
	if (!bytes)
		return np_fail_nomem(err);
	while (got != 0) {
		int ready = wait_stdin(deadline, err);

		if (ready < 0)
			return ready;
		if (ready == 0)
			continue;
		got = read(STDIN_FILENO, bytes + size, NP_CNI_CONFIG_MAX + 1 - size);
		if (got < 0 && errno != EINTR && errno != EAGAIN)
			return np_fail(err, NP_E_IO, "standard input: %s", strerror(errno));
		size += got > 0 ? (size_t)got : 0;
		if (size > NP_CNI_CONFIG_MAX)
			return np_fail(
				err, NP_E_IO,
				"standard input: the configuration is larger than %llu bytes",
				(unsigned long long)NP_CNI_CONFIG_MAX);
	}
	bytes[size] = '\0';
	*ret = np_take(bytes);
	*ret_size = size;
	return 0;
}

/* --- the whole ------------------------------------------------------------------------------- */

static int open_log(void *ctx, const char *path, const char *words, struct np_err *err)
{
	(void)ctx;
	return log_open(path, words, err);
}

static void log_text(void *ctx, const char *level, const char *text)
{
	(void)ctx;
	log_line(level, text);
}

static void log_plan(void *ctx, const struct np_plan *plan)
{
	(void)ctx;
	log_notes(plan);
}

static const char *host_name(char *buf, size_t size)
{
	if (gethostname(buf, size) < 0)
		return "";
	buf[size - 1] = '\0';
	return buf;
}

int run_cni(void)
{
	NP_AUTO(np_cni_answer_done) struct np_cni_answer answer = { 0 };
	struct np_err err = NP_ERR_INIT;
	char name[NP_CNI_NAME_MAX + 2];
	const char *text;
	struct np_cni_host host = {
		.environment = { getenv("CNI_COMMAND"), getenv("CNI_CONTAINERID"),
				 getenv("CNI_IFNAME"), getenv("CNI_ARGS") },
		.name = host_name(name, sizeof(name)),
		.read = read_stdin,
		.open_log = open_log,
		.log = log_text,
		.log_plan = log_plan,
	};

	options_environment(&host.kube);
	host.state = options_state(NULL);
	np_cni_run(&host, &answer);
	text = np_cni_answer_text(&answer);
	if (*text && put(text, &err) < 0) {
		log_line("error", err.text);
		return 1;
	}
	return answer.code != 0;
}
