/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <jansson.h>

static bool as_json;

void log_init(const struct options *o)
{
	as_json = o->log_json;
}

void log_line(const char *level, const char *text)
{
	NP_AUTO(np_freep) char *line = NULL;
	json_auto_t *object = NULL;

	progress_clear();
	if (as_json) {
		object = json_pack("{s:s, s:s}", "level", level, "msg", text);
		line = object != NULL ? json_dumps(object, JSON_COMPACT) : NULL;
	}
	if (line != NULL)
		fprintf(stderr, "%s\n", line);
	else
		fprintf(stderr, "%s: %s\n", level, text);
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

static void log_each(const char *who, const struct np_notes *notes)
{
	for (size_t i = 0; i < notes->n; i++)
		log_format("warning", "%s: %s%s%s", notes->items[i].code, who,
			   who[0] != '\0' ? ": " : "", notes->items[i].message);
}

void log_notes(const struct np_plan *plan)
{
	log_each("", &plan->notes);
	for (size_t i = 0; i < plan->n_classes; i++) {
		const struct np_plan_class *c = &plan->classes[i];
		char who[600];

		snprintf(who, sizeof(who), "%s%s%s", c->ns != NULL ? c->ns : "",
			 c->ns != NULL ? "/" : "", c->name != NULL ? c->name : "");
		if (c->class != NULL)
			log_each(who, &c->class->notes);
		log_each(who, &c->notes);
		log_each(who, &c->change.notes);
	}
	for (size_t i = 0; i < plan->n_templates; i++)
		log_each(plan->templates[i].name, &plan->templates[i].notes);
}

void log_plan_errors(const struct np_plan *plan)
{
	for (size_t i = 0; i < plan->n_errors; i++)
		log_line("error", plan->errors[i].text);
}
