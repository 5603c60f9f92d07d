/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd.h"

#include <stdio.h>

#include "nodeprep/warnings.h"

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
