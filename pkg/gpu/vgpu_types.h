/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEPREP_GPU_VGPU_TYPES_H
#define NODEPREP_GPU_VGPU_TYPES_H

/*
 * vgpu_types - the vGPU type that a subsystem id of NVIDIA names.
 *
 * Source     open-gpu-kernel-modules, src/common/shared/inc/g_vgpu_chip_flags.h (2025): facts, in a
 *            form of our own. A run is a list of types whose subsystem ids follow each other; "-"
 *            is an id of no such type.
 */

#include <stdint.h>

struct vgpu_run {
	uint16_t device;
	uint16_t subsystem; /* of the run's first type */
	const char *board; /* as the driver spells it */
	const char *types; /* what follows "BOARD-", blank separated */
};

#define Q12 "1Q 2Q 3Q 4Q 6Q 8Q 12Q"
#define A12 "1A 2A 3A 4A 6A 8A 12A"
#define GAMES "1 2 3 4 6 8 12"
#define COMPUTE_24 "4C 6C 8C 12C 24C"
#define COMPUTE_48 "4C 6C 8C 12C 16C 24C 48C"
#define BOARD_24 "1B 2B " Q12 " 24Q " A12 " 24A"
#define BOARD_48 "1B 2B " Q12 " 16Q 24Q 48Q " A12 " 16A 24A 48A"
#define VOLTA_16 "1B 1Q 2Q 4Q 8Q 16Q 1A 2A 4A 8A 16A"
#define VOLTA_32 "1B 2B 1Q 2Q 4Q 8Q 16Q 32Q 1A 2A 4A 8A 16A 32A"
#define MIG_40 "1-5C 2-10C 3-20C 4-20C 7-40C 4C 5C 8C 10C 20C 40C"
#define MIG_80 "1-10C 2-20C 3-40C 4-40C 7-80C 4C 8C 10C 16C 20C 40C 80C"
#define MIG_94 "1-12CME 1-12C 1-24C 2-24C 3-47C 4-47C 7-94C 4C 6C 11C 15C 23C 47C 94C"
#define HOPPER_80 "1-10CME 1-10C 1-20C 2-20C 3-40C 4-40C 7-80C 4C 5C 8C 10C 16C 20C 40C 80C"
#define HOPPER_141 "1-18CME 1-18C 1-35C 2-35C 3-71C 4-71C 7-141C 4C 7C 8C 14C 17C 28C 35C"

/* Sorted by device. */
static const struct vgpu_run vgpu_runs[] = {
	{ 0x13bd, 0x11cc, "M10", "0B 1B 0Q 1Q 2Q 4Q 8Q 1A 2A 4A 8A" },
	{ 0x13bd, 0x1286, "M10", "2B" },
	{ 0x13bd, 0x12ee, "M10", "2B4" },
	{ 0x13bd, 0x1339, "M10", "1B4" },
	{ 0x1db1, 0x1259, "V100X", VOLTA_16 },
	{ 0x1db1, 0x128e, "V100X", "2B" },
	{ 0x1db1, 0x12f6, "V100X", "2B4" },
	{ 0x1db1, 0x1341, "V100X", "1B4" },
	{ 0x1db1, 0x1378, "V100X", "16C" },
	{ 0x1db1, 0x138e, "V100X", "4C 8C" },
	{ 0x1db3, 0x1290, "V100L", "1B 2B 1Q 2Q 4Q 8Q 16Q 1A 2A 4A 8A 16A" },
	{ 0x1db3, 0x12f9, "V100L", "2B4" },
	{ 0x1db3, 0x1344, "V100L", "1B4" },
	{ 0x1db3, 0x137a, "V100L", "16C" },
	{ 0x1db3, 0x1398, "V100L", "4C 8C" },
	{ 0x1db4, 0x124e, "V100", VOLTA_16 },
	{ 0x1db4, 0x128f, "V100", "2B" },
	{ 0x1db4, 0x12f5, "V100", "2B4" },
	{ 0x1db4, 0x1340, "V100", "1B4" },
	{ 0x1db4, 0x1379, "V100", "16C" },
	{ 0x1db4, 0x1393, "V100", "4C 8C" },
	{ 0x1db5, 0x12cb, "V100DX", VOLTA_32 },
	{ 0x1db5, 0x12f8, "V100DX", "2B4" },
	{ 0x1db5, 0x1343, "V100DX", "1B4" },
	{ 0x1db5, 0x1376, "V100DX", "32C" },
	{ 0x1db5, 0x1390, "V100DX", "4C 8C 16C" },
	{ 0x1db6, 0x12bd, "V100D", VOLTA_32 },
	{ 0x1db6, 0x12f7, "V100D", "2B4" },
	{ 0x1db6, 0x1342, "V100D", "1B4" },
	{ 0x1db6, 0x1377, "V100D", "32C" },
	{ 0x1db6, 0x1395, "V100D", "4C 8C 16C" },
	{ 0x1df6, 0x13e1, "V100S", "1B" },
	{ 0x1df6, 0x13e3, "V100S", "2B" },
	{ 0x1df6, 0x13e5, "V100S", "1Q 2Q 4Q 8Q 16Q 32Q 1A 2A 4A 8A 16A 32A 4C 8C 16C 32C" },
	{ 0x1e30, 0x1325, "RTX6000", Q12 " 24Q" },
	{ 0x1e30, 0x132d, "RTX8000", Q12 " 16Q 24Q 48Q" },
	{ 0x1e30, 0x13b9, "RTX6000", "6 12 24" },
	{ 0x1e30, 0x13bc, "RTX8000", "12 24 48" },
	{ 0x1e30, 0x13bf, "RTX6000", COMPUTE_24 },
	{ 0x1e30, 0x13c4, "RTX8000", COMPUTE_48 },
	{ 0x1e30, 0x13cb, "RTX6000", "8" },
	{ 0x1e30, 0x13cc, "RTX8000", "16" },
	{ 0x1e30, 0x1437, "RTX6000", "1B 2B " A12 " 24A" },
	{ 0x1e30, 0x1441, "RTX8000", "1B 2B " A12 " 16A 24A 48A" },
	{ 0x1e37, 0x136a, "T10", "4 8 16" },
	{ 0x1e78, 0x13f7, "RTX6000P", BOARD_24 " 6 8 12 24 " COMPUTE_24 },
	{ 0x1e78, 0x1412, "RTX8000P",
	  "1B 2B " Q12 " 16Q 24Q 48Q " A12 " 24A 48A 12 16 24 48 " COMPUTE_48 },
	{ 0x1e78, 0x1436, "RTX8000P", "16A" },
	{ 0x1eb8, 0x1309, "T4", "1B 2B 2B4 1Q 2Q 4Q 8Q 16Q 1A 2A 4A 8A 16A" },
	{ 0x1eb8, 0x1345, "T4", "1B4" },
	{ 0x1eb8, 0x1367, "T4", "4 8 16" },
	{ 0x1eb8, 0x1375, "T4", "16C" },
	{ 0x1eb8, 0x139a, "T4", "4C 8C" },
	{ 0x20b0, 0x146f, "A100X", MIG_40 },
	{ 0x20b0, 0x160c, "A100X", "1-5CME" },
	{ 0x20b0, 0x1840, "A100X", "1-10C" },
	{ 0x20b2, 0x1523, "A100DX", MIG_80 },
	{ 0x20b2, 0x160d, "A100DX", "1-10CME" },
	{ 0x20b2, 0x1841, "A100DX", "1-20C" },
	{ 0x20b5, 0x1591, "A100D", MIG_80 },
	{ 0x20b5, 0x160f, "A100D", "1-10CME" },
	{ 0x20b5, 0x183e, "A100D", "1-20C" },
	{ 0x20b7, 0x1589, "A30", "1-6C 2-12C 4-24C 4C 6C 8C 12C 24C" },
	{ 0x20b7, 0x1610, "A30", "1-6CME" },
	{ 0x20b7, 0x183c, "A30", "2-12CME" },
	{ 0x20f1, 0x1493, "A100", MIG_40 },
	{ 0x20f1, 0x160e, "A100", "1-5CME" },
	{ 0x20f1, 0x183d, "A100", "1-10C" },
	{ 0x20f3, 0x17b2, "A800DX", "1-10CME " MIG_80 },
	{ 0x20f3, 0x1842, "A800DX", "1-20C" },
	{ 0x20f5, 0x17bf, "A800D", "1-10CME " MIG_80 },
	{ 0x20f5, 0x183f, "A800D", "1-20C" },
	{ 0x20f6, 0x17cc, "A800", "1-5CME " MIG_40 },
	{ 0x20f6, 0x1843, "A800", "1-10C" },
	{ 0x2230, 0x14fa, "RTXA6000", BOARD_48 " 12 16 24 48 " COMPUTE_48 },
	{ 0x2231, 0x1562, "RTXA5000", BOARD_24 " 6 8 12 24 " COMPUTE_24 },
	{ 0x2233, 0x165c, "RTXA5500", BOARD_24 " 6 8 12 24 " COMPUTE_24 },
	{ 0x2235, 0x14d5, "A40", BOARD_48 " 12 16 24 48 - - - - " COMPUTE_48 },
	{ 0x2235, 0x1684, "A40", "2 3 4 6 8" },
	{ 0x2235, 0x16e7, "A40", "1" },
	{ 0x2236, 0x14b6, "A10", BOARD_24 " 6 8 12 24 - - - - " COMPUTE_24 },
	{ 0x2236, 0x167e, "A10", "2 3 4" },
	{ 0x2236, 0x16e8, "A10", "1" },
	{ 0x2237, 0x155a, "A10G", GAMES " 24" },
	{ 0x2237, 0x162a, "A10G", BOARD_24 },
	{ 0x2238, 0x16a3, "A10M",
	  "1B 2B 1Q 2Q 4Q 5Q 10Q 20Q 1A 2A 4A 5A 10A 20A 2 4 5 10 20 4C 5C 10C 20C" },
	{ 0x2238, 0x16e6, "A10M", "1" },
	{ 0x2321, 0x1853, "H100L", MIG_94 },
	{ 0x2322, 0x17e2, "H800",
	  "1-10CME 1-10C 2-20C 3-40C 4-40C 7-80C 4C 5C 8C 10C 16C 20C 40C 80C" },
	{ 0x2322, 0x1845, "H800", "1-20C" },
	{ 0x2324, 0x18d5, "H800XM", HOPPER_80 },
	{ 0x2329, 0x2028, "H20",
	  "1-12CME 1-12C 1-24C 2-24C 3-48C 4-48C 7-96C 4C 6C 12C 16C 24C 48C 96C" },
	{ 0x2329, 0x2047, "H20", "8C 32C" },
	{ 0x232c, 0x2108, "H20X", HOPPER_141 " 70C 141C" },
	{ 0x2330, 0x187a, "H100XM", HOPPER_80 },
	{ 0x2331, 0x16d3, "H100", MIG_80 },
	{ 0x2331, 0x1798, "H100", "5C" },
	{ 0x2331, 0x17f0, "H100", "1-10CME" },
	{ 0x2331, 0x1844, "H100", "1-20C" },
	{ 0x2335, 0x206e, "H200X", HOPPER_141 },
	{ 0x2335, 0x207e, "H200X", "70C 141C" },
	{ 0x2337, 0x18f2, "H100XS", "1-8CME 1-8C 1-16C 2-16C 3-32C 4-32C 7-64C 4C 8C 16C 32C 64C" },
	{ 0x2339, 0x18e4, "H100XL", MIG_94 },
	{ 0x233a, 0x1861, "H800L", MIG_94 },
	{ 0x233b, 0x2081, "H200", HOPPER_141 " 70C 141C" },
	{ 0x2342, 0x18c2, "GH200", "1-12CME 1-12C 1-24C 2-24C 3-48C 4-48C 7-96C 96C" },
	{ 0x2348, 0x20c2, "GH200L", "1-18CME 1-18C 1-36C 2-36C 3-72C 4-72C 7-144C 144C" },
	{ 0x25b6, 0x159d, "A16", "1B 2B 1Q" },
	{ 0x25b6, 0x1600, "A16", "2Q 4Q 8Q 16Q 1A 2A 4A 8A 16A 4C 8C 16C" },
	{ 0x25b6, 0x1646, "A2", "1B 2B 1Q 2Q 4Q 8Q 16Q 1A 2A 4A 8A 16A 4 8 16 4C 8C 16C" },
	{ 0x26b1, 0x1708, "RTX6000-Ada", BOARD_48 " " GAMES " 16 24 48 " COMPUTE_48 },
	{ 0x26b2, 0x1821, "RTX5000-Ada",
	  "1B 2B 1Q 2Q 4Q 8Q 16Q 32Q 1A 2A 4A 8A 16A 32A 1 2 4 8 16 32 4C 8C 16C 32C" },
	{ 0x26b3, 0x1958, "RTX5880-Ada", BOARD_48 " " GAMES " 16 24 48 " COMPUTE_48 },
	{ 0x26b5, 0x176d, "L40", BOARD_48 " " GAMES " 16 24 48 " COMPUTE_48 },
	{ 0x26b8, 0x174e, "L40G", BOARD_24 " " GAMES " 24 " COMPUTE_24 },
	{ 0x26b9, 0x1889, "L40S", BOARD_48 " - - " GAMES " 16 24 48 " COMPUTE_48 },
	{ 0x26ba, 0x1909, "L20", BOARD_48 " - - " GAMES " 16 24 48 " COMPUTE_48 },
	{ 0x27b6, 0x1938, "L2", BOARD_24 " " GAMES " 24 " COMPUTE_24 },
	{ 0x27b8, 0x172f, "L4", BOARD_24 " " GAMES " 24 " COMPUTE_24 },
	{ 0x2941, 0x20cb, "GB200", "1-24CME 1-24C 1-47C 2-47C 3-95C 4-95C 7-189C 189C" },
};

#endif
