/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEPREP_PKG_NODECHECK_INTERNAL_H
#define NODEPREP_PKG_NODECHECK_INTERNAL_H

/*
 * nodecheck, inside
 *
 * pci.c      BARs out of `resource` and `config`; bridge windows. Pure
 * log.c      the kernel's log. Pure
 * sysfs.c    the tree of files, every read bounded
 * judge.c the probes of a node; expect.c matches the GPUs found with the expected ones
 * show.c     the report as JSON and text
 */

#include "nodeprep/err.h"
#include "nodeprep/nodecheck.h"
#include "nodeprep/report.h"

#define CONFIG_BYTES 64
#define REGIONS_MAX 17 /* BARs, ROM, SR-IOV, bridge windows: no kernel prints more */

/* Flags of the third column of `resource` (include/linux/ioport.h). */
#define FLAG_IO UINT64_C(0x100)
#define FLAG_MEM UINT64_C(0x200)
#define FLAG_PREFETCH UINT64_C(0x2000)
#define FLAG_MEM_64 UINT64_C(0x100000)
#define FLAG_UNSET UINT64_C(0x20000000)

struct region {
	uint64_t start, end, flags;
};

struct regions {
	size_t n;
	struct region items[REGIONS_MAX];
};

/* Reads the lines of a `resource` file; false for a malformed line or missing BARs. */
bool nodecheck_regions_parse(const char *bytes, size_t size, struct regions *ret);

/*
 * Fills bars, is_lost and ok; `regions` or `config` (64 bytes) is NULL where it could not be read.
 */
void nodecheck_read_bars(struct np_seen_gpu *gpu, const struct regions *regions,
			 const unsigned char *config);

/* Fills buses and windows; false where `config` is of no bridge. */
bool nodecheck_read_bridge(struct np_seen_bridge *bridge, const struct regions *regions,
			   const unsigned char *config);

/* Matches the GPUs found with the expected ones. */
struct matching {
	uint64_t expected, found;
	uint64_t unexpected; /* GPUs that nothing asks for */
	bool is_untold; /* some GPU fits a vGPU profile, and nothing says which one it is */
	bool is_open; /* some GPU's id is not known, or not in the catalogue */
};

struct matching nodecheck_expectation_match(const struct np_node_hw *m,
					    const struct np_nodecheck_options *o);

#endif
