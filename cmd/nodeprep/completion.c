/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd.h"

#include <string.h>

/* The files of this folder, which the build makes string literals of. */
static const struct script {
	const char *shell, *text;
} scripts[] = {
	{
		"bash",
#include "completion_bash.inc"
	},
	{
		"zsh",
#include "completion_zsh.inc"
	},
};

int run_completion(const struct options *o, struct np_err *err)
{
	const char *shell = o->arguments.n > 0 ? o->arguments.items[0] : NULL;

	if (!shell)
		return np_fail(err, NP_E_USAGE, "expected a shell: bash or zsh");
	for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++)
		if (strcmp(scripts[i].shell, shell) == 0)
			return put(scripts[i].text, err);
	return np_fail(err, NP_E_USAGE, "no completion for shell '%s': expected bash or zsh",
		       shell);
}
