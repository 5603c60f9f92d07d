/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/units.h"
#include "nodeprep/warnings.h"

/* The two points that were measured (header), as log2 of the window and MB. */
/* Half of the 2^45 bytes below which a guest's window was seen on ESXi. */
#define WIDE_WINDOW_GB 16384

#define OVERHEAD_LOW_LOG2 7.0
#define OVERHEAD_LOW_MB 82.91
#define OVERHEAD_HIGH_LOG2 9.0
#define OVERHEAD_HIGH_MB 97.03

static void class_done(struct np_plan_class *c)
{
	np_vmclass_free(c->class);
	np_vmclass_change_done(&c->change);
	json_decref(c->measured.vms);
	np_warnings_done(&c->warnings);
	free(c->cards);
	free(c->pools);
}

void np_plan_done(struct np_plan *plan)
{
	for (size_t i = 0; i < plan->n_pools; i++)
		free(plan->pools[i].cards);
	for (size_t i = 0; i < plan->n_classes; i++)
		class_done(&plan->classes[i]);
	for (size_t i = 0; i < plan->n_templates; i++)
		plan_template_done(&plan->templates[i]);
	free(plan->pools);
	free(plan->classes);
	free(plan->templates);
	free(plan->errors);
	np_warnings_done(&plan->warnings);
	*plan = (struct np_plan){ 0 };
}

static int copy_cards(struct np_plan_pool *p, const struct np_plan_class *c, struct np_err *err)
{
	p->cards = calloc(c->n_cards + 1, sizeof(*p->cards));
	if (!p->cards)
		return np_fail_nomem(err);
	for (size_t i = 0; i < c->n_cards; i++)
		p->cards[i] = c->cards[i];
	p->n_cards = c->n_cards;
	p->has_gpus = c->has_gpus;
	p->none_known = c->none_known;
	return 0;
}

/* Tells whether a requested and an attached card differ by their ID alone. */
static bool differ_by_id(const struct np_card *asked, size_t n, const struct np_plan_class *c)
{
	char a[NP_PCI_ID_MAX], b[NP_PCI_ID_MAX];

	for (size_t i = 0; i < n * c->n_cards; i++) {
		const struct np_card *x = &asked[i / c->n_cards], *y = &c->cards[i % c->n_cards];

		if (x->has_id && y->has_id &&
		    strcmp(np_plan_card_name(x, a), np_plan_card_name(y, b)) == 0 &&
		    (x->id.vendor != y->id.vendor || x->id.device != y->id.device))
			return true;
	}
	return false;
}

static int tell_mismatch(struct np_plan *plan, struct np_plan_pool *p,
			 const struct np_plan_class *c, struct np_err *err)
{
	NP_AUTO(np_freep) struct np_card *asked = NULL;
	char wants[NP_CARDS_TEXT_MAX], has[NP_CARDS_TEXT_MAX];
	size_t n = 0;

	if (plan_cards_of_requests(p->pool, &asked, &n, err) < 0)
		return np_err_ret(err);
	if (differ_by_id(asked, n, c)) {
		plan_cards_ids(asked, n, wants);
		plan_cards_ids(c->cards, c->n_cards, has);
	} else {
		np_plan_cards_text(asked, n, wants);
		np_plan_gpus_text(c->cards, c->n_cards, c->none_known, has);
	}
	return plan_pool_error(plan, p->pool, err, NP_E_SPEC,
			       "asks for %s, but VirtualMachineClass '%s' attaches %s%s", wants,
			       c->name, has,
			       c->class->hidden.n > 0 && c->n_cards == 0
				       ? " (its devices are hidden by configSpec; "
					 "--restore-hidden-devices attaches them)"
				       : "");
}

/* Tells whether the class attaches devices of which only the pool can say what they are. */
static bool has_unknown_kind(const struct np_plan_class *c)
{
	for (size_t i = 0; i < c->n_cards; i++)
		if (c->cards[i].kind)
			return true;
	return false;
}

/* The pool's word takes the place of what the class does not tell. */
static int cards_of_pool(struct np_plan_pool *p, struct np_err *err)
{
	free(np_take(p->cards));
	return plan_cards_of_requests(p->pool, &p->cards, &p->n_cards, err);
}

/* The class decides the node: its devices count, the pool's asks are held against them. */
static int cards_of_class(struct np_plan *plan, struct np_plan_pool *p, struct np_plan_class *c,
			  const struct np_plan_options *o, struct np_err *err)
{
	char wants[NP_CARDS_TEXT_MAX], has[NP_CARDS_TEXT_MAX], id[NP_POOL_ID_MAX];
	NP_AUTO(np_freep) struct np_card *asked = NULL;
	enum plan_match match;
	size_t n = 0;

	/*
	 * A GPU that is part of the image is in no list: what the pool says of it is all that is
	 * known.
	 */
	if (!c->has_gpus && p->pool->n_requests > 0) {
		p->has_gpus = true;
		return plan_cards_of_requests(p->pool, &p->cards, &p->n_cards, err);
	}
	if (copy_cards(p, c, err) < 0)
		return np_err_ret(err);
	if (p->pool->n_requests == 0)
		return 0;
	match = plan_match_requests(p->pool, plan_devices(c, o), o->catalogue);
	if (match == PLAN_MATCH_EQUAL)
		return has_unknown_kind(c) ? cards_of_pool(p, err) : 0;
	if (match == PLAN_MATCH_NO)
		return tell_mismatch(plan, p, c, err);
	if (plan_cards_of_requests(p->pool, &asked, &n, err) < 0)
		return np_err_ret(err);
	np_plan_cards_text(asked, n, wants);
	np_plan_cards_text(c->cards, c->n_cards, has);
	np_pool_id(p->pool, id);
	return np_warnings_add(
		&c->warnings, err, NP_WARNING_EXTRA_GPUS,
		"pool '%s' names %s, the class attaches %s: all of them are counted and "
		"sized",
		id, wants, has);
}

static int tell_not_found(struct np_plan *plan, struct np_plan_pool *p,
			  const struct np_plan_class *c, struct np_err *err)
{
	if (strcmp(plan->api, "vcenter") == 0)
		return plan_pool_error(plan, p->pool, err, NP_E_NOT_FOUND,
				       "vCenter has no VM class '%s'", c->name);
	return plan_pool_error(plan, p->pool, err, NP_E_NOT_FOUND,
			       "VirtualMachineClass '%s' not found in namespace '%s'", c->name,
			       p->pool->ns);
}

static int note_without_class(struct np_plan *plan, struct np_plan_pool *p, struct np_err *err)
{
	char id[NP_POOL_ID_MAX], source[NP_SOURCE_TEXT_MAX];

	if (p->pool->has_placeholder)
		return 0;
	np_pool_id(p->pool, id);
	np_pool_source_text(&p->pool->source, source);
	return np_warnings_add(&plan->warnings, err, NP_WARNING_CLASS_MISSING,
			       "%s: pool '%s' names no VM class: its nodes' settings are unknown",
			       source, id);
}

struct np_warnings *plan_warnings_of(struct np_plan *plan, const struct np_plan_pool *p)
{
	if (p->class_index != SIZE_MAX)
		return &plan->classes[p->class_index].warnings;
	if (p->template_index != SIZE_MAX)
		return &plan->templates[p->template_index].warnings;
	return &plan->warnings;
}

/* Tells whether a binding allows the class in the pool's namespace. */
static bool is_bound(const struct np_plan_opt_in *o, const char *ns, const char *name)
{
	char key[600];

	snprintf(key, sizeof(key), "%s/%s", ns, name);
	return !!json_object_get(o->bound, key);
}

/* Adds an error where the class's owner does not allow the pool; then nothing else is said of the class. */
static int check_allowed(struct np_plan *plan, const struct np_plan_pool *p,
			 const struct np_plan_class *c, const struct np_plan_opt_in *o,
			 struct np_err *err)
{
	const struct np_vmclass_scope scope = { o->class_ns ? o->class_ns : c->ns, c->name };
	struct np_err why = NP_ERR_INIT;

	if (!o->required || np_vmclass_allows(c->class->node.json, &scope, p->pool->ns, &why) ||
	    is_bound(o, p->pool->ns, c->name))
		return 1;
	return plan_pool_error(plan, p->pool, err, why.code, "%s", why.text);
}

/* Finds out which cards a node of the pool gets. */
static int fill_cards(struct np_plan *plan, struct np_plan_pool *p, const struct np_plan_options *o,
		      struct np_err *err)
{
	struct np_plan_class *c = NULL;
	int allowed;

	if (p->template_index != SIZE_MAX)
		return plan_template_cards(plan, p, o->catalogue, err);
	if (p->class_index != SIZE_MAX) {
		c = &plan->classes[p->class_index];
		allowed = c->class ? check_allowed(plan, p, c, &o->opt_in, err) : 1;
		if (allowed <= 0)
			return allowed;
		if (c->class && p->pool->gpus_unknown)
			return 0;
		if (c->class)
			return cards_of_class(plan, p, c, o, err);
		if (!c->found && tell_not_found(plan, p, c, err) < 0)
			return np_err_ret(err);
	} else if (note_without_class(plan, p, err) < 0) {
		return np_err_ret(err);
	}
	if (p->pool->n_requests == 0 || p->pool->gpus_unknown)
		return 0;
	p->has_gpus = true;
	return plan_cards_of_requests(p->pool, &p->cards, &p->n_cards, err);
}

static int note_figures(struct np_plan *plan, struct np_plan_pool *p, struct np_err *err)
{
	struct np_warnings *warnings = plan_warnings_of(plan, p);
	char id[NP_POOL_ID_MAX], cards[NP_CARDS_TEXT_MAX];

	if (!p->window.below_rule && (p->need.complete || !p->has_gpus))
		return 0;
	np_pool_id(p->pool, id);
	if (p->window.below_rule)
		return np_warnings_add(warnings, err, NP_WARNING_WINDOW_BELOW_RULE,
				       "pool '%s': sizeGB %" PRIu64 " is below the %" PRIu64
				       " GB of the rule: a VM may not power on",
				       id, p->window.gb, p->need.required_gb);
	plan_cards_unknown(p->cards, p->n_cards, cards);
	if (p->window.rule == NP_WINDOW_SIZE)
		return np_warnings_add(warnings, err, NP_WARNING_GPU_SIZE_UNKNOWN,
				       "pool '%s' has GPUs of unknown size (%s): sizeGB %" PRIu64
				       " may be too small for them",
				       id, cards, p->window.gb);
	if (p->need.unknown_gb == 0)
		return np_warnings_add(
			warnings, err, NP_WARNING_GPU_SIZE_UNKNOWN,
			"pool '%s' has GPUs of unknown size (%s): %" PRIu64
			" GB is the larger of the floor and the other cards' need; set sizeGB, or "
			"add the card with --catalogue or --catalogue-from",
			id, cards, p->window.gb);
	return np_warnings_add(warnings, err, NP_WARNING_GPU_SIZE_UNKNOWN,
			       "pool '%s' has GPUs of unknown size (%s), counted with %" PRIu64
			       " GB in all: the window is %" PRIu64
			       " GB; set sizeGB, or add the card with --catalogue "
			       "or --catalogue-from",
			       id, cards, p->need.unknown_gb, p->window.gb);
}

/* Larger than anything asks for: cheap on the host, but seldom meant. */
static int note_larger(struct np_plan *plan, struct np_plan_pool *p, struct np_err *err)
{
	const struct np_window_policy *policy = &p->pool->window;
	uint64_t enough =
		p->need.required_gb > NP_WINDOW_FLOOR_GB ? p->need.required_gb : NP_WINDOW_FLOOR_GB;
	char id[NP_POOL_ID_MAX];

	if (!p->has_required || p->window.gb <= enough ||
	    !(policy->has_size || policy->has_minimum))
		return 0;
	np_pool_id(p->pool, id);
	return np_warnings_add(
		plan_warnings_of(plan, p), err, NP_WARNING_WINDOW_LARGER,
		"pool '%s': %s %" PRIu64 " is more than the %" PRIu64 " GB that its cards need", id,
		policy->has_size ? "sizeGB" : "minimumGB", p->window.gb, p->need.required_gb);
}

/* An ESXi guest's window was seen to end at 2^45; hosts with fewer address bits end lower. */
static int note_address_width(struct np_plan *plan, struct np_plan_pool *p, struct np_err *err)
{
	char id[NP_POOL_ID_MAX];

	if (p->window.gb < WIDE_WINDOW_GB)
		return 0;
	np_pool_id(p->pool, id);
	return np_warnings_add(plan_warnings_of(plan, p), err, NP_WARNING_ADDRESS_WIDTH,
			       "pool '%s': a window of %" PRIu64
			       " GB may be more than the host's CPU can "
			       "address; 2^45 bytes are %d GB in all",
			       id, p->window.gb, 2 * WIDE_WINDOW_GB);
}

static bool is_need_known(const struct np_plan_pool *p)
{
	return p->need.complete && !p->none_known;
}

/* A size that is asked for holds also where the cards are not known. */
static int fill_window(struct np_plan *plan, struct np_plan_pool *p,
		       const struct np_plan_options *o, struct np_err *err)
{
	struct np_err why = NP_ERR_INIT;

	if (plan_need_of_cards(p->cards, p->n_cards, &p->need, &why) < 0)
		return plan_pool_error(plan, p->pool, err, why.code, "%s", why.text);
	p->has_required = p->has_gpus && is_need_known(p);
	if ((!p->has_gpus && !p->pool->window.has_size) || p->pool->window_unknown)
		return 0;
	if (np_mmio_window(&p->need, &p->pool->window, &p->window, &why) < 0)
		return plan_pool_error(plan, p->pool, err, why.code, "%s", why.text);
	if (p->window.gb > NP_WINDOW_GB_MAX)
		return plan_pool_error(plan, p->pool, err, NP_E_WINDOW,
				       "its cards need %" PRIu64 " GB, more than the %" PRIu64
				       " GB that a window may have",
				       p->window.gb, NP_WINDOW_GB_MAX);
	if (o->max_window_gb > 0 && p->window.gb > o->max_window_gb)
		return plan_pool_error(plan, p->pool, err, NP_E_WINDOW,
				       "it needs a window of %" PRIu64
				       " GB, more than the configured maximum of %" PRIu64
				       " GB (--max-window, maxWindowGB)",
				       p->window.gb, o->max_window_gb);
	p->has_window = true;
	p->window_is_known = is_need_known(p) || p->window.rule == NP_WINDOW_SIZE;
	if (note_figures(plan, p, err) < 0 || note_larger(plan, p, err) < 0)
		return np_err_ret(err);
	return note_address_width(plan, p, err);
}

static int note_placeholder(struct np_plan *plan, struct np_plan_pool *p, struct np_err *err)
{
	const struct np_placeholder *at = &p->pool->placeholder;
	char id[NP_POOL_ID_MAX], source[NP_SOURCE_TEXT_MAX];

	if (!p->pool->has_placeholder)
		return 0;
	np_pool_id(p->pool, id);
	np_pool_source_text(&p->pool->source, source);
	if (at->field[0] == '\0')
		return np_warnings_add(
			&plan->warnings, err, NP_WARNING_PLACEHOLDER,
			"%s: pool '%s' has an unfilled placeholder: it cannot be applied", source,
			id);
	if (at->line > 0)
		snprintf(source, sizeof(source), "%s:%u:%u", p->pool->source.file, at->line,
			 at->column);
	return np_warnings_add(&plan->warnings, err, NP_WARNING_PLACEHOLDER,
			       "%s: pool '%s': %s, an unfilled placeholder: it cannot be applied",
			       source, id, at->field);
}

static int note_remarks(struct np_plan *plan, const struct np_plan_pool *p, struct np_err *err)
{
	const struct np_source *at = &p->pool->source;
	char id[NP_POOL_ID_MAX];

	if (p->pool->warnings.n == 0)
		return 0;
	np_pool_id(p->pool, id);
	for (size_t i = 0; i < p->pool->warnings.n; i++) {
		const struct np_warning *r = &p->pool->warnings.items[i];

		if (np_warnings_add(&plan->warnings, err, r->warning, "%s:%u: pool '%s': %s",
				    at->file, at->line, id, r->message) < 0)
			return np_err_ret(err);
	}
	return 0;
}

/* The new node starts before the old one releases its GPUs. */
static int note_rollout(struct np_plan *plan, const struct np_plan_pool *p, struct np_err *err)
{
	const struct np_plan_capacity *c = &p->capacity;
	char id[NP_POOL_ID_MAX];

	if (p->pool->rollout != NP_ROLLOUT_SURGE || !p->has_gpus || p->need.gpus == 0 ||
	    (c->has_fit && c->fit_now > 0))
		return 0;
	np_pool_id(p->pool, id);
	if (c->has_fit)
		return np_warnings_add(
			plan_warnings_of(plan, p), err, NP_WARNING_NO_SPARE_HOST,
			"pool '%s': a rolling update creates the new node first, and hangs: of %zu "
			"hosts that could hold a node, none has %" PRIu64
			" free GPUs of it now: use maxSurge 0 or OnDelete",
			id, c->capable_hosts, p->need.gpus);
	return np_warnings_add(
		plan_warnings_of(plan, p), err, NP_WARNING_NO_SPARE_HOST,
		"pool '%s': a rolling update creates the new node first, and hangs without a host with free GPUs: use maxSurge 0 or OnDelete",
		id);
}

static int note_capable(struct np_plan *plan, const struct np_plan_pool *p, struct np_err *err)
{
	char id[NP_POOL_ID_MAX], cards[NP_CARDS_TEXT_MAX];

	if (!p->capacity.is_known || p->capacity.capable_hosts > 0)
		return 0;
	np_pool_id(p->pool, id);
	np_plan_cards_text(p->cards, p->n_cards, cards);
	return np_warnings_add(plan_warnings_of(plan, p), err, NP_WARNING_NO_CAPABLE_HOST,
			       "pool '%s': no host has %s, free or in use: no node can power on",
			       id, cards);
}

int np_plan_note_capacity(struct np_plan *plan, size_t i, const struct np_plan_capacity *c,
			  struct np_err *err)
{
	struct np_plan_pool *p = &plan->pools[i];
	struct np_warnings *warnings = plan_warnings_of(plan, p);
	size_t n = warnings->n;

	p->capacity = *c;
	if (note_capable(plan, p, err) < 0 || note_rollout(plan, p, err) < 0)
		return np_err_ret(err);
	np_warnings_ignore(warnings, n, p->pool->ignored);
	return 0;
}

static int fill_pools(struct np_plan *plan, const struct np_plan_options *o, struct np_err *err)
{
	for (size_t i = 0; i < plan->n_pools; i++) {
		struct np_plan_pool *p = &plan->pools[i];
		size_t n_own = plan->warnings.n, n_others = plan_warnings_of(plan, p)->n;

		if (note_placeholder(plan, p, err) < 0 || note_remarks(plan, p, err) < 0 ||
		    fill_cards(plan, p, o, err) < 0 || fill_window(plan, p, o, err) < 0 ||
		    (!o->has_capacity && note_rollout(plan, p, err) < 0))
			return np_err_ret(err);
		np_warnings_ignore(&plan->warnings, n_own, p->pool->ignored);
		np_warnings_ignore(plan_warnings_of(plan, p), n_others, p->pool->ignored);
	}
	return 0;
}

/* The needs of a class's pools. */
struct gathered {
	struct np_class_desired want;
	bool yields; /* live pools, to their followers */
	struct np_member *members;
	char (*ids)[NP_POOL_ID_MAX];
	char reason[NP_POOL_ID_MAX + NP_WINDOW_TEXT_MAX + NP_CARDS_TEXT_MAX];
};

static void gathered_done(struct gathered *g)
{
	free(g->members);
	free(g->ids);
}

static void note_largest(struct gathered *g, const struct np_plan_pool *p, const char *id)
{
	char cards[NP_CARDS_TEXT_MAX], text[NP_WINDOW_TEXT_MAX];

	if (!p->has_window || p->window.gb == 0)
		return;
	if (g->want.has_window && p->window.gb <= g->want.window_gb)
		return;
	g->want.has_window = true;
	g->want.window_gb = p->window.gb;
	np_plan_cards_text(p->cards, p->n_cards, cards);
	np_plan_window_text(p, text);
	snprintf(g->reason, sizeof(g->reason), "pool '%s' with %s: %s", id, cards, text);
}

static void gather_pool(struct gathered *g, const struct np_plan_class *c,
			const struct np_plan_pool *p)
{
	size_t i = g->want.n_members;

	/* Its error is already reported; a patch for the other pools alone would be incomplete. */
	g->want.observe_only =
		g->want.observe_only || (p->has_gpus && !p->has_window) || p->pool->gpus_unknown;
	g->want.keep_memory = g->want.keep_memory && p->pool->memory_unmanaged;
	g->want.has_image_gpus = g->want.has_image_gpus || (!c->has_gpus && p->n_cards > 0);
	g->want.needs_efi = g->want.needs_efi || (p->has_gpus && p->need.needs_efi);
	np_pool_id(p->pool, g->ids[i]);
	note_largest(g, p, g->ids[i]);
	if (p->pool->has_placeholder)
		return;
	/* A need of none is not known where a device may be a GPU. */
	g->members[i] = (struct np_member){ .id = g->ids[i],
					    .has_need = p->has_window &&
							(p->window.gb > 0 || !p->none_known),
					    .need_gb = p->window.gb,
					    .yields = p->pool->is_live && g->yields };
	g->want.n_members++;
}

static int gather(const struct np_plan *plan, const struct np_plan_class *c,
		  const struct np_plan_options *o, struct gathered *g, struct np_err *err)
{
	g->members = calloc(c->n_pools + 1, sizeof(*g->members));
	g->ids = calloc(c->n_pools + 1, sizeof(*g->ids));
	if (!g->members || !g->ids)
		return np_fail_nomem(err);
	g->want.allow_shrink = o->allow_shrink;
	g->want.max_window_gb = o->max_window_gb;
	g->want.restore_hidden = o->restore_hidden;
	g->want.discard_record = o->discard_record;
	g->want.all_holders = o->all_holders;
	g->want.tolerate_record = o->tolerate_record;
	g->want.observe_only = c->n_pools == 0;
	g->want.keep_memory = true;
	g->want.holder = o->holder;
	g->yields = o->yields;
	g->want.members = g->members;
	for (size_t i = 0; i < c->n_pools; i++)
		gather_pool(g, c, &plan->pools[c->pools[i]]);
	g->want.window_reason = g->want.has_window ? g->reason : NULL;
	return 0;
}

bool np_plan_overhead(uint64_t window_gb, double *ret_mb)
{
	double log2_gb = window_gb > 0 ? log2((double)window_gb) : 0;

	if (window_gb == 0 || log2_gb < OVERHEAD_LOW_LOG2 || log2_gb > OVERHEAD_HIGH_LOG2)
		return false;
	*ret_mb = OVERHEAD_LOW_MB + (OVERHEAD_HIGH_MB - OVERHEAD_LOW_MB) *
					    (log2_gb - OVERHEAD_LOW_LOG2) /
					    (OVERHEAD_HIGH_LOG2 - OVERHEAD_LOW_LOG2);
	*ret_mb = round(*ret_mb * 100) / 100;
	return true;
}

void np_plan_note_overhead(struct np_plan *plan, size_t i, const struct np_plan_measured *o)
{
	struct np_plan_measured *to = &plan->classes[i].measured;

	json_decref(to->vms);
	*to = *o;
	json_incref(to->vms);
}

static void fill_overhead(struct np_plan_class *c)
{
	if (c->has_gpus && c->gpus > 0 && c->change.has_window)
		c->has_overhead = np_plan_overhead(c->change.window_gb, &c->overhead_mb);
}

static int fill_class(struct np_plan *plan, struct np_plan_class *c,
		      const struct np_plan_options *o, struct np_err *err)
{
	NP_AUTO(gathered_done) struct gathered g = { 0 };
	struct np_change change = { 0 };
	struct np_err why = NP_ERR_INIT;

	if (!c->class)
		return 0;
	if (gather(plan, c, o, &g, err) < 0)
		return np_err_ret(err);
	if ((o->revert ? np_vmclass_revert : np_vmclass_change)(c->class, &g.want, &change, &why) <
	    0)
		return np_plan_add_error(plan, &why, err);
	json_decref(c->change.patch);
	c->change = change;
	fill_overhead(c);
	return 0;
}

static void ignore_of_class(struct np_plan_class *c, struct np_warning_set set)
{
	np_warnings_ignore(&c->warnings, 0, set);
	np_warnings_ignore(&c->change.warnings, 0, set);
	if (c->class)
		np_warnings_ignore(&c->class->warnings, 0, set);
}

/* The class's owner may acknowledge, or all of its pools together. */
static void ignore_acknowledged(const struct np_plan *plan, struct np_plan_class *c)
{
	const json_t *object = c->class ? c->class->node.json : NULL;
	struct np_warning_set set = { c->n_pools > 0 ? UINT64_MAX : 0 };

	for (size_t i = 0; i < c->n_pools; i++)
		set.bits &= plan->pools[c->pools[i]].pool->ignored.bits;
	np_warning_set_read(
		&set, json_string_value(json_object_get(
			      json_object_get(json_object_get(object, "metadata"), "annotations"),
			      NP_WARNING_ANNOTATION)));
	ignore_of_class(c, set);
}

void np_plan_ignore_warnings(struct np_plan *plan, struct np_warning_set set)
{
	np_warnings_ignore(&plan->warnings, 0, set);
	for (size_t i = 0; i < plan->n_classes; i++)
		ignore_of_class(&plan->classes[i], set);
	for (size_t i = 0; i < plan->n_templates; i++)
		np_warnings_ignore(&plan->templates[i].warnings, 0, set);
}

/* What a node of a released pool needs is shown as far as it is known; nothing is wrong with it any more. */
static int fill_released(struct np_plan *plan, struct np_plan_pool *p, struct np_err *err)
{
	const struct np_plan_class *c;
	struct np_err ignored = NP_ERR_INIT;

	if (p->class_index == SIZE_MAX)
		return 0;
	c = &plan->classes[p->class_index];
	if (!c->class || !c->has_gpus)
		return 0;
	if (copy_cards(p, c, err) < 0)
		return np_err_ret(err);
	p->has_gpus = plan_need_of_cards(p->cards, p->n_cards, &p->need, &ignored) == 0 &&
		      np_mmio_window(&p->need, &p->pool->window, &p->window, &ignored) == 0;
	p->has_window = p->has_gpus;
	p->has_required = p->has_gpus && is_need_known(p);
	p->window_is_known = p->has_gpus && (is_need_known(p) || p->window.rule == NP_WINDOW_SIZE);
	return 0;
}

static int fill_all_released(struct np_plan *plan, struct np_err *err)
{
	for (size_t i = 0; i < plan->n_pools; i++)
		if (fill_released(plan, &plan->pools[i], err) < 0)
			return np_err_ret(err);
	return 0;
}

int np_plan_make(const struct np_input *in, const struct np_plan_options *o, struct np_plan *ret,
		 struct np_err *err)
{
	NP_AUTO(np_plan_done) struct np_plan plan = { .api = o->api ? o->api : "file" };

	plan.pools = calloc(in->n_pools + 1, sizeof(*plan.pools));
	if (!plan.pools)
		return np_fail_nomem(err);
	for (size_t i = 0; i < in->n_pools; i++) {
		plan.pools[i].pool = &in->pools[i];
		plan.pools[i].template_index = SIZE_MAX;
	}
	plan.n_pools = in->n_pools;
	if (plan_classes_make(&plan, o, err) < 0 ||
	    (o->revert ? fill_all_released(&plan, err) < 0
		       : plan_templates_make(&plan, in, err) < 0 || fill_pools(&plan, o, err) < 0))
		return np_err_ret(err);
	for (size_t i = 0; i < plan.n_templates; i++)
		if (plan_template_fill(&plan, &plan.templates[i], o, err) < 0)
			return np_err_ret(err);
	for (size_t i = 0; i < plan.n_classes; i++)
		if (fill_class(&plan, &plan.classes[i], o, err) < 0)
			return np_err_ret(err);
	for (size_t i = 0; i < plan.n_classes; i++)
		ignore_acknowledged(&plan, &plan.classes[i]);
	np_plan_ignore_warnings(&plan, o->ignored);
	*ret = plan;
	plan = (struct np_plan){ 0 };
	return 0;
}

enum np_code np_plan_code(const struct np_plan *plan)
{
	enum np_code code = NP_OK;

	for (size_t i = 0; i < plan->n_errors; i++) {
		if (plan->errors[i].code != NP_E_NOT_FOUND)
			return plan->errors[i].code;
		code = NP_E_NOT_FOUND;
	}
	return code;
}

bool np_plan_has_placeholder(const struct np_plan *plan)
{
	for (size_t i = 0; i < plan->n_pools; i++)
		if (plan->pools[i].pool->has_placeholder)
			return true;
	return false;
}
