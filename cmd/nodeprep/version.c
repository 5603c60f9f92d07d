/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd.h"

#include "commit.inc"

int run_version(const struct options *o, struct np_err *err)
{
	json_auto_t *tree = NULL;
	NP_AUTO(np_freep) char *text = NULL;

	if (o->format == NP_FORMAT_TABLE || o->format == NP_FORMAT_WIDE)
		return put("nodeprep " NP_VERSION " (commit " NP_COMMIT_SHORT ", " NP_COMMIT_DATE
			   ")\n",
			   err);
	tree = json_pack("{s:s, s:s, s:s, s:s, s:s}", "apiVersion", "nodeprep.dev/v1alpha1", "kind",
			 "Version", "version", NP_VERSION, "commit", NP_COMMIT, "commitDate",
			 NP_COMMIT_DATE);
	if (!tree)
		return np_fail_nomem(err);
	if (np_render_tree(tree, o->format, &text, err) < 0)
		return np_err_ret(err);
	return put(text, err);
}
