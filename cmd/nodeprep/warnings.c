/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd.h"

#include <stdio.h>
#include <stdlib.h>

#include "nodeprep/map.h"
#include "nodeprep/warnings.h"

/* What is logged: of the classes and templates that `name` selects for `explain` (NULL: all). */
struct notes {
	const char *name;
	bool has_findings; /* a table shows the severer ones */
	struct np_index seen; /* the lines so far */
};

/* A line that cannot be remembered is written, maybe twice. */
static bool is_new(struct notes *notes, const char *line)
{
	struct np_err ignored = NP_ERR_INIT;
	size_t number = 0, n = notes->seen.map.n;

	return np_index_enter(&notes->seen, NP_KEY(line), n, &number, &ignored) < 0 || number == n;
}

static void log_each(struct notes *notes, const char *who, const struct np_warnings *warnings)
{
	for (size_t i = 0; i < warnings->n; i++) {
		const struct np_warning *w = &warnings->items[i];
		NP_AUTO(np_freep) char *line = NULL;

		if (w->is_ignored || (notes->has_findings &&
				      np_warning_kind(w->warning)->severity != NP_SEVERITY_WARNING))
			continue;
		if (asprintf(&line, "%s: %s%s%s", w->code, who, who[0] != '\0' ? ": " : "",
			     w->message) < 0)
			line = NULL;
		if (!line || is_new(notes, line))
			log_line("warning", line ? line : w->code);
	}
}

static void log_class_notes(struct notes *notes, const struct np_plan_class *c)
{
	char who[600];

	snprintf(who, sizeof(who), "%s%s%s", c->ns ? c->ns : "", c->ns ? "/" : "",
		 c->name ? c->name : "");
	if (c->class)
		log_each(notes, who, &c->class->warnings);
	log_each(notes, who, &c->warnings);
	log_each(notes, who, &c->change.warnings);
}

static void log_plan_notes(const struct np_plan *plan, struct notes notes)
{
	log_each(&notes, "", &plan->warnings);
	for (size_t i = 0; i < plan->n_classes; i++)
		if (np_render_selects_class(plan, &plan->classes[i], notes.name))
			log_class_notes(&notes, &plan->classes[i]);
	for (size_t i = 0; i < plan->n_templates; i++)
		if (np_render_selects_template(plan, &plan->templates[i], notes.name))
			log_each(&notes, plan->templates[i].name, &plan->templates[i].warnings);
	np_index_done(&notes.seen);
}

void log_notes_of(const struct np_plan *plan, const char *name)
{
	log_plan_notes(plan, (struct notes){ .name = name });
}

void log_notes(const struct np_plan *plan)
{
	log_plan_notes(plan, (struct notes){ 0 });
}

void log_minor_notes(const struct np_plan *plan)
{
	log_plan_notes(plan, (struct notes){ .has_findings = true });
}

void log_plan_errors(const struct np_plan *plan)
{
	for (size_t i = 0; i < plan->n_errors; i++) {
		hints_note(plan->errors[i].code);
		log_line("error", plan->errors[i].text);
	}
}
