/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEPREP_NODECHECK_H
#define NODEPREP_NODECHECK_H

/*
 * nodecheck - checks whether all BARs of a node's GPUs are assigned.
 *
 * Node       np_nodecheck_scan() reads sysfs, procfs and the kernel's log; np_nodecheck_judge()
 *            compares with the catalogue and the expected GPUs. Neither executes or writes
 *            anything.
 * Evidence   a BAR is assigned if its line in `resource` holds an address. An unassigned one reads
 *            all zero there, like one that does not exist (kernels 6.1, 6.12, 7.2), so the
 *            catalogue and the type bits in the first 64 bytes of `config` decide. The files
 *            resource0..5, the command register and /proc/iomem are not evidence; the kernel's log
 *            also reports BARs that a later pass assigns. Measured in UEFI guests.
 * Bounds     16,384 devices, 64 KiB a sysfs file, 4 MiB of log, 1,024 GPUs. Links are followed as
 *            the kernel does; FIFOs and devices are not opened.
 * Ownership  a node's hardware and a report own their members, except the catalogue's cards.
 * Errors     NP_E_IO: a root that cannot be read at all; NP_E_NOMEM.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nodeprep/gpu.h"
#include "nodeprep/kube.h"
#include "nodeprep/report.h"

struct np_err;

#define NP_BRIDGE_WINDOWS_MAX 4

struct np_seen_bridge {
	char address[NP_PCI_ADDRESS_MAX];
	unsigned domain, secondary, subordinate; /* buses behind it */
	size_t n_windows;
	struct np_bridge_window {
		uint64_t start, end; /* both within */
		bool is_prefetchable;
	} windows[NP_BRIDGE_WINDOWS_MAX];
};

/* What a line of the kernel's log is about. */
enum np_log_topic {
	NP_LOG_BAR, /* a BAR that is not assigned; the state of the BARs decides */
	NP_LOG_DRIVER, /* the driver refuses the GPU, or cannot run it */
	NP_LOG_DEVICE, /* the GPU failed under its driver */
	NP_LOG_HINT, /* worth a look */
};

/* A kind of message: what it means, and what to do. */
struct np_log_row {
	const char *needles[2]; /* both, as the kernel writes them; NULL: one */
	enum np_log_topic topic;
	const char *what; /* NULL: the text suffices */
	const char *cure; /* NULL: the window's */
};

/* A line of the kernel's log that is about a GPU. */
struct np_log_finding {
	char address[NP_PCI_ADDRESS_MAX];
	bool is_driver; /* reported by the GPU's driver, not by the PCI core */
	const struct np_log_row *row;
	unsigned xid; /* 0: none */
	char text[160];
};

#define NP_LOG_FINDINGS_MAX 256

struct np_kernel_log {
	bool is_read;
	size_t n_lines;
	size_t n; /* findings that are kept */
	size_t n_driver_lines; /* lines of NVIDIA's driver */
	char last_address[NP_PCI_ADDRESS_MAX]; /* of the message that the next lines go on with */
	char last_text[96];
	size_t last_line;
	struct np_log_finding findings[NP_LOG_FINDINGS_MAX];
};

/* A node's hardware, as the kernel shows it. */
struct np_node_hw {
	size_t n_devices; /* PCI functions */
	size_t n_unreadable; /* whose ids could not be read: any of them may be a GPU */
	enum np_verdict has_pci; /* the node has a PCI bus; UNKNOWN: sysfs does not show one */
	enum np_verdict is_uefi;
	enum np_verdict has_iommu;
	size_t n_gpus;
	struct np_seen_gpu *gpus; /* in the order of their addresses */
	size_t n_bridges;
	struct np_seen_bridge *bridges;
	struct np_kernel_log log;
};

/* Adds the findings of a log: records of /dev/kmsg, lines of dmesg or of the journal. */
void np_nodecheck_log_parse(struct np_kernel_log *log, const char *bytes, size_t size);

/* Tells whether the finding is worth a look alone, and no failure. */
bool np_nodecheck_log_is_hint(const struct np_log_finding *f);

/* Returns what to do; NULL: what the BARs need. */
const char *np_nodecheck_log_cure(const struct np_log_finding *f);

struct np_nodecheck_roots {
	const char *sysfs; /* "/sys" */
	const char *procfs; /* "/proc" */
	const char *log; /* "/dev/kmsg", or a file; NULL: none but `kmsg` in a copy of procfs */
};

/* Reads a node's hardware; recognises GPUs by the catalogue, else by vendor and class. */
int np_nodecheck_scan(const struct np_nodecheck_roots *roots, const struct np_catalogue *cat,
		      struct np_node_hw *ret, struct np_err *err);
void np_nodecheck_done(struct np_node_hw *m);

#define NP_EXPECTED_TEXT_MAX 128

/* GPUs that a node should have. */
struct np_expected {
	char text[NP_EXPECTED_TEXT_MAX]; /* as it was written */
	const struct np_gpu *gpu; /* NULL: not in the catalogue */
	bool exact; /* that PCI id and no other */
	struct np_pci_id id;
	bool is_vgpu;
	uint64_t count;
	uint64_t found; /* np_nodecheck_judge() fills it in */
};

struct np_expectation {
	const char *source; /* for people: "--expect"; NULL: nothing is expected */
	bool allows_more; /* a pool may name fewer GPUs than its class attaches */
	size_t n;
	struct np_expected *items;
};

struct np_nodecheck_options {
	const struct np_catalogue *catalogue;
	struct np_expectation *expectation; /* `found` of its items is filled in */
	const char *driver; /* every GPU must be bound to it; NULL: any will do */
};

int np_nodecheck_judge(struct np_node_hw *m, const struct np_nodecheck_options *o,
		       struct np_report *ret, struct np_err *err);

/* Returns the NodeReport (docs/checks.md, "The JSON"); NULL where memory runs out. */
json_t *np_nodecheck_tree(const struct np_node_hw *m, const struct np_nodecheck_options *o,
			  const struct np_report *r);

/* Writes the report for people; `wide` adds bridges and passed probes without a message. */
int np_nodecheck_text(const struct np_node_hw *m, const struct np_report *r, bool wide, char **ret,
		      struct np_err *err);

/* Fetches the Node. */
int np_nodecheck_node_fetch(struct np_kube *k, const char *name, json_t **ret, struct np_err *err);

/* Returns the value of nodeprep.dev/gpus; NULL where the Node has none. */
const char *np_nodecheck_node_annotation(const json_t *node);

/* The verdict to write to a Node. */
struct np_node_report {
	const char *name;
	enum np_verdict pass;
	const char *brief; /* np_report_brief() */
	bool patch, remove_taint;
};

/* Patches the Node: its condition, with an event where that changes, and its taint. */
int np_nodecheck_node_report(struct np_kube *k, const struct np_node_report *news,
			     struct np_err *err);

#endif
