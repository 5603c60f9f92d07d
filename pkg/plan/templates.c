/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/map.h"
#include "nodeprep/units.h"
#include "nodeprep/warnings.h"

#define HARDWARE_PREFIX "vmx-"
/* Dynamic DirectPath I/O came with vSphere 7, whose hardware version this is. */
#define HARDWARE_MIN 17

void plan_template_done(struct np_plan_template *t)
{
	if (t->devices.n > 0)
		free(t->devices.items[0].ids);
	free(t->devices.items);
	free(t->pools);
	free(t->cards);
	free(t->hardware_version);
	np_vmclass_change_done(&t->change);
	json_decref(t->replacement);
	np_warnings_done(&t->warnings);
	*t = (struct np_plan_template){ 0 };
}

static struct np_plan_template *push_template(struct np_plan *plan, struct np_err *err)
{
	size_t n = plan->n_templates;
	struct np_plan_template *items = plan->templates;

	/* Grown by doubling: a fleet has thousands of templates. */
	if ((n & (n - 1)) == 0) {
		items = reallocarray(items, n == 0 ? 1 : n * 2, sizeof(*items));
		if (!items) {
			np_fail_nomem(err);
			return NULL;
		}
		plan->templates = items;
	}
	items[n] = (struct np_plan_template){ 0 };
	plan->n_templates++;
	return &items[n];
}

static int copy_devices(struct np_plan_template *t, struct np_err *err)
{
	size_t n = t->template->n_devices;
	NP_AUTO(np_freep) struct np_device *items = calloc(n + 1, sizeof(*items));
	struct np_pci_id *ids = calloc(n + 1, sizeof(*ids));

	if (!items || !ids) {
		free(ids);
		return np_fail_nomem(err);
	}
	for (size_t i = 0; i < n; i++) {
		const struct np_template_device *d = &t->template->devices[i];

		ids[i] = d->id;
		items[i] = (struct np_device){ .backing = d->profile ? NP_BACKING_VGPU
								     : NP_BACKING_DYNAMIC,
					       .pci_class = d->pci_class,
					       .gpu = d->gpu,
					       .has_id = !d->profile,
					       .id = d->id,
					       .profile = d->profile,
					       .label = "",
					       .n_ids = !d->profile,
					       .ids = &ids[i],
					       .may_be_gpu = d->may_be_gpu,
					       .maybe_id = d->id };
	}
	if (n == 0)
		free(ids);
	t->devices = (struct np_devices){ n, np_take(items) };
	return 0;
}

static int copy_remarks(struct np_plan_template *t, struct np_err *err)
{
	for (size_t i = 0; i < t->template->warnings.n; i++) {
		const struct np_warning *r = &t->template->warnings.items[i];

		if (np_warnings_add(&t->warnings, err, r->warning, "%s", r->message) < 0)
			return np_err_ret(err);
	}
	return 0;
}

static int open_template(struct np_plan *plan, const struct np_template *template,
			 struct np_err *err)
{
	struct np_plan_template *t = push_template(plan, err);

	if (!t)
		return np_err_ret(err);
	t->ns = template->ns;
	t->name = template->name;
	t->template = template;
	return copy_remarks(t, err) < 0 ? np_err_ret(err) : copy_devices(t, err);
}

static int open_missing(struct np_plan *plan, const struct np_pool *pool, struct np_err *err)
{
	struct np_plan_template *t = push_template(plan, err);

	if (!t)
		return np_err_ret(err);
	t->ns = pool->template_ns;
	t->name = pool->template_name;
	return np_warnings_add(
		&t->warnings, err, NP_WARNING_TEMPLATE_MISSING,
		"VSphereMachineTemplate '%s/%s' is not in the input: its nodes' GPUs are unknown",
		t->ns, t->name);
}

/* Returns the place of the pool's template in `missing`, which is opened at need. */
static int find_missing(struct np_plan *plan, const struct np_pool *pool, struct np_index *missing,
			size_t *ret, struct np_err *err)
{
	size_t n = missing->map.n;

	if (np_index_enter(missing,
			   NP_KEY(pool->template_group, pool->template_ns, pool->template_name),
			   plan->n_templates, ret, err) < 0)
		return np_err_ret(err);
	return missing->map.n > n ? open_missing(plan, pool, err) : 0;
}

static int add_pool(struct np_plan *plan, struct np_plan_pool *p, size_t at, struct np_err *err)
{
	struct np_plan_template *t = &plan->templates[at];

	p->template_index = at;
	if ((t->n_pools & (t->n_pools - 1)) == 0) {
		size_t *pools = reallocarray(t->pools, t->n_pools == 0 ? 1 : t->n_pools * 2,
					     sizeof(*pools));

		if (!pools)
			return np_fail_nomem(err);
		t->pools = pools;
	}
	t->pools[t->n_pools++] = (size_t)(p - plan->pools);
	return 0;
}

/* Sets each pool's template; `places`: the plan's indices of the input's templates. */
static int join_pools(struct np_plan *plan, const size_t *places, struct np_err *err)
{
	NP_AUTO(np_index_done) struct np_index missing = { 0 };

	for (size_t i = 0; i < plan->n_pools; i++) {
		struct np_plan_pool *p = &plan->pools[i];
		size_t at;

		if (!p->pool->has_template)
			continue;
		if (p->pool->template_index != SIZE_MAX)
			at = places[p->pool->template_index];
		else if (find_missing(plan, p->pool, &missing, &at, err) < 0)
			return np_err_ret(err);
		if (add_pool(plan, p, at, err) < 0)
			return np_err_ret(err);
	}
	return 0;
}

static bool has_mmio_key(const struct np_template *template)
{
	const char *key;
	json_t *value;

	json_object_foreach (template->vmx_keys, key, value)
		if (np_vmx_key_of(key) != NP_VMX_KEY_MAX)
			return true;
	return false;
}

/* Counts the template's GPUs, once it is known which pools use it. */
static int count_gpus(const struct np_plan *plan, struct np_plan_template *t, struct np_err *err)
{
	const struct np_template *template = t->template;
	bool baked_in;

	if (!template)
		return 0;
	for (size_t i = 0; i < t->n_pools; i++)
		plan_promote_asked(plan->pools[t->pools[i]].pool, &t->devices);
	/* The variables say which devices there are, though they may leave keys behind. */
	baked_in = template->n_devices == 0 && !template->has_unknown_device &&
		   template->kind != NP_TEMPLATE_VARIABLES && has_mmio_key(template);
	t->gpus = np_vmclass_devices_gpus(&t->devices);
	t->none_known = t->gpus == 0 && np_vmclass_devices_may_be_gpus(&t->devices);
	t->has_gpus =
		!baked_in && !template->has_unknown_device && template->kind != NP_TEMPLATE_EXTRA;
	if (plan_cards_of_devices(&t->devices, &t->cards, &t->n_cards, err) < 0)
		return np_err_ret(err);
	if (!baked_in)
		return 0;
	return np_warnings_add(
		&t->warnings, err, NP_WARNING_BAKED_IN,
		"MMIO keys and no PCI device: a GPU may be part of the OVA itself, so their number is unknown");
}

int plan_templates_make(struct np_plan *plan, const struct np_input *in, struct np_err *err)
{
	NP_AUTO(np_freep) size_t *places = calloc(in->n_templates + 1, sizeof(*places));

	if (!places)
		return np_fail_nomem(err);
	for (size_t i = 0; i < in->n_templates; i++) {
		places[i] = plan->n_templates;
		/* One that names a class is its pool's class, no template of the plan. */
		if (in->templates[i].is_duplicate || in->templates[i].class_name)
			continue;
		if (open_template(plan, &in->templates[i], err) < 0)
			return np_err_ret(err);
	}
	if (join_pools(plan, places, err) < 0)
		return np_err_ret(err);
	for (size_t i = 0; i < plan->n_templates; i++)
		if (count_gpus(plan, &plan->templates[i], err) < 0)
			return np_err_ret(err);
	return 0;
}

static int copy_cards(struct np_plan_pool *p, const struct np_plan_template *t, struct np_err *err)
{
	p->cards = calloc(t->n_cards + 1, sizeof(*p->cards));
	if (!p->cards)
		return np_fail_nomem(err);
	for (size_t i = 0; i < t->n_cards; i++)
		p->cards[i] = t->cards[i];
	p->n_cards = t->n_cards;
	p->has_gpus = true;
	p->none_known = t->none_known;
	return 0;
}

/* Holds the pool's asks against the devices of its template. */
static int match_asks(struct np_plan *plan, struct np_plan_pool *p, struct np_plan_template *t,
		      const struct np_catalogue *cat, struct np_err *err)
{
	char wants[NP_CARDS_TEXT_MAX], has[NP_CARDS_TEXT_MAX], id[NP_POOL_ID_MAX];
	enum plan_match match = plan_match_requests(p->pool, &t->devices, cat);
	NP_AUTO(np_freep) struct np_card *asked = NULL;
	size_t n = 0;

	if (match == PLAN_MATCH_EQUAL)
		return 0;
	if (plan_cards_of_requests(p->pool, &asked, &n, err) < 0)
		return np_err_ret(err);
	np_plan_cards_text(asked, n, wants);
	np_plan_gpus_text(t->cards, t->n_cards, t->none_known, has);
	np_pool_id(p->pool, id);
	if (match == PLAN_MATCH_NO)
		return plan_pool_error(plan, p->pool, err, NP_E_SPEC,
				       "asks for %s, but template '%s' attaches %s", wants, t->name,
				       has);
	return np_warnings_add(
		&t->warnings, err, NP_WARNING_EXTRA_GPUS,
		"pool '%s' names %s, the template attaches %s: all of them are counted "
		"and sized",
		id, wants, has);
}

/* The template decides the node; where it does not tell, the pool's own word counts. */
int plan_template_cards(struct np_plan *plan, struct np_plan_pool *p,
			const struct np_catalogue *cat, struct np_err *err)
{
	struct np_plan_template *t = &plan->templates[p->template_index];

	if (!t->has_gpus) {
		p->has_gpus = p->pool->n_requests > 0;
		return plan_cards_of_requests(p->pool, &p->cards, &p->n_cards, err);
	}
	if (copy_cards(p, t, err) < 0)
		return np_err_ret(err);
	return p->pool->n_requests > 0 ? match_asks(plan, p, t, cat, err) : 0;
}

static struct np_vmx_current read_current(const struct np_template *template)
{
	struct np_vmx_current current = { .has_any = false };
	const char *name;
	json_t *value;

	json_object_foreach (template->vmx_keys, name, value)
		np_vmx_add(&current, name, json_string_value(value));
	return current;
}

/* A template during planning. */
struct fill {
	const struct np_plan_options *o;
	struct np_plan_template *t;
	struct np_vmx_current current;
	struct plan_wants wants;
	uint64_t need_gb;
	char hardware[16];
	char reason[NP_POOL_ID_MAX + NP_WINDOW_TEXT_MAX + 16];
};

/* Takes the largest window; false where a pool's window is unknown, so nothing changes. */
static bool gather(const struct np_plan *plan, struct fill *f)
{
	for (size_t i = 0; i < f->t->n_pools; i++) {
		const struct np_plan_pool *p = &plan->pools[f->t->pools[i]];
		char id[NP_POOL_ID_MAX], text[NP_WINDOW_TEXT_MAX];

		if (!p->has_window)
			return false;
		if (p->window.gb <= f->need_gb)
			continue;
		f->need_gb = p->window.gb;
		np_pool_id(p->pool, id);
		np_plan_window_text(p, text);
		snprintf(f->reason, sizeof(f->reason), "pool '%s': %s", id, text);
	}
	/* The pools may name the GPUs of the OVA; a placeholder may be any GPU. */
	return f->t->n_pools > 0 && !f->t->template->has_unknown_device;
}

/* The current values, where nothing changes. */
static void leave_as_is(struct fill *f)
{
	const struct np_vmx_current *s = &f->current;

	f->t->window_gb = s->has_size ? s->size_gb : 0;
	f->t->has_window = s->has_size || (f->t->has_gpus && !s->has_any);
}

/* docs/contract.md, "The window", rule 5: nothing that is set is lowered unasked. */
static int decide_window(struct fill *f, struct np_err *err)
{
	const struct np_vmx_need need = { .gb = f->need_gb,
					  .has_devices = f->t->devices.n > 0,
					  .has_uncounted =
						  np_vmclass_devices_may_be_gpus(&f->t->devices),
					  .allow_shrink = f->o->allow_shrink };
	struct np_vmx_desired d;

	if (!need.has_devices && need.gb == 0) {
		leave_as_is(f);
		return 0;
	}
	if (np_vmx_decide(&f->current, &need, &d, err) < 0)
		return np_err_ret(err);
	if (d.kept[0] != '\0') {
		snprintf(f->reason, sizeof(f->reason), "%s", d.kept);
		if (np_warnings_add(&f->t->warnings, err, NP_WARNING_WINDOW_KEPT, "%s", d.warning) <
		    0)
			return np_err_ret(err);
	}
	f->t->has_window = true;
	f->t->window_gb = d.gb;
	f->wants.has_keys = d.change;
	f->wants.window_gb = d.gb;
	f->wants.reason = f->reason;
	return 0;
}

static int decide_hardware(struct fill *f, struct np_err *err)
{
	const char *text = f->t->template->hardware_version;
	struct np_err ignored = NP_ERR_INIT;
	uint64_t version = 0;

	if (f->t->gpus == 0)
		return 0;
	if (!text)
		return np_warnings_add(&f->t->warnings, err, NP_WARNING_HARDWARE_VERSION,
				       "no hardware version is set, so the OVA's applies: PCI "
				       "devices need " HARDWARE_PREFIX "%d or newer",
				       HARDWARE_MIN);
	if (strncmp(text, HARDWARE_PREFIX, strlen(HARDWARE_PREFIX)) != 0 ||
	    np_u64_parse(text + strlen(HARDWARE_PREFIX), 0, UINT16_MAX, &version, &ignored) < 0 ||
	    version >= HARDWARE_MIN)
		return 0;
	snprintf(f->hardware, sizeof(f->hardware), HARDWARE_PREFIX "%d", HARDWARE_MIN);
	f->wants.hardware = f->hardware;
	return np_warnings_add(&f->t->warnings, err, NP_WARNING_HARDWARE_VERSION,
			       "raised from '%s' to '%s', which PCI devices need", text,
			       f->hardware);
}

/* GPU memory of passthrough cards; what a vGPU has of its card's memory is another matter. */
static uint64_t gpu_memory_gb(const struct np_plan_template *t)
{
	uint64_t gb = 0;

	for (size_t i = 0; i < t->devices.n; i++) {
		const struct np_device *d = &t->devices.items[i];

		if (!d->profile && d->gpu)
			gb += d->gpu->memory_gb;
	}
	return gb;
}

static int note_memory(struct np_plan_template *t, struct np_err *err)
{
	uint64_t gb = gpu_memory_gb(t);

	if (!t->template->has_memory || t->template->memory_mib >= gb * 1024 + gb * 512)
		return 0;
	return np_warnings_add(&t->warnings, err, NP_WARNING_MEMORY_SMALL,
			       "the VM has %" PRIu64 " MiB of memory for %" PRIu64
			       " GB of GPU memory; guides advise 1.5 times as much",
			       t->template->memory_mib, gb);
}

static int note_mixed(struct np_plan_template *t, struct np_err *err)
{
	size_t vgpus = 0, others = 0;

	for (size_t i = 0; i < t->devices.n; i++) {
		const struct np_device *d = &t->devices.items[i];

		vgpus += !!d->profile;
		others += !d->profile && d->pci_class != NP_PCI_OTHER;
	}
	if (vgpus == 0 || others == 0)
		return 0;
	return np_warnings_add(
		&t->warnings, err, NP_WARNING_MIXED_VGPU,
		"vGPU and passthrough GPUs in one template: a node takes the driver of one "
		"kind");
}

/* What a VM needs beside window, firmware and reservation. */
static int note_conditions(struct np_plan_template *t, struct np_err *err)
{
	struct np_vmx_vm vm = {
		.vcpus = t->template->vcpus,
		.devices = t->devices.n,
		.hardware_version = np_vmx_hardware_version(t->template->hardware_version),
	};
	const char *name;
	json_t *value;

	for (size_t i = 0; i < t->devices.n; i++)
		vm.vgpus += !!t->devices.items[i].profile;
	json_object_foreach (t->template->vmx_keys, name, value)
		np_vmx_vm_add(&vm, name, json_string_value(value));
	return np_vmx_note_conditions(&vm, &t->warnings, err);
}

/* Devices that may be GPUs, and vGPUs under a spelling that vCenter does not list. */
static int note_devices(struct np_plan_template *t, const struct np_plan_options *o,
			struct np_err *err)
{
	char correct[NP_VGPU_PROFILE_MAX];

	for (size_t i = 0; i < t->devices.n; i++) {
		const struct np_device *d = &t->devices.items[i];

		if (d->profile && np_gpu_vgpu_is_misspelt(o->catalogue, d->profile, correct) &&
		    np_warnings_add(&t->warnings, err, NP_WARNING_VGPU_SPELLING,
				    "vGPU profile '%.80s': vCenter lists this type as '%s'",
				    d->profile, correct) < 0)
			return np_err_ret(err);
	}
	return np_vmclass_warn_uncounted(&t->devices, &t->warnings, err);
}

static int note_unknown(struct np_plan_template *t, const struct np_plan_options *o,
			struct np_err *err)
{
	char id[NP_PCI_ID_MAX];

	if (note_devices(t, o, err) < 0)
		return np_err_ret(err);
	for (size_t i = 0; i < t->n_cards; i++)
		if (!t->cards[i].gpu &&
		    np_warnings_add(&t->warnings, err, NP_WARNING_UNKNOWN_DEVICE,
				    "'%s' is not in the catalogue; add it with --catalogue or "
				    "--catalogue-from",
				    np_plan_card_name(&t->cards[i], id)) < 0)
			return np_err_ret(err);
	return 0;
}

static int copy_hardware(struct fill *f, struct np_err *err)
{
	const char *text = f->wants.hardware ? f->wants.hardware : f->t->template->hardware_version;

	if (!text)
		return 0;
	f->t->hardware_version = strdup(text);
	return f->t->hardware_version ? 0 : np_fail_nomem(err);
}

int plan_template_fill(struct np_plan *plan, struct np_plan_template *t,
		       const struct np_plan_options *o, struct np_err *err)
{
	struct fill f = { .o = o, .t = t };

	if (!t->template)
		return 0;
	f.current = read_current(t->template);
	if (note_mixed(t, err) < 0 || note_memory(t, err) < 0 || note_unknown(t, o, err) < 0 ||
	    note_conditions(t, err) < 0)
		return np_err_ret(err);
	if (!gather(plan, &f)) {
		leave_as_is(&f);
		return copy_hardware(&f, err);
	}
	if (decide_window(&f, err) < 0 || decide_hardware(&f, err) < 0 ||
	    copy_hardware(&f, err) < 0)
		return np_err_ret(err);
	f.wants.in_place = o->in_place;
	return plan_template_replace(plan, t, &f.wants, err);
}

void np_plan_template_text(const struct np_plan_template *t,
			   char buf[static NP_PLAN_TEMPLATE_TEXT_MAX])
{
	const char *name = json_string_value(
		json_object_get(json_object_get(t->replacement, "metadata"), "name"));

	if (!t->template)
		snprintf(buf, NP_PLAN_TEMPLATE_TEXT_MAX,
			 "template %.253s/%.253s is not in the input: its changes are unknown",
			 t->ns, t->name);
	else if (t->change.n == 0)
		snprintf(buf, NP_PLAN_TEMPLATE_TEXT_MAX, "template %.253s/%.253s %s", t->ns,
			 t->name,
			 t->has_gpus && !t->none_known ? "is up to date"
						       : "is not changed: its GPUs are unknown");
	else if (t->template->kind == NP_TEMPLATE_VARIABLES)
		snprintf(
			buf, NP_PLAN_TEMPLATE_TEXT_MAX,
			"pool %.253s/%.253s: change the Cluster's variables 'worker' and 'pci', or "
			"their overrides",
			t->ns, t->name);
	else if (name)
		snprintf(buf, NP_PLAN_TEMPLATE_TEXT_MAX,
			 "template %.253s/%.253s is immutable: 'nodeprep apply' creates its "
			 "replacement '%.253s'",
			 t->ns, t->name, name);
	else
		snprintf(buf, NP_PLAN_TEMPLATE_TEXT_MAX,
			 "template %.253s/%.253s is in a file: 'nodeprep plan -o yaml' prints the "
			 "corrected file",
			 t->ns, t->name);
}
