/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <bsd/string.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Appends to `buf` of `size` bytes; a text that is cut ends in "...". */
__attribute__((format(printf, 3, 4))) static void append(char *buf, size_t size, const char *fmt,
							 ...)
{
	size_t used = strlen(buf);
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(buf + used, size - used, fmt, ap);
	va_end(ap);
	if (n >= 0 && (size_t)n >= size - used)
		memcpy(buf + size - 4, "...", 4);
}

const char *np_plan_card_name(const struct np_card *card, char buf[static NP_PCI_ID_MAX])
{
	if (card->profile)
		return card->profile;
	if (card->gpu)
		return card->gpu->model;
	if (card->kind)
		return card->kind[0] != '\0' ? card->kind : "a device of unknown kind";
	np_gpu_pci_id_format(card->id, buf);
	return buf;
}

void np_plan_cards_text(const struct np_card *cards, size_t n, char buf[static NP_CARDS_TEXT_MAX])
{
	char id[NP_PCI_ID_MAX];

	buf[0] = '\0';
	if (n == 0)
		append(buf, NP_CARDS_TEXT_MAX, "none");
	for (size_t i = 0; i < n; i++)
		append(buf, NP_CARDS_TEXT_MAX, "%s%" PRIu64 " x %s", i > 0 ? ", " : "",
		       cards[i].addend.count, np_plan_card_name(&cards[i], id));
}

void np_plan_gpus_text(const struct np_card *cards, size_t n, bool none_known,
		       char buf[static NP_CARDS_TEXT_MAX])
{
	np_plan_cards_text(cards, n, buf);
	if (none_known)
		strlcpy(buf, "none known", NP_CARDS_TEXT_MAX);
}

void plan_cards_ids(const struct np_card *cards, size_t n, char buf[static NP_CARDS_TEXT_MAX])
{
	char id[NP_PCI_ID_MAX];

	buf[0] = '\0';
	for (size_t i = 0; i < n; i++) {
		np_gpu_pci_id_format(cards[i].id, id);
		append(buf, NP_CARDS_TEXT_MAX, "%s%" PRIu64 " x %s", i > 0 ? ", " : "",
		       cards[i].addend.count,
		       cards[i].has_id ? id : np_plan_card_name(&cards[i], id));
	}
}

void plan_cards_unknown(const struct np_card *cards, size_t n, char buf[static NP_CARDS_TEXT_MAX])
{
	char id[NP_PCI_ID_MAX];

	buf[0] = '\0';
	for (size_t i = 0; i < n; i++)
		if (cards[i].addend.rule == NP_ADDEND_UNKNOWN)
			append(buf, NP_CARDS_TEXT_MAX, "%s%" PRIu64 " x %s",
			       buf[0] != '\0' ? ", " : "", cards[i].addend.count,
			       np_plan_card_name(&cards[i], id));
}

/* Writes "4 x 128 + 1 x 64" over the cards that add something. */
static void write_sum(const struct np_plan_pool *p, char buf[static NP_WINDOW_TEXT_MAX])
{
	const char *plus = "";

	for (size_t i = 0; i < p->n_cards; i++) {
		const struct np_addend *a = &p->cards[i].addend;

		if (a->each_gb == 0)
			continue;
		append(buf, NP_WINDOW_TEXT_MAX, "%s%" PRIu64 " x %" PRIu64, plus, a->count,
		       a->each_gb);
		plus = " + ";
	}
	append(buf, NP_WINDOW_TEXT_MAX, " = %" PRIu64 " GB", p->need.sum_gb);
	if (p->need.required_gb != p->need.sum_gb)
		append(buf, NP_WINDOW_TEXT_MAX, ", rounded up to %" PRIu64 " GB",
		       p->need.required_gb);
}

void np_plan_window_text(const struct np_plan_pool *p, char buf[static NP_WINDOW_TEXT_MAX])
{
	buf[0] = '\0';
	if (p->need.sum_gb > 0)
		write_sum(p, buf);
	else if (!p->has_gpus)
		append(buf, NP_WINDOW_TEXT_MAX, "its GPUs are unknown");
	else
		append(buf, NP_WINDOW_TEXT_MAX, "no card of known size needs a window");
	if (!p->need.complete && p->has_gpus && p->need.unknown_gb > 0)
		append(buf, NP_WINDOW_TEXT_MAX,
		       ", and %" PRIu64 " GB for the cards of unknown size", p->need.unknown_gb);
	else if (!p->need.complete && p->has_gpus)
		append(buf, NP_WINDOW_TEXT_MAX, ", without the cards of unknown size");
	if (!p->has_window)
		return;
	if (p->window.rule == NP_WINDOW_FLOOR)
		append(buf, NP_WINDOW_TEXT_MAX, "; the floor is %" PRIu64 " GB", p->window.gb);
	if (p->window.rule == NP_WINDOW_SIZE)
		append(buf, NP_WINDOW_TEXT_MAX, "; the pool's sizeGB is %" PRIu64 " GB",
		       p->window.gb);
}
