/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd.h"

int run_host_check(const struct options *o, struct np_err *err)
{
	(void)o;
	return np_fail(err, NP_E_USAGE, "not yet");
}
