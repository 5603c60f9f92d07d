/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEPREP_PKG_NODE_INTERNAL_H
#define NODEPREP_PKG_NODE_INTERNAL_H

/*
 * node, inside - what its files share.
 *
 * pci.c      BARs out of `resource`, `config` and the catalogue; bridge windows. Pure
 * log.c      the kernel's log. Pure
 * sysfs.c    the tree of files, every read bounded
 * judge.c    the checks of a node; expect.c what is found of what is expected
 * report.c   checks, verdicts, JSON and text that node and host share; show.c the node's
 * capture.c  lines of captures (capture.h); host.c the kinds of captures; hostjudge.c the checklist
 */

#include <stdarg.h>
#include <stdio.h>

#include "nodeprep/err.h"
#include "nodeprep/node.h"

#define CONFIG_BYTES 64
#define REGIONS_MAX 17 /* BARs, ROM, SR-IOV, bridge windows: no kernel prints more */
#define BARS 6

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

/* Reads the lines of a `resource` file; false where one is no such line, or where BARs are missing. */
bool regions_parse(const char *bytes, size_t size, struct regions *ret);

/* Fills bars, is_lost and ok; `regions` or `config` (64 bytes) is NULL where it could not be read. */
void gpu_read_bars(struct np_seen_gpu *gpu, const struct regions *regions,
		   const unsigned char *config);

/*
 * The same where the BARs were listed by somebody else: pairs them with the catalogue's and sets ok. What
 * is missing is unknown unless the list is whole.
 */
void gpu_pair_bars(struct np_seen_gpu *gpu, bool is_whole);

/* Fills buses and windows; false where `config` is of no bridge. */
bool bridge_read(struct np_seen_bridge *bridge, const struct regions *regions,
		 const unsigned char *config);

/* Reads "0000:3b:00.0", 4 to 8 digits of domain; false for any other text. */
bool address_is(const char *text);

/* Finds the first address in a line ("0000:3b:00.0", or "3b:00.0" in domain 0); NULL where none is. */
const char *address_find(const char *line, size_t size, char ret[static NP_PCI_ADDRESS_MAX]);

/* Reads the log's bytes: records of /dev/kmsg, or lines of dmesg. */
void log_parse(struct np_kernel_log *log, const char *bytes, size_t size);

/* Copies text that came from outside: cut, and without what is no printable ASCII. */
void copy_clean(char *ret, size_t max, const char *text, size_t size);

/* Tells whether the product name that a driver gives is a vGPU's ("GRID A100-40C"). */
bool product_is_vgpu(const char *product);

/* What a check comes to, but for its message. */
struct judgement {
	const char *id;
	enum np_check_status status;
	bool decides;
	const char *cure; /* copied, unless the check passes; NULL */
	const char *where; /* a constant; NULL */
};

/* Adds a check; the message is formatted. */
int report_add(struct np_report *r, const struct judgement *j, struct np_err *err, const char *fmt,
	       ...) __attribute__((format(printf, 4, 5)));

/* Decides `pass` once every check is there. */
void report_finish(struct np_report *r);

/* Writes "0000:3b:00.0 (A100-40GB)". */
#define WHO_MAX 96
const char *gpu_who(const struct np_seen_gpu *gpu, char buf[static WHO_MAX]);

/* Writes "BAR 1 (64 GB)". */
#define BAR_TEXT_MAX 64
const char *bar_text(const struct np_seen_bar *bar, char buf[static BAR_TEXT_MAX]);

/* Parts of the two reports; NULL where memory runs out. */
json_t *gpu_tree(const struct np_seen_gpu *gpu);
json_t *checks_tree(const struct np_report *r);
json_t *verdict_tree(enum np_verdict v);

/* The number, or null where it is 0 (not known) or more than JSON's integers hold. */
json_t *bytes_tree(uint64_t bytes);
void checks_write(FILE *out, const struct np_report *r, bool wide);
void gpus_write(FILE *out, const struct np_seen_gpu *gpus, size_t n);

/* Matches what was found with what is expected. */
struct matching {
	uint64_t expected, found;
	uint64_t unexpected; /* GPUs that nothing asks for */
	bool is_open; /* some GPU's id is not known, or not in the catalogue */
};

struct matching expectation_match(const struct np_machine *m, const struct np_machine_options *o);

/* A text under construction, for lists in messages; cut with "..." at its end. */
struct words {
	size_t n; /* how many were added */
	size_t used;
	bool is_cut;
	char text[512];
};

void words_add(struct words *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
