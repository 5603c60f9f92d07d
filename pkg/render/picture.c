/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/units.h"

/* Below this is what a plan can hold; beyond, the sums of a drawing could overflow. */
#define EXTENT_MAX_BYTES (UINT64_C(1) << 62)

void render_picture_done(struct picture *pic)
{
	free(pic->cards);
	free(pic->slots);
	*pic = (struct picture){ 0 };
}

/* A VM gets what its class says, which may be more than this pool asks for. */
static uint64_t window_gb(const struct picture *pic)
{
	const struct np_plan_class *c = pic->class;

	if (c && c->class && c->change.has_window && c->change.window_gb > 0)
		return c->change.window_gb;
	return pic->pool->has_window ? pic->pool->window.gb : 0;
}

static int lay_out(struct picture *pic, struct np_err *err)
{
	const struct np_plan_pool *p = pic->pool;
	NP_AUTO(np_freep) struct np_addend *addends = calloc(p->n_cards + 1, sizeof(*addends));

	pic->slots = calloc(SLOTS_MAX, sizeof(*pic->slots));
	pic->cards = calloc(SLOTS_MAX, sizeof(*pic->cards));
	if (!addends || !pic->slots || !pic->cards)
		return np_fail_nomem(err);
	for (size_t i = 0; i < p->n_cards; i++)
		addends[i] = p->cards[i].addend;
	return np_mmio_layout(addends, p->n_cards, pic->slots, SLOTS_MAX, &pic->n_slots, err);
}

/* The slots of one card lie side by side. */
static void gather_cards(struct picture *pic)
{
	const struct np_plan_pool *p = pic->pool;

	for (size_t i = 0; i < pic->n_slots && i < SLOTS_MAX; i++) {
		const struct np_slot *s = &pic->slots[i];
		struct picture_card *last = &pic->cards[pic->n_cards - (pic->n_cards > 0)];

		if (pic->n_cards > 0 && last->index == s->addend && last->bars->card == s->card) {
			last->n_bars++;
			continue;
		}
		pic->cards[pic->n_cards++] = (struct picture_card){
			.index = s->addend,
			.offset_bytes = s->offset_bytes,
			.slot_bytes = p->cards[s->addend].addend.each_gb * NP_GIB,
			.n_bars = 1,
			.bars = s,
		};
	}
}

/* Cards without a place say nothing here: their small BARs lie below 4 GB, or are not known. */
static void sum_cards(struct picture *pic)
{
	pic->has_all_bars = true;
	for (size_t i = 0; i < pic->n_cards; i++)
		pic->has_all_bars = pic->has_all_bars && pic->cards[i].bars->bar != UINT_MAX;
	for (size_t i = 0; i < pic->pool->n_cards; i++) {
		const struct np_addend *a = &pic->pool->cards[i].addend;

		if (a->each_gb == 0)
			continue;
		pic->n_left_out += a->count;
		pic->bars_bytes += a->count * a->bars_bytes;
	}
	pic->n_left_out -= pic->n_cards;
}

int render_picture_init(struct picture *ret, const struct np_plan *plan,
			const struct np_plan_pool *p, struct np_err *err)
{
	NP_AUTO(render_picture_done) struct picture pic = { .pool = p };
	uint64_t most_gb;

	if (p->class_index != SIZE_MAX)
		pic.class = &plan->classes[p->class_index];
	if (lay_out(&pic, err) < 0)
		return np_err_ret(err);
	gather_cards(&pic);
	sum_cards(&pic);
	most_gb = window_gb(&pic) > p->need.sum_gb ? window_gb(&pic) : p->need.sum_gb;
	if (window_gb(&pic) > 0 && most_gb <= EXTENT_MAX_BYTES / NP_GIB) {
		pic.window_bytes = window_gb(&pic) * NP_GIB;
		pic.taken_bytes = p->need.sum_gb * NP_GIB;
		if (np_pow2_ceil(most_gb * NP_GIB, &pic.extent_bytes, err) < 0)
			return np_err_ret(err);
	}
	*ret = pic;
	pic = (struct picture){ 0 };
	return 0;
}

/* The content of a cell of the bar. */
enum cell { CELL_ODD, CELL_EVEN, CELL_REST, CELL_FREE, CELL_BEYOND, CELL_NOTHING, CELL_MAX };

static const struct look {
	const char *ascii, *utf8;
	const char *sgr; /* ECMA-48 */
	const char *text;
} looks[CELL_MAX] = {
	[CELL_ODD] = { "#", "█", "34", "the large BAR of a card" },
	[CELL_EVEN] = { "=", "▓", "36", "the large BAR of every other card" },
	[CELL_REST] = { "-", "░", "2", "the rest of a card's slot: small BARs, alignment" },
	[CELL_FREE] = { ".", "·", "2", "free" },
	[CELL_BEYOND] = { "!", "╳", "31", "beyond the window's end: does not fit" },
	[CELL_NOTHING] = { " ", " ", NULL, NULL },
};

static uint64_t cell_bytes(const struct picture *pic)
{
	return pic->extent_bytes / PICTURE_CELLS;
}

/*
 * A cell shows the slot at its start: slots are aligned, so each slot of a cell or more has its
 * own.
 */
static enum cell cell_at(const struct picture *pic, unsigned i)
{
	uint64_t at = cell_bytes(pic) * i;

	for (size_t k = 0; k < pic->n_cards; k++) {
		const struct picture_card *card = &pic->cards[k];

		if (at < card->offset_bytes || at - card->offset_bytes >= card->slot_bytes)
			continue;
		if (at >= pic->window_bytes)
			return CELL_BEYOND;
		if (at - card->offset_bytes >= card->bars->size_bytes)
			return CELL_REST;
		return k % 2 == 0 ? CELL_ODD : CELL_EVEN;
	}
	return at < pic->window_bytes ? CELL_FREE : CELL_NOTHING;
}

static void write_look(FILE *out, enum cell cell, const struct np_render_style *style)
{
	const struct look *look = &looks[cell];
	const char *glyph = style->utf8 ? look->utf8 : look->ascii;

	if (style->colour && look->sgr)
		fprintf(out, "\033[%sm%s\033[0m", look->sgr, glyph);
	else
		fputs(glyph, out);
}

static void write_cells(FILE *out, const struct picture *pic, const struct np_render_style *style)
{
	const char *edge = style->utf8 ? "│" : "|";

	fprintf(out, "      %s", edge);
	for (unsigned i = 0; i < PICTURE_CELLS; i++)
		write_look(out, cell_at(pic, i), style);
	fprintf(out, "%s\n", edge);
}

/* Writes a line of labels below or above the cells; omits a label that would overlap another. */
struct ruler {
	char text[PICTURE_CELLS + 32];
	size_t used;
};

static void put_label(struct ruler *r, size_t cell, const char *label)
{
	if (cell < r->used || cell + strlen(label) >= sizeof(r->text))
		return;
	memset(r->text + r->used, ' ', cell - r->used);
	memcpy(r->text + cell, label, strlen(label));
	r->used = cell + strlen(label);
	if (r->used < sizeof(r->text) - 1)
		r->text[r->used++] = ' ';
}

static void write_ruler(FILE *out, const struct ruler *r)
{
	int n = (int)r->used;

	while (n > 0 && r->text[n - 1] == ' ')
		n--;
	if (n > 0)
		fprintf(out, "       %.*s\n", n, r->text);
}

static void write_card_numbers(FILE *out, const struct picture *pic)
{
	struct ruler r = { .used = 0 };
	char label[24];

	for (size_t i = 0; i < pic->n_cards; i++) {
		snprintf(label, sizeof(label), "%zu", i + 1);
		if (pic->cards[i].slot_bytes / cell_bytes(pic) >= strlen(label))
			put_label(&r, pic->cards[i].offset_bytes / cell_bytes(pic), label);
	}
	write_ruler(out, &r);
}

static void write_scale(FILE *out, const struct picture *pic)
{
	struct ruler r = { .used = 0 };
	char label[32];

	for (unsigned quarter = 0; quarter <= 4; quarter++) {
		snprintf(label, sizeof(label), "%" PRIu64 "%s",
			 pic->extent_bytes / 4 / NP_GIB * quarter, quarter == 4 ? " GB" : "");
		put_label(&r, PICTURE_CELLS / 4 * quarter, label);
	}
	write_ruler(out, &r);
}

static void write_bar(FILE *out, const struct np_slot *bar)
{
	char size[NP_SIZE_TEXT_MAX];

	np_size_text(bar->size_bytes, size);
	if (bar->bar == UINT_MAX)
		fprintf(out, "%s for the whole card, whose BARs are unknown", size);
	else
		fprintf(out, "BAR%u %s", bar->bar, size);
}

/* Cards of one kind are adjacent. */
static size_t same_cards(const struct picture *pic, size_t from)
{
	size_t to = from;

	while (to < pic->n_cards && pic->cards[to].index == pic->cards[from].index)
		to++;
	return to;
}

static void write_cards(FILE *out, const struct picture *pic, size_t from, size_t to)
{
	const struct picture_card *card = &pic->cards[from];
	char id[NP_PCI_ID_MAX], slot[NP_SIZE_TEXT_MAX], name[SHOWN_MAX];

	np_size_text(card->slot_bytes, slot);
	fprintf(out, to - from > 1 ? "      cards %zu to %zu: " : "      card %zu: ", from + 1, to);
	fprintf(out, "%s, a slot of %s%s: ",
		render_shown(np_plan_card_name(&pic->pool->cards[card->index], id), name), slot,
		to - from > 1 ? " each" : "");
	for (size_t i = 0; i < card->n_bars; i++) {
		fputs(i > 0 ? ", " : "", out);
		write_bar(out, &card->bars[i]);
	}
	fputc('\n', out);
}

/* Tells what the bar cannot show. */
static void write_limits(FILE *out, const struct picture *pic)
{
	char cell[NP_SIZE_TEXT_MAX];
	bool small_bars = false, small_cards = false;

	for (size_t i = 0; i < pic->n_cards; i++) {
		const struct picture_card *card = &pic->cards[i];

		small_bars =
			small_bars || card->bars[card->n_bars - 1].size_bytes < cell_bytes(pic);
		small_cards = small_cards || card->slot_bytes < cell_bytes(pic);
	}
	np_size_text(cell_bytes(pic), cell);
	if (small_bars)
		fprintf(out,
			"      not to scale: a BAR smaller than a cell (%s); the layout below has "
			"them all\n",
			cell);
	if (small_cards)
		fprintf(out,
			"      not all shown: a cell (%s) shows the first of the cards that lie in "
			"it\n",
			cell);
	if (pic->n_left_out > 0)
		fprintf(out, "      not shown: %" PRIu64 " more cards\n", pic->n_left_out);
	if (pic->pool->has_window && pic->pool->window.gb > 0 &&
	    pic->window_bytes / NP_GIB > pic->pool->window.gb)
		fprintf(out,
			"      the class carries this window; the pool by itself asks for %" PRIu64
			" GB\n",
			pic->pool->window.gb);
}

/* Cards that are nowhere in the bar. */
static void write_others(FILE *out, const struct np_plan_pool *p)
{
	for (size_t i = 0; i < p->n_cards; i++) {
		const struct np_addend *a = &p->cards[i].addend;
		char id[NP_PCI_ID_MAX], name[SHOWN_MAX];

		if (a->each_gb == 0)
			fprintf(out, "      not shown: %" PRIu64 " x %s, %s\n", a->count,
				render_shown(np_plan_card_name(&p->cards[i], id), name),
				a->rule == NP_ADDEND_UNKNOWN
					? "whose BARs are unknown"
					: "which needs no place in the window");
	}
}

static void write_key(FILE *out, const struct picture *pic, const struct np_render_style *style)
{
	bool has[CELL_MAX] = { false };
	char size[NP_SIZE_TEXT_MAX];

	for (unsigned i = 0; i < PICTURE_CELLS; i++)
		has[cell_at(pic, i)] = true;
	for (enum cell cell = 0; cell < CELL_NOTHING; cell++) {
		if (!has[cell])
			continue;
		fputs("      ", out);
		write_look(out, cell, style);
		fprintf(out, "  %s", looks[cell].text);
		np_size_text(pic->window_bytes - pic->taken_bytes, size);
		if (cell == CELL_FREE)
			fprintf(out, ": %s %s", size,
				pic->pool->none_known      ? "that no known device needs"
				: pic->pool->need.complete ? "that no card needs"
							   : "minus the cards of unknown size");
		fputc('\n', out);
	}
}

void render_picture_write(FILE *out, const struct picture *pic, const struct np_render_style *style)
{
	char window[NP_SIZE_TEXT_MAX], cell[NP_SIZE_TEXT_MAX];

	if (pic->window_bytes == 0)
		return;
	np_size_text(pic->window_bytes, window);
	np_size_text(cell_bytes(pic), cell);
	fprintf(out, "  picture      the window of %s in cells of %s\n", window, cell);
	write_card_numbers(out, pic);
	write_cells(out, pic, style);
	write_scale(out, pic);
	for (size_t i = 0; i < pic->n_cards; i = same_cards(pic, i))
		write_cards(out, pic, i, same_cards(pic, i));
	write_key(out, pic, style);
	write_others(out, pic->pool);
	write_limits(out, pic);
}
