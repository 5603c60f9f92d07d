/* SPDX-License-Identifier: Apache-2.0 */
#include "nodeprep/report.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/err.h"
#include "nodeprep/text.h"
#include "nodeprep/units.h"

static const char *const status_names[NP_PROBE_STATUS_MAX] = {
	[NP_PROBE_PASS] = "pass",
	[NP_PROBE_FAIL] = "fail",
	[NP_PROBE_WARN] = "warn",
	[NP_PROBE_UNKNOWN] = "unknown",
};

static const char *status_name(enum np_probe_status s)
{
	return (unsigned)s < NP_PROBE_STATUS_MAX ? status_names[s] : "unknown";
}

static const char *verdict_name(enum np_verdict v)
{
	if (v == NP_VERDICT_UNKNOWN)
		return "unknown";
	return v == NP_VERDICT_YES ? "pass" : "fail";
}

void np_report_words_add(struct np_report_words *w, const char *fmt, ...)
{
	char one[256];
	va_list ap;
	int n;

	va_start(ap, fmt);
	vsnprintf(one, sizeof(one), fmt, ap);
	va_end(ap);
	w->n++;
	if (w->is_cut)
		return;
	n = snprintf(w->text + w->used, sizeof(w->text) - w->used, "%s%s", w->used > 0 ? ", " : "",
		     one);
	/* Space for the dots is always reserved. */
	if (n >= 0 && (size_t)n + 4 < sizeof(w->text) - w->used) {
		w->used += (size_t)n;
		return;
	}
	w->is_cut = true;
	memcpy(w->text + w->used, "...", 4);
}

int np_report_add(struct np_report *r, const struct np_judgement *j, struct np_err *err,
		  const char *fmt, ...)
{
	struct np_probe *checks = reallocarray(r->probes, r->n_probes + 1, sizeof(*checks));
	/* Nothing is to be done where nothing is wrong. */
	bool has_cure = j->cure && j->status != NP_PROBE_PASS;
	struct np_probe added = {
		.id = j->id, .status = j->status, .decides = j->decides, .where = j->where
	};
	NP_AUTO(np_freep) char *text = NULL;
	va_list ap;
	int n;

	if (!checks)
		return np_fail_nomem(err);
	r->probes = checks;
	va_start(ap, fmt);
	n = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (n < 0) {
		text = NULL;
		return np_fail_nomem(err);
	}
	added.message = np_text_escaped(text);
	if (!added.message)
		return np_fail_nomem(err);
	added.cure = has_cure ? strdup(j->cure) : NULL;
	if (has_cure && !added.cure) {
		free(added.message);
		return np_fail_nomem(err);
	}
	r->probes[r->n_probes++] = added;
	return 0;
}

void np_report_finish(struct np_report *r)
{
	r->pass = NP_VERDICT_YES;
	for (size_t i = 0; i < r->n_probes; i++) {
		const struct np_probe *check = &r->probes[i];

		if (check->status == NP_PROBE_FAIL) {
			r->pass = NP_VERDICT_NO;
			return;
		}
		if (check->status == NP_PROBE_UNKNOWN && check->decides)
			r->pass = NP_VERDICT_UNKNOWN;
	}
}

void np_report_done(struct np_report *r)
{
	for (size_t i = 0; i < r->n_probes; i++) {
		free(r->probes[i].message);
		free(r->probes[i].cure);
	}
	free(r->probes);
	*r = (struct np_report){ 0 };
}

const char *np_report_address(const struct np_seen_gpu *gpu)
{
	return gpu->address[0] != '\0' ? gpu->address : "no address";
}

const char *np_report_gpu_name(const struct np_seen_gpu *gpu, char buf[static NP_REPORT_WHO_MAX])
{
	char id[NP_PCI_ID_MAX];

	np_gpu_pci_id_format(gpu->id, id);
	snprintf(buf, NP_REPORT_WHO_MAX, "%s (%.64s)", np_report_address(gpu),
		 gpu->gpu      ? gpu->gpu->model
		 : gpu->has_id ? id
			       : "no id");
	return buf;
}

const char *np_report_bar_name(const struct np_seen_bar *bar, char buf[static NP_REPORT_BAR_MAX])
{
	char size[NP_SIZE_TEXT_MAX];

	np_size_text(bar->bytes, size);
	snprintf(buf, NP_REPORT_BAR_MAX, "BAR %u (%s)", bar->index,
		 bar->bytes > 0 ? size : "size unknown");
	return buf;
}

json_t *np_report_verdict_tree(enum np_verdict v)
{
	return v == NP_VERDICT_UNKNOWN ? json_null() : json_boolean(v == NP_VERDICT_YES);
}

json_t *np_report_bytes_tree(uint64_t bytes)
{
	return bytes > 0 && bytes <= INT64_MAX ? json_integer((json_int_t)bytes) : json_null();
}

static json_t *text_or_null(const char *text)
{
	return text && text[0] != '\0' ? json_string(text) : json_null();
}

json_t *np_report_list_tree(size_t n, np_report_item_fn *item, const void *ctx)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++) {
		if (json_array_append_new(list, item(ctx, i)) < 0) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

static json_t *bar_tree(const void *ctx, size_t i)
{
	const struct np_seen_bar *bar = &((const struct np_seen_gpu *)ctx)->bars[i];
	bool has_address = bar->assigned == NP_VERDICT_YES;
	char address[24];

	snprintf(address, sizeof(address), "0x%" PRIx64, bar->address);
	return json_pack("{s:i, s:o, s:o, s:o, s:o}", "index", (int)bar->index, "sizeBytes",
			 np_report_bytes_tree(bar->bytes), "assigned",
			 np_report_verdict_tree(bar->assigned), "address",
			 has_address ? json_string(address) : json_null(), "expectedBytes",
			 np_report_bytes_tree(bar->expected_bytes));
}

json_t *np_report_gpu_tree(const struct np_seen_gpu *gpu)
{
	char id[NP_PCI_ID_MAX];

	np_gpu_pci_id_format(gpu->id, id);
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "address",
			 text_or_null(gpu->address), "pciID", text_or_null(gpu->has_id ? id : NULL),
			 "model", text_or_null(gpu->gpu ? gpu->gpu->model : NULL), "driver",
			 text_or_null(gpu->driver), "ok", np_report_verdict_tree(gpu->ok), "bars",
			 np_report_list_tree(gpu->n_bars, bar_tree, gpu), "vgpu",
			 np_report_verdict_tree(gpu->is_vgpu), "iommuGroup",
			 gpu->iommu_group >= 0 ? json_integer(gpu->iommu_group) : json_null());
}

static json_t *check_tree(const void *ctx, size_t i)
{
	const struct np_probe *check = &((const struct np_report *)ctx)->probes[i];
	json_t *tree = json_pack("{s:s, s:s, s:s, s:o}", "id", check->id, "status",
				 status_name(check->status), "message", check->message, "cure",
				 text_or_null(check->cure));

	if (tree && check->where &&
	    json_object_set_new(tree, "where", json_string(check->where)) < 0) {
		json_decref(tree);
		return NULL;
	}
	return tree;
}

json_t *np_report_probes_tree(const struct np_report *r)
{
	return np_report_list_tree(r->n_probes, check_tree, r);
}

static void write_bars(FILE *out, const struct np_seen_gpu *gpu)
{
	char size[NP_SIZE_TEXT_MAX];

	for (size_t i = 0; i < gpu->n_bars; i++) {
		const struct np_seen_bar *bar = &gpu->bars[i];

		np_size_text(bar->bytes, size);
		fprintf(out, "    BAR %u  %-10s  ", bar->index, bar->bytes > 0 ? size : "unknown");
		if (bar->assigned == NP_VERDICT_YES && bar->address > 0)
			fprintf(out, "0x%" PRIx64 "\n", bar->address);
		else
			fputs(bar->assigned == NP_VERDICT_NO        ? "not assigned\n"
			      : bar->assigned == NP_VERDICT_UNKNOWN ? "unknown\n"
								    : "assigned\n",
			      out);
	}
}

void np_report_write_gpus(FILE *out, const struct np_seen_gpu *gpus, size_t n)
{
	static const char *const words[] = { [NP_VERDICT_UNKNOWN] = "unknown",
					     [NP_VERDICT_NO] = "NOT OK",
					     [NP_VERDICT_YES] = "ok" };
	char who[NP_REPORT_WHO_MAX], id[NP_PCI_ID_MAX];

	for (size_t i = 0; i < n; i++) {
		np_gpu_pci_id_format(gpus[i].id, id);
		fprintf(out, "%s  %s  driver %s  %s\n", np_report_gpu_name(&gpus[i], who),
			gpus[i].has_id ? id : "-",
			gpus[i].driver[0] != '\0'             ? gpus[i].driver
			: gpus[i].has_driver == NP_VERDICT_NO ? "none"
							      : "unknown",
			words[gpus[i].ok]);
		write_bars(out, &gpus[i]);
	}
	if (n > 0)
		fputc('\n', out);
}

void np_report_write_probes(FILE *out, const struct np_report *r, bool wide)
{
	for (size_t i = 0; i < r->n_probes; i++) {
		const struct np_probe *check = &r->probes[i];

		fprintf(out, "%-8s %-20s %s\n", status_name(check->status), check->id,
			check->message);
		if (check->cure)
			fprintf(out, "%-8s %-20s   remedy: %s\n", "", "", check->cure);
		if (check->where && (wide || check->status != NP_PROBE_PASS))
			fprintf(out, "%-8s %-20s   found in: %s\n", "", "", check->where);
	}
	fprintf(out, "\nresult: %s\n", verdict_name(r->pass));
}

/* Failures first, then what decides and is not known, then warnings. */
static void write_brief(FILE *out, const struct np_report *r)
{
	static const enum np_probe_status order[] = { NP_PROBE_FAIL, NP_PROBE_UNKNOWN,
						      NP_PROBE_WARN };

	for (size_t k = 0; k < sizeof(order) / sizeof(order[0]); k++) {
		for (size_t i = 0; i < r->n_probes; i++) {
			const struct np_probe *check = &r->probes[i];

			if (check->status != order[k] ||
			    (check->status == NP_PROBE_UNKNOWN && !check->decides))
				continue;
			fprintf(out, "%s %s: %s\n", status_name(check->status), check->id,
				check->message);
			if (check->cure)
				fprintf(out, "  remedy: %s\n", check->cure);
		}
	}
}

int np_report_brief(const struct np_report *r, const char *what, size_t max, char **ret,
		    struct np_err *err)
{
	NP_AUTO(np_freep) char *bytes = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&bytes, &size);

	if (!out)
		return np_fail_nomem(err);
	fprintf(out, "%s: %s\n", what, verdict_name(r->pass));
	write_brief(out, r);
	if (fclose(out) == EOF)
		return np_fail_nomem(err);
	if (size > max && max >= 4) {
		memcpy(bytes + max - 4, "...\n", 4);
		bytes[max] = '\0';
	}
	*ret = np_take(bytes);
	return 0;
}
