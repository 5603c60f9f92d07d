/* SPDX-License-Identifier: Apache-2.0 */
#include "host_svg.h"

#include <stdlib.h>
#include <string.h>

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

/* --- the key ------------------------------------------------------------------------------------ */

static void write_totals(struct vsphere_svg *g, size_t counts[static STATES])
{
	size_t all = 0;

	for (size_t i = 0; i < g->hosts->n; i++) {
		const struct np_vsphere_host *h = &g->hosts->items[i];

		for (size_t k = 0; k < h->n_gpus; k++)
			counts[vsphere_svg_state_of(h, &h->gpus[k])]++;
		all += h->n_gpus;
	}
	vsphere_svg_format(g, MARGIN, 13, "", "%zu host%s, %zu GPU%s%s", g->hosts->n,
			   g->hosts->n == 1 ? "" : "s", all, all == 1 ? "" : "s",
			   g->pages > 1 ? " on all pages" : "");
}

/* The states that occur, each with its number of GPUs. */
static void write_key(struct vsphere_svg *g, const size_t counts[static STATES])
{
	unsigned x = MARGIN;
	char text[64];

	for (enum vsphere_svg_state s = 0; s < STATES; s++) {
		if (counts[s] == 0)
			continue;
		vsphere_svg_box(g, x, g->y, s);
		vsphere_svg_in_box(g, x, g->y, s, vsphere_svg_states[s].word);
		snprintf(text, sizeof(text), "%zu", counts[s]);
		np_render_svg_words(g->out,
				    &(struct np_svg_words){ .x = x + SLOT_WIDTH / 2,
							    .y = g->y + 29,
							    .size = 12,
							    .most = 12,
							    .class = s == USED ? "on-used" : "",
							    .more = " text-anchor=\"middle\"" },
				    text);
		np_render_svg_words(
			g->out,
			&(struct np_svg_words){ .x = x,
						.y = g->y + SLOT_HEIGHT + 13,
						.size = 9,
						.most = np_svg_characters(SAMPLE_STEP, 9),
						.class = "quiet",
						.more = "" },
			vsphere_svg_states[s].meaning);
		x += SAMPLE_STEP;
	}
	g->y += x > MARGIN ? SLOT_HEIGHT + 32 : 0;
}

/* --- pools -------------------------------------------------------------------------------------- */

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

static void write_pools(struct vsphere_svg *g)
{
	if (!g->plan || g->plan->n_pools == 0)
		return;
	vsphere_svg_format(
		g, MARGIN, 11, "quiet",
		"Pools, by their numbers at the right end of a row: filled where one more node fits now, dashed where the "
		"host is capable but its GPUs are not free or it is not ready; with ? for vGPUs, of which a host tells the "
		"types alone.");
	for (size_t i = 0; i < g->plan->n_pools; i++) {
		const struct np_plan_pool *p = &g->plan->pools[i];
		char id[NP_POOL_ID_MAX], cards[NP_CARDS_TEXT_MAX], capacity[96];

		np_pool_id(p->pool, id);
		np_plan_gpus_text(p->cards, p->n_cards, p->none_known, cards);
		write_capacity(&p->capacity, capacity, sizeof(capacity));
		vsphere_svg_fit(g, MARGIN, g->y - 10, i, VSPHERE_FIT_NONE);
		g->y += 3;
		vsphere_svg_format(g, MARGIN + FIT_WIDTH + 10, 12, "", "%s: %s; %s", id,
				   p->has_gpus ? cards : "GPUs not known", capacity);
		g->y += 4;
	}
	g->y += 6;
}

/* --- pages -------------------------------------------------------------------------------------- */

static void write_title(struct vsphere_svg *g, size_t page)
{
	char text[64];

	if (g->pages > 1)
		snprintf(text, sizeof(text), "GPU hosts, page %zu of %zu", page, g->pages);
	else
		snprintf(text, sizeof(text), "GPU hosts");
	np_render_svg_words(g->out,
			    &(struct np_svg_words){ .x = MARGIN,
						    .y = g->y + 20,
						    .size = 20,
						    .most = np_svg_characters(INNER, 20),
						    .class = "",
						    .more = " font-weight=\"bold\"" },
			    text);
	g->y += 44;
}

static void write_cluster(struct vsphere_svg *g, const char *name, bool is_continued)
{
	g->y += 10;
	vsphere_svg_format(g, MARGIN, 14, "", "%s%s%s",
			   name[0] != '\0' ? "Cluster " : "In no cluster", name,
			   is_continued ? ", continued" : "");
	g->y += 4;
}

static int write_page(struct vsphere_svg *g, size_t page, struct np_err *err)
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
		if (vsphere_svg_host(g, &items[i], err) < 0)
			return np_err_ret(err);
	}
	fputs("</g>\n", g->out);
	return 0;
}

size_t np_vsphere_hosts_pages(const struct np_vsphere_hosts *hosts)
{
	return hosts->n == 0 ? 1 : (hosts->n - 1) / NP_VSPHERE_PAGE_HOSTS + 1;
}

static int write_body(struct vsphere_svg *g, size_t page, struct np_err *err)
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

static int make_body(struct vsphere_svg *g, size_t page, char **ret, struct np_err *err)
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
	struct vsphere_svg g = { .hosts = hosts,
				 .plan = plan,
				 .pages = np_vsphere_hosts_pages(hosts) };
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
