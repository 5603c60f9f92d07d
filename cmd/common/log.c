/* SPDX-License-Identifier: Apache-2.0 */
#include "log.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "nodeprep/file.h"
#include "nodeprep/json.h"
#include "nodeprep/text.h"

#define TIME_MAX 40

static struct log_options options;
static char *prefix; /* in front of each line of text, with the time; NULL: neither */

void log_init(const struct log_options *o)
{
	options = *o;
}

int log_open(const char *path, const char *words, struct np_err *err)
{
	NP_AUTO(np_freep) char *copy = words ? np_text_escaped(words) : NULL;
	NP_AUTO(np_closep) int fd = -1;

	if (words && !copy)
		return np_fail_nomem(err);
	if (path && np_file_open_write(path, O_CREAT | O_APPEND, 0640, &fd, err) < 0)
		return np_wrap(err, "logFile");
	if (fd >= 0 && dup2(fd, STDERR_FILENO) < 0)
		return np_fail(err, NP_E_IO, "logFile '%s': %s", path, strerror(errno));
	free(prefix);
	prefix = np_take(copy);
	return 0;
}

/* --- not too many ----------------------------------------------------------------------------- */

enum {
	KINDS = 64, /* of lines that are counted separately */
	WINDOW_S = 10,
	OF_A_KIND = 20, /* in a window */
	IN_ALL = 2000, /* in a window, of lines that are warnings or worse */
};

/* Lines of one kind within a window. */
struct kind {
	uint64_t hash;
	time_t since;
	unsigned n, left_out;
};

static pthread_mutex_t kinds_lock = PTHREAD_MUTEX_INITIALIZER;
static struct kind kinds[KINDS], all;

/* Numbers do not make another kind: ports, counts and ids are others each time. */
static uint64_t hash_text(uint64_t hash, const char *text)
{
	for (; *text; text++)
		if (!isdigit((unsigned char)*text))
			hash = (hash ^ (unsigned char)*text) * UINT64_C(1099511628211);
	return hash;
}

/* Counts a line; returns whether it is written, and how many of its kind were left out before it. */
static bool count_line(struct kind *k, uint64_t hash, unsigned most, unsigned *ret_left_out)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	if (k->hash != hash || now.tv_sec - k->since >= WINDOW_S) {
		*ret_left_out += k->hash == hash ? k->left_out : 0;
		*k = (struct kind){ .hash = hash, .since = now.tv_sec };
	}
	if (k->n++ < most)
		return true;
	k->left_out++;
	return false;
}

static bool may_write(const struct log_entry *e, unsigned *ret_left_out)
{
	uint64_t hash = UINT64_C(14695981039346656037);
	bool may;

	if (!options.is_limited || strcmp(e->level, "info") == 0 || strcmp(e->level, "debug") == 0)
		return true;
	hash = hash_text(hash, e->kind ? e->kind : "");
	hash = hash_text(hash, e->reason ? e->reason : e->text);
	pthread_mutex_lock(&kinds_lock);
	may = count_line(&kinds[hash % KINDS], hash, OF_A_KIND, ret_left_out) &&
	      count_line(&all, 0, IN_ALL, ret_left_out);
	pthread_mutex_unlock(&kinds_lock);
	return may;
}

/* --- lines ------------------------------------------------------------------------------------ */

/* RFC 3339; with milliseconds in JSON. */
static void write_time(bool has_ms, char buf[static TIME_MAX])
{
	struct timespec now;
	struct tm parts = { 0 };
	size_t n;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &parts);
	n = strftime(buf, TIME_MAX, "%Y-%m-%dT%H:%M:%S", &parts);
	if (has_ms)
		snprintf(buf + n, TIME_MAX - n, ".%03dZ", (int)(now.tv_nsec / 1000000));
	else
		snprintf(buf + n, TIME_MAX - n, "Z");
}

static void write_text(const char *level, const char *text)
{
	char when[TIME_MAX];

	NP_AUTO(np_freep) char *shown = np_text_escaped(text);

	write_time(false, when);
	if (shown && prefix)
		fprintf(stderr, "%s %s: %s: %s\n", when, prefix, level, shown);
	else if (shown)
		fprintf(stderr, "%s: %s\n", level, shown);
	else
		np_text_write(stderr, text);
}

/* Returns the line, the caller's; NULL where memory runs out. */
static char *make_json(const struct log_entry *e, unsigned left_out)
{
	json_auto_t *object = json_object();
	char now[TIME_MAX];

	if (options.has_time) {
		write_time(true, now);
		json_object_set_new(object, "time", json_string(now));
	}
	if (json_object_set_new(object, "level", json_string(e->level)) < 0 ||
	    json_object_set_new(object, "msg", np_json_string(e->text)) < 0)
		return NULL;
	if (e->fields)
		json_object_update(object, e->fields);
	if (left_out > 0)
		json_object_set_new(object, "leftOut", json_integer(left_out));
	return np_json_text(object, JSON_COMPACT | JSON_REAL_PRECISION(6));
}

/* One write a line: threads do not cut into one another's. */
void log_write(const struct log_entry *e)
{
	NP_AUTO(np_freep) char *line = NULL;
	unsigned left_out = 0;

	if ((options.is_quiet && strcmp(e->level, "error") != 0) || !may_write(e, &left_out))
		return;
	if (options.before)
		options.before();
	if (options.form == LOG_JSON)
		line = make_json(e, left_out);
	if (line)
		fprintf(stderr, "%s\n", line);
	else
		write_text(e->level, e->line ? e->line : e->text);
}

void log_line(const char *level, const char *text)
{
	log_write(&(struct log_entry){ .level = level, .text = text });
}

void log_format(const char *level, const char *fmt, ...)
{
	char text[NP_ERR_TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	log_line(level, text);
}

void log_info(void *ctx, const char *line)
{
	(void)ctx;
	log_line("info", line);
}

void log_debug(void *ctx, const char *line)
{
	(void)ctx;
	log_line("debug", line);
}

void log_module(void *ctx, const char *level, const char *line)
{
	(void)ctx;
	log_line(level, line);
}
