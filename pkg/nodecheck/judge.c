/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/mmio.h"
#include "nodeprep/report.h"
#include "nodeprep/units.h"

#define LARGE_BYTES \
	(256 * NP_MIB) /* up to this size BIOS firmware maps a BAR (Denneman 2023-05-30) */
#define FOUR_GB (4 * NP_GIB)
#define CURE_MAX 400

/* What the judging of one node needs at hand. */
struct judging {
	struct np_node_hw *m;
	const struct np_nodecheck_options *o;
	struct np_report *r;
	struct matching match;
	bool has_expectation;
	bool needs_efi; /* a card with a BAR over 256 MB */
	size_t n_bad, n_open; /* GPUs that are not ok, or unknown */
	char window_cure[CURE_MAX];
};

static const char *plural(uint64_t n)
{
	return n == 1 ? "" : "s";
}

static bool is_large(const struct np_seen_bar *bar)
{
	return bar->bytes > LARGE_BYTES || bar->expected_bytes > LARGE_BYTES;
}

static int judge_pci(struct judging *g, struct np_err *err)
{
	const struct np_node_hw *m = g->m;
	struct np_judgement j = { .id = "pci-readable",
				  .decides = true,
				  .status = NP_PROBE_UNKNOWN,
				  .cure = "mount the host's /sys, whole and read-only" };

	if (m->has_pci != NP_VERDICT_YES)
		return np_report_add(g->r, &j, err,
				     "sysfs shows no PCI bus: bus/pci/devices does not exist");
	if (m->n_unreadable > 0)
		return np_report_add(
			g->r, &j, err,
			"the ids of %zu of %zu PCI functions cannot be read: any of them may "
			"be a GPU",
			m->n_unreadable, m->n_devices);
	j.status = NP_PROBE_PASS;
	return np_report_add(g->r, &j, err, "%zu PCI function%s read", m->n_devices,
			     plural(m->n_devices));
}

static int judge_count_alone(struct judging *g, struct np_err *err)
{
	const struct np_judgement j = { .id = "gpu-count",
					.status = NP_PROBE_UNKNOWN,
					.decides = g->m->n_gpus == 0,
					.cure = "set the expectation: --expect MODEL=N, -f POOL, "
						"NODEPREP_EXPECT, or the Node's annotation "
						"nodeprep.dev/gpus" };

	if (g->m->n_gpus == 0)
		return np_report_add(g->r, &j, err,
				     "no GPU found, and no number of GPUs is expected");
	return np_report_add(g->r, &j, err, "%zu GPU%s found; no number of GPUs is expected",
			     g->m->n_gpus, plural(g->m->n_gpus));
}

static int judge_count(struct judging *g, struct np_err *err)
{
	const struct np_expectation *x = g->o->expectation;
	uint64_t found = g->match.found, expected = g->match.expected;
	struct np_judgement j = { .id = "gpu-count", .status = NP_PROBE_PASS, .decides = true };

	if (!g->has_expectation)
		return judge_count_alone(g, err);
	if (found < expected) {
		/* A function whose id cannot be read may be the one that is missing. */
		j.status = g->m->n_unreadable > 0 || g->m->has_pci != NP_VERDICT_YES
				   ? NP_PROBE_UNKNOWN
				   : NP_PROBE_FAIL;
		j.cure =
			"look at the VM's class with 'nodeprep check' or 'plan': devices that a "
			"configSpec hides are not attached; recreate the node once it is up to date";
	} else if (found > expected) {
		j.status = x->allows_more ? NP_PROBE_WARN : NP_PROBE_FAIL;
		j.cure = "correct the expected number, or use a VM class with fewer devices";
	}
	return np_report_add(g->r, &j, err, "%" PRIu64 " GPU%s found, %s says %" PRIu64, found,
			     plural(found), x->source, expected);
}

/* "; vGPU types found: A16-4C". */
static void list_types(const struct np_node_hw *m, struct np_report_words *w)
{
	for (size_t i = 0; i < m->n_gpus; i++) {
		const struct np_seen_gpu *gpu = &m->gpus[i];

		if (gpu->is_vgpu == NP_VERDICT_YES)
			np_report_words_add(w, "%s%s", w->n == 0 ? "; vGPU types found: " : "",
					    gpu->product[0] != '\0' ? gpu->product
								    : gpu->vgpu_type);
	}
}

static void list_wrong_models(const struct judging *g, struct np_report_words *w)
{
	const struct np_expectation *x = g->o->expectation;
	struct np_report_words types = { 0 };

	list_types(g->m, &types);
	for (size_t i = 0; i < x->n; i++) {
		if (x->items[i].found < x->items[i].count)
			np_report_words_add(w, "%" PRIu64 " of %" PRIu64 " x %.64s",
					    x->items[i].found, x->items[i].count, x->items[i].text);
	}
	if (g->match.unexpected > 0)
		np_report_words_add(w, "%" PRIu64 " GPU%s not expected%s", g->match.unexpected,
				    plural(g->match.unexpected), types.text);
}

static bool lacks_model(const struct np_expectation *x)
{
	for (size_t i = 0; i < x->n; i++)
		if (x->items[i].found < x->items[i].count)
			return true;
	return false;
}

static int judge_models(struct judging *g, struct np_err *err)
{
	struct np_judgement j = {
		.id = "gpu-models",
		.status = NP_PROBE_PASS,
		.decides = true,
		.cure = "compare the pool with its VM class: 'nodeprep plan -o wide'"
	};
	struct np_report_words w = { 0 };

	if (!g->has_expectation) {
		j.status = NP_PROBE_UNKNOWN;
		j.decides = false;
		j.cure = NULL;
		return np_report_add(g->r, &j, err, "no models are expected");
	}
	list_wrong_models(g, &w);
	if (w.n == 0 && g->match.is_untold) {
		j.status = NP_PROBE_UNKNOWN;
		j.cure =
			"load NVIDIA's driver: it names the vGPU type, which the subsystem id does not";
		return np_report_add(g->r, &j, err,
				     "a GPU fits %s by its card, but nothing names its vGPU type",
				     g->o->expectation->source);
	}
	if (w.n == 0)
		return np_report_add(g->r, &j, err, "every GPU matches %s",
				     g->o->expectation->source);
	if (g->match.is_open || g->m->n_unreadable > 0 || g->m->has_pci != NP_VERDICT_YES)
		j.status = NP_PROBE_UNKNOWN;
	else if (lacks_model(g->o->expectation) || !g->o->expectation->allows_more)
		j.status = NP_PROBE_FAIL;
	else
		j.status = NP_PROBE_WARN;
	return np_report_add(g->r, &j, err, "%s", w.text);
}

/* --- BARs --------------------------------------------------------------------------------------- */

static void list_bars(const struct np_seen_gpu *gpu, struct np_report_words *w)
{
	char who[NP_REPORT_WHO_MAX], bar[NP_REPORT_BAR_MAX];
	struct np_report_words bars = { 0 };

	np_report_gpu_name(gpu, who);
	if (gpu->is_lost) {
		np_report_words_add(w, "%s does not answer", who);
		return;
	}
	for (size_t i = 0; i < gpu->n_bars; i++)
		if (gpu->bars[i].assigned == NP_VERDICT_NO)
			np_report_words_add(&bars, "%s", np_report_bar_name(&gpu->bars[i], bar));
	np_report_words_add(w, "%s: %.140s", who, bars.n > 0 ? bars.text : "unknown");
}

static void list_gpus(const struct judging *g, enum np_verdict ok, struct np_report_words *w)
{
	for (size_t i = 0; i < g->m->n_gpus; i++)
		if (g->m->gpus[i].ok == ok)
			list_bars(&g->m->gpus[i], w);
}

static int judge_bars(struct judging *g, struct np_err *err)
{
	struct np_judgement j = { .id = "bars-assigned", .decides = g->m->n_gpus > 0 };
	struct np_report_words w = { 0 };

	if (g->m->n_gpus == 0) {
		j.status = NP_PROBE_UNKNOWN;
		return np_report_add(g->r, &j, err, "no GPU found");
	}
	if (g->n_bad > 0) {
		list_gpus(g, NP_VERDICT_NO, &w);
		j.status = NP_PROBE_FAIL;
		j.cure = g->window_cure;
		return np_report_add(g->r, &j, err, "not assigned: %s", w.text);
	}
	if (g->n_open > 0) {
		list_gpus(g, NP_VERDICT_UNKNOWN, &w);
		j.status = NP_PROBE_UNKNOWN;
		j.cure =
			"let the check read `resource` and `config` of the device, and add a missing card with --catalogue";
		return np_report_add(g->r, &j, err, "%s", w.text);
	}
	j.status = NP_PROBE_PASS;
	return np_report_add(g->r, &j, err, "every BAR of %zu GPU%s is assigned", g->m->n_gpus,
			     plural(g->m->n_gpus));
}

/* What a look at every BAR finds. */
struct bar_survey {
	size_t n; /* BARs of the kind that is looked for */
	size_t n_open; /* that cannot be judged */
	struct np_report_words wrong;
};

typedef void bar_look(struct bar_survey *s, const struct np_seen_gpu *gpu,
		      const struct np_seen_bar *bar);

static void survey_bars(const struct np_node_hw *m, bar_look *look, struct bar_survey *s)
{
	for (size_t i = 0; i < m->n_gpus; i++)
		for (size_t k = 0; k < m->gpus[i].n_bars; k++)
			look(s, &m->gpus[i], &m->gpus[i].bars[k]);
}

static void look_at_place(struct bar_survey *s, const struct np_seen_gpu *gpu,
			  const struct np_seen_bar *bar)
{
	char who[NP_REPORT_WHO_MAX], text[NP_REPORT_BAR_MAX];

	if (!is_large(bar))
		return;
	s->n++;
	if (bar->assigned != NP_VERDICT_YES)
		s->n_open++;
	else if (bar->address < FOUR_GB || !bar->is_64bit || !bar->is_prefetchable)
		np_report_words_add(&s->wrong, "%s: %s %s", np_report_gpu_name(gpu, who),
				    np_report_bar_name(bar, text),
				    bar->address < FOUR_GB ? "lies below 4 GB"
							   : "is not 64-bit prefetchable");
}

static int judge_place(struct judging *g, struct np_err *err)
{
	struct np_judgement j = { .id = "bars-above-4g", .status = NP_PROBE_UNKNOWN };
	struct bar_survey s = { 0 };

	survey_bars(g->m, look_at_place, &s);
	if (s.wrong.n > 0) {
		j.status = NP_PROBE_WARN;
		return np_report_add(g->r, &j, err, "%s", s.wrong.text);
	}
	if (g->m->n_gpus == 0 || s.n_open > 0 || g->n_open > 0)
		return np_report_add(g->r, &j, err, "%s",
				     g->m->n_gpus == 0 ? "no GPU found"
						       : "not every large BAR is assigned");
	j.status = NP_PROBE_PASS;
	if (s.n == 0)
		return np_report_add(g->r, &j, err, "no BAR is over 256 MB");
	return np_report_add(g->r, &j, err, "%zu large BAR%s, 64-bit prefetchable above 4 GB", s.n,
			     plural(s.n));
}

static void look_at_size(struct bar_survey *s, const struct np_seen_gpu *gpu,
			 const struct np_seen_bar *bar)
{
	char who[NP_REPORT_WHO_MAX], text[NP_REPORT_BAR_MAX], size[NP_SIZE_TEXT_MAX];

	s->n++;
	if (bar->expected_bytes == 0 || bar->bytes == bar->expected_bytes)
		return;
	np_size_text(bar->expected_bytes, size);
	np_report_words_add(&s->wrong, "%s: %s where the catalogue has %s",
			    np_report_gpu_name(gpu, who), np_report_bar_name(bar, text), size);
}

static int judge_sizes(struct judging *g, struct np_err *err)
{
	struct np_judgement j = { .id = "bar-sizes", .status = NP_PROBE_UNKNOWN };
	struct bar_survey s = { 0 };
	size_t n_unknown = 0;

	for (size_t i = 0; i < g->m->n_gpus; i++)
		n_unknown += !g->m->gpus[i].gpu;
	survey_bars(g->m, look_at_size, &s);
	if (s.wrong.n > 0) {
		j.status = NP_PROBE_WARN;
		j.cure =
			"no action if this is intended: a vGPU's BAR follows its profile, a resizable BAR "
			"its setting, and the BAR of a card with display outputs its mode";
		return np_report_add(g->r, &j, err, "%s", s.wrong.text);
	}
	if (g->m->n_gpus == 0 || n_unknown > 0 || s.n == 0) {
		j.cure = n_unknown > 0 ? "add the card with --catalogue" : NULL;
		return np_report_add(g->r, &j, err, "%s",
				     g->m->n_gpus == 0 ? "no GPU found"
						       : "the catalogue does not have every card");
	}
	j.status = NP_PROBE_PASS;
	return np_report_add(g->r, &j, err, "every BAR has the catalogue's size");
}

/* --- bridges ------------------------------------------------------------------------------------ */

static bool read_place(const char *address, unsigned *domain, unsigned *bus)
{
	char *end;

	*domain = (unsigned)strtoul(address, &end, 16);
	*bus = *end == ':' ? (unsigned)strtoul(end + 1, NULL, 16) : 0;
	return *end == ':';
}

/* The bridge right above: of those whose buses hold the GPU's the one with the highest first bus. */
static const struct np_seen_bridge *find_bridge(const struct np_node_hw *m, const char *address)
{
	const struct np_seen_bridge *best = NULL;
	unsigned domain, bus;

	if (!read_place(address, &domain, &bus))
		return NULL;
	for (size_t i = 0; i < m->n_bridges; i++) {
		const struct np_seen_bridge *b = &m->bridges[i];

		if (b->domain == domain && b->secondary <= bus && bus <= b->subordinate &&
		    (!best || b->secondary > best->secondary))
			best = b;
	}
	return best;
}

static bool is_within(const struct np_seen_bridge *b, const struct np_seen_bar *bar)
{
	for (size_t i = 0; i < b->n_windows; i++)
		if (bar->address >= b->windows[i].start &&
		    bar->address + (bar->bytes - 1) <= b->windows[i].end)
			return true;
	return false;
}

static void look_at_bridge(const struct np_node_hw *m, const struct np_seen_gpu *gpu,
			   struct bar_survey *s)
{
	const struct np_seen_bridge *b = find_bridge(m, gpu->address);
	char who[NP_REPORT_WHO_MAX], text[NP_REPORT_BAR_MAX];
	unsigned domain, bus;

	if (!b || b->n_windows == 0) {
		/* Bus 0 is the root bus: nothing stands above its devices. */
		if (b || !read_place(gpu->address, &domain, &bus) || bus != 0)
			s->n_open++;
		return;
	}
	for (size_t i = 0; i < gpu->n_bars; i++) {
		const struct np_seen_bar *bar = &gpu->bars[i];

		if (bar->assigned != NP_VERDICT_YES || bar->bytes == 0)
			continue;
		s->n++;
		if (!is_within(b, bar))
			np_report_words_add(&s->wrong,
					    "%s: %s lies outside the windows of bridge %s",
					    np_report_gpu_name(gpu, who),
					    np_report_bar_name(bar, text), b->address);
	}
}

static int judge_bridges(struct judging *g, struct np_err *err)
{
	struct np_judgement j = { .id = "bridge-windows",
				  .status = NP_PROBE_UNKNOWN,
				  .cure = g->window_cure };
	struct bar_survey s = { 0 };

	for (size_t i = 0; i < g->m->n_gpus; i++)
		look_at_bridge(g->m, &g->m->gpus[i], &s);
	if (s.wrong.n > 0) {
		j.status = NP_PROBE_FAIL;
		return np_report_add(g->r, &j, err, "%s", s.wrong.text);
	}
	j.cure = NULL;
	if (g->m->n_gpus == 0 || s.n_open > 0)
		return np_report_add(
			g->r, &j, err, "%s",
			g->m->n_gpus == 0 ? "no GPU found"
					  : "the windows of a bridge above a GPU cannot be read");
	j.status = NP_PROBE_PASS;
	if (s.n == 0)
		return np_report_add(g->r, &j, err, "no BAR is behind a bridge");
	return np_report_add(g->r, &j, err, "%zu BAR%s within the windows of the bridges above",
			     s.n, plural(s.n));
}

/* --- around the BARs ---------------------------------------------------------------------------- */

static int judge_uefi(struct judging *g, struct np_err *err)
{
	struct np_judgement j = {
		.id = "uefi",
		.status = NP_PROBE_UNKNOWN,
		.cure = "set configSpec.firmware of the VM class to efi ('nodeprep apply'), and recreate the node"
	};

	if (g->m->is_uefi == NP_VERDICT_YES) {
		j.status = NP_PROBE_PASS;
		return np_report_add(g->r, &j, err, "booted with UEFI");
	}
	if (g->m->is_uefi == NP_VERDICT_UNKNOWN) {
		j.cure = NULL;
		return np_report_add(g->r, &j, err,
				     "sysfs has no `firmware` folder: the firmware is unknown");
	}
	if (!g->needs_efi) {
		j.status = NP_PROBE_PASS;
		return np_report_add(
			g->r, &j, err,
			"booted with BIOS, which is sufficient: no BAR is over 256 MB");
	}
	/* Other hypervisors' BIOS does map large BARs: what counts is whether it did. */
	j.status = g->n_bad > 0 ? NP_PROBE_FAIL : NP_PROBE_WARN;
	return np_report_add(g->r, &j, err,
			     "booted with BIOS, which maps no BAR over 256 MB on ESXi%s",
			     g->n_bad > 0 ? "" : "; here it mapped them");
}

static const struct np_seen_gpu *find_gpu(const struct np_node_hw *m, const char *address)
{
	for (size_t i = 0; i < m->n_gpus; i++)
		if (strcmp(m->gpus[i].address, address) == 0)
			return &m->gpus[i];
	return NULL;
}

/* The findings of the log by what they mean now. */
struct log_survey {
	struct np_report_words bad; /* BARs that are not assigned */
	struct np_report_words past; /* what a later pass, or another driver, put right */
	struct np_report_words failed; /* what the driver refuses, with what it means */
	struct np_report_words hints;
	const char *cure; /* of the first failure */
	const char *hint_cure;
};

/* The state of the BARs counts: what the kernel reported first it may have assigned after all. */
static void survey_bar(const struct judging *g, const struct np_log_finding *f,
		       const struct np_seen_gpu *gpu, struct log_survey *s)
{
	bool is_bad = gpu ? gpu->ok == NP_VERDICT_NO : g->n_bad > 0;

	if (gpu || (f->is_driver && f->address[0] == '\0'))
		np_report_words_add(is_bad ? &s->bad : &s->past, "'%s'", f->text);
}

/* A GPU that its driver has named runs now, whatever failed before. */
static void survey_driver(const struct np_log_finding *f, const struct np_seen_gpu *gpu,
			  struct log_survey *s)
{
	bool runs = gpu && gpu->product[0] != '\0' && !gpu->is_lost;
	struct np_report_words *w = runs                          ? &s->past
				    : np_nodecheck_log_is_hint(f) ? &s->hints
								  : &s->failed;
	const char **cure = w == &s->failed ? &s->cure : &s->hint_cure;

	np_report_words_add(w, "%s%s%s%s'%s'", f->address, f->address[0] != '\0' ? ": " : "",
			    f->row->what ? f->row->what : "", f->row->what ? ": " : "", f->text);
	if (!runs && !*cure)
		*cure = gpu && gpu->vgpu_type[0] != '\0' && f->row->topic == NP_LOG_DRIVER
				? "install NVIDIA's vGPU guest driver (GRID) of a release that fits the host's vGPU manager: the "
				  "GPU is a vGPU, which the data-center driver does not support"
				: np_nodecheck_log_cure(f);
}

static void survey_log(const struct judging *g, struct log_survey *s)
{
	const struct np_kernel_log *log = &g->m->log;

	for (size_t i = 0; i < log->n; i++) {
		const struct np_log_finding *f = &log->findings[i];
		const struct np_seen_gpu *gpu = find_gpu(g->m, f->address);

		if (f->row->topic == NP_LOG_BAR)
			survey_bar(g, f, gpu, s);
		else if (gpu || f->address[0] == '\0' || g->m->n_gpus == 0)
			survey_driver(f, gpu, s);
	}
}

static int judge_log(struct judging *g, struct np_err *err)
{
	struct np_judgement j = { .id = "kernel-log", .status = NP_PROBE_UNKNOWN };
	struct log_survey s = { .cure = NULL };

	if (!g->m->log.is_read)
		return np_report_add(g->r, &j, err,
				     "not readable here; the BARs are judged without it");
	survey_log(g, &s);
	if (s.bad.n > 0) {
		j.status = NP_PROBE_FAIL;
		j.cure = g->window_cure;
		return np_report_add(g->r, &j, err, "%s", s.bad.text);
	}
	if (s.failed.n > 0) {
		j.status = NP_PROBE_FAIL;
		j.cure = s.cure;
		return np_report_add(g->r, &j, err, "%s", s.failed.text);
	}
	if (s.past.n > 0 || s.hints.n > 0) {
		j.status = NP_PROBE_WARN;
		j.cure = s.hint_cure;
		return np_report_add(g->r, &j, err, "%s%s%s%s",
				     s.past.n > 0 ? "no longer so, but logged: " : "", s.past.text,
				     s.past.n > 0 && s.hints.n > 0 ? "; " : "", s.hints.text);
	}
	j.status = NP_PROBE_PASS;
	return np_report_add(g->r, &j, err, "nothing about the GPUs in %zu line%s",
			     g->m->log.n_lines, plural(g->m->log.n_lines));
}

/* Adds the GPUs whose driver is not `wanted` (NULL: none, or nouveau); counts what is not known. */
static void list_drivers(const struct judging *g, struct np_report_words *w, size_t *ret_open)
{
	const char *wanted = g->o->driver;
	char who[NP_REPORT_WHO_MAX];

	for (size_t i = 0; i < g->m->n_gpus; i++) {
		const struct np_seen_gpu *gpu = &g->m->gpus[i];
		const char *name = gpu->driver[0] != '\0' ? gpu->driver : "none";

		if (gpu->has_driver == NP_VERDICT_UNKNOWN)
			(*ret_open)++;
		else if (wanted ? strcmp(gpu->driver, wanted) != 0
				: gpu->driver[0] == '\0' || strcmp(name, "nouveau") == 0)
			np_report_words_add(w, "%s: %s", np_report_gpu_name(gpu, who), name);
	}
}

static int judge_driver(struct judging *g, struct np_err *err)
{
	bool is_wanted = !!g->o->driver;
	struct np_judgement j = { .id = "driver",
				  .status = NP_PROBE_UNKNOWN,
				  .decides = is_wanted };
	struct np_report_words w = { 0 };
	size_t n_open = 0;

	list_drivers(g, &w, &n_open);
	if (w.n > 0) {
		j.status = is_wanted ? NP_PROBE_FAIL : NP_PROBE_WARN;
		j.cure =
			"--driver with --wait waits for a driver that loads later; the kernel parameter "
			"modprobe.blacklist=nouveau keeps nouveau away";
		return np_report_add(g->r, &j, err, "bound driver %s%s%s%s",
				     is_wanted ? "is not " : "", is_wanted ? g->o->driver : "",
				     is_wanted ? ": " : "of ", w.text);
	}
	if (g->m->n_gpus == 0 || n_open > 0)
		return np_report_add(g->r, &j, err, "%s",
				     g->m->n_gpus == 0 ? "no GPU found"
						       : "the driver of a GPU cannot be read");
	j.status = NP_PROBE_PASS;
	return np_report_add(g->r, &j, err, "every GPU is bound to a driver");
}

static int judge_iommu(struct judging *g, struct np_err *err)
{
	struct np_judgement j = { .id = "iommu", .status = NP_PROBE_PASS };
	struct np_report_words w = { 0 };
	char who[NP_REPORT_WHO_MAX];

	for (size_t i = 0; i < g->m->n_gpus; i++)
		if (strcmp(g->m->gpus[i].driver, "vfio-pci") == 0 && g->m->gpus[i].iommu_group < 0)
			np_report_words_add(&w, "%s", np_report_gpu_name(&g->m->gpus[i], who));
	if (w.n > 0) {
		j.status = NP_PROBE_WARN;
		j.cure =
			"give the VM a virtual IOMMU (vvtd.enable) if it passes GPUs on to other VMs";
		return np_report_add(g->r, &j, err, "vfio-pci without an IOMMU group: %s", w.text);
	}
	if (g->m->has_iommu == NP_VERDICT_UNKNOWN) {
		j.status = NP_PROBE_UNKNOWN;
		return np_report_add(g->r, &j, err,
				     "sysfs has no `class` folder: the IOMMU is unknown");
	}
	return np_report_add(g->r, &j, err, "%s",
			     g->m->has_iommu == NP_VERDICT_YES
				     ? "the node has one"
				     : "the node has none; only vfio-pci requires one");
}

static int judge_vgpu(struct judging *g, struct np_err *err)
{
	struct np_judgement j = { .id = "vgpu", .status = NP_PROBE_PASS };
	struct np_report_words w = { 0 };
	size_t n_open = 0;
	char who[NP_REPORT_WHO_MAX];

	for (size_t i = 0; i < g->m->n_gpus; i++) {
		const struct np_seen_gpu *gpu = &g->m->gpus[i];

		n_open += gpu->is_vgpu == NP_VERDICT_UNKNOWN;
		if (gpu->is_vgpu == NP_VERDICT_YES)
			np_report_words_add(&w, "%s is '%s'", np_report_gpu_name(gpu, who),
					    gpu->product[0] != '\0' ? gpu->product
								    : gpu->vgpu_type);
	}
	if (w.n > 0)
		return np_report_add(g->r, &j, err, "%s", w.text);
	if (g->m->n_gpus == 0 || n_open > 0) {
		j.status = NP_PROBE_UNKNOWN;
		return np_report_add(
			g->r, &j, err, "%s",
			g->m->n_gpus == 0
				? "no GPU found"
				: "unknown: NVIDIA's driver, which reports it, is not loaded");
	}
	return np_report_add(g->r, &j, err, "no vGPU: whole cards");
}

/* --- all of it ---------------------------------------------------------------------------------- */

/* Rule 2 over what is here, so that the cure can name a size; 0: no figure. */
static int find_window(const struct np_node_hw *m, uint64_t *ret_gb, struct np_err *err)
{
	NP_AUTO(np_freep) struct np_addend *addends = NULL;
	struct np_need need;

	*ret_gb = 0;
	if (m->n_gpus == 0)
		return 0;
	addends = reallocarray(NULL, m->n_gpus, sizeof(*addends));
	if (!addends)
		return np_fail_nomem(err);
	for (size_t i = 0; i < m->n_gpus; i++)
		if (np_mmio_addend(m->gpus[i].gpu, 1, &addends[i], err) < 0)
			return np_err_ret(err);
	if (np_mmio_need(addends, m->n_gpus, &need, err) < 0)
		return np_err_ret(err);
	*ret_gb = need.complete ? need.required_gb : 0;
	return 0;
}

static int write_cure(struct judging *g, struct np_err *err)
{
	uint64_t gb = 0;

	if (find_window(g->m, &gb, err) < 0)
		return np_err_ret(err);
	if (gb > 0)
		snprintf(
			g->window_cure, CURE_MAX,
			"give the VM a 64-bit MMIO window of at least %" PRIu64
			" GB (pciPassthru.use64bitMMIO TRUE and pciPassthru.64bitMMIOSizeGB %" PRIu64
			" in its VM class, with firmware efi: 'nodeprep apply'), and recreate the node",
			gb, gb);
	else
		snprintf(
			g->window_cure, CURE_MAX,
			"give the VM a larger 64-bit MMIO window (pciPassthru.64bitMMIOSizeGB in its "
			"VM class: 'nodeprep plan' computes it), and recreate the node");
	return 0;
}

static void survey_gpus(struct judging *g)
{
	for (size_t i = 0; i < g->m->n_gpus; i++) {
		const struct np_seen_gpu *gpu = &g->m->gpus[i];

		g->n_bad += gpu->ok == NP_VERDICT_NO;
		g->n_open += gpu->ok == NP_VERDICT_UNKNOWN;
		for (size_t k = 0; k < gpu->n_bars; k++)
			g->needs_efi = g->needs_efi || is_large(&gpu->bars[k]);
	}
}

/* More GPUs may come, and another driver may bind; nothing else changes by itself. */
static bool is_final(const struct judging *g)
{
	if (g->has_expectation && g->match.found < g->match.expected)
		return false;
	for (size_t i = 0; i < g->r->n_probes; i++)
		if (g->r->probes[i].status == NP_PROBE_FAIL &&
		    strcmp(g->r->probes[i].id, "driver") != 0 &&
		    strcmp(g->r->probes[i].id, "kernel-log") != 0)
			return true;
	return false;
}

int np_nodecheck_judge(struct np_node_hw *m, const struct np_nodecheck_options *o,
		       struct np_report *ret, struct np_err *err)
{
	static int (*const checks[])(struct judging *, struct np_err *) = {
		judge_pci,     judge_count, judge_models, judge_bars,   judge_place, judge_sizes,
		judge_bridges, judge_uefi,  judge_log,    judge_driver, judge_iommu, judge_vgpu,
	};
	NP_AUTO(np_report_done) struct np_report r = { 0 };
	struct judging g = { .m = m, .o = o, .r = &r };

	g.has_expectation = o->expectation && o->expectation->source;
	if (g.has_expectation)
		g.match = nodecheck_expectation_match(m, o);
	survey_gpus(&g);
	if (write_cure(&g, err) < 0)
		return np_err_ret(err);
	for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++)
		if (checks[i](&g, err) < 0)
			return np_err_ret(err);
	np_report_finish(&r);
	r.is_final = is_final(&g);
	*ret = r;
	r = (struct np_report){ 0 };
	return 0;
}
