/* SPDX-License-Identifier: Apache-2.0 */
#include "host_svg.h"

#include <stdarg.h>
#include <string.h>

/* --- states ------------------------------------------------------------------------------------- */

const struct vsphere_svg_word vsphere_svg_states[STATES] = {
	[FREE] = { "free", "free", "ready for a VM" },
	[USED] = { "in use", "used", "in use by a VM" },
	[VGPU] = { "vGPUs", "vgpu", "the vGPU manager's" },
	[DISABLED] = { "disabled", "disabled", "not enabled" },
	[INCAPABLE] = { "incapable", "incapable", "no passthrough" },
	[REBOOT] = { "reboot", "reboot", "reboot pending" },
	[UNKNOWN] = { "unknown", "unknown", "not known now" },
};

/* What vCenter last knew of a host that is not connected is not its state. */
enum vsphere_svg_state vsphere_svg_state_of(const struct np_vsphere_host *h,
					    const struct np_vsphere_gpu *gpu)
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
	return gpu->ok == NP_VERDICT_YES && !gpu->may_be_used ? FREE : UNKNOWN;
}

/* --- boxes and texts -------------------------------------------------------------------------- */

void vsphere_svg_format(struct vsphere_svg *g, unsigned x, unsigned size, const char *class,
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
	g->y = np_render_svg_lines(g->out, &w, text);
}

void vsphere_svg_box(struct vsphere_svg *g, unsigned x, unsigned y, enum vsphere_svg_state s)
{
	const char *class = vsphere_svg_states[s].class;

	fprintf(g->out,
		"<rect class=\"slot %s\" x=\"%u\" y=\"%u\" width=\"%d\" height=\"%d\" rx=\"3\"/>\n",
		class, x, y, SLOT_WIDTH, SLOT_HEIGHT);
	if (s == VGPU || s == DISABLED || s == INCAPABLE || s == REBOOT)
		fprintf(g->out,
			"<rect x=\"%u\" y=\"%u\" width=\"%d\" height=\"%d\" fill=\"url(#np-hosts-%s)\"/>\n",
			x + 2, y + SLOT_HEIGHT - STRIP_HEIGHT - 2, SLOT_WIDTH - 4, STRIP_HEIGHT,
			class);
}

void vsphere_svg_in_box(struct vsphere_svg *g, unsigned x, unsigned y, enum vsphere_svg_state s,
			const char *text)
{
	const struct np_svg_words w = { .x = x + SLOT_WIDTH / 2,
					.y = y + 12,
					.size = 11,
					.most = 12,
					.class = s == USED ? "on-used" : "",
					.more = " text-anchor=\"middle\" font-weight=\"bold\"" };

	np_render_svg_words(g->out, &w, text);
}

void vsphere_svg_fit(struct vsphere_svg *g, unsigned x, unsigned y, size_t pool,
		     enum vsphere_fit fit)
{
	static const char *const classes[] = { [VSPHERE_FIT_NONE] = "",
					       [VSPHERE_FIT_LATER] = "later",
					       [VSPHERE_FIT_OFFERED] = "later",
					       [VSPHERE_FIT_NOW] = "now" };
	char text[24];

	fprintf(g->out,
		"<rect class=\"fit %s\" x=\"%u\" y=\"%u\" width=\"%d\" height=\"%d\" rx=\"8\"/>\n",
		classes[fit], x, y, FIT_WIDTH, FIT_HEIGHT);
	snprintf(text, sizeof(text), "%zu%s", pool + 1, fit == VSPHERE_FIT_OFFERED ? "?" : "");
	np_render_svg_words(g->out,
			    &(struct np_svg_words){ .x = x + FIT_WIDTH / 2,
						    .y = y + 13,
						    .size = 11,
						    .most = 6,
						    .class = fit == VSPHERE_FIT_NOW ? "on-now" : "",
						    .more = " text-anchor=\"middle\"" },
			    text);
}
