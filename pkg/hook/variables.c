/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include "nodeprep/err.h"
#include "nodeprep/units.h"

/*
 * The schema of the variable, which Cluster API checks before it calls a hook. Only types and
 * bounds are checked there: for a size that is not a power of two, or for an unknown model, the
 * hooks can say what would be right.
 */
static const char variables[] =
	",\"variables\":[{"
	"\"name\":\"" NP_GPU_VARIABLE "\","
	"\"required\":false,"
	"\"schema\":{\"openAPIV3Schema\":{"
	"\"type\":\"object\","
	"\"description\":\"GPUs of a worker pool's nodes, and the 64-bit MMIO window that they need. "
	"Override it in each GPU pool; without it the devices of the pool's template or VM class are "
	"counted.\","
	"\"properties\":{"
	"\"gpus\":{"
	"\"type\":\"array\",\"maxItems\":256,"
	"\"description\":\"GPUs of one node; what its template or VM class attaches must agree.\","
	"\"items\":{"
	"\"type\":\"object\","
	"\"properties\":{"
	"\"count\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":64,"
	"\"description\":\"How many of them a node has; 1 unless said.\"},"
	"\"model\":{\"type\":\"string\",\"minLength\":1,\"maxLength\":127,"
	"\"description\":\"A model that 'nodeprep gpus' lists.\",\"example\":\"A100-40GB\"},"
	"\"pciID\":{\"type\":\"string\",\"minLength\":1,\"maxLength\":127,"
	"\"description\":\"Vendor and device of the board, in place of model.\","
	"\"example\":\"10de:20b0\"},"
	"\"vgpuProfile\":{\"type\":\"string\",\"minLength\":1,\"maxLength\":127,"
	"\"description\":\"A vGPU profile, in place of model.\",\"example\":\"grid_a100-40c\"}"
	"}}},"
	"\"minimumGB\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":65536,"
	"\"description\":\"Least size of the window in GB, a power of two; 512 unless said.\"},"
	"\"sizeGB\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":65536,"
	"\"description\":\"Size of the window in GB, a power of two, in place of the computed one.\"}"
	"}}}}]";

_Static_assert(NP_WINDOW_GB_MAX == 65536, "the schema says how large a window may be");

int hook_discover_variables(struct outcome *out, const struct request *r, struct np_err *err)
{
	(void)r, (void)err;
	hook_text_add(&out->extra, variables, sizeof(variables) - 1);
	return 0;
}
