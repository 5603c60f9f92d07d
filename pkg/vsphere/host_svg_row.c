/* SPDX-License-Identifier: Apache-2.0 */
#include "host_svg.h"

#include <stdlib.h>
#include <string.h>

/* Returns the model, else the PCI id: vCenter's names of devices are longer than a slot. */
static const char *model_of(const struct np_vsphere_gpu *gpu, char buf[static NP_PCI_ID_MAX])
{
	if (gpu->card)
		return gpu->card->model;
	if (!gpu->has_id)
		return "unknown";
	np_gpu_pci_id_format(gpu->id, buf);
	return buf;
}

/* Domain 0 goes without saying. */
static const char *short_address(const struct np_vsphere_gpu *gpu)
{
	const char *address = gpu->address;

	return strncmp(address, "0000:", 5) == 0 ? address + 5 : address;
}

static void write_slot(struct vsphere_svg *g, unsigned x, unsigned y,
		       const struct np_vsphere_host *h, const struct np_vsphere_gpu *gpu)
{
	enum vsphere_svg_state s = vsphere_svg_state_of(h, gpu);
	char id[NP_PCI_ID_MAX];
	const char *model = model_of(gpu, id);
	struct np_svg_words w = { .x = x + SLOT_WIDTH / 2,
				  .y = y + 22,
				  .size = 9,
				  .most = np_svg_characters(SLOT_WIDTH - 6, 9),
				  .class = s == USED ? "on-used" : "",
				  .more = " text-anchor=\"middle\"" };

	fputs("<g>\n<title>", g->out);
	np_render_svg_text(g->out, h->name);
	fputs(" ", g->out);
	np_render_svg_text(g->out, gpu->address);
	fputs(" ", g->out);
	np_render_svg_text(g->out, model);
	if (!gpu->card && gpu->title[0] != '\0') {
		fputs(" ", g->out);
		np_render_svg_text(g->out, gpu->title);
	}
	fprintf(g->out, ": %s</title>\n", vsphere_svg_states[s].meaning);
	vsphere_svg_box(g, x, y, s);
	vsphere_svg_in_box(g, x, y, s, vsphere_svg_states[s].word);
	np_render_svg_words(g->out, &w, model);
	w.y = y + 32;
	w.size = 8;
	w.most = np_svg_characters(SLOT_WIDTH - 6, 8);
	np_render_svg_words(g->out, &w, short_address(gpu));
	fputs("</g>\n", g->out);
}

/* Returns where the last line of slots ends. */
static unsigned write_slots(struct vsphere_svg *g, const struct np_vsphere_host *h)
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
static int write_users(struct vsphere_svg *g, const struct np_vsphere_host *h, unsigned *y,
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
		*y = np_render_svg_lines(g->out, &style, text) - 9;
	return 0;
}

static void write_name(struct vsphere_svg *g, const struct np_vsphere_host *h)
{
	struct np_svg_words w = { .x = MARGIN,
				  .y = g->y + 13,
				  .size = 13,
				  .most = np_svg_characters(NAME_WIDTH - 10, 13),
				  .class = "",
				  .more = " font-weight=\"bold\"" };
	char text[128];

	np_render_svg_words(g->out, &w, h->name);
	snprintf(text, sizeof(text), "%s%s%s", h->connection[0] != '\0' ? h->connection : "unknown",
		 h->in_maintenance == NP_VERDICT_YES ? ", in maintenance" : "",
		 h->needs_reboot == NP_VERDICT_YES ? ", reboot pending" : "");
	w = (struct np_svg_words){ .x = MARGIN,
				   .y = g->y + 29,
				   .size = 11,
				   .most = np_svg_characters(NAME_WIDTH - 10, 11),
				   .class = strcmp(text, "connected") == 0 ? "quiet" : "",
				   .more = "" };
	np_render_svg_lines(g->out, &w, text);
}

static void write_nothing(struct vsphere_svg *g, const struct np_vsphere_host *h)
{
	unsigned y = g->y;

	if (h->n_gpus > 0)
		return;
	g->y += 18;
	if (h->has_devices)
		vsphere_svg_format(g, SLOTS_X, 11, "quiet", "no GPUs");
	else
		vsphere_svg_format(g, SLOTS_X, 11, "quiet", "devices not readable%s%s%s",
				   h->fault[0] != '\0' ? " (" : "", h->fault,
				   h->fault[0] != '\0' ? ")" : "");
	g->y = y;
}

static unsigned later(unsigned a, unsigned b)
{
	return a > b ? a : b;
}

/* Sets *ret to where the last line of numbers ends. */
static int write_fits(struct vsphere_svg *g, const struct np_vsphere_host *h, unsigned *ret,
		      struct np_err *err)
{
	unsigned n = 0;

	for (size_t i = 0; g->plan && i < g->plan->n_pools; i++) {
		enum vsphere_fit fit;

		if (vsphere_fit(h, &g->plan->pools[i], &fit, err) < 0)
			return np_err_ret(err);
		if (fit == VSPHERE_FIT_NONE)
			continue;
		vsphere_svg_fit(g, FITS_X + n % FITS * FIT_STEP, g->y + n / FITS * (FIT_HEIGHT + 5),
				i, fit);
		n++;
	}
	*ret = g->y + (n + FITS - 1) / FITS * (FIT_HEIGHT + 5);
	return 0;
}

int vsphere_svg_host(struct vsphere_svg *g, const struct np_vsphere_host *h, struct np_err *err)
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
