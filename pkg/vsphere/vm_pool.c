/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <inttypes.h>
#include <string.h>
#include <strings.h>

#include "nodeprep/plan.h"
#include "nodeprep/units.h"

/*
 * Names of Machines, and so of their VMs, are the MachineDeployment's with random parts: the characters of
 * Kubernetes' names, or of an earlier Cluster API the digits of a hash. A topology adds a part of its own.
 */
#define RANDOM_CHARACTERS "bcdfghjklmnpqrstvwxz2456789"

enum { PART_MIN = 5, PART_MAX = 10, PARTS_MAX = 3 };

static const char *name_of(const struct np_vsphere_vm *vm)
{
	return vm->service_name[0] != '\0' ? vm->service_name : vm->name;
}

/* Returns of how many random parts the text consists, "-x7kq2-vw9zd"; 0: it is anything else. */
static unsigned count_parts(const char *text)
{
	unsigned n = 0;

	while (*text == '-') {
		size_t size = strcspn(++text, "-");

		if (size < PART_MIN || size > PART_MAX ||
		    (strspn(text, RANDOM_CHARACTERS) < size && strspn(text, "0123456789") < size))
			return 0;
		text += size;
		n++;
	}
	return *text == '\0' && n <= PARTS_MAX ? n : 0;
}

/* Goes behind a part of the name; NULL where it has another. */
static const char *skip(const char *name, const char *part)
{
	size_t size = strlen(part);

	return name && strncmp(name, part, size) == 0 ? name + size : NULL;
}

/* One random part may be chance where no mark says that the VM is a node. */
static bool is_node_name(const struct np_vsphere_vm *vm, const char *rest)
{
	return rest && count_parts(rest) >= (vm->manager == NP_VSPHERE_PLAIN ? 2 : 1);
}

/* Returns how many characters of the VM's name are the pool's, with its cluster's; 0: another's. */
static size_t fit_start(const struct np_vsphere_vm *vm, const struct np_pool *p, const char *name)
{
	const char *rest = p->cluster ? skip(skip(skip(name, p->cluster), "-"), p->name) : NULL;

	if (!is_node_name(vm, rest))
		rest = skip(name, p->name);
	return is_node_name(vm, rest) ? (size_t)(rest - name) : 0;
}

/* A NodePool does not name its cluster: any of its namespace, which only a mark tells. */
static size_t fit_behind_cluster(const struct np_vsphere_vm *vm, const struct np_pool *p,
				 const char *name)
{
	for (const char *at = strchr(name, '-'); at; at = strchr(at + 1, '-'))
		if (is_node_name(vm, skip(at + 1, p->name)))
			return strlen(p->name);
	return 0;
}

static bool is_other(const char *a, const char *b)
{
	return a[0] != '\0' && b && strcmp(a, b) != 0;
}

/* Returns how well the VM's name fits the pool; 0: not at all. */
static size_t fit(const struct np_vsphere_vm *vm, const struct np_pool *p)
{
	const char *name = name_of(vm);
	size_t size;

	if (is_other(vm->ns, p->ns) || is_other(vm->kube_cluster, p->cluster))
		return 0;
	if (strcmp(p->source.kind, "VirtualMachine") == 0)
		return vm->ns[0] != '\0' && strcmp(name, p->name) == 0 ? strlen(name) : 0;
	size = fit_start(vm, p, name);
	if (size == 0 && !p->cluster && vm->ns[0] != '\0')
		size = fit_behind_cluster(vm, p, name);
	return size;
}

/* The pool whose name takes most of the VM's; none where several do. */
static const struct np_plan_pool *find_pool(const struct np_plan *plan,
					    const struct np_vsphere_vm *vm)
{
	const struct np_plan_pool *best = NULL;
	size_t most = 0;

	for (size_t i = 0; i < plan->n_pools; i++) {
		size_t size = fit(vm, plan->pools[i].pool);

		if (size == most && size > 0)
			best = NULL;
		if (size <= most)
			continue;
		most = size;
		best = &plan->pools[i];
	}
	return best;
}

/* --- what the VM should have -------------------------------------------------------------------- */

/* What a class or a template gives new VMs, once `apply` has run. */
struct given {
	const char *kind, *name;
	bool is_known; /* the values below are */
	bool has_window;
	uint64_t window_gb;
	bool wants_efi, wants_memory;
	bool is_pending; /* `apply` has not run */
};

/* A pool may leave a class that reserves less than all of its memory. */
static bool reserves_all(const struct np_plan_class *c)
{
	struct np_err ignored = NP_ERR_INIT;
	uint64_t bytes;

	return c->class && c->change.reservation &&
	       np_quantity_parse(c->change.reservation, &bytes, &ignored) == 0 && bytes > 0 &&
	       bytes >= c->class->memory_bytes;
}

static struct given given_by_class(const struct np_plan_class *c)
{
	return (struct given){ .kind = "VM class",
			       .name = c->name,
			       .is_known = c->class && c->change.has_window,
			       .has_window = c->change.window_gb > 0,
			       .window_gb = c->change.window_gb,
			       .wants_efi =
				       c->change.firmware && strcmp(c->change.firmware, "efi") == 0,
			       .wants_memory = reserves_all(c),
			       .is_pending = c->change.n > 0 };
}

static struct given given_by_template(const struct np_plan_template *t)
{
	return (struct given){ .kind = "template",
			       .name = t->name,
			       .is_known = t->template && t->has_window,
			       .has_window = t->window_gb > 0,
			       .window_gb = t->window_gb,
			       .is_pending = t->change.n > 0 };
}

static const struct np_plan_class *find_class(const struct np_plan *plan,
					      const struct np_vsphere_vm *vm)
{
	for (size_t i = 0; i < plan->n_classes && vm->class_name[0] != '\0'; i++) {
		const struct np_plan_class *c = &plan->classes[i];

		if (strcmp(c->name, vm->class_name) == 0 &&
		    (!c->ns || vm->ns[0] == '\0' || strcmp(c->ns, vm->ns) == 0))
			return c;
	}
	return NULL;
}

/* --- the check ---------------------------------------------------------------------------------- */

static void compare_window(const struct np_vsphere_vm *vm, const struct given *g,
			   struct np_report_words *older, struct np_report_words *other)
{
	uint64_t has = vm->has_window ? vm->window_gb : 0;

	if (g->window_gb == has)
		return;
	if (has == 0)
		np_report_words_add(older, "no window in place of %" PRIu64 " GB", g->window_gb);
	else if (has < g->window_gb)
		np_report_words_add(older, "a window of %" PRIu64 " GB in place of %" PRIu64 " GB",
				    has, g->window_gb);
	else if (g->has_window)
		np_report_words_add(other, "a window of %" PRIu64 " GB in place of %" PRIu64 " GB",
				    has, g->window_gb);
	else
		np_report_words_add(other, "a window of %" PRIu64 " GB in place of none", has);
}

static void compare(const struct np_vsphere_vm *vm, const struct given *g,
		    struct np_report_words *older, struct np_report_words *other)
{
	compare_window(vm, g, older, other);
	if (g->wants_efi && vm->firmware[0] != '\0' && strcasecmp(vm->firmware, "efi") != 0)
		np_report_words_add(older, "firmware %s in place of efi", vm->firmware);
	if (g->wants_memory && vsphere_is_reserved(vm) == NP_VERDICT_NO)
		np_report_words_add(older, "memory that is not reserved");
}

static int check_values(const struct np_vsphere_vm *vm, const struct given *g, struct np_report *r,
			struct np_err *err)
{
	struct np_report_words older = { 0 }, other = { 0 };
	struct np_judgement j = { .id = VSPHERE_OLDER_CLASS, .decides = true };

	if (!g->is_known || !vm->has_extra) {
		j.status = NP_PROBE_UNKNOWN;
		return np_report_add(r, &j, err, "the values of the %s are not known",
				     g->is_known ? "VM" : g->kind);
	}
	compare(vm, g, &older, &other);
	j.status = older.n > 0 ? NP_PROBE_FAIL : other.n > 0 ? NP_PROBE_WARN : NP_PROBE_PASS;
	j.cure = g->is_pending ? "run 'nodeprep apply', then recreate the node: roll out its pool"
			       : "recreate the node: roll out its pool";
	if (j.status == NP_PROBE_PASS)
		return np_report_add(r, &j, err, "as the %s '%s' gives new VMs", g->kind, g->name);
	return np_report_add(r, &j, err, "%s%s%s, from before the %s '%s' %s", older.text,
			     older.n > 0 && other.n > 0 ? ", " : "", other.text, g->kind, g->name,
			     g->is_pending ? "is changed" : "was changed");
}

/* The pool has moved on to another class. */
static int check_other_class(const struct np_vsphere_vm *vm, const char *now, struct np_report *r,
			     struct np_err *err)
{
	const struct np_judgement j = { .id = VSPHERE_OLDER_CLASS,
					.decides = true,
					.status = NP_PROBE_FAIL,
					.cure = "recreate the node: roll out its pool" };

	return np_report_add(r, &j, err, "made from the VM class '%s', its pool uses '%s'",
			     vm->class_name, now);
}

/* What the pool tells where no mark does. */
static int note_pool(struct np_vsphere_vm *vm, const struct np_pool *p, struct np_err *err)
{
	char id[NP_POOL_ID_MAX];

	np_pool_id(p, id);
	if (vsphere_copy(&vm->pool, id, err) < 0)
		return np_err_ret(err);
	if (vm->manager == NP_VSPHERE_PLAIN) {
		vm->manager = NP_VSPHERE_CLUSTER_API;
		vm->mark = "its name";
	}
	if (vm->ns[0] == '\0' && p->ns && vsphere_copy(&vm->ns, p->ns, err) < 0)
		return np_err_ret(err);
	if (vm->kube_cluster[0] == '\0' && p->cluster)
		return vsphere_copy(&vm->kube_cluster, p->cluster, err);
	return 0;
}

/* Returns the class that the VM's pool uses; NULL: not known, or it uses none. */
static const struct np_plan_class *class_of_pool(const struct np_plan *plan,
						 const struct np_plan_pool *p)
{
	return p && p->class_index != SIZE_MAX ? &plan->classes[p->class_index] : NULL;
}

int vsphere_vm_find_pool(struct np_vsphere_vm *vm, const struct np_plan *plan, struct np_err *err)
{
	const struct np_plan_class *c;

	vm->plan_pool = find_pool(plan, vm);
	if (vm->plan_pool && note_pool(vm, vm->plan_pool->pool, err) < 0)
		return np_err_ret(err);
	c = class_of_pool(plan, vm->plan_pool);
	if (vm->has_devices && c && vm->class_name[0] == '\0')
		return vsphere_copy(&vm->class_name, c->name, err);
	return 0;
}

int vsphere_vm_compare(const struct np_vsphere_vm *vm, const struct np_plan *plan,
		       struct np_report *r, struct np_err *err)
{
	const struct np_plan_pool *p = vm->plan_pool;
	const struct np_plan_class *of_pool = class_of_pool(plan, p), *c = of_pool;
	const struct np_plan_template *t = NULL;
	struct given g;

	if (p && p->template_index != SIZE_MAX)
		t = &plan->templates[p->template_index];
	if (of_pool && strcmp(of_pool->name, vm->class_name) != 0)
		return check_other_class(vm, of_pool->name, r, err);
	if (!c)
		c = find_class(plan, vm);
	if (!c && !t)
		return 0;
	g = c ? given_by_class(c) : given_by_template(t);
	return check_values(vm, &g, r, err);
}
