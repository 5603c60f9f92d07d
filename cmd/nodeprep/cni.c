/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd.h"

#include <stdlib.h>
#include <unistd.h>

#include "nodeprep/cni.h"
#include "nodeprep/file.h"
#include "nodeprep/time.h"

/* A runtime writes the configuration at once. */
#define STDIN_MS 10000

static int read_stdin(void *ctx, char **ret, size_t *ret_size, struct np_err *err)
{
	(void)ctx;
	return np_file_load_stdin(NP_CNI_CONFIG_MAX, np_clock_ms() + STDIN_MS, ret, ret_size, err);
}

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
