/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/hostcheck.h"

#define DEVICES "hardware.pciDevice"
#define PASSTHROUGH "config.pciPassthruInfo"
#define GRAPHICS "config.graphicsInfo"
#define PROFILES "config.sharedPassthruGpuTypes"
#define VM_DEVICES "config.hardware.device"

enum { TITLE_MAX = 64 };

/* What is gathered on the way. */
struct gathering {
	struct np_vcenter *v;
	const struct np_catalogue *cat;
	const struct np_vsphere_scope *scope;
	struct vsphere_clusters clusters;
	struct np_vsphere_hosts *hosts;
	struct np_index by_id; /* into hosts->items */
	struct np_vsphere_host *host; /* the one that a VM runs on */
	const char *vm; /* its name */
};

static void gpu_done(struct np_vsphere_gpu *g)
{
	free(g->title);
	vsphere_names_done(&g->vms);
	vsphere_names_done(&g->users);
}

static void host_done(struct np_vsphere_host *h)
{
	for (size_t i = 0; i < h->n_gpus; i++)
		gpu_done(&h->gpus[i]);
	free(h->gpus);
	free(h->name);
	free(h->cluster);
	free(h->version);
	vsphere_names_done(&h->profiles);
}

void np_vsphere_hosts_done(struct np_vsphere_hosts *hosts)
{
	for (size_t i = 0; i < hosts->n; i++)
		host_done(&hosts->items[i]);
	free(hosts->items);
	*hosts = (struct np_vsphere_hosts){ 0 };
}

static void gathering_done(struct gathering *g)
{
	vsphere_clusters_done(&g->clusters);
	np_index_done(&g->by_id);
}

/* --- devices ------------------------------------------------------------------------------------ */

struct np_seen_gpu vsphere_seen(const struct np_vsphere_gpu *gpu)
{
	struct np_seen_gpu seen = { .has_id = gpu->has_id,
				    .id = gpu->id,
				    .gpu = gpu->card,
				    .iommu_group = -1,
				    .ok = gpu->ok };

	memcpy(seen.address, gpu->address, sizeof(seen.address));
	return seen;
}

static int add_gpu(struct np_vsphere_host *h, const struct np_seen_gpu *seen, const char *title,
		   struct np_err *err)
{
	struct np_vsphere_gpu *gpus = reallocarray(h->gpus, h->n_gpus + 1, sizeof(*gpus));
	struct np_vsphere_gpu gpu = { .has_id = seen->has_id, .id = seen->id, .card = seen->gpu };
	char clean[TITLE_MAX];

	if (!gpus)
		return np_fail_nomem(err);
	h->gpus = gpus;
	memcpy(gpu.address, seen->address, sizeof(gpu.address));
	np_report_copy_clean(clean, sizeof(clean), title, strlen(title));
	if (vsphere_copy(&gpu.title, clean, err) < 0)
		return np_err_ret(err);
	gpus[h->n_gpus++] = gpu;
	return 0;
}

static bool read_half(const struct np_vcenter_val *v, const char *name, uint16_t *ret)
{
	unsigned id;

	if (!np_vcenter_val_pci_id(np_vcenter_val_member(v, name), &id))
		return false;
	*ret = (uint16_t)id;
	return true;
}

/* A device whose ids are not readable may be anything: it is known by its class alone. */
static int read_device(struct np_vsphere_host *h, const struct np_vcenter_val *v,
		       const struct np_catalogue *cat, struct np_err *err)
{
	struct np_seen_gpu gpu = { .iommu_group = -1 };
	unsigned class = 0;

	vsphere_address(np_vcenter_val_member_text(v, "id"), gpu.address);
	gpu.has_id = read_half(v, "vendorId", &gpu.id.vendor) &&
		     read_half(v, "deviceId", &gpu.id.device);
	np_vcenter_val_pci_id(np_vcenter_val_member(v, "classId"), &class);
	/* Without an address it is not known what this is. */
	h->has_devices = h->has_devices && gpu.address[0] != '\0';
	if (gpu.address[0] == '\0' || !np_hostcheck_is_gpu(cat, gpu.address, gpu.id, class))
		return 0;
	gpu.has_subsystem = read_half(v, "subVendorId", &gpu.subsystem.vendor) &&
			    read_half(v, "subDeviceId", &gpu.subsystem.device);
	if (gpu.has_id)
		np_report_identify(&gpu, cat, false);
	return add_gpu(h, &gpu, np_vcenter_val_member_text(v, "deviceName"), err);
}

static struct np_vsphere_gpu *find_gpu(struct np_vsphere_host *h, const char *text)
{
	char address[NP_PCI_ADDRESS_MAX];

	vsphere_address(text, address);
	for (size_t i = 0; address[0] != '\0' && i < h->n_gpus; i++)
		if (strcmp(h->gpus[i].address, address) == 0)
			return &h->gpus[i];
	return NULL;
}

static void read_passthrough(struct np_vsphere_host *h, const struct np_vcenter_val *list)
{
	const struct np_vcenter_val *v = np_vcenter_val_first(list);

	for (; v; v = np_vcenter_val_next(v)) {
		struct np_vsphere_gpu *gpu = find_gpu(h, np_vcenter_val_member_text(v, "id"));

		if (!gpu)
			continue;
		gpu->capable = vsphere_verdict(np_vcenter_val_member(v, "passthruCapable"));
		gpu->enabled = vsphere_verdict(np_vcenter_val_member(v, "passthruEnabled"));
		gpu->active = vsphere_verdict(np_vcenter_val_member(v, "passthruActive"));
		gpu->sriov = vsphere_verdict(np_vcenter_val_member(v, "sriovActive"));
	}
}

static int read_graphics(struct np_vsphere_host *h, const struct np_vcenter_val *list,
			 struct np_err *err)
{
	const struct np_vcenter_val *v = np_vcenter_val_first(list);

	for (; v; v = np_vcenter_val_next(v)) {
		struct np_vsphere_gpu *gpu = find_gpu(h, np_vcenter_val_member_text(v, "pciId"));
		const struct np_vcenter_val *vm = np_vcenter_val_member(v, "vm");
		struct np_vcenter_ref ref;

		if (!gpu)
			continue;
		gpu->is_shared =
			strcmp(np_vcenter_val_member_text(v, "graphicsType"), "sharedDirect") == 0;
		for (; vm; vm = np_vcenter_val_next(vm))
			if (np_vcenter_val_ref(vm, &ref) &&
			    vsphere_names_add(&gpu->vms, ref.id, err) < 0)
				return np_err_ret(err);
	}
	return 0;
}

static int read_profiles(struct np_vsphere_host *h, const struct np_vcenter_val *list,
			 struct np_err *err)
{
	const struct np_vcenter_val *v = np_vcenter_val_first(list);

	h->has_profiles = !!list;
	for (; v; v = np_vcenter_val_next(v))
		if (vsphere_names_add(&h->profiles, np_vcenter_val_text(v), err) < 0)
			return np_err_ret(err);
	vsphere_names_sort(&h->profiles);
	return 0;
}

static int by_address(const void *a, const void *b)
{
	const struct np_vsphere_gpu *x = a, *y = b;

	return strcmp(x->address, y->address);
}

static int read_devices(struct np_vsphere_host *h, const struct np_vcenter_object *o,
			const struct np_catalogue *cat, struct np_err *err)
{
	const struct np_vcenter_val *list = vsphere_list(o, DEVICES);
	const struct np_vcenter_val *v = np_vcenter_val_first(list);

	h->has_devices = !!list;
	h->has_passthrough = !!vsphere_list(o, PASSTHROUGH);
	/* A host without graphics has no such list. */
	h->has_graphics = !np_vcenter_object_get(o, GRAPHICS)
				  ? np_vcenter_object_fault(o, GRAPHICS)[0] == '\0'
				  : !!vsphere_list(o, GRAPHICS);
	snprintf(h->fault, sizeof(h->fault), "%s", np_vcenter_object_fault(o, DEVICES));
	for (; v; v = np_vcenter_val_next(v))
		if (read_device(h, v, cat, err) < 0)
			return np_err_ret(err);
	if (h->n_gpus > 0)
		qsort(h->gpus, h->n_gpus, sizeof(*h->gpus), by_address);
	read_passthrough(h, vsphere_list(o, PASSTHROUGH));
	if (read_graphics(h, vsphere_list(o, GRAPHICS), err) < 0 ||
	    read_profiles(h, vsphere_list(o, PROFILES), err) < 0)
		return np_err_ret(err);
	return 0;
}

/* --- hosts -------------------------------------------------------------------------------------- */

static int read_host(struct np_vsphere_host *h, const struct np_vcenter_object *o,
		     const struct gathering *g, struct np_err *err)
{
	const char *name = np_vcenter_val_text(np_vcenter_object_get(o, "name"));

	h->ref = o->ref;
	h->in_maintenance = vsphere_verdict(np_vcenter_object_get(o, "runtime.inMaintenanceMode"));
	h->needs_reboot = vsphere_verdict(np_vcenter_object_get(o, "summary.rebootRequired"));
	np_vcenter_val_ref(np_vcenter_object_get(o, "configManager.pciPassthruSystem"),
			   &h->passthrough);
	snprintf(h->connection, sizeof(h->connection), "%s",
		 np_vcenter_val_text(np_vcenter_object_get(o, "runtime.connectionState")));
	/* A host whose name is not readable is known by its id. */
	if (vsphere_copy(&h->name, name[0] != '\0' ? name : o->ref.id, err) < 0 ||
	    vsphere_copy(&h->cluster,
			 vsphere_cluster_of(&g->clusters, np_vcenter_object_get(o, "parent")),
			 err) < 0 ||
	    vsphere_copy(&h->version,
			 np_vcenter_val_text(np_vcenter_object_get(o, "config.product.version")),
			 err) < 0)
		return np_err_ret(err);
	return read_devices(h, o, g->cat, err);
}

static bool is_in_scope(const struct np_vsphere_host *h, const struct np_vsphere_scope *s)
{
	if (s->cluster && strcmp(h->cluster, s->cluster) != 0)
		return false;
	if (s->host)
		return strcmp(h->name, s->host) == 0;
	/* Without the list of its devices it may have GPUs. */
	return h->n_gpus > 0 || !h->has_devices;
}

static int take_host(struct gathering *g, struct np_vsphere_host *h, struct np_err *err)
{
	struct np_vsphere_hosts *all = g->hosts;
	struct np_vsphere_host *items = reallocarray(all->items, all->n + 1, sizeof(*items));

	if (!items) {
		host_done(h);
		return np_fail_nomem(err);
	}
	all->items = items;
	items[all->n++] = *h;
	return 0;
}

static int add_host(void *ctx, const struct np_vcenter_object *o, struct np_err *err)
{
	struct gathering *g = ctx;
	struct np_vsphere_host h = { 0 };

	if (read_host(&h, o, g, err) < 0) {
		host_done(&h);
		return np_err_ret(err);
	}
	if (is_in_scope(&h, g->scope))
		return take_host(g, &h, err);
	host_done(&h);
	return 0;
}

static void restart_hosts(void *ctx)
{
	struct gathering *g = ctx;

	np_vsphere_hosts_done(g->hosts);
}

static int fetch_hosts(struct gathering *g, struct np_err *err)
{
	static const char *const paths[] = { "name",
					     "parent",
					     "config.product.version",
					     "configManager.pciPassthruSystem",
					     "runtime.connectionState",
					     "runtime.inMaintenanceMode",
					     "summary.rebootRequired",
					     DEVICES,
					     PASSTHROUGH,
					     GRAPHICS,
					     PROFILES };
	const struct np_vcenter_query q = { .type = "HostSystem",
					    .paths = paths,
					    .n_paths = sizeof(paths) / sizeof(paths[0]),
					    .page = 10,
					    .each = add_host,
					    .restart = restart_hosts,
					    .ctx = g };

	if (np_vcenter_query(g->v, &q, err) < 0)
		return np_err_ret(err);
	if (g->scope->host && g->hosts->n == 0)
		return np_fail(err, NP_E_NOT_FOUND, "host '%s' not found in %s%s%s", g->scope->host,
			       np_vcenter_url(g->v), g->scope->cluster ? ", cluster " : "",
			       g->scope->cluster ? g->scope->cluster : "");
	return 0;
}

static int by_place(const void *a, const void *b)
{
	const struct np_vsphere_host *x = a, *y = b;
	int order = strcmp(x->cluster, y->cluster);

	if (order == 0)
		order = strcmp(x->name, y->name);
	return order != 0 ? order : strcmp(x->ref.id, y->ref.id);
}

static int index_hosts(struct gathering *g, struct np_err *err)
{
	size_t number;

	if (g->hosts->n > 0)
		qsort(g->hosts->items, g->hosts->n, sizeof(*g->hosts->items), by_place);
	for (size_t i = 0; i < g->hosts->n; i++)
		if (np_index_enter(&g->by_id, NP_KEY(g->hosts->items[i].ref.id), i, &number, err) <
		    0)
			return np_err_ret(err);
	return 0;
}

/* --- who uses the GPUs -------------------------------------------------------------------------- */

static int use_device(void *ctx, const struct vsphere_device *d, struct np_err *err)
{
	struct gathering *g = ctx;
	struct np_vsphere_gpu *gpu = find_gpu(g->host, d->address);

	return gpu ? vsphere_names_add(&gpu->users, g->vm, err) : 0;
}

/* The host lists the VMs whose vGPUs a GPU has: their devices do not name it. */
static int use_shared(struct np_vsphere_host *h, const char *id, const char *name,
		      struct np_err *err)
{
	for (size_t i = 0; i < h->n_gpus; i++) {
		struct np_vsphere_gpu *gpu = &h->gpus[i];

		for (size_t k = 0; k < gpu->vms.n; k++)
			if (strcmp(gpu->vms.items[k], id) == 0 &&
			    vsphere_names_add(&gpu->users, name, err) < 0)
				return np_err_ret(err);
	}
	return 0;
}

/* A VM that is powered off uses nothing; a VM of an unknown state may. */
static int add_user(void *ctx, const struct np_vcenter_object *o, struct np_err *err)
{
	const struct np_vcenter_val *devices = vsphere_list(o, VM_DEVICES);
	struct gathering *g = ctx;
	const char *power = np_vcenter_val_text(np_vcenter_object_get(o, "runtime.powerState"));
	const char *name = np_vcenter_val_text(np_vcenter_object_get(o, "name"));
	struct np_vcenter_ref host;
	size_t i;

	if (strcmp(power, "poweredOff") == 0 ||
	    !np_vcenter_val_ref(np_vcenter_object_get(o, "runtime.host"), &host) ||
	    !np_index_find(&g->by_id, NP_KEY(host.id), &i))
		return 0;
	g->host = &g->hosts->items[i];
	g->vm = name[0] != '\0' ? name : o->ref.id;
	g->host->has_unknown_users = g->host->has_unknown_users || !devices;
	if (use_shared(g->host, o->ref.id, g->vm, err) < 0)
		return np_err_ret(err);
	return vsphere_devices_read(devices, g->cat, use_device, g, err);
}

static void restart_users(void *ctx)
{
	struct gathering *g = ctx;

	for (size_t i = 0; i < g->hosts->n; i++) {
		g->hosts->items[i].has_unknown_users = false;
		for (size_t k = 0; k < g->hosts->items[i].n_gpus; k++)
			vsphere_names_done(&g->hosts->items[i].gpus[k].users);
	}
}

static int fetch_users(struct gathering *g, struct np_err *err)
{
	static const char *const paths[] = { "name", VM_DEVICES, "runtime.host",
					     "runtime.powerState" };
	const struct np_vcenter_query q = { .type = "VirtualMachine",
					    .paths = paths,
					    .n_paths = 4,
					    .each = add_user,
					    .restart = restart_users,
					    .ctx = g };

	if (np_vcenter_query(g->v, &q, err) < 0)
		return np_err_ret(err);
	for (size_t i = 0; i < g->hosts->n; i++)
		for (size_t k = 0; k < g->hosts->items[i].n_gpus; k++)
			vsphere_names_sort(&g->hosts->items[i].gpus[k].users);
	return 0;
}

/* --- all of it ---------------------------------------------------------------------------------- */

/* A setting that does not exist is off; one that the user may not read is unknown. */
static int fetch_hot_migrate(struct np_vcenter *v, enum np_verdict *ret, struct np_err *err)
{
	NP_AUTO(np_freep) char *text = NULL;
	struct np_err why = NP_ERR_INIT;

	*ret = NP_VERDICT_UNKNOWN;
	if (np_vcenter_setting_get(v, NP_VSPHERE_HOT_MIGRATE, &text, &why) < 0) {
		if (why.code == NP_E_FORBIDDEN)
			return 0;
		*err = why;
		return np_err_ret(err);
	}
	if (!text || strcasecmp(text, "false") == 0 || strcmp(text, "0") == 0)
		*ret = NP_VERDICT_NO;
	else if (strcasecmp(text, "true") == 0 || strcmp(text, "1") == 0)
		*ret = NP_VERDICT_YES;
	return 0;
}

int np_vsphere_hosts_fetch(struct np_vcenter *v, const struct np_catalogue *cat,
			   const struct np_vsphere_scope *scope, struct np_vsphere_hosts *ret,
			   struct np_err *err)
{
	NP_AUTO(np_vsphere_hosts_done) struct np_vsphere_hosts hosts = { 0 };
	NP_AUTO(gathering_done)
	struct gathering g = { .v = v, .cat = cat, .scope = scope, .hosts = &hosts };

	if (vsphere_clusters_fetch(v, scope->cluster, &g.clusters, err) < 0 ||
	    fetch_hosts(&g, err) < 0 || index_hosts(&g, err) < 0 || fetch_users(&g, err) < 0 ||
	    fetch_hot_migrate(v, &hosts.hot_migrate, err) < 0 ||
	    vsphere_hosts_judge(&hosts, err) < 0)
		return np_err_ret(err);
	*ret = hosts;
	hosts = (struct np_vsphere_hosts){ 0 };
	return 0;
}
