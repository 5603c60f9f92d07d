/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/plan.h"
#include "nodeprep/svg.h"

/* The drawing's measures, in its own units: 960 wide, as high as it gets. */
enum {
	WIDTH = 960,
	MARGIN = 24,
	INNER = WIDTH - 2 * MARGIN,
	PAGE_GAP = 48,
	NAME_WIDTH = 216,
	SLOTS_X = MARGIN + NAME_WIDTH,
	SLOTS = 8, /* in a line */
	SLOT_WIDTH = 66,
	SLOT_HEIGHT = 48,
	SLOT_STEP = SLOT_WIDTH + 4,
	STRIP_HEIGHT = 7, /* with the pattern of the state */
	FITS_X = SLOTS_X + SLOTS * SLOT_STEP + 12,
	FITS = 4, /* in a line */
	FIT_WIDTH = 27,
	FIT_HEIGHT = 18,
	FIT_STEP = 31,
	ROW_GAP = 14,
	SAMPLE_STEP = 116,
};

/* --- states ------------------------------------------------------------------------------------- */

enum state { FREE, USED, VGPU, DISABLED, INCAPABLE, REBOOT, UNKNOWN, STATES };

/* Each state has a word and a pattern, so that no colour is needed. */
static const struct {
	const char *word, *class, *meaning;
} states[STATES] = {
	[FREE] = { "free", "free", "ready for a VM" },
	[USED] = { "in use", "used", "in use by a VM" },
	[VGPU] = { "vGPUs", "vgpu", "the vGPU manager's" },
	[DISABLED] = { "disabled", "disabled", "not enabled" },
	[INCAPABLE] = { "incapable", "incapable", "no passthrough" },
	[REBOOT] = { "reboot", "reboot", "reboot pending" },
	[UNKNOWN] = { "unknown", "unknown", "not known now" },
};

/* What vCenter last knew of a host that is not connected is not its state. */
static enum state state_of(const struct np_vsphere_host *h, const struct np_vsphere_gpu *gpu)
{
	if (strcmp(h->connection, "connected") != 0)
		return UNKNOWN;
	if (gpu->is_shared)
		return VGPU;
	if (gpu->users.n > 0)
		return USED;
	if (gpu->capable == NP_VERDICT_NO)
		return INCAPABLE;
	if (gpu->enabled == NP_VERDICT_NO)
		return h->has_graphics ? DISABLED : UNKNOWN;
	if (gpu->enabled == NP_VERDICT_YES && gpu->active == NP_VERDICT_NO)
		return REBOOT;
	return gpu->seen.ok == NP_VERDICT_YES && !gpu->may_be_used ? FREE : UNKNOWN;
}

/* --- the page ----------------------------------------------------------------------------------- */

/*
 * Both palettes are in the drawing, which is laid over the reader's own background. Contrast of text against
 * white and against #0d1117 is at least 4.5 to 1.
 */
static const char style_sheet[] =
	".np-hosts{color:#1f2328;font-family:sans-serif}\n"
	".np-hosts text{fill:currentColor}\n"
	".np-hosts .quiet{fill:#59636e}\n"
	".np-hosts .rule{stroke:currentColor;stroke-width:.5;opacity:.5}\n"
	".np-hosts .slot{fill:none;stroke:currentColor;stroke-width:1.25}\n"
	".np-hosts .used{fill:#1f2328}\n"
	".np-hosts text.on-used,.np-hosts text.on-now{fill:#fff}\n"
	".np-hosts .unknown{stroke-dasharray:4 3}\n"
	".np-hosts .line{stroke:currentColor;stroke-width:1.25;fill:none}\n"
	".np-hosts .dot{fill:currentColor}\n"
	".np-hosts .fit{fill:none;stroke:currentColor;stroke-width:1.25}\n"
	".np-hosts .now{fill:#1a7f37;stroke:none}\n"
	".np-hosts .later{stroke-dasharray:3 2}\n"
	"@media (prefers-color-scheme:dark){\n"
	".np-hosts{color:#e6edf3}\n"
	".np-hosts .quiet{fill:#9aa4af}\n"
	".np-hosts .used{fill:#e6edf3}\n"
	".np-hosts text.on-used{fill:#0d1117}\n"
	".np-hosts .now{fill:#2ea043}\n"
	".np-hosts text.on-now{fill:#0d1117}\n"
	"}\n";

/* One pattern a state; the others have none. */
static const char patterns[] =
	"<defs>\n"
	"<pattern id=\"np-hosts-vgpu\" width=\"5\" height=\"5\" patternUnits=\"userSpaceOnUse\">"
	"<path class=\"line\" d=\"M2.5 0v5\"/></pattern>\n"
	"<pattern id=\"np-hosts-disabled\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\" "
	"patternTransform=\"rotate(45)\"><path class=\"line\" d=\"M3 0v6\"/></pattern>\n"
	"<pattern id=\"np-hosts-incapable\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\" "
	"patternTransform=\"rotate(45)\"><path class=\"line\" d=\"M3 0v6M0 3h6\"/></pattern>\n"
	"<pattern id=\"np-hosts-reboot\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\">"
	"<circle class=\"dot\" cx=\"3\" cy=\"3\" r=\"1.5\"/></pattern>\n"
	"</defs>\n";

struct svg {
	FILE *out;
	const struct np_vsphere_hosts *hosts;
	const struct np_plan *plan; /* NULL: no pools */
	size_t pages;
	unsigned y; /* grows downwards */
};

__attribute__((format(printf, 5, 6))) static void format_words(struct svg *g, unsigned x,
							       unsigned size, const char *class,
							       const char *fmt, ...)
{
	struct np_svg_words w = { .x = x,
				  .y = g->y,
				  .size = size,
				  .most = np_svg_characters(WIDTH - MARGIN - x, size),
				  .class = class,
				  .more = "" };
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	g->y = np_svg_write_lines(g->out, &w, text);
}

/* --- the key ------------------------------------------------------------------------------------ */

static void write_box(struct svg *g, unsigned x, unsigned y, enum state s)
{
	const char *class = states[s].class;

	fprintf(g->out,
		"<rect class=\"slot %s\" x=\"%u\" y=\"%u\" width=\"%d\" height=\"%d\" rx=\"3\"/>\n",
		class, x, y, SLOT_WIDTH, SLOT_HEIGHT);
	if (s == VGPU || s == DISABLED || s == INCAPABLE || s == REBOOT)
		fprintf(g->out,
			"<rect x=\"%u\" y=\"%u\" width=\"%d\" height=\"%d\" fill=\"url(#np-hosts-%s)\"/>\n",
			x + 2, y + SLOT_HEIGHT - STRIP_HEIGHT - 2, SLOT_WIDTH - 4, STRIP_HEIGHT,
			class);
}

static void write_in_box(struct svg *g, unsigned x, unsigned y, enum state s, const char *text)
{
	const struct np_svg_words w = { .x = x + SLOT_WIDTH / 2,
					.y = y + 12,
					.size = 11,
					.most = 12,
					.class = s == USED ? "on-used" : "",
					.more = " text-anchor=\"middle\" font-weight=\"bold\"" };

	np_svg_write_words(g->out, &w, text);
}

static void write_totals(struct svg *g, size_t counts[static STATES])
{
	size_t all = 0;

	for (size_t i = 0; i < g->hosts->n; i++) {
		const struct np_vsphere_host *h = &g->hosts->items[i];

		for (size_t k = 0; k < h->n_gpus; k++)
			counts[state_of(h, &h->gpus[k])]++;
		all += h->n_gpus;
	}
	format_words(g, MARGIN, 13, "", "%zu host%s, %zu GPU%s%s", g->hosts->n,
		     g->hosts->n == 1 ? "" : "s", all, all == 1 ? "" : "s",
		     g->pages > 1 ? " on all pages" : "");
}

/* The states that occur, each with its number of GPUs. */
static void write_key(struct svg *g, const size_t counts[static STATES])
{
	unsigned x = MARGIN;
	char text[64];

	for (enum state s = 0; s < STATES; s++) {
		if (counts[s] == 0)
			continue;
		write_box(g, x, g->y, s);
		write_in_box(g, x, g->y, s, states[s].word);
		snprintf(text, sizeof(text), "%zu", counts[s]);
		np_svg_write_words(g->out,
				   &(struct np_svg_words){ .x = x + SLOT_WIDTH / 2,
							   .y = g->y + 29,
							   .size = 12,
							   .most = 12,
							   .class = s == USED ? "on-used" : "",
							   .more = " text-anchor=\"middle\"" },
				   text);
		np_svg_write_words(
			g->out,
			&(struct np_svg_words){ .x = x,
						.y = g->y + SLOT_HEIGHT + 13,
						.size = 9,
						.most = np_svg_characters(SAMPLE_STEP, 9),
						.class = "quiet",
						.more = "" },
			states[s].meaning);
		x += SAMPLE_STEP;
	}
	g->y += x > MARGIN ? SLOT_HEIGHT + 32 : 0;
}

/* --- pools -------------------------------------------------------------------------------------- */

static void write_fit(struct svg *g, unsigned x, unsigned y, size_t pool, enum vsphere_fit fit)
{
	/* Where it fits nowhere, it is a sample for the key. */
	static const char *const classes[] = { [VSPHERE_FIT_NONE] = "",
					       [VSPHERE_FIT_LATER] = "later",
					       [VSPHERE_FIT_OFFERED] = "later",
					       [VSPHERE_FIT_NOW] = "now" };
	char text[24];

	fprintf(g->out,
		"<rect class=\"fit %s\" x=\"%u\" y=\"%u\" width=\"%d\" height=\"%d\" rx=\"8\"/>\n",
		classes[fit], x, y, FIT_WIDTH, FIT_HEIGHT);
	snprintf(text, sizeof(text), "%zu%s", pool + 1, fit == VSPHERE_FIT_OFFERED ? "?" : "");
	np_svg_write_words(g->out,
			   &(struct np_svg_words){ .x = x + FIT_WIDTH / 2,
						   .y = y + 13,
						   .size = 11,
						   .most = 6,
						   .class = fit == VSPHERE_FIT_NOW ? "on-now" : "",
						   .more = " text-anchor=\"middle\"" },
			   text);
}

static void write_capacity(const struct np_plan_capacity *c, char *buf, size_t size)
{
	if (!c->is_known)
		snprintf(buf, size, "where it fits is not known");
	else if (!c->has_fit)
		snprintf(buf, size, "capable hosts: %zu, fits now: not known", c->capable_hosts);
	else
		snprintf(buf, size, "capable hosts: %zu, fits now: %zu", c->capable_hosts,
			 c->fit_now);
}

static void write_pools(struct svg *g)
{
	if (!g->plan || g->plan->n_pools == 0)
		return;
	format_words(
		g, MARGIN, 11, "quiet",
		"Pools, by their numbers at the right end of a row: filled where one more node fits now, dashed where the "
		"host is capable but its GPUs are not free or it is not ready; with ? for vGPUs, of which a host tells the "
		"types alone.");
	for (size_t i = 0; i < g->plan->n_pools; i++) {
		const struct np_plan_pool *p = &g->plan->pools[i];
		char id[NP_POOL_ID_MAX], cards[NP_CARDS_TEXT_MAX], capacity[96];

		np_pool_id(p->pool, id);
		np_plan_cards_text(p->cards, p->n_cards, cards);
		write_capacity(&p->capacity, capacity, sizeof(capacity));
		write_fit(g, MARGIN, g->y - 10, i, VSPHERE_FIT_NONE);
		g->y += 3;
		format_words(g, MARGIN + FIT_WIDTH + 10, 12, "", "%s: %s; %s", id,
			     p->has_gpus ? cards : "GPUs not known", capacity);
		g->y += 4;
	}
	g->y += 6;
}

/* Sets *ret to where the last line of numbers ends. */
static int write_fits(struct svg *g, const struct np_vsphere_host *h, unsigned *ret,
		      struct np_err *err)
{
	unsigned n = 0;

	for (size_t i = 0; g->plan && i < g->plan->n_pools; i++) {
		enum vsphere_fit fit;

		if (vsphere_fit(h, &g->plan->pools[i], &fit, err) < 0)
			return np_err_ret(err);
		if (fit == VSPHERE_FIT_NONE)
			continue;
		write_fit(g, FITS_X + n % FITS * FIT_STEP, g->y + n / FITS * (FIT_HEIGHT + 5), i,
			  fit);
		n++;
	}
	*ret = g->y + (n + FITS - 1) / FITS * (FIT_HEIGHT + 5);
	return 0;
}

/* --- hosts -------------------------------------------------------------------------------------- */

/* Returns the model, else the PCI id: vCenter's names of devices are longer than a slot. */
static const char *model_of(const struct np_vsphere_gpu *gpu, char buf[static NP_PCI_ID_MAX])
{
	if (gpu->seen.gpu)
		return gpu->seen.gpu->model;
	if (!gpu->seen.has_id)
		return "unknown";
	np_gpu_pci_id_format(gpu->seen.id, buf);
	return buf;
}

/* Domain 0 goes without saying. */
static const char *short_address(const struct np_vsphere_gpu *gpu)
{
	const char *address = gpu->seen.address;

	return strncmp(address, "0000:", 5) == 0 ? address + 5 : address;
}

static void write_slot(struct svg *g, unsigned x, unsigned y, const struct np_vsphere_host *h,
		       const struct np_vsphere_gpu *gpu)
{
	enum state s = state_of(h, gpu);
	char id[NP_PCI_ID_MAX];
	const char *model = model_of(gpu, id);
	struct np_svg_words w = { .x = x + SLOT_WIDTH / 2,
				  .y = y + 22,
				  .size = 9,
				  .most = np_svg_characters(SLOT_WIDTH - 6, 9),
				  .class = s == USED ? "on-used" : "",
				  .more = " text-anchor=\"middle\"" };

	fputs("<g>\n<title>", g->out);
	np_svg_write_text(g->out, h->name);
	fputs(" ", g->out);
	np_svg_write_text(g->out, gpu->seen.address);
	fputs(" ", g->out);
	np_svg_write_text(g->out, model);
	if (!gpu->seen.gpu && gpu->title[0] != '\0') {
		fputs(" ", g->out);
		np_svg_write_text(g->out, gpu->title);
	}
	fprintf(g->out, ": %s</title>\n", states[s].meaning);
	write_box(g, x, y, s);
	write_in_box(g, x, y, s, states[s].word);
	np_svg_write_words(g->out, &w, model);
	w.y = y + 32;
	w.size = 8;
	w.most = np_svg_characters(SLOT_WIDTH - 6, 8);
	np_svg_write_words(g->out, &w, short_address(gpu));
	fputs("</g>\n", g->out);
}

/* Returns where the last line of slots ends. */
static unsigned write_slots(struct svg *g, const struct np_vsphere_host *h)
{
	unsigned n = (unsigned)h->n_gpus;

	for (unsigned i = 0; i < n; i++)
		write_slot(g, SLOTS_X + i % SLOTS * SLOT_STEP, g->y + i / SLOTS * (SLOT_HEIGHT + 4),
			   h, &h->gpus[i]);
	return g->y + (n + SLOTS - 1) / SLOTS * (SLOT_HEIGHT + 4);
}

static bool has_same_users(const struct np_vsphere_gpu *a, const struct np_vsphere_gpu *b)
{
	if (a->users.n != b->users.n)
		return false;
	for (size_t i = 0; i < a->users.n; i++)
		if (strcmp(a->users.items[i], b->users.items[i]) != 0)
			return false;
	return true;
}

/* Returns the first GPU with the same users. */
static size_t first_with_users(const struct np_vsphere_host *h, size_t gpu)
{
	size_t i = 0;

	while (!has_same_users(&h->gpus[i], &h->gpus[gpu]))
		i++;
	return i;
}

/* Writes "3b:00.0, 3c:00.0: NAME, NAME" for the GPUs with the users of this one. */
static void write_same_users(FILE *out, const struct np_vsphere_host *h, size_t gpu)
{
	const struct np_vsphere_names *users = &h->gpus[gpu].users;
	const char *between = "";

	for (size_t i = gpu; i < h->n_gpus; i++) {
		if (!has_same_users(&h->gpus[i], &h->gpus[gpu]))
			continue;
		fprintf(out, "%s%s", between, short_address(&h->gpus[i]));
		between = ", ";
	}
	for (size_t i = 0; i < users->n; i++)
		fprintf(out, "%s%s", i > 0 ? ", " : ": ", users->items[i]);
}

static int list_users(const struct np_vsphere_host *h, char **ret, struct np_err *err)
{
	char *bytes = NULL;
	size_t size = 0, n = 0;
	FILE *out = open_memstream(&bytes, &size);

	if (!out)
		return np_fail_nomem(err);
	for (size_t i = 0; i < h->n_gpus; i++) {
		if (h->gpus[i].users.n == 0 || first_with_users(h, i) != i)
			continue;
		fputs(n++ > 0 ? "; " : "", out);
		write_same_users(out, h, i);
	}
	if (fclose(out) == EOF) {
		free(bytes);
		return np_fail_nomem(err);
	}
	*ret = bytes;
	return 0;
}

/* Moves *y below the lines. */
static int write_users(struct svg *g, const struct np_vsphere_host *h, unsigned *y,
		       struct np_err *err)
{
	const struct np_svg_words style = { .x = SLOTS_X,
					    .y = *y + 9,
					    .size = 10,
					    .most = np_svg_characters(SLOTS * SLOT_STEP, 10),
					    .class = "quiet",
					    .more = "" };
	NP_AUTO(np_freep) char *text = NULL;

	if (list_users(h, &text, err) < 0)
		return np_err_ret(err);
	if (text[0] != '\0')
		*y = np_svg_write_lines(g->out, &style, text) - 9;
	return 0;
}

static void write_name(struct svg *g, const struct np_vsphere_host *h)
{
	struct np_svg_words w = { .x = MARGIN,
				  .y = g->y + 13,
				  .size = 13,
				  .most = np_svg_characters(NAME_WIDTH - 10, 13),
				  .class = "",
				  .more = " font-weight=\"bold\"" };
	char text[128];

	np_svg_write_words(g->out, &w, h->name);
	snprintf(text, sizeof(text), "%s%s%s", h->connection[0] != '\0' ? h->connection : "unknown",
		 h->in_maintenance == NP_VERDICT_YES ? ", in maintenance" : "",
		 h->needs_reboot == NP_VERDICT_YES ? ", reboot pending" : "");
	w = (struct np_svg_words){ .x = MARGIN,
				   .y = g->y + 29,
				   .size = 11,
				   .most = np_svg_characters(NAME_WIDTH - 10, 11),
				   .class = strcmp(text, "connected") == 0 ? "quiet" : "",
				   .more = "" };
	np_svg_write_lines(g->out, &w, text);
}

static void write_nothing(struct svg *g, const struct np_vsphere_host *h)
{
	unsigned y = g->y;

	if (h->n_gpus > 0)
		return;
	g->y += 18;
	if (h->has_devices)
		format_words(g, SLOTS_X, 11, "quiet", "no GPUs");
	else
		format_words(g, SLOTS_X, 11, "quiet", "devices not readable%s%s%s",
			     h->fault[0] != '\0' ? " (" : "", h->fault,
			     h->fault[0] != '\0' ? ")" : "");
	g->y = y;
}

static unsigned later(unsigned a, unsigned b)
{
	return a > b ? a : b;
}

static int write_host(struct svg *g, const struct np_vsphere_host *h, struct np_err *err)
{
	unsigned fits_end = 0, slots_end = 0;

	fprintf(g->out, "<path class=\"rule\" d=\"M%d %uh%d\"/>\n", MARGIN, g->y - 7, INNER);
	write_name(g, h);
	write_nothing(g, h);
	slots_end = write_slots(g, h);
	if (write_users(g, h, &slots_end, err) < 0 || write_fits(g, h, &fits_end, err) < 0)
		return np_err_ret(err);
	g->y = later(later(fits_end, slots_end), g->y + SLOT_HEIGHT) + ROW_GAP;
	return 0;
}

/* --- pages -------------------------------------------------------------------------------------- */

static void write_title(struct svg *g, size_t page)
{
	char text[64];

	if (g->pages > 1)
		snprintf(text, sizeof(text), "GPU hosts, page %zu of %zu", page, g->pages);
	else
		snprintf(text, sizeof(text), "GPU hosts");
	np_svg_write_words(g->out,
			   &(struct np_svg_words){ .x = MARGIN,
						   .y = g->y + 20,
						   .size = 20,
						   .most = np_svg_characters(INNER, 20),
						   .class = "",
						   .more = " font-weight=\"bold\"" },
			   text);
	g->y += 44;
}

static void write_cluster(struct svg *g, const char *name, bool is_continued)
{
	g->y += 10;
	format_words(g, MARGIN, 14, "", "%s%s%s", name[0] != '\0' ? "Cluster " : "In no cluster",
		     name, is_continued ? ", continued" : "");
	g->y += 4;
}

static int write_page(struct svg *g, size_t page, struct np_err *err)
{
	const struct np_vsphere_host *items = g->hosts->items;
	size_t first = (page - 1) * NP_VSPHERE_PAGE_HOSTS, counts[STATES] = { 0 };

	fprintf(g->out, "<g id=\"page-%zu\">\n", page);
	write_title(g, page);
	write_totals(g, counts);
	write_key(g, counts);
	write_pools(g);
	for (size_t i = first; i < g->hosts->n && i < first + NP_VSPHERE_PAGE_HOSTS; i++) {
		bool is_new = i == 0 || strcmp(items[i].cluster, items[i - 1].cluster) != 0;

		if (is_new || i == first)
			write_cluster(g, items[i].cluster, !is_new);
		if (write_host(g, &items[i], err) < 0)
			return np_err_ret(err);
	}
	fputs("</g>\n", g->out);
	return 0;
}

size_t np_vsphere_hosts_pages(const struct np_vsphere_hosts *hosts)
{
	return hosts->n == 0 ? 1 : (hosts->n - 1) / NP_VSPHERE_PAGE_HOSTS + 1;
}

static int write_body(struct svg *g, size_t page, struct np_err *err)
{
	g->y = MARGIN;
	if (page > 0)
		return write_page(g, page, err);
	for (size_t i = 1; i <= g->pages; i++) {
		g->y += i > 1 ? PAGE_GAP : 0;
		if (write_page(g, i, err) < 0)
			return np_err_ret(err);
	}
	return 0;
}

static int make_body(struct svg *g, size_t page, char **ret, struct np_err *err)
{
	NP_AUTO(np_freep) char *bytes = NULL;
	size_t size = 0;
	int r;

	g->out = open_memstream(&bytes, &size);
	if (!g->out)
		return np_fail_nomem(err);
	r = write_body(g, page, err);
	if (fclose(g->out) == EOF && r == 0)
		return np_fail_nomem(err);
	if (r < 0)
		return r;
	*ret = np_take(bytes);
	return 0;
}

int np_vsphere_hosts_svg(const struct np_vsphere_hosts *hosts, const struct np_plan *plan,
			 size_t page, char **ret, struct np_err *err)
{
	struct svg g = { .hosts = hosts, .plan = plan, .pages = np_vsphere_hosts_pages(hosts) };
	NP_AUTO(np_freep) char *body = NULL;
	char *all = NULL;

	if (page > g.pages)
		return np_fail(err, NP_E_USAGE, "page %zu: the hosts fill %zu page%s", page,
			       g.pages, g.pages == 1 ? "" : "s");
	if (make_body(&g, page, &body, err) < 0)
		return np_err_ret(err);
	if (asprintf(
		    &all,
		    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
		    "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"np-hosts\" width=\"100%%\" "
		    "viewBox=\"0 0 %d %u\">\n<title>GPU hosts</title>\n<style>\n%s</style>\n%s%s</svg>\n",
		    WIDTH, g.y + MARGIN, style_sheet, patterns, body) < 0)
		return np_fail_nomem(err);
	*ret = all;
	return 0;
}
