/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

/* The readers of a name with a value, the surest first. */
static hostcheck_pair_reader *const pair_readers[] = {
	hostcheck_read_device_pair, hostcheck_read_smi_pair,     hostcheck_read_lspci_pair,
	hostcheck_read_vmx_pair,    hostcheck_read_setting_pair,
};

bool hostcheck_read_pair(struct reading *r, const struct pair_line *p)
{
	for (size_t i = 0; i < sizeof(pair_readers) / sizeof(pair_readers[0]); i++)
		if (pair_readers[i](r, p))
			return true;
	return false;
}
