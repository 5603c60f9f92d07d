/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/json.h"
#include "nodeprep/text.h"
#include "nodeprep/units.h"

/* What VM Operator does by itself (its source, v1.9 line). */
#define NAMES_MAX 8 /* more are summed up */
#define VM_OPERATOR_DEFAULT_GB 512
#define VM_OPERATOR_ANNOTATION "vmoperator.vmware.com/pci-passthru-64bit-mmio-size"

static const char *const rule_texts[] = {
	[NP_ADDEND_SMALL] = "no BAR over 256 MB: adds nothing",
	[NP_ADDEND_BARS] = "sum of the BARs, rounded up to a power of two",
	[NP_ADDEND_PUBLISHED] = "the published size, which is larger than the rounded sum",
	[NP_ADDEND_MEMORY] = "BARs unknown: twice the memory, as a power of two",
	[NP_ADDEND_UNKNOWN] = "size unknown: not in the catalogue, or its BARs are unknown",
	[NP_ADDEND_COMPUTE] = "no BAR over 256 MB, but a C-series vGPU: 64 GB and EFI at least",
};

static void write_bars(FILE *out, const struct np_gpu *gpu)
{
	char size[NP_SIZE_TEXT_MAX];

	for (size_t i = 0; i < gpu->n_bars; i++) {
		const struct np_bar *bar = &gpu->bars[i];

		np_size_text(bar->bytes, size);
		fprintf(out, "%sBAR%u %s (%s)", i > 0 ? " + " : "", bar->index,
			bar->bytes > 0 ? size : "of unknown size",
			np_gpu_size_source_name(bar->figure));
	}
}

/* Sources; what nobody published or captured is said to be assumed. */
static void write_sources(FILE *out, const struct np_gpu *gpu)
{
	char text[SHOWN_MAX];

	if (gpu->published_mmio_gb > 0)
		fprintf(out, "      published  %u GB   %s\n", gpu->published_mmio_gb,
			render_shown(gpu->mmio_source, text));
	else
		fputs("      published  nothing: no vendor publishes a size for this card\n", out);
	if (gpu->bar_source[0] != '\0')
		fprintf(out, "      source     %s\n", render_shown(gpu->bar_source, text));
	else if (gpu->n_bars > 0)
		fputs("      source     none for the BARs: assumed from similar cards\n", out);
	if (gpu->note[0] != '\0')
		fprintf(out, "      note       %s\n", render_shown(gpu->note, text));
}

static void write_product(FILE *out, const struct np_gpu *gpu)
{
	char id[NP_PCI_ID_MAX], product[SHOWN_MAX];

	np_gpu_pci_id_format((struct np_pci_id){ gpu->vendor_id, gpu->device_id }, id);
	fprintf(out, "   %s, %s", render_shown(gpu->product, product), id);
	if (gpu->memory_gb > 0)
		fprintf(out, ", %u GB of memory", gpu->memory_gb);
}

static void write_card(FILE *out, const struct np_card *card)
{
	const struct np_addend *a = &card->addend;
	char id[NP_PCI_ID_MAX], sum[NP_SIZE_TEXT_MAX], name[SHOWN_MAX];

	fprintf(out, "  %" PRIu64 " x %s", a->count,
		render_shown(np_plan_card_name(card, id), name));
	if (card->gpu)
		write_product(out, card->gpu);
	fputc('\n', out);
	if (card->gpu && card->gpu->n_bars > 0) {
		fputs("      BARs       ", out);
		write_bars(out, card->gpu);
		np_size_text(a->bars_bytes, sum);
		fprintf(out, " = %s\n", sum);
	}
	if (a->rule == NP_ADDEND_UNKNOWN)
		fprintf(out, "      each       unknown   %s\n", rule_texts[a->rule]);
	if (a->unknown_gb > 0)
		fprintf(out, "      counted    %" PRIu64 " GB   %s\n", a->unknown_gb,
			a->unknown_gb == NP_WINDOW_UNKNOWN_GB
				? "for each of unknown size: the figure of a BAR of 128 GB"
				: "for each: what the largest known alternative takes");
	if (a->rule != NP_ADDEND_UNKNOWN)
		fprintf(out, "      each       %" PRIu64 " GB   %s\n", a->each_gb,
			rule_texts[a->rule]);
	if (card->gpu)
		write_sources(out, card->gpu);
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
		need->complete ? "" : ", without the cards of unknown size");
	if (need->unknown_gb > 0)
		fprintf(out,
			"  unknown      %" PRIu64 " GB   for the cards of unknown size: %" PRIu64
			" GB with all others, as a power of two\n",
			need->unknown_gb, need->assumed_gb);
	if (need->required_gb == 0 && !need->complete)
		fputs("  required     unknown\n", out);
	else if (need->required_gb == 0)
		fputs("  required     nothing: no device needs a window, neither key is set\n",
		      out);
	else if (need->required_gb == need->sum_gb)
		fprintf(out,
			"  required     %" PRIu64 " GB   already a power of two, as ESXi requires "
			"(Broadcom KB 323402)\n",
			need->required_gb);
	else
		fprintf(out,
			"  required     %" PRIu64 " GB   rounded up: ESXi demands a power of two "
			"(Broadcom KB 323402), at least %" PRIu64 "\n",
			need->required_gb, NP_WINDOW_MIN_GB);
}

/* What the window leaves free: beyond the last slot, and within the slots. */
static void write_free(FILE *out, const struct picture *pic)
{
	char left[NP_SIZE_TEXT_MAX], rest[NP_SIZE_TEXT_MAX], bars[NP_SIZE_TEXT_MAX];

	if (pic->n_cards == 0 || pic->window_bytes < pic->taken_bytes)
		return;
	np_size_text(pic->bars_bytes, bars);
	np_size_text(pic->taken_bytes - pic->bars_bytes, rest);
	np_size_text(pic->window_bytes - pic->taken_bytes, left);
	fprintf(out, "  free         %s   beyond the cards' slots",
		pic->window_bytes == pic->taken_bytes ? "nothing" : left);
	if (!pic->pool->need.complete)
		fputs(", minus the cards of unknown size", out);
	if (pic->has_all_bars)
		fprintf(out, "; within them the BARs take %s, alignment %s", bars, rest);
	fputc('\n', out);
}

static void write_window(FILE *out, const struct np_plan_pool *p)
{
	static const char *const whys[] = {
		[NP_WINDOW_NONE] = "no device needs one",
		[NP_WINDOW_REQUIRED] = "what is required",
		[NP_WINDOW_FLOOR] = "the floor: minimumGB, else the worker-node default of 512 GB",
		[NP_WINDOW_SIZE] = "the pool's sizeGB",
		[NP_WINDOW_ASSUMED] = "what is required, with the cards of unknown size",
	};

	if (!p->has_window || (p->none_known && p->window.gb == 0)) {
		fprintf(out, "  window       unknown%s\n",
			p->none_known ? "   no known device needs one" : "");
		return;
	}
	fprintf(out, "  window       %" PRIu64 " GB   %s\n", p->window.gb, whys[p->window.rule]);
	if (p->window.below_rule)
		fprintf(out,
			"  careful      sizeGB is below the required %" PRIu64
			" GB: the VM may not power on\n",
			p->need.required_gb);
}

static void write_slot(FILE *out, const struct np_plan_pool *p, const struct np_slot *s)
{
	char size[NP_SIZE_TEXT_MAX], start[NP_SIZE_TEXT_MAX], id[NP_PCI_ID_MAX], bar[16],
		name[SHOWN_MAX];

	np_size_text(s->size_bytes, size);
	np_size_text(s->offset_bytes, start);
	snprintf(bar, sizeof(bar), "BAR%u", s->bar);
	fprintf(out, "    %16s   %8s   %s %" PRIu64 " %s\n", s->offset_bytes > 0 ? start : "0",
		size, render_shown(np_plan_card_name(&p->cards[s->addend], id), name), s->card + 1,
		s->bar == UINT_MAX ? "(whole card)" : bar);
}

static void write_layout(FILE *out, const struct picture *pic)
{
	if (pic->n_slots == 0)
		return;
	fputs("  layout       each BAR at a multiple of its size, each card in a slot of its own; the "
	      "firmware chooses the order\n"
	      "              offset       size   of\n",
	      out);
	for (size_t i = 0; i < pic->n_slots && i < SLOTS_MAX; i++)
		write_slot(out, pic->pool, &pic->slots[i]);
	if (pic->n_slots > SLOTS_MAX)
		fprintf(out, "    and %zu more\n", pic->n_slots - SLOTS_MAX);
}

static int write_pool(FILE *out, const struct np_plan *plan, const struct np_plan_pool *p,
		      const struct np_render_style *style, struct np_err *err)
{
	NP_AUTO(render_picture_done) struct picture pic = { 0 };
	char id[NP_POOL_ID_MAX], shown[SHOWN_MAX], source[NP_SOURCE_TEXT_MAX];

	if (render_picture_init(&pic, plan, p, err) < 0)
		return np_err_ret(err);
	np_pool_id(p->pool, id);
	fprintf(out, "Pool %s", render_shown(id, shown));
	if (p->pool->has_replicas)
		fprintf(out, ", %" PRIu64 " node(s)", p->pool->replicas);
	np_pool_source_text(&p->pool->source, source);
	fprintf(out, "   %s\n", render_shown(source, shown));
	if (!p->has_gpus)
		fputs("  GPUs         unknown\n", out);
	else if (p->n_cards == 0)
		fprintf(out, "  GPUs         none%s\n", p->none_known ? " known" : "");
	for (size_t i = 0; i < p->n_cards; i++)
		write_card(out, &p->cards[i]);
	if (p->n_cards > 0)
		write_rule2(out, p);
	write_window(out, p);
	write_free(out, &pic);
	render_picture_write(out, &pic, style);
	write_layout(out, &pic);
	return 0;
}

/* What a VM would get from VM Operator if the class stayed as it is. */
static void write_without(FILE *out, const struct np_plan_class *c)
{
	const struct np_vmx_current *s = &c->class->current;

	if (c->class->devices.n == 0 && c->class->hidden.n > 0) {
		fputs("  as is        VMs get none of its devices: configSpec hides "
		      "hardware.devices\n",
		      out);
		return;
	}
	if (c->class->devices.n == 0 && !s->has_size)
		return;
	if (s->has_size)
		fprintf(out,
			"  as is        a new VM gets the %" PRIu64
			" GB of the class, whatever the VM's annotation says\n",
			s->size_gb);
	else
		fprintf(out,
			"  as is        the class sets no size: a new VM gets VM Operator's default, "
			"%d GB, or the size in the VM's annotation\n",
			VM_OPERATOR_DEFAULT_GB);
	if (c->change.has_window &&
	    c->change.window_gb > (s->has_size ? s->size_gb : VM_OPERATOR_DEFAULT_GB))
		fprintf(out,
			"               too small: %" PRIu64
			" GB are required, and such a VM may not power on\n",
			c->change.window_gb);
	fprintf(out,
		"  resized      with full resize VM Operator writes %d GB, or the annotation's size, whatever the "
		"class holds\n"
		"               (annotation " VM_OPERATOR_ANNOTATION "; \"0\": neither key)\n",
		VM_OPERATOR_DEFAULT_GB);
}

static bool has_overhead(const struct np_plan_class *c)
{
	return c->has_gpus && c->gpus > 0 && c->change.has_window && c->change.window_gb > 0;
}

/* Writes the names of the VMs, the first ones where there are many. */
static void write_vms(FILE *out, const json_t *names)
{
	size_t n = json_array_size(names);
	char shown[SHOWN_MAX];

	for (size_t i = 0; i < n && i < NAMES_MAX; i++)
		fprintf(out, "%s%s", i > 0 ? ", " : "",
			render_shown(json_string_value(json_array_get(names, i)), shown));
	if (n > NAMES_MAX)
		fprintf(out, " and %zu more", n - NAMES_MAX);
	fputc('\n', out);
}

static void write_measured(FILE *out, const struct np_plan_measured *o)
{
	size_t n = json_array_size(o->vms);

	fprintf(out, "  overhead     %.2f", o->least_mb);
	if (o->most_mb > o->least_mb)
		fprintf(out, " to %.2f", o->most_mb);
	fprintf(out,
		" MB of host memory a VM, as vCenter measures it on %zu running VM%s with these GPUs "
		"and this window:\n               ",
		n, n == 1 ? "" : "s");
	write_vms(out, o->vms);
}

/* The points are those of plan.h, "Figures". */
static void write_overhead(FILE *out, const struct np_plan_class *c)
{
	if (!has_overhead(c))
		return;
	if (c->measured.vms) {
		write_measured(out, &c->measured);
		return;
	}
	if (c->has_overhead)
		fprintf(out,
			"  overhead     about %.2f MB more host memory a VM than without a window, an "
			"estimate between published points;\n",
			c->overhead_mb);
	else
		fputs("  overhead     unknown: no point is published near this size;\n", out);
	fputs("               measured with one A100-40GB (Denneman 2023-05-30): 773.91 MB without a "
	      "window, 856.82 MB with 128 GB, 870.94 MB with 512 GB\n",
	      out);
	if (c->measured.is_asked)
		fputs("               not measured: vCenter shows no running VM with these GPUs and this "
		      "window\n",
		      out);
}

/* NICs and the like: the slack that rounding leaves holds their small BARs. */
static void write_others(FILE *out, const struct np_plan_class *c)
{
	char id[NP_PCI_ID_MAX];

	for (size_t i = 0; i < c->class->devices.n; i++) {
		const struct np_device *d = &c->class->devices.items[i];

		np_gpu_pci_id_format(d->id, id);
		if (d->pci_class == NP_PCI_OTHER)
			fprintf(out, "  other        %s: passed through, %s, not counted\n",
				d->has_id ? id : "a function without ids",
				d->may_be_gpu ? "of unknown kind" : "no GPU");
	}
}

static void write_class(FILE *out, const struct np_plan_class *c)
{
	char cards[NP_CARDS_TEXT_MAX], shown[SHOWN_MAX];

	fputs("Class ", out);
	render_write_name(out, c->ns, c->name);
	if (!c->class) {
		fputs(c->found ? ": cannot be read\n" : ": not found\n", out);
		return;
	}
	np_plan_gpus_text(c->cards, c->n_cards, c->none_known, cards);
	fprintf(out, ": %s, used by %zu pool(s)\n",
		c->has_gpus ? render_shown(cards, shown) : "GPUs unknown", c->n_pools);
	write_others(out, c);
	write_without(out, c);
	if (c->change.has_window && c->change.window_gb > 0)
		fprintf(out, "  window       %" PRIu64 " GB\n", c->change.window_gb);
	else
		fprintf(out, "  window       %s\n", c->change.has_window ? "none" : "unknown");
	fprintf(out, "  firmware     %s\n",
		c->change.firmware ? render_shown(c->change.firmware, shown)
				   : "not set; the image decides");
	fprintf(out, "  reserved     %s\n",
		c->change.reservation ? render_shown(c->change.reservation, shown) : "not set");
	write_overhead(out, c);
	for (size_t i = 0; i < c->change.n; i++) {
		fprintf(out, "  change       %s: ", render_shown(c->change.items[i].path, shown));
		fprintf(out, "%s\n", render_shown(c->change.items[i].reason, shown));
	}
	if (c->change.n == 0)
		fputs("  change       none\n", out);
}

static const char *near_one(const char *name, const char *candidate)
{
	return candidate ? np_text_near(name, (struct np_words){ &candidate, 1 }) : NULL;
}

static bool is_named(const char *name, const char *candidate)
{
	return !name || (candidate && strcmp(name, candidate) == 0);
}

static bool is_pool_named(const struct np_plan *plan, const struct np_plan_pool *p,
			  const char *name)
{
	char id[NP_POOL_ID_MAX];

	np_pool_id(p->pool, id);
	if (is_named(name, p->pool->name) || is_named(name, id))
		return true;
	if (p->template_index < plan->n_templates &&
	    is_named(name, plan->templates[p->template_index].name))
		return true;
	return p->class_index != SIZE_MAX && is_named(name, plan->classes[p->class_index].name);
}

bool np_render_selects_class(const struct np_plan *plan, const struct np_plan_class *c,
			     const char *name)
{
	char id[NP_POOL_ID_MAX];

	if (is_named(name, c->name))
		return true;
	for (size_t i = 0; i < c->n_pools; i++) {
		np_pool_id(plan->pools[c->pools[i]].pool, id);
		if (is_named(name, plan->pools[c->pools[i]].pool->name) || is_named(name, id))
			return true;
	}
	return false;
}

/* Returns a name of the plan that `name` was likely meant to be; NULL where none is near. */
static const char *find_near(const struct np_plan *plan, const char *name)
{
	const char *near = NULL;

	for (size_t i = 0; i < plan->n_classes && !near; i++)
		near = near_one(name, plan->classes[i].name);
	for (size_t i = 0; i < plan->n_templates && !near; i++)
		near = near_one(name, plan->templates[i].name);
	for (size_t i = 0; i < plan->n_pools && !near; i++)
		near = near_one(name, plan->pools[i].pool->name);
	return near;
}

static int fail_name(const struct np_plan *plan, const char *name, struct np_err *err)
{
	const char *near = name ? find_near(plan, name) : NULL;

	return np_fail(err, NP_E_NOT_FOUND,
		       "class, template or pool '%s' not found in the plan%s%s%s", name ? name : "",
		       near ? ": did you mean '" : "", near ? near : "", near ? "'?" : "");
}

static int write_explanation(struct text *t, const struct np_plan *plan, const char *name,
			     const struct np_render_style *style, struct np_err *err)
{
	size_t written = 0;

	for (size_t i = 0; i < plan->n_classes; i++) {
		if (!np_render_selects_class(plan, &plan->classes[i], name))
			continue;
		fputs(written++ > 0 ? "\n" : "", t->file);
		write_class(t->file, &plan->classes[i]);
	}
	for (size_t i = 0; i < plan->n_templates; i++) {
		if (!np_render_selects_template(plan, &plan->templates[i], name))
			continue;
		fputs(written++ > 0 ? "\n" : "", t->file);
		render_template_explain(t->file, &plan->templates[i]);
	}
	for (size_t i = 0; i < plan->n_pools; i++) {
		if (!is_pool_named(plan, &plan->pools[i], name))
			continue;
		fputs(written++ > 0 ? "\n" : "", t->file);
		if (write_pool(t->file, plan, &plan->pools[i], style, err) < 0)
			return np_err_ret(err);
	}
	if (written > 0)
		return 0;
	return fail_name(plan, name, err);
}

static json_t *card_explanation(const struct np_card *card)
{
	json_t *tree = render_card_tree(card), *bars = json_array();

	for (size_t i = 0; card->gpu && i < card->gpu->n_bars; i++) {
		const struct np_bar *bar = &card->gpu->bars[i];

		json_array_append_new(
			bars, json_pack("{s:i, s:o, s:s}", "index", (int)bar->index, "sizeBytes",
					render_number_or_null(bar->bytes > 0, bar->bytes), "figure",
					np_gpu_size_source_name(bar->figure)));
	}
	json_object_set_new(tree, "bars", bars);
	json_object_set_new(
		tree, "barsBytes",
		render_number_or_null(card->addend.bars_bytes > 0, card->addend.bars_bytes));
	json_object_set_new(tree, "rule", json_string(rule_texts[card->addend.rule]));
	json_object_set_new(tree, "publishedMMIOGB",
			    render_number_or_null(card->gpu && card->gpu->published_mmio_gb > 0,
						  card->gpu ? card->gpu->published_mmio_gb : 0));
	return tree;
}

static json_t *pool_explanation(const struct np_plan_pool *p)
{
	char text[NP_WINDOW_TEXT_MAX];
	json_t *cards = json_array();

	np_plan_window_text(p, text);
	for (size_t i = 0; i < p->n_cards; i++)
		json_array_append_new(cards, card_explanation(&p->cards[i]));
	return json_pack("{s:s, s:o, s:s, s:o, s:o, s:o, s:o, s:o}", "namespace", p->pool->ns,
			 "cluster", render_text_or_null(p->pool->cluster), "name", p->pool->name,
			 "gpus", cards, "sumMMIOGB",
			 render_number_or_null(p->has_required, p->need.sum_gb), "requiredMMIOGB",
			 render_number_or_null(p->has_required, p->need.required_gb), "mmioGB",
			 render_number_or_null(p->has_window && p->window_is_known, p->window.gb),
			 "reason", np_json_string(text));
}

static json_t *class_explanation(const struct np_plan_class *c)
{
	bool is_measured = has_overhead(c) && c->measured.vms;

	return json_pack(
		"{s:o, s:s, s:o, s:o, s:o, s:o, s:o}", "namespace", render_text_or_null(c->ns),
		"name", c->name ? c->name : "", "mmioGB",
		render_number_or_null(c->class && c->change.has_window, c->change.window_gb),
		"overheadEstimateMB", render_overhead_tree(c), "overheadMB",
		is_measured ? json_real(c->measured.most_mb) : json_null(), "leastOverheadMB",
		is_measured ? json_real(c->measured.least_mb) : json_null(), "overheadVMs",
		is_measured ? json_incref(c->measured.vms) : json_null());
}

static json_t *class_explanations(const struct np_plan *plan, const char *name)
{
	json_t *list = json_array();

	for (size_t i = 0; i < plan->n_classes; i++)
		if (np_render_selects_class(plan, &plan->classes[i], name))
			render_tree_push(&list, class_explanation(&plan->classes[i]));
	return list;
}

static int explain_tree(const struct np_plan *plan, const char *name, json_t **ret,
			struct np_err *err)
{
	json_t *pools = json_array();
	json_auto_t *tree =
		json_pack("{s:s, s:s, s:o, s:o}", "apiVersion", "nodeprep.dev/v1alpha1", "kind",
			  "Explanation", "pools", pools, "classes", class_explanations(plan, name));

	if (!tree)
		return np_fail_nomem(err);
	for (size_t i = 0; i < plan->n_pools; i++)
		if (is_pool_named(plan, &plan->pools[i], name) &&
		    json_array_append_new(pools, pool_explanation(&plan->pools[i])) < 0)
			return np_fail_nomem(err);
	*ret = json_incref(tree);
	return 0;
}

/* The pools that `name` selects, for a message: up to four of them. */
static void pools_text(const struct np_plan *plan, const char *name, char *buf, size_t size)
{
	size_t used = 0, n = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < plan->n_pools && n < 4 && used < size; i++) {
		char id[NP_POOL_ID_MAX];
		int more;

		if (!is_pool_named(plan, &plan->pools[i], name))
			continue;
		np_pool_id(plan->pools[i].pool, id);
		more = snprintf(buf + used, size - used, "%s'%s'", n++ > 0 ? ", " : "", id);
		used += more > 0 ? (size_t)more : 0;
	}
}

static int draw(const struct np_plan *plan, const char *name, char **ret, struct np_err *err)
{
	NP_AUTO(render_picture_done) struct picture pic = { 0 };
	const struct np_plan_pool *only = NULL;
	char pools[512];
	size_t n = 0;

	for (size_t i = 0; i < plan->n_pools; i++) {
		if (!is_pool_named(plan, &plan->pools[i], name))
			continue;
		only = &plan->pools[i];
		n++;
	}
	pools_text(plan, name, pools, sizeof(pools));
	if (n == 0)
		return np_fail(err, NP_E_USAGE, "-o svg draws one pool, and no pool uses '%s'",
			       name ? name : "");
	if (n > 1)
		return np_fail(err, NP_E_USAGE, "-o svg draws one pool, not %zu: name one of %s%s",
			       n, pools, n > 4 ? ", ..." : "");
	if (render_picture_init(&pic, plan, only, err) < 0)
		return np_err_ret(err);
	return render_picture_svg(&pic, ret, err);
}

int np_render_explain(const struct np_plan *plan, const char *name, enum np_format format,
		      const struct np_render_style *style, char **ret, struct np_err *err)
{
	NP_AUTO(render_text_done) struct text t = { 0 };
	static const struct np_render_style plain = { .utf8 = false, .colour = false };
	json_auto_t *tree = NULL;

	if (render_text_init(&t, err) < 0 ||
	    write_explanation(&t, plan, name, style ? style : &plain, err) < 0)
		return np_err_ret(err);
	if (format == NP_FORMAT_TABLE || format == NP_FORMAT_WIDE)
		return render_text_take(&t, ret, err);
	if (format == NP_FORMAT_SVG)
		return draw(plan, name, ret, err);
	if (explain_tree(plan, name, &tree, err) < 0)
		return np_err_ret(err);
	return np_render_tree(tree, format, ret, err);
}
