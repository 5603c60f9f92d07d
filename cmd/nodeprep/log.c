/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "nodeprep/time.h"
#include "nodeprep/warnings.h"

static bool as_json;
static char *prefix; /* in front of each line, with the time; NULL: neither */

void log_init(const struct options *o)
{
	as_json = o->log_json;
}

int log_open(const char *path, const char *words, struct np_err *err)
{
	NP_AUTO(np_freep) char *copy = strdup(words);
	int fd = path ? open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640) : -1;

	if (!copy) {
		if (fd >= 0)
			close(fd);
		return np_fail_nomem(err);
	}
	if (path && (fd < 0 || dup2(fd, STDERR_FILENO) < 0)) {
		np_fail(err, NP_E_IO, "logFile '%s': %s", path, strerror(errno));
		if (fd >= 0)
			close(fd);
		return np_err_ret(err);
	}
	if (fd >= 0)
		close(fd);
	free(prefix);
	prefix = np_take(copy);
	return 0;
}

static void write_line(const char *level, const char *text)
{
	char when[NP_TIME_TEXT_MAX];

	if (!prefix) {
		fprintf(stderr, "%s: %s\n", level, text);
		return;
	}
	np_time_now(when);
	fprintf(stderr, "%s %s: %s: %s\n", when, prefix, level, text);
}

void log_line(const char *level, const char *text)
{
	NP_AUTO(np_freep) char *line = NULL;
	json_auto_t *object = NULL;

	progress_clear();
	if (as_json) {
		object = json_pack("{s:s, s:s}", "level", level, "msg", text);
		line = object ? json_dumps(object, JSON_COMPACT) : NULL;
	}
	if (line)
		fprintf(stderr, "%s\n", line);
	else
		write_line(level, text);
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

static void log_each(const char *who, const struct np_warnings *warnings)
{
	for (size_t i = 0; i < warnings->n; i++)
		log_format("warning", "%s: %s%s%s", warnings->items[i].code, who,
			   who[0] != '\0' ? ": " : "", warnings->items[i].message);
}

static void log_class_notes(const struct np_plan_class *c)
{
	char who[600];

	snprintf(who, sizeof(who), "%s%s%s", c->ns ? c->ns : "", c->ns ? "/" : "",
		 c->name ? c->name : "");
	if (c->class)
		log_each(who, &c->class->warnings);
	log_each(who, &c->warnings);
	log_each(who, &c->change.warnings);
}

void log_notes_of(const struct np_plan *plan, const char *name)
{
	log_each("", &plan->warnings);
	for (size_t i = 0; i < plan->n_classes; i++)
		if (np_render_selects_class(plan, &plan->classes[i], name))
			log_class_notes(&plan->classes[i]);
	for (size_t i = 0; i < plan->n_templates; i++)
		if (np_render_selects_template(plan, &plan->templates[i], name))
			log_each(plan->templates[i].name, &plan->templates[i].warnings);
}

void log_notes(const struct np_plan *plan)
{
	log_notes_of(plan, NULL);
}

void log_plan_errors(const struct np_plan *plan)
{
	for (size_t i = 0; i < plan->n_errors; i++)
		log_line("error", plan->errors[i].text);
}
