/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stddef.h>
#include <string.h>

#include "nodeprep/units.h"

#define LARGE_BYTES (256 * NP_MIB)

/* One host on its way. */
struct judging {
	const struct np_vsphere_host *h;
	struct np_report *report;
	enum np_verdict hot_migrate;
	bool is_vgpu; /* it provides vGPUs */
	size_t n_whole; /* GPUs that are no vGPUs' */
};

static enum np_probe_status status_of(enum np_verdict v)
{
	if (v == NP_VERDICT_UNKNOWN)
		return NP_PROBE_UNKNOWN;
	return v == NP_VERDICT_YES ? NP_PROBE_PASS : NP_PROBE_FAIL;
}

/* --- the host ----------------------------------------------------------------------------------- */

static int check_connection(struct judging *g, struct np_err *err)
{
	const char *state = g->h->connection;
	struct np_judgement j = {
		.id = "connection",
		.decides = true,
		.status = strcmp(state, "connected") == 0 ? NP_PROBE_PASS
			  : state[0] == '\0'              ? NP_PROBE_UNKNOWN
							  : NP_PROBE_FAIL,
		.cure = "connect the host; until then vCenter shows its last known "
			"state"
	};

	if (j.status == NP_PROBE_UNKNOWN)
		j.cure = "give the user the privilege System.Read on the host";
	return np_report_add(g->report, &j, err, "connection state: %s",
			     state[0] != '\0' ? state : "not readable");
}

static int check_maintenance(struct judging *g, struct np_err *err)
{
	struct np_judgement j = {
		.id = "maintenance",
		.status = g->h->in_maintenance == NP_VERDICT_NO    ? NP_PROBE_PASS
			  : g->h->in_maintenance == NP_VERDICT_YES ? NP_PROBE_WARN
								   : NP_PROBE_UNKNOWN,
		.cure = "exit maintenance mode, so that VMs can run on the host"
	};

	if (j.status == NP_PROBE_UNKNOWN)
		j.cure = "give the user the privilege System.Read on the host";
	return np_report_add(g->report, &j, err, "%s",
			     j.status == NP_PROBE_PASS   ? "not in maintenance mode"
			     : j.status == NP_PROBE_WARN ? "the host is in maintenance mode"
							 : "not readable");
}

static int check_reboot(struct judging *g, struct np_err *err)
{
	enum np_verdict v = g->h->needs_reboot;
	struct np_judgement j = { .id = "reboot-required",
				  .status = v == NP_VERDICT_NO    ? NP_PROBE_PASS
					    : v == NP_VERDICT_YES ? NP_PROBE_WARN
								  : NP_PROBE_UNKNOWN,
				  .cure = "reboot the host, in maintenance mode" };

	if (v == NP_VERDICT_UNKNOWN)
		j.cure = "give the user the privilege System.Read on the host";
	return np_report_add(g->report, &j, err, "%s",
			     v == NP_VERDICT_NO    ? "no reboot is pending"
			     : v == NP_VERDICT_YES ? "changes wait for a reboot of the host"
						   : "not readable");
}

/* --- what vCenter does not have ----------------------------------------------------------------- */

static bool has_user(const struct np_vsphere_host *h)
{
	for (size_t i = 0; i < h->n_gpus; i++)
		if (h->gpus[i].users.n > 0)
			return true;
	return false;
}

static int check_hv(struct judging *g, struct np_err *err)
{
	bool is_proven = has_user(g->h);
	const struct np_judgement j = { .id = "hv-support",
					.status = is_proven ? NP_PROBE_PASS : NP_PROBE_UNKNOWN,
					.cure = "run on the host: esxcfg-info | grep 'HV Support'",
					.where = "esxcfg-info | grep 'HV Support'" };

	return np_report_add(g->report, &j, err, "%s",
			     is_proven ? "VT-x or AMD-V is on: a VM with a GPU runs here"
				       : "vCenter does not have it");
}

static enum np_verdict any_capable(const struct np_vsphere_host *h)
{
	for (size_t i = 0; i < h->n_gpus; i++)
		if (h->gpus[i].capable == NP_VERDICT_YES || h->gpus[i].active == NP_VERDICT_YES)
			return NP_VERDICT_YES;
	return NP_VERDICT_UNKNOWN;
}

static int check_iommu(struct judging *g, struct np_err *err)
{
	bool is_proven = any_capable(g->h) == NP_VERDICT_YES;
	const struct np_judgement j = {
		.id = "iommu",
		.status = is_proven ? NP_PROBE_PASS : NP_PROBE_UNKNOWN,
		.cure = "look at the BIOS (VT-d, or AMD IOMMU), and run on the host: esxcli system "
			"settings kernel list -o noIOMMU",
		.where = "BIOS: VT-d, Intel VT for Directed I/O, or AMD IOMMU"
	};

	return np_report_add(g->report, &j, err, "%s",
			     is_proven ? "VT-d or AMD IOMMU is on: a GPU can be passed through"
				       : "vCenter does not have it");
}

/* Needed for any vGPU and for the T4 (docs/checks.md). */
static bool needs_sriov(const struct np_vsphere_gpu *gpu)
{
	return gpu->is_shared || !gpu->card || strcmp(gpu->card->model, "T4") == 0;
}

static int check_sriov(struct judging *g, struct np_err *err)
{
	struct np_judgement j = { .id = "sr-iov",
				  .status = NP_PROBE_PASS,
				  .cure = "look at the BIOS (SR-IOV)",
				  .where = "BIOS: SR-IOV" };
	bool is_needed = g->h->n_gpus == 0, is_proven = false;

	for (size_t i = 0; i < g->h->n_gpus; i++) {
		is_needed = is_needed || needs_sriov(&g->h->gpus[i]);
		is_proven = is_proven || g->h->gpus[i].sriov == NP_VERDICT_YES;
	}
	if (is_needed && !is_proven)
		j.status = NP_PROBE_UNKNOWN;
	return np_report_add(g->report, &j, err, "%s",
			     is_proven   ? "SR-IOV is active on a GPU"
			     : is_needed ? "vCenter does not have it"
					 : "not needed for these GPUs as whole cards");
}

static int check_above_4g(struct judging *g, struct np_err *err)
{
	const struct np_judgement j = {
		.id = "above-4g",
		.status = NP_PROBE_UNKNOWN,
		.cure = "look at the BIOS (Above 4G Decoding, or memory mapped I/O above 4 GB), or "
			"run on the host: lspci -nnvvv",
		.where = "BIOS: Above 4G Decoding; lspci -nnvvv"
	};

	return np_report_add(g->report, &j, err, "vCenter does not have it");
}

/* --- GPUs --------------------------------------------------------------------------------------- */

static const char *gpu_name(const struct np_vsphere_gpu *gpu, char buf[static NP_REPORT_WHO_MAX])
{
	const struct np_seen_gpu seen = vsphere_seen(gpu);

	return np_report_gpu_name(&seen, buf);
}

static int report_no_devices(struct judging *g, struct np_judgement *j, struct np_err *err)
{
	j->status = NP_PROBE_UNKNOWN;
	j->cure = "give the user the privilege System.Read on the host";
	if (g->h->fault[0] != '\0')
		return np_report_add(
			g->report, j, err,
			"vCenter answers with the fault %s in place of the list of PCI "
			"devices",
			g->h->fault);
	j->cure = "run on the host: esxcli hardware pci list";
	return np_report_add(g->report, j, err, "vCenter has no list of PCI devices");
}

static int check_gpus(struct judging *g, struct np_err *err)
{
	struct np_judgement j = {
		.id = "gpus-found",
		.status = NP_PROBE_PASS,
		.decides = true,
		.cure = "check that the card is seated and powered",
		.where = "vSphere Client: host, Configure, Hardware, PCI Devices"
	};
	struct np_report_words all = { 0 }, unknown = { 0 };
	char who[NP_REPORT_WHO_MAX];

	if (!g->h->has_devices)
		return report_no_devices(g, &j, err);
	for (size_t i = 0; i < g->h->n_gpus; i++) {
		np_report_words_add(&all, "%s", gpu_name(&g->h->gpus[i], who));
		if (!g->h->gpus[i].card)
			np_report_words_add(&unknown, "%s", g->h->gpus[i].address);
	}
	if (unknown.n > 0) {
		j.status = NP_PROBE_WARN;
		j.cure = "give the size of its BARs with --catalogue (pciID, barsMB), so that the "
			 "window can be computed";
		return np_report_add(g->report, &j, err, "%zu: %s; not in the catalogue: %s", all.n,
				     all.text, unknown.text);
	}
	if (all.n == 0)
		j.status = NP_PROBE_FAIL;
	return np_report_add(g->report, &j, err, all.n > 0 ? "%zu: %s" : "none", all.n, all.text);
}

/* What differs between the three states of passthrough. */
struct state {
	const char *id, *cure, *good, *bad;
	size_t offset; /* of the verdict in struct np_vsphere_gpu */
};

static const struct state states[] = {
	{ "passthrough-capable",
	  "switch VT-d or the AMD IOMMU on in the BIOS; a device that cannot be reset on its own "
	  "cannot be passed through",
	  "every GPU can be passed through",
	  "cannot be passed through: ", offsetof(struct np_vsphere_gpu, capable) },
	{ "passthrough-enabled",
	  "run 'nodeprep host-apply', or on the host: esxcli hardware pci pcipassthru set -d ADDRESS "
	  "-e true",
	  "every GPU is set to passthrough",
	  "not set to passthrough: ", offsetof(struct np_vsphere_gpu, enabled) },
	{ "passthrough-active", "reboot the host to activate passthrough",
	  "every GPU is passed through",
	  "not yet passed through: ", offsetof(struct np_vsphere_gpu, active) },
};

static enum np_verdict verdict_at(const struct np_vsphere_gpu *gpu, size_t offset)
{
	return *(const enum np_verdict *)(const void *)((const char *)gpu + offset);
}

/* A GPU that the vGPU manager owns is not passed through: unknown where the owner is. */
static enum np_verdict verdict_of(const struct np_vsphere_host *h, const struct np_vsphere_gpu *gpu,
				  const struct state *s)
{
	enum np_verdict v = verdict_at(gpu, s->offset);

	return v == NP_VERDICT_NO && !h->has_graphics ? NP_VERDICT_UNKNOWN : v;
}

static int check_state(struct judging *g, const struct state *s, struct np_err *err)
{
	struct np_judgement j = {
		.id = s->id,
		.status = NP_PROBE_PASS,
		.decides = true,
		.cure = s->cure,
		.where = "vSphere Client: host, Configure, Hardware, PCI Devices"
	};
	struct np_report_words bad = { 0 }, open = { 0 };
	char who[NP_REPORT_WHO_MAX];

	for (size_t i = 0; i < g->h->n_gpus; i++) {
		enum np_verdict v = verdict_of(g->h, &g->h->gpus[i], s);

		if (v != NP_VERDICT_YES && !g->h->gpus[i].is_shared)
			np_report_words_add(v == NP_VERDICT_NO ? &bad : &open, "%s",
					    gpu_name(&g->h->gpus[i], who));
	}
	if (g->n_whole == 0 && g->is_vgpu)
		return np_report_add(g->report, &j, err, "not needed: the host provides vGPUs");
	if (bad.n > 0) {
		j.status = NP_PROBE_FAIL;
		return np_report_add(g->report, &j, err, "%s%s", s->bad, bad.text);
	}
	if (open.n == 0 && g->n_whole > 0)
		return np_report_add(g->report, &j, err, "%s", s->good);
	j.status = NP_PROBE_UNKNOWN;
	j.cure = open.n > 0 ? "run on the host: esxcli hardware pci pcipassthru list" : NULL;
	return np_report_add(g->report, &j, err, "%s%s",
			     open.n > 0          ? "vCenter does not have it of "
			     : g->h->has_devices ? "no GPU found"
						 : "the host's GPUs are not known",
			     open.text);
}

static int check_passthrough(struct judging *g, struct np_err *err)
{
	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++)
		if (check_state(g, &states[i], err) < 0)
			return np_err_ret(err);
	return 0;
}

static int check_hot_migrate(struct judging *g, struct np_err *err)
{
	enum np_verdict v = g->hot_migrate;
	struct np_judgement j = {
		.id = "hot-migrate",
		.status = status_of(v),
		.decides = g->is_vgpu,
		.cure = "set vgpu.hotmigrate.enabled to true, if vMotion of VMs with vGPUs is "
			"required",
		.where = "vCenter: Configure, Advanced Settings, vgpu.hotmigrate.enabled"
	};

	/* Of no use to whole cards, which cannot move. */
	if (!g->is_vgpu && !g->h->has_graphics) {
		j.status = NP_PROBE_UNKNOWN;
		j.cure = "give the user the privilege System.Read on the host";
		return np_report_add(g->report, &j, err,
				     "whether the host provides vGPUs is not readable");
	}
	if (!g->is_vgpu) {
		j.status = NP_PROBE_PASS;
		return np_report_add(g->report, &j, err, "not needed: the host provides no vGPUs");
	}
	if (v == NP_VERDICT_UNKNOWN)
		j.cure = "run: govc option.ls vgpu.hotmigrate.enabled";
	return np_report_add(g->report, &j, err, "vgpu.hotmigrate.enabled: %s",
			     v == NP_VERDICT_UNKNOWN ? "not readable"
			     : v == NP_VERDICT_YES   ? "switched on"
						     : "switched off");
}

/* --- all of it ---------------------------------------------------------------------------------- */

/* A GPU is ok where VMs can have it. */
static enum np_verdict judge_gpu(const struct np_vsphere_host *h, const struct np_vsphere_gpu *gpu)
{
	enum np_verdict ok = NP_VERDICT_YES;

	if (gpu->is_shared)
		return NP_VERDICT_YES;
	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
		enum np_verdict v = verdict_of(h, gpu, &states[i]);

		if (v == NP_VERDICT_NO)
			return NP_VERDICT_NO;
		if (v == NP_VERDICT_UNKNOWN)
			ok = NP_VERDICT_UNKNOWN;
	}
	return ok;
}

/* Sets what follows of each GPU from what is known of the host. */
static void settle_gpus(struct np_vsphere_host *h)
{
	for (size_t i = 0; i < h->n_gpus; i++) {
		h->gpus[i].ok = judge_gpu(h, &h->gpus[i]);
		h->gpus[i].may_be_used = h->has_unknown_users && h->gpus[i].users.n == 0;
	}
}

int np_vsphere_host_report(const struct np_vsphere_hosts *hosts, const struct np_vsphere_host *h,
			   struct np_report *ret, struct np_err *err)
{
	static int (*const checks[])(struct judging *, struct np_err *) = {
		check_connection,  check_maintenance, check_reboot,   check_hv,
		check_iommu,       check_sriov,       check_above_4g, check_gpus,
		check_passthrough, check_hot_migrate,
	};
	NP_AUTO(np_report_done) struct np_report report = { 0 };
	struct judging g = { .h = h, .report = &report, .hot_migrate = hosts->hot_migrate };

	for (size_t i = 0; i < h->n_gpus; i++) {
		g.is_vgpu = g.is_vgpu || h->gpus[i].is_shared;
		g.n_whole += !h->gpus[i].is_shared;
	}
	for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++)
		if (checks[i](&g, err) < 0)
			return np_err_ret(err);
	np_report_finish(&report);
	*ret = report;
	report = (struct np_report){ 0 };
	return 0;
}

int vsphere_hosts_judge(struct np_vsphere_hosts *hosts, struct np_err *err)
{
	hosts->pass = hosts->n > 0 ? NP_VERDICT_YES : NP_VERDICT_UNKNOWN;
	for (size_t i = 0; i < hosts->n; i++) {
		NP_AUTO(np_report_done) struct np_report report = { 0 };
		struct np_vsphere_host *h = &hosts->items[i];

		settle_gpus(h);
		if (np_vsphere_host_report(hosts, h, &report, err) < 0)
			return np_err_ret(err);
		h->pass = report.pass;
		vsphere_add_verdict(&hosts->pass, h->pass);
	}
	return 0;
}
