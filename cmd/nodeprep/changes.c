/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd.h"

#include "nodeprep/vsphere.h"

int put_changes(const struct options *o, const struct np_vsphere_changes *c, const char *kind,
		const char *member, struct np_err *err)
{
	bool is_dry = o->dry_run != NP_DRY_RUN_NONE;
	NP_AUTO(np_freep) char *text = NULL;
	json_auto_t *tree = NULL;

	if (!is_for_programs(o))
		return np_vsphere_changes_text(c, is_dry, &text, err) < 0 ? np_err_ret(err)
									  : put(text, err);
	tree = np_vsphere_changes_tree(c, kind, member, is_dry);
	if (!tree)
		return np_fail_nomem(err);
	return np_render_tree(tree, o->format, &text, err) < 0 ? np_err_ret(err) : put(text, err);
}
