/* SPDX-License-Identifier: Apache-2.0 */
#include "nodeprep/hostcheck.h"

#include "internal.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/report.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

/*
 * A report is judged, shown as text and as a tree, and passes only where each check that decides
 * does.
 */
static void judge_host(struct np_host *h, bool wants_vgpu)
{
	struct np_report r = { 0 };
	struct np_err err = NP_ERR_INIT;
	char *text = NULL;
	json_t *tree;

	if (np_hostcheck_judge(h, wants_vgpu, &r, &err) < 0)
		return;
	for (size_t i = 0; r.pass == NP_VERDICT_YES && i < r.n_probes; i++)
		require(r.probes[i].status != NP_PROBE_FAIL &&
			(r.probes[i].status != NP_PROBE_UNKNOWN || !r.probes[i].decides));
	require(r.pass != NP_VERDICT_YES || (h->hv_support == 3 && h->n_gpus > 0));
	tree = np_hostcheck_tree(h, &r);
	require(tree);
	json_decref(tree);
	require(np_hostcheck_text(h, &r, &text, &err) == 0);
	free(text);
	np_report_done(&r);
}

/*
 * A capture that is cut anywhere must not pass where the whole one does not fail less: both are
 * read.
 */
static void fuzz_host(const struct np_catalogue *cat, const char *bytes, size_t size)
{
	struct np_err err = NP_ERR_INIT;
	struct np_host *h = NULL;

	if (np_hostcheck_new(cat, &h, &err) < 0)
		return;
	if (np_hostcheck_read(h, "capture", bytes, size, &err) == 0) {
		judge_host(h, false);
		judge_host(h, true);
	}
	np_hostcheck_free(h);
}

/* The first byte has no meaning; the corpus has it as "h". */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct np_catalogue *cat;
	struct np_err err = NP_ERR_INIT;
	char *copy;

	if (size == 0 || (!cat && np_gpu_catalogue_new(&cat, &err) < 0))
		return 0;
	/* A copy without a NUL behind it: a step too far is seen. */
	copy = malloc(size - 1 > 0 ? size - 1 : 1);
	if (!copy)
		return 0;
	memcpy(copy, data + 1, size - 1);
	fuzz_host(cat, copy, size - 1);
	free(copy);
	return 0;
}
