/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <string.h>

#include "nodeprep/warnings.h"

#define TEMPLATE_CELL_MAX 300

/* Returns the source of the pool's nodes: a class or a template. */
static void write_class_cell(const struct np_pool *pool, char buf[static TEMPLATE_CELL_MAX])
{
	const char *name = pool->template_name ? pool->template_name : pool->name;

	if (pool->has_template)
		snprintf(buf, TEMPLATE_CELL_MAX, "template/%.253s", name);
	else
		snprintf(buf, TEMPLATE_CELL_MAX, "%.253s", render_cell_or_dash(pool->vm_class));
}

static int add_pool(struct table *t, const struct np_plan_pool *p, bool wide, struct np_err *err)
{
	const struct np_pool *pool = p->pool;
	char replicas[CELL_TEXT_MAX], required[CELL_TEXT_MAX], window[CELL_TEXT_MAX],
		cards[NP_CARDS_TEXT_MAX];
	char class[TEMPLATE_CELL_MAX], source[NP_SOURCE_TEXT_MAX];

	np_plan_gpus_text(p->cards, p->n_cards, p->none_known, cards);
	write_class_cell(pool, class);
	np_pool_source_text(&pool->source, source);
	const char *const cells[] = {
		pool->ns,
		render_cell_or_dash(pool->cluster),
		pool->name,
		class,
		pool->has_replicas ? render_cell_number(true, pool->replicas, replicas) : "-",
		p->has_gpus ? cards : "unknown",
		render_cell_gigabytes(p->has_required, p->need.required_gb, required),
		render_cell_gigabytes(p->has_window && p->window_is_known, p->window.gb, window),
		source,
	};
	t->n = wide ? 9 : 8;
	return render_table_add(t, err, cells);
}

static int write_pools(FILE *out, const struct np_plan *plan, bool wide, struct np_err *err)
{
	NP_AUTO(render_table_done) struct table t = { .n = wide ? 9 : 8 };
	static const char *const head[] = { "NAMESPACE",     "CLUSTER", "POOL",   "CLASS", "NODES",
					    "GPUS PER NODE", "NEEDS",   "WINDOW", "SOURCE" };

	if (plan->n_pools == 0)
		return 0;
	if (render_table_add(&t, err, head) < 0)
		return np_err_ret(err);
	for (size_t i = 0; i < plan->n_pools; i++)
		if (add_pool(&t, &plan->pools[i], wide, err) < 0)
			return np_err_ret(err);
	fputs("Pools\n", out);
	render_table_write(&t, out);
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
	return c->has_gpus && !c->none_known ? "up to date" : "unknown";
}

/* What the class sets now; a size that cannot be read is unknown. */
static const char *current_window(const struct np_vmx_current *c, char buf[static CELL_TEXT_MAX])
{
	return render_cell_gigabytes(c->has_size || !c->has_any, c->size_gb, buf);
}

static int add_class(struct table *t, const struct np_plan *plan, const struct np_plan_class *c,
		     struct np_err *err)
{
	bool known = !!c->class;
	char gpus[CELL_TEXT_MAX], current[CELL_TEXT_MAX], window[CELL_TEXT_MAX],
		overhead[CELL_TEXT_MAX], pools[256];

	render_cell_pools(plan, c->pools, c->n_pools, pools, sizeof(pools));
	snprintf(overhead, sizeof(overhead), "%.1f MB", c->overhead_mb);
	const char *const cells[] = {
		render_cell_or_dash(c->ns),
		render_cell_or_dash(c->name),
		render_cell_number(known && c->has_gpus && !c->none_known, c->gpus, gpus),
		known ? current_window(&c->class->current, current) : "unknown",
		render_cell_gigabytes(known && c->change.has_window, c->change.window_gb, window),
		render_cell_or_dash(c->change.firmware),
		render_cell_or_dash(c->change.reservation),
		class_state(plan, c),
		render_cell_or_dash(pools),
		c->has_overhead ? overhead : "-",
	};

	return render_table_add(t, err, cells);
}

static int write_classes(FILE *out, const struct np_plan *plan, bool wide, bool has_colour,
			 struct np_err *err)
{
	NP_AUTO(render_table_done)
	struct table t = { .n = wide ? 10 : 9, .has_colour = has_colour };
	static const char *const head[] = {
		"NAMESPACE", "CLASS",    "GPUS",  "CURRENT", "WINDOW",
		"FIRMWARE",  "RESERVED", "STATE", "POOLS",   "OVERHEAD"
	};

	if (plan->n_classes == 0)
		return 0;
	if (render_table_add(&t, err, head) < 0)
		return np_err_ret(err);
	for (size_t i = 0; i < plan->n_classes; i++)
		if (add_class(&t, plan, &plan->classes[i], err) < 0)
			return np_err_ret(err);
	fputs("\nClasses\n", out);
	render_table_write(&t, out);
	return 0;
}

static void write_changes(FILE *out, const struct np_plan_class *c)
{
	if (c->change.n == 0)
		return;
	fputs("\nChanges of class ", out);
	render_write_name(out, c->ns, c->name);
	fputc('\n', out);
	render_write_items(out, &c->change);
}

static void write_warnings(FILE *out, const struct np_plan *plan)
{
	fputs("\nWarnings\n", out);
	render_write_warnings(out, "", &plan->warnings);
	render_templates_write_warnings(out, plan);
	for (size_t i = 0; i < plan->n_classes; i++) {
		const struct np_plan_class *c = &plan->classes[i];
		const char *name = c->name ? c->name : "";

		if (c->class)
			render_write_warnings(out, name, &c->class->warnings);
		render_write_warnings(out, name, &c->warnings);
		render_write_warnings(out, name, &c->change.warnings);
	}
}

static bool has_warnings(const struct np_plan *plan)
{
	size_t n = render_count_warnings(&plan->warnings);

	for (size_t i = 0; i < plan->n_classes; i++) {
		n += render_count_warnings(&plan->classes[i].warnings);
		n += render_count_warnings(&plan->classes[i].change.warnings);
		if (plan->classes[i].class)
			n += render_count_warnings(&plan->classes[i].class->warnings);
	}
	return n > 0 || render_templates_have_warnings(plan);
}

static void write_wide(FILE *out, const struct np_plan *plan)
{
	bool changed = false;

	for (size_t i = 0; i < plan->n_classes; i++) {
		write_changes(out, &plan->classes[i]);
		changed = changed || plan->classes[i].change.n > 0;
	}
	render_templates_write_wide(out, plan);
	if (has_warnings(plan))
		write_warnings(out, plan);
	if (changed)
		fputs("\nChanges apply to newly created VMs only; roll out the node pools.\n", out);
}

int np_render_plan(const struct np_plan *plan, enum np_format format, char **ret,
		   struct np_err *err)
{
	return np_render_plan_styled(plan, format, &(struct np_render_style){ 0 }, ret, err);
}

int np_render_plan_styled(const struct np_plan *plan, enum np_format format,
			  const struct np_render_style *style, char **ret, struct np_err *err)
{
	NP_AUTO(render_text_done) struct text t = { 0 };
	bool wide = format == NP_FORMAT_WIDE;

	if (format == NP_FORMAT_JSON)
		return render_plan_json_text(plan, ret, err);
	if (format == NP_FORMAT_YAML) {
		json_auto_t *tree = np_render_plan_tree(plan);

		return tree ? np_render_tree(tree, format, ret, err) : np_fail_nomem(err);
	}
	if (render_text_init(&t, err) < 0 || write_pools(t.file, plan, wide, err) < 0 ||
	    write_classes(t.file, plan, wide, style->colour, err) < 0 ||
	    render_templates_write(t.file, plan, err) < 0)
		return np_err_ret(err);
	if (wide)
		write_wide(t.file, plan);
	return render_text_take(&t, ret, err);
}
