/* SPDX-License-Identifier: Apache-2.0 */
#include "hookd.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>

#include "nodeprep/err.h"

#define TIME_MAX 40

/* A command line that is wrong is told to a person. */
static bool as_text = true;

void log_init(bool text)
{
	as_text = text;
}

/* RFC 3339 with milliseconds. */
static void write_time(char buf[static TIME_MAX])
{
	struct timeval now;
	struct tm tm;
	size_t n;

	gettimeofday(&now, NULL);
	gmtime_r(&now.tv_sec, &tm);
	n = strftime(buf, TIME_MAX, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(buf + n, TIME_MAX - n, ".%03dZ", (int)(now.tv_usec / 1000));
}

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
	char now[TIME_MAX];

	write_time(now);
	object = json_pack("{s:s, s:s, s:s}", "time", now, "level", level, "msg", text);
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
	char now[TIME_MAX], text[NP_ERR_TEXT_MAX + 200];

	write_time(now);
	object = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:f, s:i, s:i, s:i, s:s*, s:s*}", "time",
			   now, "level", level, "msg", a->message[0] ? a->message : "answered",
			   "id", c->id, "hook", c->hook, "result", c->result, "seconds", c->seconds,
			   "templates", (int)a->templates, "classes", (int)a->classes, "conflicts",
			   (int)a->conflicts, "client", c->peer, "refused", a->refused);
	snprintf(text, sizeof(text), "%s %s %s%s%s", c->id, c->hook, c->result,
		 a->message[0] ? ": " : "", a->message);
	put(object, level, text);
}
