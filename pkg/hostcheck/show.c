/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdio.h>
#include <stdlib.h>

#include "nodeprep/text.h"

static const char *side_name(enum host_side side)
{
	static const char *const names[] = { [SIDE_UNKNOWN] = "unknown",
					     [SIDE_HOST] = "host",
					     [SIDE_GUEST] = "vm",
					     [SIDE_VM] = "vm" };

	return names[side];
}

static json_t *capture_tree(const void *ctx, size_t n)
{
	const struct host_capture *capture = &((const struct np_host *)ctx)->captures[n];
	json_t *kinds = json_array();

	for (size_t i = 0; i < KINDS; i++) {
		if ((capture->kinds & 1u << i) != 0 &&
		    json_array_append_new(
			    kinds, json_string(hostcheck_kind_name((enum host_kind)i))) < 0) {
			json_decref(kinds);
			return NULL;
		}
	}
	return json_pack("{s:s, s:o, s:s}", "name", capture->name, "kinds", kinds, "source",
			 side_name(capture->side));
}

static json_t *host_gpu_tree(const void *ctx, size_t i)
{
	const struct host_device *d = &((const struct np_host *)ctx)->gpus[i];
	json_t *gpu = np_report_gpu_tree(&d->seen);

	if (gpu && json_object_set_new(gpu, "source", json_string(side_name(d->side))) < 0) {
		json_decref(gpu);
		return NULL;
	}
	return gpu;
}

static json_t *number_tree(bool is_known, uint64_t number)
{
	return is_known ? json_integer((json_int_t)number) : json_null();
}

json_t *np_hostcheck_tree(const struct np_host *h, const struct np_report *r)
{
	return json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:b, s:o}", "apiVersion",
			 "nodeprep.dev/v1alpha1", "kind", "HostReport", "pass",
			 np_report_verdict_tree(r->pass), "gpus",
			 np_report_list_tree(h->n_gpus, host_gpu_tree, h), "checks",
			 np_report_probes_tree(r), "hvSupport",
			 number_tree(h->hv_support >= 0, (uint64_t)h->hv_support), "neededMMIOGB",
			 number_tree(h->has_need && h->needed_gb > 0, h->needed_gb), "windowGB",
			 number_tree(h->has_need, h->window_gb), "neededIsLowerBound",
			 (int)h->is_lower_bound, "captures",
			 np_report_list_tree(h->n_captures, capture_tree, h));
}

static void write_captures(FILE *out, const struct np_host *h)
{
	for (size_t i = 0; i < h->n_captures; i++) {
		const char *gap = "";

		np_text_write(out, h->captures[i].name);
		fputs(": ", out);
		for (size_t k = 0; k < KINDS; k++) {
			if ((h->captures[i].kinds & 1u << k) == 0)
				continue;
			fprintf(out, "%s%s", gap, hostcheck_kind_name((enum host_kind)k));
			gap = ", ";
		}
		if (h->captures[i].side == SIDE_GUEST)
			fputs(" (of a VM, from the inside)", out);
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
