/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <inttypes.h>
#include <string.h>
#include <strings.h>

static const char *state_of(const struct np_plan_template *t)
{
	if (!t->template)
		return "not found";
	if (t->n_pools == 0)
		return "unused";
	if (t->change.n > 0)
		return "outdated";
	return t->has_gpus && !t->none_known ? "up to date" : "unknown";
}

static int add_template(struct table *table, const struct np_plan *plan,
			const struct np_plan_template *t, struct np_err *err)
{
	char gpus[CELL_TEXT_MAX], window[CELL_TEXT_MAX], pools[256];

	render_cell_pools(plan, t->pools, t->n_pools, pools, sizeof(pools));
	const char *const cells[] = {
		t->ns,
		t->name,
		render_cell_number(t->has_gpus && !t->none_known, t->gpus, gpus),
		render_cell_gigabytes(t->has_window, t->window_gb, window),
		render_cell_or_dash(t->hardware_version),
		state_of(t),
		render_cell_or_dash(pools),
	};

	return render_table_add(table, err, cells);
}

int render_templates_write(FILE *out, const struct np_plan *plan, struct np_err *err)
{
	static const char *const head[] = { "NAMESPACE", "TEMPLATE", "GPUS", "WINDOW",
					    "HARDWARE",  "STATE",    "POOLS" };
	NP_AUTO(render_table_done) struct table table = { .n = 7 };

	if (plan->n_templates == 0)
		return 0;
	if (render_table_add(&table, err, head) < 0)
		return np_err_ret(err);
	for (size_t i = 0; i < plan->n_templates; i++)
		if (add_template(&table, plan, &plan->templates[i], err) < 0)
			return np_err_ret(err);
	fputs("\nTemplates\n", out);
	render_table_write(&table, out);
	return 0;
}

static const char *new_name(const struct np_plan_template *t)
{
	json_t *metadata = json_object_get(t->replacement, "metadata");

	return json_string_value(json_object_get(metadata, "name"));
}

void render_templates_write_wide(FILE *out, const struct np_plan *plan)
{
	for (size_t i = 0; i < plan->n_templates; i++) {
		const struct np_plan_template *t = &plan->templates[i];
		char shown[SHOWN_MAX];

		if (t->change.n == 0)
			continue;
		fputs("\nChanges of template ", out);
		render_write_name(out, t->ns, t->name);
		fputc('\n', out);
		render_write_items(out, &t->change);
		if (new_name(t))
			fprintf(out,
				"  The template is immutable: 'nodeprep apply' creates its replacement '%s'.\n",
				render_shown(new_name(t), shown));
	}
}

bool render_templates_have_warnings(const struct np_plan *plan)
{
	for (size_t i = 0; i < plan->n_templates; i++)
		if (render_count_warnings(&plan->templates[i].warnings) > 0)
			return true;
	return false;
}

void render_templates_write_warnings(FILE *out, const struct np_plan *plan)
{
	for (size_t i = 0; i < plan->n_templates; i++)
		render_write_warnings(out, plan->templates[i].name, &plan->templates[i].warnings);
}

bool np_render_selects_template(const struct np_plan *plan, const struct np_plan_template *t,
				const char *name)
{
	if (!name || strcmp(name, t->name) == 0)
		return true;
	for (size_t i = 0; i < t->n_pools; i++) {
		const struct np_pool *pool = plan->pools[t->pools[i]].pool;
		char id[NP_POOL_ID_MAX];

		np_pool_id(pool, id);
		if (strcmp(name, pool->name) == 0 || strcmp(name, id) == 0)
			return true;
	}
	return false;
}

static bool has_window_key(const struct np_plan_template *t)
{
	const char *key;
	json_t *value;

	json_object_foreach (t->template->vmx_keys, key, value)
		if (strcasecmp(key, NP_VMX_SIZE_NAME) == 0)
			return true;
	return false;
}

/* What a VM would get if the template stayed as it is. */
static void write_without(FILE *out, const struct np_plan_template *t)
{
	if (has_window_key(t))
		fputs("  as is        a new VM gets the template's keys\n", out);
	else if (t->window_gb > 0)
		fputs("  as is        CAPV sets no MMIO key: without the keys a large card will not "
		      "power on\n",
		      out);
}

static void write_firmware(FILE *out, const struct np_plan_template *t)
{
	bool needs_efi = false;

	for (size_t i = 0; i < t->n_cards; i++)
		needs_efi = needs_efi || t->cards[i].addend.needs_efi;
	fprintf(out, "  firmware     the OVA's%s\n",
		needs_efi ? ", which must be EFI: a BAR over 256 MB is mapped by it only" : "");
}

static void write_figures(FILE *out, const struct np_plan_template *t)
{
	char shown[SHOWN_MAX];

	write_without(out, t);
	if (t->has_window && t->window_gb > 0)
		fprintf(out, "  window       %" PRIu64 " GB\n", t->window_gb);
	else
		fprintf(out, "  window       %s\n", t->has_window ? "none" : "unknown");
	write_firmware(out, t);
	fputs("  reserved     all memory: CAPV locks it where a VM has PCI devices\n", out);
	fprintf(out, "  hardware     %s\n",
		t->hardware_version ? render_shown(t->hardware_version, shown)
				    : "not set; the OVA decides");
	for (size_t i = 0; i < t->change.n; i++) {
		fprintf(out, "  change       %s: ", render_shown(t->change.items[i].path, shown));
		fprintf(out, "%s\n", render_shown(t->change.items[i].reason, shown));
	}
	if (t->change.n == 0)
		fputs("  change       none\n", out);
	if (new_name(t))
		fprintf(out, "  replacement  '%s', since a template is immutable\n",
			render_shown(new_name(t), shown));
}

void render_template_explain(FILE *out, const struct np_plan_template *t)
{
	char cards[NP_CARDS_TEXT_MAX], shown[SHOWN_MAX];

	fputs("Template ", out);
	render_write_name(out, t->ns, t->name);
	if (!t->template) {
		fputs(": not in the input\n", out);
		return;
	}
	np_plan_gpus_text(t->cards, t->n_cards, t->none_known, cards);
	fprintf(out, ": %s, used by %zu pool(s)\n",
		t->has_gpus ? render_shown(cards, shown) : "GPUs unknown", t->n_pools);
	write_figures(out, t);
}
