/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/plan.h"

#define ENABLED "passthroughEnabled"

struct applying {
	struct np_vcenter *v;
	const struct np_plan *plan;
	bool dry_run;
	struct np_vsphere_hosts hosts;
	struct np_vsphere_changes *changes;
};

/* --- what the pools ask for --------------------------------------------------------------------- */

static bool is_wanted(const struct np_plan *plan, const struct np_vsphere_gpu *gpu)
{
	for (size_t i = 0; i < plan->n_pools; i++)
		for (size_t k = 0; k < plan->pools[i].n_cards; k++)
			if (vsphere_is_card(&plan->pools[i].cards[k], gpu))
				return true;
	return false;
}

static bool wants_vgpus(const struct np_plan *plan)
{
	for (size_t i = 0; i < plan->n_pools; i++)
		for (size_t k = 0; k < plan->pools[i].n_cards; k++)
			if (plan->pools[i].cards[k].profile)
				return true;
	return false;
}

/* --- hosts -------------------------------------------------------------------------------------- */

/* Sets *why where a GPU that is not set to passthrough stays so; a missing privilege is an error. */
static bool is_vetoed(const struct np_vsphere_host *h, const struct np_vsphere_gpu *gpu,
		      struct np_err *why)
{
	const char *unreadable =
		!h->has_graphics ? "whether the vGPU manager uses it is not readable"
		: gpu->enabled == NP_VERDICT_UNKNOWN || gpu->capable == NP_VERDICT_UNKNOWN
			? "its passthrough state is not readable"
		: h->passthrough.id[0] == '\0' ? "the host's passthrough system is not readable"
					       : NULL;
	const char *veto = gpu->is_shared                            ? "the vGPU manager uses it"
			   : gpu->users.n > 0                        ? "a VM uses it"
			   : gpu->capable == NP_VERDICT_NO           ? "it cannot be passed through"
			   : strcmp(h->connection, "connected") != 0 ? "the host is not connected"
								     : NULL;

	*why = (struct np_err)NP_ERR_INIT;
	if (veto)
		snprintf(why->text, sizeof(why->text), "%s", veto);
	else if (unreadable)
		np_fail(why, NP_E_FORBIDDEN, "%s: the privilege System.Read is missing",
			unreadable);
	return veto || unreadable;
}

static int add_gpu(struct applying *g, const struct np_vsphere_host *h,
		   const struct np_vsphere_gpu *gpu, const struct np_err *failure,
		   struct np_err *err)
{
	struct vsphere_about about = { .object = h->name,
				       .address = gpu->address,
				       .setting = ENABLED };
	struct np_err why;

	if (gpu->enabled == NP_VERDICT_YES)
		return vsphere_changes_add(g->changes, &about, false, NULL, err);
	if (is_vetoed(h, gpu, &why))
		return vsphere_changes_add(g->changes, &about, false, &why, err);
	about.from = "false";
	about.to = "true";
	return vsphere_changes_add(g->changes, &about, failure->code == NP_OK, failure, err);
}

/* ESXi 8.0 can enable some devices without a reboot. */
static bool can_apply_now(const struct np_vsphere_host *h)
{
	return strtoul(h->version, NULL, 10) >= 8;
}

static int enable(const struct applying *g, const struct np_vsphere_host *h, struct np_err *err)
{
	NP_AUTO(np_freep) const char **addresses = calloc(h->n_gpus + 1, sizeof(*addresses));
	struct np_err why;
	size_t n = 0;

	if (!addresses)
		return np_fail_nomem(err);
	for (size_t i = 0; i < h->n_gpus; i++)
		if (is_wanted(g->plan, &h->gpus[i]) && h->gpus[i].enabled != NP_VERDICT_YES &&
		    !is_vetoed(h, &h->gpus[i], &why))
			addresses[n++] = h->gpus[i].address;
	if (n == 0 || g->dry_run)
		return 0;
	return np_vcenter_host_enable_passthrough(g->v, &h->passthrough, addresses, n,
						  can_apply_now(h), err);
}

static int apply_host(struct applying *g, const struct np_vsphere_host *h, struct np_err *err)
{
	const struct vsphere_about about = { .object = h->name };
	struct np_err why = NP_ERR_INIT;

	if (!h->has_devices) {
		np_fail(&why, NP_E_FORBIDDEN,
			"its PCI devices are not readable: the privilege System.Read is missing");
		return vsphere_changes_add(g->changes, &about, false, &why, err);
	}
	enable(g, h, &why);
	for (size_t i = 0; i < h->n_gpus; i++)
		if (is_wanted(g->plan, &h->gpus[i]) && add_gpu(g, h, &h->gpus[i], &why, err) < 0)
			return np_err_ret(err);
	return 0;
}

/* --- vCenter's setting -------------------------------------------------------------------------- */

static int apply_setting(struct applying *g, struct np_err *err)
{
	struct vsphere_about about = { .object = np_vcenter_url(g->v),
				       .setting = NP_VSPHERE_HOT_MIGRATE };
	struct np_err why = NP_ERR_INIT;

	if (!wants_vgpus(g->plan))
		return 0;
	if (g->hosts.hot_migrate == NP_VERDICT_YES)
		return vsphere_changes_add(g->changes, &about, false, NULL, err);
	about.from = g->hosts.hot_migrate == NP_VERDICT_NO ? "false" : "";
	about.to = "true";
	if (!g->dry_run)
		np_vcenter_setting_set_bool(g->v, NP_VSPHERE_HOT_MIGRATE, true, &why);
	return vsphere_changes_add(g->changes, &about, why.code == NP_OK, &why, err);
}

/* --- reboots ------------------------------------------------------------------------------------ */

/* A GPU that is enabled and not active waits for a reboot; so will one that a dry run would enable. */
static bool needs_reboot(const struct applying *g, const struct np_vsphere_host *h)
{
	for (size_t i = 0; i < h->n_gpus; i++) {
		const struct np_vsphere_gpu *gpu = &h->gpus[i];
		struct np_err why;

		if (!is_wanted(g->plan, gpu) || gpu->is_shared)
			continue;
		if (gpu->enabled == NP_VERDICT_YES && gpu->active == NP_VERDICT_NO)
			return true;
		if (g->dry_run && gpu->enabled == NP_VERDICT_NO && !is_vetoed(h, gpu, &why) &&
		    !can_apply_now(h))
			return true;
	}
	return false;
}

static int list_reboots(struct applying *g, struct np_err *err)
{
	for (size_t i = 0; i < g->hosts.n; i++)
		if (needs_reboot(g, &g->hosts.items[i]) &&
		    vsphere_names_add(&g->changes->reboots, g->hosts.items[i].name, err) < 0)
			return np_err_ret(err);
	vsphere_names_sort(&g->changes->reboots);
	return 0;
}

static bool has_changes(const struct np_vsphere_changes *c)
{
	for (size_t i = 0; i < c->n; i++)
		if (c->items[i].is_changed)
			return true;
	return false;
}

/* --- all of it ---------------------------------------------------------------------------------- */

static void applying_done(struct applying *g)
{
	np_vsphere_hosts_done(&g->hosts);
}

int np_vsphere_hosts_apply(struct np_vcenter *v, const struct np_catalogue *cat,
			   const struct np_plan *plan, const struct np_vsphere_scope *scope,
			   bool dry_run, struct np_vsphere_changes *ret, struct np_err *err)
{
	NP_AUTO(np_vsphere_changes_done) struct np_vsphere_changes changes = { 0 };
	NP_AUTO(applying_done)
	struct applying g = { .v = v, .plan = plan, .dry_run = dry_run, .changes = &changes };

	if (np_vsphere_hosts_fetch(v, cat, scope, &g.hosts, err) < 0 || apply_setting(&g, err) < 0)
		return np_err_ret(err);
	for (size_t i = 0; i < g.hosts.n; i++)
		if (apply_host(&g, &g.hosts.items[i], err) < 0)
			return np_err_ret(err);
	/* Only a host knows whether it could enable a device without a reboot. */
	if (!dry_run && has_changes(&changes)) {
		np_vsphere_hosts_done(&g.hosts);
		if (np_vsphere_hosts_fetch(v, cat, scope, &g.hosts, err) < 0)
			return np_err_ret(err);
	}
	if (list_reboots(&g, err) < 0)
		return np_err_ret(err);
	*ret = changes;
	changes = (struct np_vsphere_changes){ 0 };
	return 0;
}
