/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <string.h>

#include "nodeprep/warnings.h"

#define TEMPLATE_CELL_MAX 300

/* What makes the pool's nodes: a class, or a template. */
static void write_class_cell(const struct np_pool *pool, char buf[static TEMPLATE_CELL_MAX])
{
	const char *name = pool->template_name ? pool->template_name : pool->name;

	if (pool->has_template)
		snprintf(buf, TEMPLATE_CELL_MAX, "template/%.253s", name);
	else
		snprintf(buf, TEMPLATE_CELL_MAX, "%.253s", cell_or_dash(pool->vm_class));
}

static int add_pool(struct table *t, const struct np_plan_pool *p, bool wide, struct np_err *err)
{
	const struct np_pool *pool = p->pool;
	char replicas[CELL_TEXT_MAX], required[CELL_TEXT_MAX], window[CELL_TEXT_MAX],
		cards[NP_CARDS_TEXT_MAX];
	NP_AUTO(np_freep) char *source = NULL;
	char class[TEMPLATE_CELL_MAX];

	np_cards_text(p->cards, p->n_cards, cards);
	write_class_cell(pool, class);
	if (asprintf(&source, "%s:%u", pool->source.file, pool->source.line) < 0) {
		source = NULL;
		return np_fail_nomem(err);
	}
	const char *const cells[] = {
		pool->ns,
		cell_or_dash(pool->cluster),
		pool->name,
		class,
		pool->has_replicas ? cell_number(true, pool->replicas, replicas) : "-",
		p->has_gpus ? cards : "unknown",
		cell_gigabytes(p->has_required, p->need.required_gb, required),
		cell_gigabytes(p->has_window && p->window_is_known, p->window.gb, window),
		source,
	};
	t->n = wide ? 9 : 8;
	return table_add(t, err, cells);
}

static int write_pools(FILE *out, const struct np_plan *plan, bool wide, struct np_err *err)
{
	NP_AUTO(table_done) struct table t = { .n = wide ? 9 : 8 };
	static const char *const head[] = { "NAMESPACE",     "CLUSTER", "POOL",   "CLASS", "NODES",
					    "GPUS PER NODE", "NEEDS",   "WINDOW", "SOURCE" };

	if (plan->n_pools == 0)
		return 0;
	if (table_add(&t, err, head) < 0)
		return np_err_ret(err);
	for (size_t i = 0; i < plan->n_pools; i++)
		if (add_pool(&t, &plan->pools[i], wide, err) < 0)
			return np_err_ret(err);
	fputs("Pools\n", out);
	table_write(&t, out);
	return 0;
}

/* Tells whether a pool of the class says what cannot be: the errors name it. */
static bool has_bad_pool(const struct np_plan *plan, const struct np_plan_class *c)
{
	for (size_t i = 0; i < c->n_pools; i++) {
		const struct np_plan_pool *p = &plan->pools[c->pools[i]];

		if (p->has_gpus && !p->has_window)
			return true;
	}
	return false;
}

static const char *class_state(const struct np_plan *plan, const struct np_plan_class *c)
{
	if (!c->found)
		return "not found";
	if (!c->class)
		return "invalid";
	if (c->n_pools == 0)
		return "unused";
	if (json_object_size(c->change.patch) > 0)
		return "outdated";
	if (has_bad_pool(plan, c))
		return "error";
	return c->has_gpus ? "up to date" : "unknown";
}

static int add_class(struct table *t, const struct np_plan *plan, const struct np_plan_class *c,
		     struct np_err *err)
{
	bool known = !!c->class;
	char gpus[CELL_TEXT_MAX], window[CELL_TEXT_MAX], overhead[CELL_TEXT_MAX], pools[256];

	cell_pools(plan, c->pools, c->n_pools, pools, sizeof(pools));
	snprintf(overhead, sizeof(overhead), "%.1f MB", c->overhead_mb);
	const char *const cells[] = {
		cell_or_dash(c->ns),
		cell_or_dash(c->name),
		cell_number(known && c->has_gpus, c->gpus, gpus),
		cell_gigabytes(known && c->change.has_window, c->change.window_gb, window),
		cell_or_dash(c->change.firmware),
		cell_or_dash(c->change.reservation),
		class_state(plan, c),
		cell_or_dash(pools),
		c->has_overhead ? overhead : "-",
	};

	return table_add(t, err, cells);
}

static int write_classes(FILE *out, const struct np_plan *plan, bool wide, struct np_err *err)
{
	NP_AUTO(table_done) struct table t = { .n = wide ? 9 : 8 };
	static const char *const head[] = { "NAMESPACE", "CLASS", "GPUS",  "WINDOW",  "FIRMWARE",
					    "RESERVED",  "STATE", "POOLS", "OVERHEAD" };

	if (plan->n_classes == 0)
		return 0;
	if (table_add(&t, err, head) < 0)
		return np_err_ret(err);
	for (size_t i = 0; i < plan->n_classes; i++)
		if (add_class(&t, plan, &plan->classes[i], err) < 0)
			return np_err_ret(err);
	fputs("\nClasses\n", out);
	table_write(&t, out);
	return 0;
}

static void write_changes(FILE *out, const struct np_plan_class *c)
{
	if (c->change.n == 0)
		return;
	fprintf(out, "\nChanges of class %s%s%s\n", c->ns ? c->ns : "", c->ns ? "/" : "", c->name);
	write_items(out, &c->change);
}

static void write_warnings(FILE *out, const struct np_plan *plan)
{
	fputs("\nWarnings\n", out);
	write_notes(out, "", &plan->notes);
	templates_write_notes(out, plan);
	for (size_t i = 0; i < plan->n_classes; i++) {
		const struct np_plan_class *c = &plan->classes[i];
		const char *name = c->name ? c->name : "";

		if (c->class)
			write_notes(out, name, &c->class->notes);
		write_notes(out, name, &c->notes);
		write_notes(out, name, &c->change.notes);
	}
}

static bool has_warnings(const struct np_plan *plan)
{
	size_t n = plan->notes.n;

	for (size_t i = 0; i < plan->n_classes; i++) {
		n += plan->classes[i].notes.n + plan->classes[i].change.notes.n;
		if (plan->classes[i].class)
			n += plan->classes[i].class->notes.n;
	}
	return n > 0 || templates_have_notes(plan);
}

static void write_wide(FILE *out, const struct np_plan *plan)
{
	bool changed = false;

	for (size_t i = 0; i < plan->n_classes; i++) {
		write_changes(out, &plan->classes[i]);
		changed = changed || plan->classes[i].change.n > 0;
	}
	templates_write_wide(out, plan);
	if (has_warnings(plan))
		write_warnings(out, plan);
	if (changed)
		fputs("\nChanges apply to newly created VMs only; roll out the node pools.\n", out);
}

int np_render_plan(const struct np_plan *plan, enum np_format format, char **ret,
		   struct np_err *err)
{
	NP_AUTO(text_done) struct text t = { 0 };
	bool wide = format == NP_FORMAT_WIDE;

	if (format == NP_FORMAT_JSON)
		return plan_json_text(plan, ret, err);
	if (format == NP_FORMAT_YAML) {
		json_auto_t *tree = np_render_plan_tree(plan);

		return tree ? np_render_tree(tree, format, ret, err) : np_fail_nomem(err);
	}
	if (text_init(&t, err) < 0 || write_pools(t.file, plan, wide, err) < 0 ||
	    write_classes(t.file, plan, wide, err) < 0 || templates_write(t.file, plan, err) < 0)
		return np_err_ret(err);
	if (wide)
		write_wide(t.file, plan);
	return text_take(&t, ret, err);
}
