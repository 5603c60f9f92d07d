/* SPDX-License-Identifier: Apache-2.0 */
#include "hookd.h"

#include <ctype.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>

#include "nodeprep/err.h"
#include "nodeprep/json.h"
#include "nodeprep/time.h"

#define TIME_MAX 40

/* A command line that is wrong is told to a person. */
static bool as_text = true;

void log_init(bool text)
{
	as_text = text;
}

/* --- not too many ----------------------------------------------------------------------------- */

enum {
	KINDS = 64, /* of lines that are told apart */
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

static bool may_write(const char *level, const char *what, const char *text, unsigned *ret_left_out)
{
	uint64_t hash = hash_text(hash_text(UINT64_C(14695981039346656037), what), text);
	bool may;

	*ret_left_out = 0;
	if (strcmp(level, "info") == 0)
		return true;
	pthread_mutex_lock(&kinds_lock);
	may = count_line(&kinds[hash % KINDS], hash, OF_A_KIND, ret_left_out) &&
	      count_line(&all, 0, IN_ALL, ret_left_out);
	pthread_mutex_unlock(&kinds_lock);
	return may;
}

static void note_left_out(json_t *object, unsigned n)
{
	if (n > 0 && object)
		json_object_set_new(object, "leftOut", json_integer(n));
}

/* --- lines ------------------------------------------------------------------------------------ */

/* One write a line: threads do not cut into one another's. */
static void put(json_t *object, const char *level, const char *text)
{
	NP_AUTO(np_freep)
	char *line = object && !as_text
			     ? np_json_text(object, JSON_COMPACT | JSON_REAL_PRECISION(6))
			     : NULL;

	if (line)
		fprintf(stderr, "%s\n", line);
	else
		fprintf(stderr, "%s: %s\n", level, text);
}

void log_line(const char *level, const char *text)
{
	json_auto_t *object = NULL;
	char now[NP_TIME_TEXT_MAX];
	unsigned left_out;

	if (!may_write(level, "", text, &left_out))
		return;
	np_time_milli(now);
	object = json_pack("{s:s, s:s, s:s}", "time", now, "level", level, "msg", text);
	note_left_out(object, left_out);
	put(object, level, text);
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

void log_call(const char *level, const struct call *c)
{
	const struct np_hook_answer *a = c->answer;
	json_auto_t *object = NULL;
	char now[NP_TIME_TEXT_MAX], text[NP_ERR_TEXT_MAX + 200];
	unsigned left_out;

	if (!may_write(level, c->hook, a->refused ? a->refused : a->message, &left_out))
		return;
	np_time_milli(now);
	object = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:f, s:i, s:i, s:i, s:s*, s:s*}", "time",
			   now, "level", level, "msg", a->message[0] ? a->message : "answered",
			   "id", c->id, "hook", c->hook, "result", c->result, "seconds", c->seconds,
			   "templates", (int)a->templates, "classes", (int)a->classes, "conflicts",
			   (int)a->conflicts, "client", c->peer, "refused", a->refused);
	note_left_out(object, left_out);
	snprintf(text, sizeof(text), "%s %s %s%s%s", c->id, c->hook, c->result,
		 a->message[0] ? ": " : "", a->message);
	put(object, level, text);
}
