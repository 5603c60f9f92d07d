/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <ctype.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/err.h"
#include "nodeprep/hostcheck.h"
#include "nodeprep/report.h"
#include "nodeprep/units.h"

#define FOUR_GB (4 * NP_GIB)
#define LARGE_BYTES (256 * NP_MIB)
#define MODULE_VGPU \
	"nvidia" /* of NVIDIA's vGPU manager, which owns the GPUs that vGPUs are cut from */

/* What each level of "HV Support" means (esxcfg-info). */
static const char *const hv_texts[] = {
	"HV Support is 0: the processor has neither VT-x nor AMD-V",
	"HV Support is 1: VT-x or AMD-V may exist, but this hardware does not support it",
	"HV Support is 2: VT-x or AMD-V exists, but is disabled in the BIOS",
	"HV Support is 3: VT-x or AMD-V is enabled",
};

static int check_hv(struct checking *c, struct np_err *err)
{
	int level = c->h->hv_support;
	struct np_judgement j = {
		.id = "hv-support",
		.status = level == 3 ? NP_PROBE_PASS : NP_PROBE_FAIL,
		.decides = true,
		.cure = "switch Intel VT-x or AMD-V (SVM) on in the BIOS",
		.where = "esxcfg-info | grep 'HV Support'; BIOS: processor settings"
	};

	if (level < 0) {
		j.status = NP_PROBE_UNKNOWN;
		j.cure = "add the output of: esxcfg-info | grep 'HV Support'";
		return np_report_add(c->r, &j, err, "not in any capture");
	}
	return np_report_add(c->r, &j, err, "%s", hv_texts[level]);
}

static enum np_probe_status status_of(enum np_verdict v)
{
	if (v == NP_VERDICT_UNKNOWN)
		return NP_PROBE_UNKNOWN;
	return v == NP_VERDICT_YES ? NP_PROBE_PASS : NP_PROBE_FAIL;
}

/* " (on after the next reboot)": a value that was set and does not hold yet. */
static const char *pending_of(const struct np_host *h, enum host_setting setting)
{
	enum np_verdict next = h->pending[setting], now = h->settings[setting];

	if (next == NP_VERDICT_UNKNOWN || next == now)
		return "";
	return next == NP_VERDICT_YES ? "; it is set to be on after the next reboot"
				      : "; it is set to be off after the next reboot";
}

/* What was set already takes a reboot alone; what no capture has is not to be changed yet. */
static const char *cure_of(const struct np_host *h, enum host_setting setting, const char *cure)
{
	bool is_set =
		h->pending[setting] == NP_VERDICT_YES && h->settings[setting] != NP_VERDICT_YES;

	if (is_set)
		return "reboot the host: the BIOS setting waits for it";
	if (h->settings[setting] != NP_VERDICT_UNKNOWN)
		return cure;
	return "add the BIOS settings: an export, or the text of the setup screen";
}

static const char *on_or_off(enum np_verdict v)
{
	if (v == NP_VERDICT_UNKNOWN)
		return "not in any capture";
	return v == NP_VERDICT_YES ? "switched on" : "switched off";
}

static int check_iommu(struct checking *c, struct np_err *err)
{
	enum np_verdict v = c->h->settings[SETTING_IOMMU];
	struct np_judgement j = { .id = "iommu",
				  .status = status_of(v),
				  .decides = true,
				  .cure = "switch VT-d (Intel) or the IOMMU (AMD) on in the BIOS",
				  .where = "BIOS: VT-d, Intel VT for Directed I/O, or AMD IOMMU; "
					   "esxcli system settings kernel list -o noIOMMU" };

	if (c->h->settings[SETTING_NO_IOMMU] == NP_VERDICT_YES) {
		j.status = NP_PROBE_FAIL;
		j.cure =
			"esxcli system settings kernel set -s noIOMMU -v FALSE, and reboot the host";
		return np_report_add(c->r, &j, err, "ESXi's setting noIOMMU is TRUE");
	}
	j.cure = cure_of(c->h, SETTING_IOMMU, j.cure);
	return np_report_add(c->r, &j, err, "VT-d or AMD IOMMU: %s%s", on_or_off(v),
			     pending_of(c->h, SETTING_IOMMU));
}

/* --- GPUs --------------------------------------------------------------------------------------- */

/* "NVIDIA A16-4C" as vCenter writes it: nvidia_a16-4c. */
static const struct np_gpu *find_vgpu_card(const struct np_catalogue *cat, const char *name)
{
	char profile[72];
	size_t i;

	for (i = 0; name[i] != '\0' && i + 1 < sizeof(profile); i++)
		profile[i] = name[i] == ' ' ? '_' : (char)tolower((unsigned char)name[i]);
	profile[i] = '\0';
	return np_gpu_find_vgpu(cat, profile);
}

/* "NVIDIATesla T4": ESXi writes vendor and name in one. */
static void read_title(struct np_host *h, struct host_device *d)
{
	static const char vendor[] = "NVIDIA";

	if (!d->seen.gpu && !d->seen.has_id && strncmp(d->title, vendor, strlen(vendor)) == 0)
		d->seen.gpu = hostcheck_find_model(h, d->title + strlen(vendor));
}

/* The card, and the BARs that lspci or the kernel listed; of others nothing is known. */
static void read_bars(struct np_host *h, struct host_device *d)
{
	d->seen.subsystem = d->subsystem;
	d->seen.has_subsystem = d->subsystem.vendor != 0 && d->subsystem.device != 0;
	if (d->seen.has_id)
		np_report_identify(&d->seen, h->cat, d->side == SIDE_GUEST);
	if (d->vgpu[0] == '\0')
		memcpy(d->vgpu, d->seen.vgpu_type, sizeof(d->seen.vgpu_type));
	read_title(h, d);
	if (!d->seen.gpu && d->vgpu[0] != '\0')
		d->seen.gpu = find_vgpu_card(h->cat, d->vgpu);
	if (d->has_regions)
		np_report_pair_bars(&d->seen, d->is_whole);
	/* What the driver maps is assigned. */
	for (size_t i = 0; d->is_working && i < d->seen.n_bars; i++)
		if (d->seen.bars[i].assigned == NP_VERDICT_UNKNOWN)
			d->seen.bars[i].assigned = NP_VERDICT_YES;
}

static int by_address(const void *a, const void *b)
{
	const struct host_device *x = a, *y = b;
	int order = strcmp(x->seen.address, y->seen.address);

	return order != 0 ? order : (int)x->side - (int)y->side;
}

/* The state that vmkchdev shows holds where no other capture says more. */
static void read_owner(struct host_device *d)
{
	if (d->enabled == NP_VERDICT_UNKNOWN)
		d->enabled = d->owned;
	hostcheck_set_worst(&d->active, d->owned, true);
}

static int find_gpus(struct checking *c, struct np_err *err)
{
	struct np_host *h = c->h;

	free(h->gpus);
	h->n_gpus = 0;
	h->gpus = calloc(h->n_devices + 1, sizeof(*h->gpus));
	if (!h->gpus)
		return np_fail_nomem(err);
	for (size_t i = 0; i < h->n_devices; i++) {
		struct host_device *d = &h->devices[i];

		h->has_list = h->has_list || (d->side == SIDE_HOST && d->is_listed);
		h->has_guest_list = h->has_guest_list || (d->side == SIDE_GUEST && d->is_listed);
		c->n_untold += d->side == SIDE_HOST && !d->seen.has_id && !d->is_told;
		if (d->side == SIDE_VM || !hostcheck_device_is_gpu(h, d))
			continue;
		h->gpus[h->n_gpus] = *d;
		read_owner(&h->gpus[h->n_gpus]);
		read_bars(h, &h->gpus[h->n_gpus]);
		h->is_vgpu =
			h->is_vgpu || (d->side == SIDE_HOST && strcmp(d->module, MODULE_VGPU) == 0);
		h->n_gpus++;
	}
	c->has_devices = h->has_list || c->n_untold > 0;
	qsort(h->gpus, h->n_gpus, sizeof(*h->gpus), by_address);
	return 0;
}

static bool is_hosts(const struct host_device *d)
{
	return d->side == SIDE_HOST;
}

static size_t count_host_gpus(const struct np_host *h)
{
	size_t n = 0;

	for (size_t i = 0; i < h->n_gpus; i++)
		n += is_hosts(&h->gpus[i]);
	return n;
}

const char *hostcheck_gpu_name(const struct host_device *d, char buf[static NP_REPORT_WHO_MAX])
{
	char id[NP_PCI_ID_MAX];

	if (d->vgpu[0] != '\0') {
		snprintf(buf, NP_REPORT_WHO_MAX, "%s (%.60s)", np_report_address(&d->seen),
			 d->vgpu);
		return buf;
	}
	if (d->seen.gpu || d->title[0] == '\0')
		return np_report_gpu_name(&d->seen, buf);
	np_gpu_pci_id_format(d->seen.id, id);
	snprintf(buf, NP_REPORT_WHO_MAX, "%s (%s%s%.46s)", np_report_address(&d->seen),
		 d->seen.has_id ? id : "", d->seen.has_id ? " " : "", d->title);
	return buf;
}

/* The GPUs of one side, and those of them that the catalogue lacks. */
static void list_gpus(const struct np_host *h, enum host_side side, struct np_report_words *all,
		      struct np_report_words *unknown)
{
	char who[NP_REPORT_WHO_MAX];

	for (size_t i = 0; i < h->n_gpus; i++) {
		if (h->gpus[i].side != side)
			continue;
		np_report_words_add(all, "%s", hostcheck_gpu_name(&h->gpus[i], who));
		if (!h->gpus[i].seen.gpu)
			np_report_words_add(unknown, "%s", np_report_address(&h->gpus[i].seen));
	}
}

static int report_found(struct checking *c, struct np_judgement *j, const struct np_report_words *w,
			const struct np_report_words *unknown, struct np_err *err)
{
	const char *where = j->status == NP_PROBE_PASS ? "" : "in the VM: ";

	j->status = NP_PROBE_PASS;
	if (unknown->n == 0)
		return np_report_add(c->r, j, err, "%s%zu: %s", where, w->n, w->text);
	j->status = NP_PROBE_WARN;
	j->cure =
		"give the size of its BARs with --catalogue (pciID, barsMB) or --catalogue-from, so that the window can be computed";
	return np_report_add(c->r, j, err, "%s%zu: %s; not in the catalogue: %s", where, w->n,
			     w->text, unknown->text);
}

/* Devices of which a list gives neither class nor name: any of them may be a GPU. */
static size_t list_unclassed(const struct np_host *h, struct np_report_words *w)
{
	char id[NP_PCI_ID_MAX];

	for (size_t i = 0; i < h->n_devices; i++) {
		const struct host_device *d = &h->devices[i];

		if (!is_hosts(d) || !d->is_listed || !d->seen.has_id || d->has_class ||
		    d->is_other || d->is_told)
			continue;
		np_gpu_pci_id_format(d->seen.id, id);
		np_report_words_add(w, "%s (%s)", d->seen.address, id);
	}
	return w->n;
}

/* Devices of a list whose record is not whole: any of them may be a GPU. */
static size_t list_without_id(const struct np_host *h, struct np_report_words *w)
{
	for (size_t i = 0; i < h->n_devices; i++) {
		const struct host_device *d = &h->devices[i];

		if (is_hosts(d) && d->is_listed && !d->seen.has_id && !d->has_class &&
		    !d->is_other && !d->is_told)
			np_report_words_add(w, "%s", np_report_address(&d->seen));
	}
	return w->n;
}

/* No GPU of the host is in any capture: what the VM's captures show, or what is missing. */
static int report_none(struct checking *c, struct np_judgement *j, struct np_err *err)
{
	struct np_report_words guest = { 0 }, unknown = { 0 }, others = { 0 };

	list_gpus(c->h, SIDE_GUEST, &guest, &unknown);
	if (guest.n > 0) {
		j->status = NP_PROBE_WARN;
		return report_found(c, j, &guest, &unknown, err);
	}
	if (list_unclassed(c->h, &others) > 0) {
		j->cure = "add the output of: esxcli hardware pci list, which has the classes";
		j->status = NP_PROBE_UNKNOWN;
		return np_report_add(
			c->r, j, err,
			"no GPU that the catalogue knows; without its class each of %zu may be one: %s",
			others.n, others.text);
	}
	if (c->has_devices) {
		j->status = NP_PROBE_FAIL;
		j->cure =
			"check that the card is seated and powered, and that the list is complete";
		return np_report_add(c->r, j, err, "none in the list of PCI devices");
	}
	if (c->h->has_guest_list) {
		j->status = NP_PROBE_FAIL;
		j->cure =
			"compare with the VM's class ('nodeprep plan'): it attaches no GPU, or a configSpec hides it";
		return np_report_add(c->r, j, err, "the VM's list of PCI devices has no GPU");
	}
	j->status = NP_PROBE_UNKNOWN;
	j->cure = "add the output of: esxcli hardware pci list";
	return np_report_add(c->r, j, err, "not in any capture");
}

static int check_gpus(struct checking *c, struct np_err *err)
{
	struct np_judgement j = { .id = "gpus-found",
				  .status = NP_PROBE_PASS,
				  .decides = true,
				  .where = "esxcli hardware pci list, or lspci -nnvvv" };
	struct np_report_words w = { 0 }, unknown = { 0 }, rest = { 0 };

	list_gpus(c->h, SIDE_HOST, &w, &unknown);
	if (w.n == 0 && c->n_untold > 0 && !c->h->is_list_cut) {
		j.status = NP_PROBE_UNKNOWN;
		j.cure = "add the output of: esxcli hardware pci list";
		return np_report_add(
			c->r, &j, err,
			"%zu device%s without an id: the list does not say what they are",
			c->n_untold, c->n_untold == 1 ? "" : "s");
	}
	if (w.n > 0 && list_without_id(c->h, &rest) > 0) {
		j.status = NP_PROBE_UNKNOWN;
		j.cure = "add the whole output of: esxcli hardware pci list";
		return np_report_add(c->r, &j, err,
				     "so far %zu: %s; without their ids these may be GPUs: %s", w.n,
				     w.text, rest.text);
	}
	if (c->h->is_list_cut) {
		j.status = NP_PROBE_UNKNOWN;
		j.cure = "add the whole list: it ends within a record";
		return np_report_add(c->r, &j, err,
				     "the list of PCI devices is truncated; so far %zu: %s", w.n,
				     w.text);
	}
	return w.n > 0 ? report_found(c, &j, &w, &unknown, err) : report_none(c, &j, err);
}

/* What differs between the three states of passthrough. */
struct passthrough {
	const char *id, *cure, *where, *good, *bad;
	size_t offset; /* of the verdict in struct host_device */
};

static enum np_verdict verdict_at(const struct host_device *d, size_t offset)
{
	return *(const enum np_verdict *)(const void *)((const char *)d + offset);
}

static int check_passthrough(struct checking *c, const struct passthrough *p, struct np_err *err)
{
	struct np_judgement j = {
		.id = p->id, .decides = true, .cure = p->cure, .where = p->where
	};
	struct np_report_words bad = { 0 }, open = { 0 };
	char who[NP_REPORT_WHO_MAX];
	size_t n = 0;

	if (c->h->is_vgpu) {
		j.status = NP_PROBE_PASS;
		return np_report_add(c->r, &j, err, "not needed: the host provides vGPUs");
	}
	for (size_t i = 0; i < c->h->n_gpus; i++) {
		enum np_verdict v = verdict_at(&c->h->gpus[i], p->offset);

		n += is_hosts(&c->h->gpus[i]);
		if (v != NP_VERDICT_YES && is_hosts(&c->h->gpus[i]))
			np_report_words_add(v == NP_VERDICT_NO ? &bad : &open, "%s",
					    hostcheck_gpu_name(&c->h->gpus[i], who));
	}
	j.status = bad.n > 0              ? NP_PROBE_FAIL
		   : open.n > 0 || n == 0 ? NP_PROBE_UNKNOWN
					  : NP_PROBE_PASS;
	if (j.status == NP_PROBE_UNKNOWN)
		j.cure =
			"add the outputs of: esxcli hardware pci list; esxcli hardware pci pcipassthru "
			"list";
	return np_report_add(c->r, &j, err, "%s%s",
			     bad.n > 0    ? p->bad
			     : open.n > 0 ? "no capture of "
			     : n == 0     ? "no GPU found"
					  : p->good,
			     bad.n > 0 ? bad.text : open.text);
}

static int check_capable(struct checking *c, struct np_err *err)
{
	static const struct passthrough p = {
		.id = "passthrough-capable",
		.cure = "switch VT-d or the AMD IOMMU on in the BIOS; a device that cannot be reset on its own cannot be passed through",
		.where = "vSphere Client: host, Configure, Hardware, PCI Devices; vim-cmd "
			 "hostsvc/hostconfig, passthruCapable",
		.good = "every GPU can be passed through",
		.bad = "cannot be passed through: ",
		.offset = offsetof(struct host_device, capable),
	};

	return check_passthrough(c, &p, err);
}

static int check_enabled(struct checking *c, struct np_err *err)
{
	static const struct passthrough p = {
		.id = "passthrough-enabled",
		.cure = "esxcli hardware pci pcipassthru set -d ADDRESS -e true",
		.where =
			"esxcli hardware pci pcipassthru list; esxcli hardware pci list, Configured Owner",
		.good = "every GPU is set to passthrough",
		.bad = "not set to passthrough: ",
		.offset = offsetof(struct host_device, enabled),
	};

	return check_passthrough(c, &p, err);
}

static int check_active(struct checking *c, struct np_err *err)
{
	static const struct passthrough p = {
		.id = "passthrough-active",
		.cure = "reboot the host to activate passthrough",
		.where = "esxcli hardware pci list, Current Owner",
		.good = "every GPU is passed through",
		.bad = "not yet passed through: ",
		.offset = offsetof(struct host_device, active),
	};

	return check_passthrough(c, &p, err);
}

/* --- BIOS --------------------------------------------------------------------------------------- */

static bool is_t4(const struct np_seen_gpu *gpu)
{
	return gpu->gpu && strcmp(gpu->gpu->model, "T4") == 0;
}

/* Needed for any vGPU and for the T4; whole cards in passthrough need none. */
static enum np_verdict needs_sriov(const struct np_host *h)
{
	enum np_verdict needed = NP_VERDICT_NO;

	if (h->is_vgpu)
		return NP_VERDICT_YES;
	for (size_t i = 0; i < h->n_gpus; i++) {
		if (!is_hosts(&h->gpus[i]))
			continue;
		if (is_t4(&h->gpus[i].seen))
			return NP_VERDICT_YES;
		if (h->gpus[i].active != NP_VERDICT_YES || !h->gpus[i].seen.gpu)
			needed = NP_VERDICT_UNKNOWN;
	}
	return count_host_gpus(h) > 0 ? needed : NP_VERDICT_UNKNOWN;
}

static int check_sriov(struct checking *c, struct np_err *err)
{
	enum np_verdict v = c->h->settings[SETTING_SRIOV], needed = needs_sriov(c->h);
	struct np_judgement j = { .id = "sr-iov",
				  .status = status_of(v),
				  .decides = true,
				  .cure = "switch SR-IOV on in the BIOS",
				  .where = "BIOS: SR-IOV, SR-IOV Global Enable" };

	if (v != NP_VERDICT_YES && needed == NP_VERDICT_NO) {
		j.status = NP_PROBE_PASS;
		return np_report_add(c->r, &j, err,
				     "not needed: whole cards in passthrough, none a T4");
	}
	if (v == NP_VERDICT_NO && needed == NP_VERDICT_UNKNOWN) {
		j.status = NP_PROBE_UNKNOWN;
		return np_report_add(
			c->r, &j, err,
			"switched off; any vGPU and the T4 need it, and no capture shows whether there will be one%s",
			pending_of(c->h, SETTING_SRIOV));
	}
	j.cure = cure_of(c->h, SETTING_SRIOV, j.cure);
	return np_report_add(c->r, &j, err, "SR-IOV: %s%s", on_or_off(v),
			     pending_of(c->h, SETTING_SRIOV));
}

/* A large BAR above 4 GB proves the setting, one without a place disproves it. */
static enum np_verdict above_4g(const struct np_host *h)
{
	enum np_verdict v = h->settings[SETTING_ABOVE_4G];

	for (size_t i = 0; i < h->n_gpus; i++) {
		const struct np_seen_gpu *gpu = &h->gpus[i].seen;

		/* A VM's BARs say nothing of the host's BIOS. */
		if (!is_hosts(&h->gpus[i]) || h->gpus[i].is_doubtful)
			continue;
		for (size_t k = 0; k < gpu->n_bars; k++) {
			const struct np_seen_bar *bar = &gpu->bars[k];

			if (bar->bytes <= LARGE_BYTES && bar->expected_bytes <= LARGE_BYTES)
				continue;
			if (bar->assigned == NP_VERDICT_NO)
				return NP_VERDICT_NO;
			if (v == NP_VERDICT_UNKNOWN && bar->assigned == NP_VERDICT_YES &&
			    bar->bytes > LARGE_BYTES && bar->address >= FOUR_GB)
				v = NP_VERDICT_YES;
		}
	}
	return v;
}

static int check_above_4g(struct checking *c, struct np_err *err)
{
	enum np_verdict set = c->h->settings[SETTING_ABOVE_4G], v = above_4g(c->h);
	struct np_judgement j = { .id = "above-4g",
				  .status = status_of(v),
				  .decides = true,
				  .cure = "switch memory mapping above 4 GB on in the BIOS",
				  .where =
					  "BIOS: Above 4G Decoding, Memory Mapped I/O above 4 GB" };

	if (set != v)
		return np_report_add(c->r, &j, err, "%s",
				     v == NP_VERDICT_YES ? "a large BAR lies above 4 GB"
							 : "a large BAR is not assigned");
	j.cure = cure_of(c->h, SETTING_ABOVE_4G, j.cure);
	return np_report_add(c->r, &j, err, "memory mapping above 4 GB: %s%s", on_or_off(v),
			     pending_of(c->h, SETTING_ABOVE_4G));
}

static int check_bars(struct checking *c, struct np_err *err)
{
	struct np_judgement j = {
		.id = "bars-assigned",
		.status = NP_PROBE_UNKNOWN,
		.cure = "switch memory mapping above 4 GB on in the host's BIOS, and raise "
			"its MMIO size where it has one",
		.where = "lspci -vvv, Region lines"
	};
	struct np_report_words bad = { 0 };
	size_t n_good = 0, n = count_host_gpus(c->h);
	char who[NP_REPORT_WHO_MAX];

	for (size_t i = 0; i < c->h->n_gpus; i++) {
		const struct host_device *d = &c->h->gpus[i];

		if (!is_hosts(d) || !d->has_regions)
			continue;
		if (d->seen.ok == NP_VERDICT_NO)
			np_report_words_add(&bad, "%s", hostcheck_gpu_name(d, who));
		if (d->seen.ok == NP_VERDICT_NO && d->is_doubtful)
			j.cure =
				"of a host: switch memory mapping above 4 GB on in its BIOS; of a VM: set the "
				"window ('nodeprep plan') and firmware efi in its class. The whole lspci tells "
				"which it is";
		n_good += d->seen.ok == NP_VERDICT_YES;
	}
	if (bad.n > 0) {
		j.status = NP_PROBE_FAIL;
		return np_report_add(c->r, &j, err, "not every BAR is assigned: %s", bad.text);
	}
	if (n_good == 0 || n_good < n) {
		j.cure = NULL;
		return np_report_add(c->r, &j, err, "no capture has the BARs of every GPU");
	}
	j.status = NP_PROBE_PASS;
	return np_report_add(c->r, &j, err, "the host assigned every BAR of its GPUs");
}

static int check_hot_migrate(struct checking *c, struct np_err *err)
{
	enum np_verdict v = c->h->settings[SETTING_HOT_MIGRATE];
	struct np_judgement j = {
		.id = "hot-migrate",
		.status = status_of(v),
		.decides = c->h->is_vgpu,
		.cure = "set vgpu.hotmigrate.enabled to true, if vMotion of VMs with vGPUs is required",
		.where = "vCenter: Configure, Advanced Settings, vgpu.hotmigrate.enabled"
	};

	if (v == NP_VERDICT_UNKNOWN)
		j.cure = "add vCenter's setting: Get-AdvancedSetting -Name vgpu.hotmigrate.enabled";
	/* Off by default, and of no use to whole cards, which cannot move. */
	if (v == NP_VERDICT_NO && !c->h->is_vgpu)
		j.status = NP_PROBE_WARN;
	return np_report_add(c->r, &j, err, "vgpu.hotmigrate.enabled: %s", on_or_off(v));
}

/* --- all of it ---------------------------------------------------------------------------------- */

/* A GPU is ok where it can be given away; one failure is enough that it cannot. */
static void judge_gpu(const struct np_host *h, struct host_device *d)
{
	enum np_verdict bars = d->has_regions ? d->seen.ok : NP_VERDICT_UNKNOWN;
	bool is_no = bars == NP_VERDICT_NO;

	/* In a VM it is ok where its BARs are assigned. */
	if (!is_hosts(d)) {
		d->seen.ok = d->is_working ? NP_VERDICT_YES : bars;
		return;
	}
	if (!h->is_vgpu)
		is_no = is_no || d->capable == NP_VERDICT_NO || d->enabled == NP_VERDICT_NO ||
			d->active == NP_VERDICT_NO;
	if (is_no)
		d->seen.ok = NP_VERDICT_NO;
	else if (h->is_vgpu ? strcmp(d->module, MODULE_VGPU) == 0
			    : d->capable == NP_VERDICT_YES && d->enabled == NP_VERDICT_YES &&
				      d->active == NP_VERDICT_YES)
		d->seen.ok = NP_VERDICT_YES;
	else
		d->seen.ok = NP_VERDICT_UNKNOWN;
	if (d->seen.driver[0] == '\0' && d->module[0] != '\0') {
		np_report_copy_clean(d->seen.driver, NP_DRIVER_MAX, d->module, strlen(d->module));
		d->seen.has_driver = NP_VERDICT_YES;
	}
}

static bool has_host_capture(const struct np_host *h)
{
	static const unsigned host_kinds = 1u << KIND_HV | 1u << KIND_PCI | 1u << KIND_VMKCHDEV |
					   1u << KIND_PASSTHROUGH | 1u << KIND_SETTINGS;

	for (size_t i = 0; i < h->n_captures; i++)
		if ((h->captures[i].kinds & host_kinds) != 0)
			return true;
	return h->has_list;
}

/* Of a VM's captures alone: that nothing is known of its host is said once a check, without advice. */
static void hush(struct np_report *r)
{
	for (size_t i = 0; i < r->n_probes && strcmp(r->probes[i].id, "mmio-window") != 0; i++) {
		struct np_probe *probe = &r->probes[i];

		if (probe->status != NP_PROBE_UNKNOWN)
			continue;
		free(probe->cure);
		probe->cure = NULL;
		probe->where = NULL;
	}
}

int np_hostcheck_judge(struct np_host *h, bool wants_vgpu, struct np_report *ret,
		       struct np_err *err)
{
	static int (*const checks[])(struct checking *, struct np_err *) = {
		check_hv,
		check_iommu,
		check_sriov,
		check_above_4g,
		check_gpus,
		check_capable,
		check_enabled,
		check_active,
		check_bars,
		check_hot_migrate,
		hostcheck_check_window,
		hostcheck_check_keys,
		hostcheck_check_firmware,
		hostcheck_check_memory,
		hostcheck_check_device_limit,
		hostcheck_check_hot_add,
		hostcheck_check_power_on,
		hostcheck_check_vm_bars,
		hostcheck_check_kernel_log,
	};
	NP_AUTO(np_report_done) struct np_report r = { 0 };
	struct checking c = { .h = h, .r = &r };

	h->is_vgpu = wants_vgpu;
	if (find_gpus(&c, err) < 0 || hostcheck_find_need(h, err) < 0)
		return np_err_ret(err);
	for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++)
		if (checks[i](&c, err) < 0)
			return np_err_ret(err);
	for (size_t i = 0; i < h->n_gpus; i++)
		judge_gpu(h, &h->gpus[i]);
	if (!has_host_capture(h))
		hush(&r);
	np_report_finish(&r);
	*ret = r;
	r = (struct np_report){ 0 };
	return 0;
}
