/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <bsd/string.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/doc.h"
#include "nodeprep/err.h"
#include "nodeprep/pool.h"

#define SKIPPED_KINDS_MAX 64

int pool_input_push_take(struct np_input *in, struct np_pool *pool, struct np_err *err)
{
	if (in->n_pools >= NP_POOLS_MAX)
		return np_fail(err, NP_E_SPEC, "%s:%u: more than %d worker pools in one input",
			       pool->source.file, pool->source.line, NP_POOLS_MAX);
	if ((in->n_pools & (in->n_pools - 1)) == 0) {
		size_t room = in->n_pools ? 2 * in->n_pools : 1;
		struct np_pool *grown = reallocarray(in->pools, room, sizeof(*in->pools));

		if (!grown)
			return np_fail_nomem(err);
		in->pools = grown;
	}
	in->pools[in->n_pools++] = *pool;
	*pool = (struct np_pool){ 0 };
	return 0;
}

/* Rewrites the summary; a cut one ends in "...". */
static void write_skipped(struct np_input *in)
{
	size_t used = 0;

	in->skipped[0] = '\0';
	for (size_t i = 0; i < in->n_skipped_kinds; i++) {
		const struct np_ignored_kind *k = &in->skipped_kinds[i];
		char times[32] = "";
		int n;

		if (k->count > 1)
			snprintf(times, sizeof(times), " x%zu", k->count);
		n = snprintf(in->skipped + used, sizeof(in->skipped) - used, "%s%s%s",
			     i ? ", " : "", k->kind, times);
		if (n < 0 || (size_t)n >= sizeof(in->skipped) - used) {
			memcpy(in->skipped + sizeof(in->skipped) - 4, "...", 4);
			return;
		}
		used += (size_t)n;
	}
}

static int add_skipped_kind(struct np_input *in, const char *label, struct np_err *err)
{
	size_t n = in->n_skipped_kinds;
	struct np_ignored_kind *grown;

	if (n >= SKIPPED_KINDS_MAX)
		return 0;
	grown = reallocarray(in->skipped_kinds, n + 1, sizeof(*grown));
	if (!grown)
		return np_fail_nomem(err);
	in->skipped_kinds = grown;
	grown[n] = (struct np_ignored_kind){ .kind = strdup(label), .count = 1 };
	if (!grown[n].kind)
		return np_fail_nomem(err);
	in->n_skipped_kinds++;
	return 0;
}

int pool_input_skip(struct np_input *in, const char *kind, struct np_err *err)
{
	char label[POOL_LABEL_MAX];
	size_t i = 0;

	strlcpy(label, kind, sizeof(label));
	for (char *c = label; *c; c++)
		if (iscntrl((unsigned char)*c))
			*c = '?';
	while (i < in->n_skipped_kinds && strcmp(in->skipped_kinds[i].kind, label) != 0)
		i++;
	if (i < in->n_skipped_kinds)
		in->skipped_kinds[i].count++;
	else if (add_skipped_kind(in, label, err) < 0)
		return np_err_ret(err);
	in->n_skipped++;
	write_skipped(in);
	return 0;
}
