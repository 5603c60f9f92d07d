/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/err.h"
#include "nodeprep/hostcheck.h"
#include "nodeprep/report.h"
#include "nodeprep/units.h"

#define PAGE_BYTES UINT64_C(4096)
#define FOUR_GB (4 * NP_GIB)
#define LARGE_BYTES (256 * NP_MIB)
#define WINDOW_MIN_GB 64 /* the floor of rule 2 (mmio.h) */
#define MODULE_VGPU \
	"nvidia" /* of NVIDIA's vGPU manager, which owns the GPUs that vGPUs are cut from */

struct checking {
	struct np_host *h;
	struct np_report *r;
	bool has_devices; /* some capture listed PCI devices */
	size_t n_untold; /* of which nothing says what they are */
};

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
	return np_report_add(c->r, &j, err, "VT-d or AMD IOMMU: %s", on_or_off(v));
}

/* --- GPUs --------------------------------------------------------------------------------------- */

static bool is_gpu(const struct np_host *h, const struct host_device *d)
{
	enum np_pci_class class;

	if (!d->seen.has_id)
		return d->is_display && (d->seen.gpu || d->is_nvidia);
	class = np_gpu_pci_classify(h->cat, d->seen.id);
	if (class != NP_PCI_GPU_UNKNOWN)
		return class == NP_PCI_GPU;
	return !d->has_class || d->is_display;
}

/* The BARs of a GPU that lspci listed; of others nothing is known. */
static void read_bars(struct np_host *h, struct host_device *d)
{
	if (d->seen.has_id)
		d->seen.gpu = np_gpu_find_id(h->cat, d->seen.id);
	if (d->has_regions)
		np_report_pair_bars(&d->seen, d->is_whole);
}

static int by_address(const void *a, const void *b)
{
	const struct host_device *x = a, *y = b;

	return strcmp(x->seen.address, y->seen.address);
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
		c->n_untold += !h->devices[i].seen.has_id && !h->devices[i].is_told;
		if (!is_gpu(h, &h->devices[i]))
			continue;
		h->gpus[h->n_gpus] = h->devices[i];
		read_bars(h, &h->gpus[h->n_gpus]);
		h->is_vgpu = h->is_vgpu || strcmp(h->devices[i].module, MODULE_VGPU) == 0;
		h->n_gpus++;
	}
	c->has_devices = h->n_devices > 0;
	qsort(h->gpus, h->n_gpus, sizeof(*h->gpus), by_address);
	return 0;
}

static int check_gpus(struct checking *c, struct np_err *err)
{
	struct np_judgement j = { .id = "gpus-found",
				  .status = NP_PROBE_PASS,
				  .decides = true,
				  .where = "esxcli hardware pci list, or lspci -nnvvv" };
	struct np_report_words w = { 0 };
	char who[NP_REPORT_WHO_MAX];

	for (size_t i = 0; i < c->h->n_gpus; i++)
		np_report_words_add(&w, "%s", np_report_gpu_name(&c->h->gpus[i].seen, who));
	if (c->h->is_list_cut || (w.n == 0 && c->n_untold > 0)) {
		j.status = NP_PROBE_UNKNOWN;
		j.cure = "add the whole list: it ends within a record";
		return np_report_add(c->r, &j, err,
				     "the list of PCI devices is truncated; so far %zu: %s", w.n,
				     w.text);
	}
	if (w.n > 0)
		return np_report_add(c->r, &j, err, "%zu: %s", w.n, w.text);
	j.status = c->has_devices ? NP_PROBE_FAIL : NP_PROBE_UNKNOWN;
	j.cure =
		c->has_devices
			? "check that the card is seated and powered, and that the list is complete"
			: "add the output of: esxcli hardware pci list";
	return np_report_add(c->r, &j, err, "%s",
			     c->has_devices ? "none in the list of PCI devices"
					    : "not in any capture");
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

	if (c->h->is_vgpu) {
		j.status = NP_PROBE_PASS;
		return np_report_add(c->r, &j, err, "not needed: the host provides vGPUs");
	}
	for (size_t i = 0; i < c->h->n_gpus; i++) {
		enum np_verdict v = verdict_at(&c->h->gpus[i], p->offset);

		if (v != NP_VERDICT_YES)
			np_report_words_add(v == NP_VERDICT_NO ? &bad : &open, "%s",
					    np_report_gpu_name(&c->h->gpus[i].seen, who));
	}
	j.status = bad.n > 0                         ? NP_PROBE_FAIL
		   : open.n > 0 || c->h->n_gpus == 0 ? NP_PROBE_UNKNOWN
						     : NP_PROBE_PASS;
	if (j.status == NP_PROBE_UNKNOWN)
		j.cure =
			"add the outputs of: esxcli hardware pci list; esxcli hardware pci pcipassthru "
			"list";
	return np_report_add(c->r, &j, err, "%s%s",
			     bad.n > 0           ? p->bad
			     : open.n > 0        ? "no capture of "
			     : c->h->n_gpus == 0 ? "no GPU found"
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
		if (is_t4(&h->gpus[i].seen))
			return NP_VERDICT_YES;
		if (h->gpus[i].active != NP_VERDICT_YES || !h->gpus[i].seen.gpu)
			needed = NP_VERDICT_UNKNOWN;
	}
	return h->n_gpus > 0 ? needed : NP_VERDICT_UNKNOWN;
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
			"switched off; any vGPU and the T4 need it, and no capture shows whether there will be one");
	}
	return np_report_add(c->r, &j, err, "SR-IOV: %s", on_or_off(v));
}

/* A large BAR above 4 GB proves the setting, one without a place disproves it. */
static enum np_verdict above_4g(const struct np_host *h)
{
	enum np_verdict v = h->settings[SETTING_ABOVE_4G];

	for (size_t i = 0; i < h->n_gpus; i++) {
		const struct np_seen_gpu *gpu = &h->gpus[i].seen;

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
	return np_report_add(c->r, &j, err, "memory mapping above 4 GB: %s", on_or_off(v));
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
	size_t n_good = 0;
	char who[NP_REPORT_WHO_MAX];

	for (size_t i = 0; i < c->h->n_gpus; i++) {
		const struct host_device *d = &c->h->gpus[i];

		if (d->has_regions && d->seen.ok == NP_VERDICT_NO)
			np_report_words_add(&bad, "%s", np_report_gpu_name(&d->seen, who));
		n_good += d->has_regions && d->seen.ok == NP_VERDICT_YES;
	}
	if (bad.n > 0) {
		j.status = NP_PROBE_FAIL;
		return np_report_add(c->r, &j, err, "the host did not assign every BAR of %s",
				     bad.text);
	}
	if (n_good == 0 || n_good < c->h->n_gpus) {
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

	/* Off by default, and of no use to whole cards, which cannot move. */
	if (v == NP_VERDICT_NO && !c->h->is_vgpu)
		j.status = NP_PROBE_WARN;
	return np_report_add(c->r, &j, err, "vgpu.hotmigrate.enabled: %s", on_or_off(v));
}

/* --- vmware.log --------------------------------------------------------------------------------- */

static int find_window(struct np_host *h, struct np_err *err)
{
	uint64_t bytes;

	h->needed_gb = 0;
	h->window_gb = 0;
	if (!h->has_need)
		return 0;
	if (__builtin_mul_overflow(h->pages_needed, PAGE_BYTES, &bytes))
		return np_fail(err, NP_E_SPEC, "vmware.log: '%" PRIu64 "' pages exceed 64 bits",
			       h->pages_needed);
	h->needed_gb = bytes / NP_GIB + (bytes % NP_GIB != 0);
	if (np_pow2_ceil(h->needed_gb, &h->window_gb, err) < 0)
		return np_err_ret(err);
	if (h->window_gb < WINDOW_MIN_GB)
		h->window_gb = WINDOW_MIN_GB;
	return 0;
}

static int check_window(struct checking *c, struct np_err *err)
{
	const struct np_host *h = c->h;
	char cure[256], limit[NP_SIZE_TEXT_MAX];
	struct np_judgement j = { .id = "mmio-window",
				  .status = NP_PROBE_UNKNOWN,
				  .cure = cure,
				  .where = "vmware.log of the VM: total number of pages needed" };

	snprintf(cure, sizeof(cure), "add the vmware.log of a VM that does not power on");
	if (!h->has_need)
		return np_report_add(c->r, &j, err, "no vmware.log reports needed pages");
	j.status = NP_PROBE_FAIL;
	np_size_text(h->pages_limit * PAGE_BYTES, limit);
	snprintf(cure, sizeof(cure),
		 "pciPassthru.use64bitMMIO TRUE and pciPassthru.64bitMMIOSizeGB %" PRIu64
		 " in the VM class, with firmware efi: 'nodeprep apply'",
		 h->window_gb);
	return np_report_add(c->r, &j, err,
			     "the VM's devices need %" PRIu64 " GB (%" PRIu64
			     " pages of 4 KiB), the window holds "
			     "%s: set a window of %" PRIu64 " GB",
			     h->needed_gb, h->pages_needed, limit, h->window_gb);
}

/* --- all of it ---------------------------------------------------------------------------------- */

/* A GPU is ok where it can be given away; one failure is enough that it cannot. */
static void judge_gpu(const struct np_host *h, struct host_device *d)
{
	enum np_verdict bars = d->has_regions ? d->seen.ok : NP_VERDICT_UNKNOWN;
	bool is_no = bars == NP_VERDICT_NO;

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

int np_hostcheck_judge(struct np_host *h, bool wants_vgpu, struct np_report *ret,
		       struct np_err *err)
{
	static int (*const checks[])(struct checking *, struct np_err *) = {
		check_hv,   check_iommu,       check_sriov,   check_above_4g,
		check_gpus, check_capable,     check_enabled, check_active,
		check_bars, check_hot_migrate, check_window,
	};
	NP_AUTO(np_report_done) struct np_report r = { 0 };
	struct checking c = { .h = h, .r = &r };

	h->is_vgpu = wants_vgpu;
	if (find_gpus(&c, err) < 0 || find_window(h, err) < 0)
		return np_err_ret(err);
	for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++)
		if (checks[i](&c, err) < 0)
			return np_err_ret(err);
	for (size_t i = 0; i < h->n_gpus; i++)
		judge_gpu(h, &h->gpus[i]);
	np_report_finish(&r);
	*ret = r;
	r = (struct np_report){ 0 };
	return 0;
}

/* --- showing ------------------------------------------------------------------------------------ */

static const struct kind_name {
	enum host_kind kind;
	const char *name;
} kind_names[] = {
	{ KIND_HV, "esxcfg-info" },    { KIND_PCI, "esxcli hardware pci list" },
	{ KIND_LSPCI, "lspci" },       { KIND_PASSTHROUGH, "passthrough" },
	{ KIND_SETTINGS, "settings" }, { KIND_VMWARE_LOG, "vmware.log" },
};

#define N_KINDS (sizeof(kind_names) / sizeof(kind_names[0]))

static json_t *capture_tree(const struct host_capture *capture)
{
	json_t *kinds = json_array();

	for (size_t i = 0; i < N_KINDS; i++) {
		if ((capture->kinds & kind_names[i].kind) != 0 &&
		    json_array_append_new(kinds, json_string(kind_names[i].name)) < 0) {
			json_decref(kinds);
			return NULL;
		}
	}
	return json_pack("{s:s, s:o}", "name", capture->name, "kinds", kinds);
}

static json_t *captures_tree(const struct np_host *h)
{
	json_t *list = json_array();

	for (size_t i = 0; i < h->n_captures; i++) {
		if (json_array_append_new(list, capture_tree(&h->captures[i])) < 0) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

static json_t *host_gpus_tree(const struct np_host *h)
{
	json_t *list = json_array();

	for (size_t i = 0; i < h->n_gpus; i++) {
		if (json_array_append_new(list, np_report_gpu_tree(&h->gpus[i].seen)) < 0) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

static json_t *number_tree(bool is_known, uint64_t number)
{
	return is_known ? json_integer((json_int_t)number) : json_null();
}

json_t *np_hostcheck_tree(const struct np_host *h, const struct np_report *r)
{
	return json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "apiVersion",
			 "nodeprep.dev/v1alpha1", "kind", "HostReport", "pass",
			 np_report_verdict_tree(r->pass), "gpus", host_gpus_tree(h), "checks",
			 np_report_probes_tree(r), "hvSupport",
			 number_tree(h->hv_support >= 0, (uint64_t)h->hv_support), "neededMMIOGB",
			 number_tree(h->has_need, h->needed_gb), "windowGB",
			 number_tree(h->has_need, h->window_gb), "captures", captures_tree(h));
}

static void write_captures(FILE *out, const struct np_host *h)
{
	for (size_t i = 0; i < h->n_captures; i++) {
		const char *gap = "";

		fprintf(out, "%s: ", h->captures[i].name);
		for (size_t k = 0; k < N_KINDS; k++) {
			if ((h->captures[i].kinds & kind_names[k].kind) == 0)
				continue;
			fprintf(out, "%s%s", gap, kind_names[k].name);
			gap = ", ";
		}
		fputc('\n', out);
	}
	if (h->n_captures > 0)
		fputc('\n', out);
}

int np_hostcheck_text(const struct np_host *h, const struct np_report *r, char **ret,
		      struct np_err *err)
{
	NP_AUTO(np_freep) char *bytes = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&bytes, &size);

	if (!out)
		return np_fail_nomem(err);
	write_captures(out, h);
	for (size_t i = 0; i < h->n_gpus; i++)
		np_report_write_gpus(out, &h->gpus[i].seen, 1);
	np_report_write_probes(out, r, true);
	if (fclose(out) == EOF)
		return np_fail_nomem(err);
	*ret = np_take(bytes);
	return 0;
}
