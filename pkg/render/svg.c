/* SPDX-License-Identifier: Apache-2.0 */
#include "nodeprep/svg.h"

#include "internal.h"

#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/units.h"

/* The drawing's measures, in its own units: 960 wide, as high as it gets. */
#define WIDTH 960
#define MARGIN 24
#define INNER (WIDTH - 2 * MARGIN)
#define STRIP_HEIGHT 56
#define OUTLINE_MIN 4000000 /* millionths: narrower slots would be nothing but outline */
#define COLUMNS 3
#define GUTTER 18
#define COLUMN ((INNER - (COLUMNS - 1) * GUTTER) / COLUMNS)
#define INSET_HEIGHT 26
#define LARGE_BAR 110 /* of an inset */
#define SMALL_BARS 144 /* all of them together */
#define SMALL_BAR_MAX 56

/*
 * Both palettes are in the drawing, which is laid over the reader's own background. Contrast of
 * text against white and against #0d1117 is at least 4.5 to 1.
 */
static const char style_sheet[] =
	".np-window{color:#1f2328;font-family:sans-serif}\n"
	".np-window text{fill:currentColor}\n"
	".np-window .quiet{fill:#59636e}\n"
	".np-window .frame{fill:none;stroke:currentColor;stroke-width:1.5}\n"
	".np-window .slot{fill:none;stroke:currentColor;stroke-width:.75}\n"
	".np-window .narrow{fill:none}\n"
	".np-window .tick{stroke:currentColor;stroke-width:1}\n"
	".np-window .free{fill:#eaeef2}\n"
	".np-window .ground{fill:#c9d7e6}\n"
	".np-window .hatch{stroke:#5b7fa6;stroke-width:1}\n"
	".np-window .odd{fill:#2b66ad}\n"
	".np-window .even{fill:#8fc1f2}\n"
	".np-window .small{fill:#e0a43a}\n"
	".np-window .beyond{fill:#c62f2f}\n"
	".np-window text.on-odd,.np-window text.on-beyond{fill:#fff}\n"
	".np-window text.on-even,.np-window text.on-small{fill:#0b1c2c}\n"
	"@media (prefers-color-scheme:dark){\n"
	".np-window{color:#e6edf3}\n"
	".np-window .quiet{fill:#9aa4af}\n"
	".np-window .free{fill:#1c232c}\n"
	".np-window .ground{fill:#22364d}\n"
	".np-window .hatch{stroke:#6f96c2}\n"
	".np-window .odd{fill:#3a75bd}\n"
	"}\n";

/* The body grows downwards; its height is known only at the end. */
struct svg {
	FILE *out;
	const struct picture *pic;
	unsigned y;
};

/* Writes the text in as many lines as it takes, and moves down below them. */
static void write_lines(struct svg *g, unsigned size, const char *class, const char *text)
{
	const struct np_svg_words w = { .x = MARGIN,
					.y = g->y + size + 5,
					.size = size,
					.most = np_svg_characters(INNER, size),
					.class = class,
					.more = "" };

	g->y = np_render_svg_lines(g->out, &w, text) - (size + 5);
}

/* Formats, then writes as write_lines() does; cuts texts longer than any plan's. */
__attribute__((format(printf, 4, 5))) static void format_lines(struct svg *g, unsigned size,
							       const char *class, const char *fmt,
							       ...)
{
	char text[2048];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	write_lines(g, size, class, text);
}

/* Millionths of a unit from the strip's left end: whole numbers print alike everywhere. */
static uint64_t place(const struct picture *pic, uint64_t bytes)
{
	return (uint64_t)((unsigned __int128)bytes * INNER * 1000000 / pic->extent_bytes);
}

static void write_number(FILE *out, const char *name, uint64_t millionths)
{
	fprintf(out, " %s=\"%" PRIu64 ".%06" PRIu64 "\"", name, millionths / 1000000,
		millionths % 1000000);
}

/* Writes a rectangle of the strip, with its figures as attributes for other programs. */
static void write_rect(struct svg *g, const char *class, uint64_t offset_bytes, uint64_t size_bytes)
{
	fprintf(g->out, "<rect class=\"%s\" y=\"%u\" height=\"%d\"", class, g->y, STRIP_HEIGHT);
	write_number(g->out, "x", MARGIN * UINT64_C(1000000) + place(g->pic, offset_bytes));
	write_number(g->out, "width", place(g->pic, size_bytes));
	fprintf(g->out, " data-offset=\"%" PRIu64 "\" data-size=\"%" PRIu64 "\"", offset_bytes,
		size_bytes);
}

static const char *card_class(const struct picture *pic, size_t i)
{
	if (pic->cards[i].offset_bytes + pic->cards[i].slot_bytes > pic->window_bytes)
		return "beyond";
	return i % 2 == 0 ? "odd" : "even";
}

static const char *card_name(const struct picture *pic, const struct picture_card *card,
			     char buf[static NP_PCI_ID_MAX])
{
	return np_plan_card_name(&pic->pool->cards[card->index], buf);
}

/* Writes the number, and the name where it fits. */
static void write_label(struct svg *g, size_t i)
{
	const struct picture_card *card = &g->pic->cards[i];
	uint64_t left = place(g->pic, card->offset_bytes), width;
	char number[24], id[NP_PCI_ID_MAX], class[16];
	struct np_svg_words w = { .size = 13, .class = class, .more = " text-anchor=\"middle\"" };
	size_t name_size = strlen(card_name(g->pic, card, id));

	width = place(g->pic, card->bars->size_bytes) / 1000000;
	snprintf(number, sizeof(number), "%zu", i + 1);
	snprintf(class, sizeof(class), "on-%s", card_class(g->pic, i));
	if (width < strlen(number) * 9 + 2)
		return;
	w.most = sizeof(number);
	w.x = MARGIN + (unsigned)(left / 1000000 + width / 2);
	w.y = g->y + STRIP_HEIGHT / 2 + 5;
	if (np_svg_characters(width, 11) > name_size) {
		w.y -= 8;
		np_render_svg_words(g->out, &w, number);
		w.y += 17;
		w.size = 11;
		w.most = name_size;
		np_render_svg_words(g->out, &w, card_name(g->pic, card, id));
		return;
	}
	np_render_svg_words(g->out, &w, number);
}

static void write_card(struct svg *g, size_t i)
{
	const struct picture_card *card = &g->pic->cards[i];
	char id[NP_PCI_ID_MAX];

	write_rect(g, "ground", card->offset_bytes, card->slot_bytes);
	fputs("/>\n", g->out);
	write_rect(g, "rest", card->offset_bytes, card->slot_bytes);
	fputs(" fill=\"url(#np-window-hatch)\"/>\n", g->out);
	for (size_t k = 0; k < card->n_bars; k++) {
		const struct np_slot *bar = &card->bars[k];

		write_rect(g, k == 0 ? card_class(g->pic, i) : "small", bar->offset_bytes,
			   bar->size_bytes);
		if (bar->bar != UINT_MAX)
			fprintf(g->out, " data-bar=\"%u\"", bar->bar);
		fprintf(g->out, " data-card=\"%zu\"/>\n", i + 1);
	}
	write_rect(g, place(g->pic, card->slot_bytes) < OUTLINE_MIN ? "narrow" : "slot",
		   card->offset_bytes, card->slot_bytes);
	fprintf(g->out, " data-card=\"%zu\"><title>%zu: ", i + 1, i + 1);
	np_render_svg_text(g->out, card_name(g->pic, card, id));
	fputs("</title></rect>\n", g->out);
	write_label(g, i);
}

static void write_tick(struct svg *g, uint64_t gb, const char *anchor, const char *unit)
{
	unsigned x = MARGIN + (unsigned)(place(g->pic, gb * NP_GIB) / 1000000);

	fprintf(g->out, "<path class=\"tick\" d=\"M%u %uv6\"/>\n", x, g->y + STRIP_HEIGHT);
	fprintf(g->out,
		"<text x=\"%u\" y=\"%u\" font-size=\"11\" text-anchor=\"%s\">%" PRIu64
		"%s</text>\n",
		x, g->y + STRIP_HEIGHT + 18, anchor, gb, unit);
}

static void write_strip(struct svg *g)
{
	const struct picture *pic = g->pic;
	uint64_t extent_gb = pic->extent_bytes / NP_GIB;

	write_rect(g, "free", 0, pic->window_bytes);
	fputs("/>\n", g->out);
	for (size_t i = 0; i < pic->n_cards; i++)
		write_card(g, i);
	write_rect(g, "frame", 0, pic->window_bytes);
	fputs("/>\n", g->out);
	write_tick(g, 0, "start", "");
	for (uint64_t eighth = 1; eighth < 8; eighth++)
		fprintf(g->out, "<path class=\"tick\" d=\"M%u %uv3\"/>\n",
			(unsigned)(MARGIN + INNER * eighth / 8), g->y + STRIP_HEIGHT);
	for (uint64_t gb = extent_gb / 16; gb < extent_gb; gb *= 2)
		write_tick(g, gb, "middle", "");
	write_tick(g, extent_gb, "end", " GB");
	g->y += STRIP_HEIGHT + 22;
}

/* One sample of the key. */
static void write_sample(struct svg *g, unsigned x, const char *class, const char *text)
{
	bool is_rest = strcmp(class, "ground") == 0;
	const struct np_svg_words w = {
		.x = x + 22, .y = g->y, .size = 12, .most = 80, .class = "", .more = ""
	};

	fprintf(g->out, "<rect class=\"%s\" x=\"%u\" y=\"%u\" width=\"16\" height=\"12\"/>\n",
		class, x, g->y - 10);
	if (is_rest)
		fprintf(g->out,
			"<rect x=\"%u\" y=\"%u\" width=\"16\" height=\"12\" "
			"fill=\"url(#np-window-hatch)\"/>\n",
			x, g->y - 10);
	fprintf(g->out, "<rect class=\"slot\" x=\"%u\" y=\"%u\" width=\"16\" height=\"12\"/>\n", x,
		g->y - 10);
	np_render_svg_words(g->out, &w, text);
}

static void write_key(struct svg *g)
{
	bool is_over = g->pic->taken_bytes > g->pic->window_bytes;

	g->y += 22;
	if (g->pic->n_cards > 0) {
		write_sample(g, MARGIN, "odd", "");
		write_sample(g, MARGIN + 20, "even", "large BAR of a card");
		write_sample(g, MARGIN + 210, "small", "small BAR");
		write_sample(g, MARGIN + 330, "ground", "alignment");
		write_sample(g, MARGIN + 450, "free", "free");
	}
	if (is_over)
		write_sample(g, MARGIN + 530, "beyond", "does not fit into the window");
}

static void size_or_zero(uint64_t bytes, char buf[static NP_SIZE_TEXT_MAX])
{
	if (bytes > 0)
		np_size_text(bytes, buf);
	else
		snprintf(buf, NP_SIZE_TEXT_MAX, "0");
}

static void write_totals(struct svg *g)
{
	const struct picture *pic = g->pic;
	char bars[NP_SIZE_TEXT_MAX], rest[NP_SIZE_TEXT_MAX], left[NP_SIZE_TEXT_MAX],
		all[NP_SIZE_TEXT_MAX];
	bool is_open = !pic->pool->need.complete;

	g->y += 6;
	np_size_text(pic->window_bytes, all);
	np_size_text(pic->taken_bytes, rest);
	if (pic->taken_bytes > pic->window_bytes) {
		format_lines(g, 13, "", "Slots %s, window %s", rest, all);
		return;
	}
	size_or_zero(pic->window_bytes - pic->taken_bytes, left);
	if (!pic->has_all_bars) {
		format_lines(g, 13, "", "Slots %s + free %s = window %s", rest, left, all);
		return;
	}
	size_or_zero(pic->bars_bytes, bars);
	size_or_zero(pic->taken_bytes - pic->bars_bytes, rest);
	format_lines(g, 13, "", "BARs %s + alignment %s + free %s%s = window %s", bars, rest, left,
		     is_open ? " (minus the cards of unknown size)" : "", all);
}

/* The BARs side by side, each wide enough to be seen: order and names are true, sizes are not. */
static void write_inset(struct svg *g, unsigned x, size_t i)
{
	const struct picture_card *card = &g->pic->cards[i];
	unsigned small =
		card->n_bars > 3 ? SMALL_BARS / (unsigned)(card->n_bars - 1) : SMALL_BAR_MAX;
	unsigned at = x;
	char class[16], name[24];

	fprintf(g->out,
		"<rect class=\"ground\" x=\"%u\" y=\"%u\" width=\"%d\" height=\"%d\"/>\n"
		"<rect class=\"slot\" x=\"%u\" y=\"%u\" width=\"%d\" height=\"%d\" "
		"style=\"fill:url(#np-window-hatch)\"/>\n",
		x, g->y, COLUMN, INSET_HEIGHT, x, g->y, COLUMN, INSET_HEIGHT);
	for (size_t k = 0; k < card->n_bars; k++) {
		const char *fill = k == 0 ? card_class(g->pic, i) : "small";
		bool is_whole = card->bars[k].bar == UINT_MAX;
		unsigned width = is_whole ? COLUMN : k == 0 ? LARGE_BAR : small;
		const struct np_svg_words w = { .x = at + width / 2,
						.y = g->y + INSET_HEIGHT / 2 + 4,
						.size = k == 0 ? 12 : 9,
						.most = 16,
						.class = class,
						.more = " text-anchor=\"middle\"" };

		snprintf(class, sizeof(class), "on-%s", fill);
		if (is_whole)
			snprintf(name, sizeof(name), "whole card");
		else
			snprintf(name, sizeof(name), "BAR%u", card->bars[k].bar);
		fprintf(g->out,
			"<rect class=\"%s\" x=\"%u\" y=\"%u\" width=\"%u\" height=\"%d\"/>\n", fill,
			at, g->y, width, INSET_HEIGHT);
		fprintf(g->out,
			"<rect class=\"slot\" x=\"%u\" y=\"%u\" width=\"%u\" height=\"%d\"/>\n", at,
			g->y, width, INSET_HEIGHT);
		np_render_svg_words(g->out, &w, name);
		at += width;
	}
}

/* The exact sizes and places of one card. */
static void write_figures(struct svg *g, unsigned x, unsigned y, const struct picture_card *card)
{
	const struct np_gpu *gpu = g->pic->pool->cards[card->index].gpu;
	struct np_svg_words w = {
		.x = x, .size = 11, .most = np_svg_characters(COLUMN, 11), .class = "", .more = ""
	};
	char size[NP_SIZE_TEXT_MAX], offset[NP_SIZE_TEXT_MAX], text[160];

	for (size_t k = 0; k < card->n_bars; k++) {
		const struct np_slot *bar = &card->bars[k];
		const char *figure = "";

		for (size_t b = 0; gpu && b < gpu->n_bars; b++)
			if (gpu->bars[b].index == bar->bar)
				figure = np_gpu_size_source_name(gpu->bars[b].figure);
		np_size_text(bar->size_bytes, size);
		np_size_text(bar->offset_bytes, offset);
		if (bar->bar == UINT_MAX)
			snprintf(text, sizeof(text), "%s, BARs unknown", size);
		else
			snprintf(text, sizeof(text), "BAR%u: %s at %s (%s)", bar->bar, size,
				 bar->offset_bytes > 0 ? offset : "0", figure);
		w.y = y + 15 * (unsigned)k;
		np_render_svg_words(g->out, &w, text);
	}
}

static void write_detail(struct svg *g, unsigned x, size_t i)
{
	const struct picture_card *card = &g->pic->cards[i];
	char id[NP_PCI_ID_MAX], slot[NP_SIZE_TEXT_MAX], offset[NP_SIZE_TEXT_MAX], text[320];
	struct np_svg_words w = { .x = x,
				  .y = g->y + 14,
				  .size = 13,
				  .most = np_svg_characters(COLUMN, 13),
				  .class = "",
				  .more = " font-weight=\"bold\"" };
	unsigned top = g->y;

	snprintf(text, sizeof(text), "%zu: %s", i + 1, card_name(g->pic, card, id));
	np_render_svg_words(g->out, &w, text);
	np_size_text(card->slot_bytes, slot);
	np_size_text(card->offset_bytes, offset);
	snprintf(text, sizeof(text), "slot of %s at %s", slot,
		 card->offset_bytes > 0 ? offset : "0");
	w = (struct np_svg_words){ .x = x,
				   .y = g->y + 30,
				   .size = 11,
				   .most = np_svg_characters(COLUMN, 11),
				   .class = "quiet",
				   .more = "" };
	np_render_svg_words(g->out, &w, text);
	g->y += 36;
	write_inset(g, x, i);
	write_figures(g, x, g->y + INSET_HEIGHT + 16, card);
	g->y = top;
}

static void write_details(struct svg *g)
{
	const struct picture *pic = g->pic;
	size_t most = 0;

	if (pic->n_cards == 0)
		return;
	format_lines(
		g, 12, "quiet",
		"Each card, not to scale; places count from the window's start. The firmware chooses "
		"order and addresses.");
	g->y += 12;
	for (size_t i = 0; i < pic->n_cards; i++)
		most = pic->cards[i].n_bars > most ? pic->cards[i].n_bars : most;
	for (size_t i = 0; i < pic->n_cards; i++) {
		unsigned column = (unsigned)(i % COLUMNS);

		write_detail(g, MARGIN + column * (COLUMN + GUTTER), i);
		if (column == COLUMNS - 1 || i + 1 == pic->n_cards)
			g->y += 36 + INSET_HEIGHT + 22 + 15 * (unsigned)most;
	}
	if (pic->n_left_out > 0)
		format_lines(g, 12, "", "and %" PRIu64 " more cards, not drawn", pic->n_left_out);
}

/* Cards that have no place in the window, and why. */
static void write_others(struct svg *g)
{
	const struct np_plan_pool *p = g->pic->pool;

	for (size_t i = 0; i < p->n_cards; i++) {
		const struct np_addend *a = &p->cards[i].addend;
		char id[NP_PCI_ID_MAX];

		if (a->each_gb > 0)
			continue;
		format_lines(g, 12, "", "%" PRIu64 " x %s: %s", a->count,
			     np_plan_card_name(&p->cards[i], id),
			     a->rule == NP_ADDEND_UNKNOWN
				     ? "unknown size, so it is not in the picture"
				     : "no BAR over 256 MB, so it needs no place in the window");
	}
}

/* One document often prints the figures of several cards: it is named once. */
static bool is_named_before(const struct np_plan_pool *p, size_t i)
{
	for (size_t k = 0; k < i; k++) {
		const struct np_gpu *gpu = p->cards[k].gpu;

		if (gpu && gpu->published_mmio_gb > 0 &&
		    strcmp(gpu->mmio_source, p->cards[i].gpu->mmio_source) == 0)
			return true;
	}
	return false;
}

static void write_source(struct svg *g, size_t i)
{
	const struct np_plan_pool *p = g->pic->pool;
	const struct np_card *card = &p->cards[i];
	const struct np_gpu *gpu = card->gpu;
	char id[NP_PCI_ID_MAX];

	if (!gpu)
		return;
	format_lines(g, 10, "quiet", "%s (%s) BARs: %s", np_plan_card_name(card, id), gpu->product,
		     gpu->bar_source[0] != '\0' ? gpu->bar_source : "no source: assumed");
	if (gpu->published_mmio_gb > 0)
		format_lines(g, 10, "quiet", "%s published as %u GB: %s",
			     np_plan_card_name(card, id), gpu->published_mmio_gb,
			     is_named_before(p, i) ? "by the same documents" : gpu->mmio_source);
}

static void write_sources(struct svg *g)
{
	const struct np_plan_pool *p = g->pic->pool;

	if (p->n_cards == 0)
		return;
	g->y += 8;
	write_lines(g, 11, "", "Sources");
	for (size_t i = 0; i < p->n_cards; i++)
		write_source(g, i);
	if (g->pic->n_cards > 0)
		write_lines(
			g, 10, "quiet",
			"A power of two: Broadcom KB 323402. A slot for each card: BARs measured "
			"behind root ports in a UEFI guest.");
}

/* Writes the title and the computation of the size. */
static void write_reason(struct svg *g)
{
	const struct np_plan_pool *p = g->pic->pool;
	char reason[NP_WINDOW_TEXT_MAX], size[NP_SIZE_TEXT_MAX];

	if (p->need.sum_gb > 0) {
		np_plan_window_text(p, reason);
		write_lines(g, 13, "", reason);
	}
	np_size_text(g->pic->window_bytes, size);
	if (p->has_window && p->window.gb > 0 && g->pic->window_bytes / NP_GIB > p->window.gb)
		format_lines(g, 13, "",
			     "The class carries %s; this pool by itself asks for %" PRIu64 " GB",
			     size, p->window.gb);
	if (g->pic->taken_bytes > g->pic->window_bytes && g->pic->window_bytes > 0)
		format_lines(g, 13, "", "The cards' slots do not all fit: the VM may not power on");
}

static void write_title(struct svg *g)
{
	const struct np_plan_pool *p = g->pic->pool;
	const struct np_plan_class *c = g->pic->class;
	char id[NP_POOL_ID_MAX], cards[NP_CARDS_TEXT_MAX], size[NP_SIZE_TEXT_MAX];
	const struct np_svg_words w = { .x = MARGIN,
					.y = 34,
					.size = 20,
					.most = np_svg_characters(INNER, 20),
					.class = "",
					.more = " font-weight=\"bold\"" };

	np_pool_id(p->pool, id);
	np_render_svg_words(g->out, &w, id);
	g->y = 40;
	np_plan_gpus_text(p->cards, p->n_cards, p->none_known, cards);
	np_size_text(g->pic->window_bytes, size);
	format_lines(g, 14, "", "A node with %s: %s%s", p->has_gpus ? cards : "unknown GPUs",
		     g->pic->window_bytes > 0 ? "MMIO window of " : "no MMIO window",
		     g->pic->window_bytes > 0              ? size
		     : p->has_window && p->window_is_known ? " is needed"
							   : " is known");
	if (c && c->name)
		format_lines(g, 13, "quiet", "VM class %s%s%s", c->ns ? c->ns : "",
			     c->ns ? "/" : "", c->name);
	write_reason(g);
}

static void write_body(struct svg *g)
{
	write_title(g);
	g->y += 16;
	if (g->pic->window_bytes > 0) {
		write_strip(g);
		write_key(g);
		write_totals(g);
		g->y += 8;
		write_details(g);
	}
	write_others(g);
	write_sources(g);
}

static void write_head(FILE *out, const struct picture *pic, unsigned height)
{
	char id[NP_POOL_ID_MAX];

	np_pool_id(pic->pool->pool, id);
	fprintf(out,
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
		"<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"np-window\" width=\"100%%\" "
		"viewBox=\"0 0 %d %u\">\n<title>MMIO window of ",
		WIDTH, height);
	np_render_svg_text(out, id);
	fprintf(out,
		"</title>\n<style>\n%s</style>\n"
		"<defs><pattern id=\"np-window-hatch\" width=\"6\" height=\"6\" "
		"patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(45)\">"
		"<path class=\"hatch\" d=\"M0 0v6\"/></pattern></defs>\n",
		style_sheet);
}

int render_picture_svg(const struct picture *pic, char **ret, struct np_err *err)
{
	NP_AUTO(render_text_done) struct text body = { 0 };
	NP_AUTO(render_text_done) struct text all = { 0 };
	NP_AUTO(np_freep) char *inside = NULL;
	struct svg g = { .pic = pic };

	if (render_text_init(&body, err) < 0 || render_text_init(&all, err) < 0)
		return np_err_ret(err);
	g.out = body.file;
	write_body(&g);
	if (render_text_take(&body, &inside, err) < 0)
		return np_err_ret(err);
	write_head(all.file, pic, g.y + MARGIN);
	fprintf(all.file, "%s</svg>\n", inside);
	return render_text_take(&all, ret, err);
}
