/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/units.h"

/* More slots than this are summed up in one line; no vSphere VM takes that many devices. */
#define SLOTS_MAX 512

/* What VM Operator does by itself (its source, v1.9 line). */
#define VM_OPERATOR_DEFAULT_GB 512

static const char *const rule_texts[] = {
	[NP_ADDEND_SMALL] = "no BAR over 256 MB: adds nothing",
	[NP_ADDEND_BARS] = "sum of the BARs, rounded up to a power of two",
	[NP_ADDEND_PUBLISHED] = "the published figure, which is larger than the rounded sum",
	[NP_ADDEND_MEMORY] = "BARs not known: twice the memory, as a power of two",
	[NP_ADDEND_UNKNOWN] = "no figure: not in the catalogue, or nothing is known of its BARs",
};

static void write_bars(FILE *out, const struct np_gpu *gpu)
{
	char size[NP_SIZE_TEXT_MAX];

	for (size_t i = 0; i < gpu->n_bars; i++) {
		const struct np_bar *bar = &gpu->bars[i];

		np_size_text(bar->bytes, size);
		fprintf(out, "%sBAR%u %s (%s)", i > 0 ? " + " : "", bar->index,
			bar->bytes > 0 ? size : "of unknown size", np_figure_name(bar->figure));
	}
}

static void write_card(FILE *out, const struct np_card *card)
{
	const struct np_addend *a = &card->addend;
	char id[NP_PCI_ID_MAX], sum[NP_SIZE_TEXT_MAX];

	fprintf(out, "  %" PRIu64 " x %s", a->count, np_card_name(card, id));
	if (card->gpu != NULL) {
		np_pci_id_format((struct np_pci_id){ card->gpu->vendor_id, card->gpu->device_id },
				 id);
		fprintf(out, "   %s, %s, %u GB of memory", card->gpu->product, id,
			card->gpu->memory_gb);
	}
	fputc('\n', out);
	if (card->gpu != NULL && card->gpu->n_bars > 0) {
		fputs("      BARs       ", out);
		write_bars(out, card->gpu);
		np_size_text(a->bars_bytes, sum);
		fprintf(out, " = %s\n", sum);
	}
	if (a->rule == NP_ADDEND_UNKNOWN)
		fprintf(out, "      each       unknown   %s\n", rule_texts[a->rule]);
	else
		fprintf(out, "      each       %" PRIu64 " GB   %s\n", a->each_gb,
			rule_texts[a->rule]);
	if (card->gpu != NULL && card->gpu->published_mmio_gb > 0)
		fprintf(out, "      published  %u GB   %s\n", card->gpu->published_mmio_gb,
			card->gpu->mmio_source);
	if (card->gpu != NULL && card->gpu->bar_source[0] != '\0')
		fprintf(out, "      source     %s\n", card->gpu->bar_source);
	if (card->gpu != NULL && card->gpu->note[0] != '\0')
		fprintf(out, "      note       %s\n", card->gpu->note);
}

static void write_rule2(FILE *out, const struct np_plan_pool *p)
{
	const struct np_need *need = &p->need;
	const char *plus = "";

	fputs("  sum          ", out);
	for (size_t i = 0; i < p->n_cards; i++) {
		const struct np_addend *a = &p->cards[i].addend;

		if (a->rule == NP_ADDEND_UNKNOWN)
			continue;
		fprintf(out, "%s%" PRIu64 " x %" PRIu64, plus, a->count, a->each_gb);
		plus = " + ";
	}
	fprintf(out, "%s%" PRIu64 " GB%s\n", plus[0] != '\0' ? " = " : "", need->sum_gb,
		need->complete ? "" : ", without the cards that have no figure");
	if (need->sum_gb == 0)
		fputs("  required     nothing: no device needs a window, neither key is set\n",
		      out);
	else if (need->required_gb == need->sum_gb)
		fprintf(out,
			"  required     %" PRIu64 " GB   a power of two already, as ESXi demands "
			"(Broadcom KB 323402)\n",
			need->required_gb);
	else
		fprintf(out,
			"  required     %" PRIu64 " GB   rounded up: ESXi demands a power of two "
			"(Broadcom KB 323402), at least %" PRIu64 "\n",
			need->required_gb, NP_WINDOW_MIN_GB);
}

static void write_window(FILE *out, const struct np_plan_pool *p)
{
	static const char *const whys[] = {
		[NP_WINDOW_NONE] = "no device needs one",
		[NP_WINDOW_REQUIRED] = "what is required",
		[NP_WINDOW_FLOOR] = "the floor: minimumGB, else the worker-node default of 512 GB",
		[NP_WINDOW_SIZE] = "the pool's sizeGB",
	};
	uint64_t used = p->need.bars_bytes / NP_GIB + (p->need.bars_bytes % NP_GIB != 0);

	if (!p->has_window) {
		fputs("  window       unknown\n", out);
		return;
	}
	fprintf(out, "  window       %" PRIu64 " GB   %s\n", p->window.gb, whys[p->window.rule]);
	if (p->window.gb > 0 && used > 0 && p->window.gb >= used)
		fprintf(out,
			"  free         %" PRIu64 " GB   beside %" PRIu64
			" GB of BARs; alignment takes a part of it\n",
			p->window.gb - used, used);
	if (p->window.below_rule)
		fprintf(out,
			"  careful      sizeGB is below the required %" PRIu64
			" GB: the VM may not power on\n",
			p->need.required_gb);
}

static void write_slot(FILE *out, const struct np_plan_pool *p, const struct np_slot *s)
{
	char size[NP_SIZE_TEXT_MAX], start[NP_SIZE_TEXT_MAX], id[NP_PCI_ID_MAX], bar[16];

	np_size_text(s->size_bytes, size);
	np_size_text(s->offset_bytes, start);
	snprintf(bar, sizeof(bar), "BAR%u", s->bar);
	fprintf(out, "    %16s   %8s   %s %" PRIu64 " %s\n", s->offset_bytes > 0 ? start : "0",
		size, np_card_name(&p->cards[s->addend], id), s->card + 1,
		s->bar == UINT_MAX ? "(whole card)" : bar);
}

static int write_layout(FILE *out, const struct np_plan_pool *p, struct np_err *err)
{
	NP_AUTO(np_freep) struct np_addend *addends = calloc(p->n_cards + 1, sizeof(*addends));
	NP_AUTO(np_freep) struct np_slot *slots = calloc(SLOTS_MAX, sizeof(*slots));
	size_t n = 0;

	if (addends == NULL || slots == NULL)
		return np_fail_nomem(err);
	for (size_t i = 0; i < p->n_cards; i++)
		addends[i] = p->cards[i].addend;
	if (np_mmio_layout(addends, p->n_cards, slots, SLOTS_MAX, &n, err) < 0)
		return -(int)err->code;
	if (n == 0)
		return 0;
	fputs("  layout       each BAR at a multiple of its size, each card in a slot of its own\n"
	      "              offset       size   of\n",
	      out);
	for (size_t i = 0; i < n && i < SLOTS_MAX; i++)
		write_slot(out, p, &slots[i]);
	if (n > SLOTS_MAX)
		fprintf(out, "    and %zu more\n", n - SLOTS_MAX);
	return 0;
}

static int write_pool(FILE *out, const struct np_plan_pool *p, struct np_err *err)
{
	char id[NP_POOL_ID_MAX];

	np_pool_id(p->pool, id);
	fprintf(out, "Pool %s", id);
	if (p->pool->has_replicas)
		fprintf(out, ", %" PRIu64 " node(s)", p->pool->replicas);
	fprintf(out, "   %s:%u\n", p->pool->source.file, p->pool->source.line);
	if (!p->has_gpus)
		fputs("  GPUs         unknown\n", out);
	else if (p->n_cards == 0)
		fputs("  GPUs         none\n", out);
	for (size_t i = 0; i < p->n_cards; i++)
		write_card(out, &p->cards[i]);
	if (p->n_cards > 0)
		write_rule2(out, p);
	write_window(out, p);
	return write_layout(out, p, err);
}

/* What a VM would get from VM Operator if the class stayed as it is. */
static void write_without(FILE *out, const struct np_plan_class *c)
{
	const struct np_standing *s = &c->class->standing;

	if (c->class->devices.n == 0 && c->class->hidden.n > 0)
		fputs("  as it is     VMs get none of its devices: configSpec hides "
		      "hardware.devices\n",
		      out);
	else if (s->has_size)
		fprintf(out,
			"  as it is     the class says %" PRIu64
			" GB; at a resize VM Operator sets %d, or what the VM's annotation says\n",
			s->size_gb, VM_OPERATOR_DEFAULT_GB);
	else if (c->class->devices.n > 0)
		fprintf(out,
			"  as it is     VM Operator sets %d GB, unless the VM's annotation says "
			"otherwise\n",
			VM_OPERATOR_DEFAULT_GB);
}

static void write_class(FILE *out, const struct np_plan_class *c)
{
	char cards[NP_CARDS_TEXT_MAX];

	fprintf(out, "Class %s%s%s", c->ns ? c->ns : "", c->ns ? "/" : "", c->name ? c->name : "");
	if (c->class == NULL) {
		fputs(c->found ? ": cannot be read\n" : ": not found\n", out);
		return;
	}
	np_cards_text(c->cards, c->n_cards, cards);
	fprintf(out, ": %s, used by %zu pool(s)\n", c->has_gpus ? cards : "GPUs unknown",
		c->n_pools);
	write_without(out, c);
	if (c->change.has_window && c->change.window_gb > 0)
		fprintf(out, "  window       %" PRIu64 " GB\n", c->change.window_gb);
	else
		fprintf(out, "  window       %s\n", c->change.has_window ? "none" : "unknown");
	fprintf(out, "  firmware     %s\n",
		c->change.firmware ? c->change.firmware : "not said; the image's holds");
	fprintf(out, "  reserved     %s\n",
		c->change.reservation ? c->change.reservation : "nothing said");
	if (c->has_overhead)
		fprintf(out,
			"  overhead     about %.2f MB of host memory (estimate between published "
			"points, one A100-40GB)\n",
			c->overhead_mb);
	for (size_t i = 0; i < c->change.n; i++)
		fprintf(out, "  change       %s: %s\n", c->change.items[i].path,
			c->change.items[i].reason);
	if (c->change.n == 0)
		fputs("  change       none\n", out);
}

static bool is_named(const char *name, const char *candidate)
{
	return name == NULL || (candidate != NULL && strcmp(name, candidate) == 0);
}

static bool is_pool_named(const struct np_plan *plan, const struct np_plan_pool *p,
			  const char *name)
{
	if (is_named(name, p->pool->name))
		return true;
	return p->class_index != SIZE_MAX && is_named(name, plan->classes[p->class_index].name);
}

static bool is_class_named(const struct np_plan *plan, const struct np_plan_class *c,
			   const char *name)
{
	if (is_named(name, c->name))
		return true;
	for (size_t i = 0; i < c->n_pools; i++) {
		if (is_named(name, plan->pools[c->pools[i]].pool->name))
			return true;
	}
	return false;
}

static int write_explanation(struct text *t, const struct np_plan *plan, const char *name,
			     struct np_err *err)
{
	size_t written = 0;

	for (size_t i = 0; i < plan->n_classes; i++) {
		if (!is_class_named(plan, &plan->classes[i], name))
			continue;
		fputs(written++ > 0 ? "\n" : "", t->file);
		write_class(t->file, &plan->classes[i]);
	}
	for (size_t i = 0; i < plan->n_pools; i++) {
		if (!is_pool_named(plan, &plan->pools[i], name))
			continue;
		fputs(written++ > 0 ? "\n" : "", t->file);
		if (write_pool(t->file, &plan->pools[i], err) < 0)
			return -(int)err->code;
	}
	if (written > 0)
		return 0;
	return np_fail(err, NP_E_NOT_FOUND, "no class and no pool is called '%s'",
		       name != NULL ? name : "");
}

static json_t *card_explanation(const struct np_card *card)
{
	json_t *tree = card_tree(card), *bars = json_array();

	for (size_t i = 0; card->gpu != NULL && i < card->gpu->n_bars; i++) {
		const struct np_bar *bar = &card->gpu->bars[i];

		json_array_append_new(bars, json_pack("{s:i, s:o, s:s}", "index", (int)bar->index,
						      "sizeBytes",
						      number_or_null(bar->bytes > 0, bar->bytes),
						      "figure", np_figure_name(bar->figure)));
	}
	json_object_set_new(tree, "bars", bars);
	json_object_set_new(tree, "barsBytes",
			    number_or_null(card->addend.bars_bytes > 0, card->addend.bars_bytes));
	json_object_set_new(tree, "rule", json_string(rule_texts[card->addend.rule]));
	json_object_set_new(tree, "publishedMMIOGB",
			    number_or_null(card->gpu != NULL && card->gpu->published_mmio_gb > 0,
					   card->gpu != NULL ? card->gpu->published_mmio_gb : 0));
	return tree;
}

static json_t *pool_explanation(const struct np_plan_pool *p)
{
	char text[NP_WINDOW_TEXT_MAX];
	json_t *cards = json_array();

	np_window_text(p, text);
	for (size_t i = 0; i < p->n_cards; i++)
		json_array_append_new(cards, card_explanation(&p->cards[i]));
	return json_pack("{s:s, s:o, s:s, s:o, s:o, s:o, s:o, s:o}", "namespace", p->pool->ns,
			 "cluster", text_or_null(p->pool->cluster), "name", p->pool->name, "gpus",
			 cards, "sumMMIOGB", number_or_null(p->has_required, p->need.sum_gb),
			 "requiredMMIOGB", number_or_null(p->has_required, p->need.required_gb),
			 "mmioGB",
			 number_or_null(p->has_window && p->window_is_known, p->window.gb),
			 "reason", text_tree(text));
}

static int explain_tree(const struct np_plan *plan, const char *name, json_t **ret,
			struct np_err *err)
{
	json_t *pools = json_array();
	json_auto_t *tree = json_pack("{s:s, s:s, s:o}", "apiVersion", "nodeprep.dev/v1alpha1",
				      "kind", "Explanation", "pools", pools);

	if (tree == NULL)
		return np_fail_nomem(err);
	for (size_t i = 0; i < plan->n_pools; i++) {
		if (is_pool_named(plan, &plan->pools[i], name) &&
		    json_array_append_new(pools, pool_explanation(&plan->pools[i])) < 0)
			return np_fail_nomem(err);
	}
	*ret = json_incref(tree);
	return 0;
}

int np_render_explain(const struct np_plan *plan, const char *name, enum np_format format,
		      char **ret, struct np_err *err)
{
	NP_AUTO(text_done) struct text t = { 0 };
	json_auto_t *tree = NULL;

	if (text_init(&t, err) < 0 || write_explanation(&t, plan, name, err) < 0)
		return -(int)err->code;
	if (format == NP_FORMAT_TABLE || format == NP_FORMAT_WIDE)
		return text_take(&t, ret, err);
	if (explain_tree(plan, name, &tree, err) < 0)
		return -(int)err->code;
	return np_render_tree(tree, format, ret, err);
}
