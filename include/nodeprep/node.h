/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEPREP_NODE_H
#define NODEPREP_NODE_H

/*
 * node - whether every BAR of a node's GPUs is really there, and whether a host can give GPUs away.
 *
 * Node       np_machine_scan() reads sysfs, procfs and the kernel's log; np_machine_judge() compares with
 *            the catalogue and with what is expected. Nothing is executed, nothing written.
 * Host       np_host_read() takes captures that an operator can paste, each told by its content;
 *            np_host_judge() makes the checklist of them.
 * Unknown    is never a pass: what cannot be read, is cut, or is not in the catalogue is unknown. The
 *            report passes only where every check that decides does; one failure fails it.
 * Evidence   a BAR is assigned where its line in `resource` holds an address. An unassigned one reads
 *            all zero there, as one that does not exist (kernels 6.1, 6.12, 7.2), so that the catalogue
 *            and the type bits in the first 64 bytes of `config` have to tell. The files resource0..5,
 *            the command register and /proc/iomem are no evidence; the kernel's log complains of BARs
 *            that a later pass places after all. Measured in UEFI guests.
 * Bounds     16,384 devices, 64 KiB a sysfs file, 4 MiB of log, 64 MiB a capture, 1,024 GPUs. Links are
 *            followed as the kernel does; FIFOs and devices are not opened.
 * Ownership  a machine, an evidence and a report own what they hold, but for the catalogue's cards.
 * Errors     NP_E_IO: a root or capture that cannot be read at all; NP_E_SPEC: a capture in which
 *            nothing is recognised; NP_E_NOMEM.
 * Checks     ids are stable; docs/checks.md has a row for each.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nodeprep/gpu.h"

struct np_err;

/* What can be said of something that may not be known. */
enum np_verdict { NP_VERDICT_UNKNOWN, NP_VERDICT_NO, NP_VERDICT_YES };

enum np_check_status {
	NP_CHECK_PASS,
	NP_CHECK_FAIL,
	NP_CHECK_WARN,
	NP_CHECK_UNKNOWN,
	NP_CHECK_STATUS_MAX
};

struct np_check {
	const char *id; /* a constant */
	enum np_check_status status;
	bool decides; /* an unknown here keeps the report from passing */
	char *message;
	char *cure; /* NULL where there is nothing to do */
	const char *where; /* host: where the setting is found; NULL */
};

#define NP_PCI_ADDRESS_MAX 20
#define NP_DRIVER_MAX 32

/* A memory BAR as a device has it. */
struct np_seen_bar {
	unsigned index;
	uint64_t bytes; /* 0: not known */
	uint64_t expected_bytes; /* the catalogue's for it; 0: none */
	enum np_verdict assigned;
	uint64_t address; /* where assigned */
	bool has_kind; /* the two below are known */
	bool is_64bit, is_prefetchable;
};

struct np_seen_gpu {
	char address[NP_PCI_ADDRESS_MAX]; /* "0000:3b:00.0" */
	bool has_id; /* a capture may lack it */
	struct np_pci_id id;
	const struct np_gpu *gpu; /* NULL: not in the catalogue */
	char driver[NP_DRIVER_MAX]; /* "" none */
	enum np_verdict has_driver;
	char product[64]; /* as the driver calls it; "" not known */
	enum np_verdict is_vgpu;
	long iommu_group; /* -1: none */
	bool is_vf; /* a virtual function, whose config space holds no BARs */
	bool is_lost; /* its config space reads all ones */
	bool has_resource, has_config; /* could be read */
	size_t n_bars;
	struct np_seen_bar bars[NP_GPU_BARS_MAX];
	enum np_verdict ok; /* every BAR it has is assigned */
};

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

/* A line of the kernel's log that is about a device's BARs. */
struct np_log_finding {
	char address[NP_PCI_ADDRESS_MAX];
	bool is_driver; /* the GPU's driver says so, not the PCI core */
	char text[160];
};

#define NP_LOG_FINDINGS_MAX 256

struct np_kernel_log {
	bool is_read;
	size_t n_lines;
	size_t n; /* findings that are kept */
	struct np_log_finding findings[NP_LOG_FINDINGS_MAX];
};

/* What a machine shows of itself. */
struct np_machine {
	size_t n_devices; /* PCI functions */
	size_t n_unreadable; /* whose ids could not be read: any of them may be a GPU */
	enum np_verdict has_pci; /* there is a PCI bus; UNKNOWN: sysfs does not show one */
	enum np_verdict is_uefi;
	enum np_verdict has_iommu;
	size_t n_gpus;
	struct np_seen_gpu *gpus; /* in the order of their addresses */
	size_t n_bridges;
	struct np_seen_bridge *bridges;
	struct np_kernel_log log;
};

struct np_machine_roots {
	const char *sysfs; /* "/sys" */
	const char *procfs; /* "/proc" */
	const char *log; /* "/dev/kmsg", or a file; NULL: none but `kmsg` in a copy of procfs */
};

/* Reads a machine; GPUs are told by the catalogue, else by vendor and class. */
int np_machine_scan(const struct np_machine_roots *roots, const struct np_catalogue *cat,
		    struct np_machine *ret, struct np_err *err);
void np_machine_done(struct np_machine *m);

#define NP_EXPECTED_TEXT_MAX 128

/* GPUs that a node should have. */
struct np_expected {
	char text[NP_EXPECTED_TEXT_MAX]; /* as it was written */
	const struct np_gpu *gpu; /* NULL: not in the catalogue */
	bool exact; /* that PCI id and no other */
	struct np_pci_id id;
	bool is_vgpu;
	uint64_t count;
	uint64_t found; /* np_machine_judge() fills it in */
};

struct np_expectation {
	const char *source; /* for people: "--expect"; NULL: nothing is expected */
	bool allows_more; /* a pool may name fewer GPUs than its class attaches */
	size_t n;
	struct np_expected *items;
};

struct np_machine_options {
	const struct np_catalogue *catalogue;
	struct np_expectation *expectation; /* `found` of its items is filled in */
	const char *driver; /* every GPU must be bound to it; NULL: any will do */
};

/* What is found, and what is said of it. */
struct np_report {
	enum np_verdict pass;
	size_t n_checks;
	struct np_check *checks;
	bool is_final; /* a failure that no waiting can cure */
};

int np_machine_judge(struct np_machine *m, const struct np_machine_options *o,
		     struct np_report *ret, struct np_err *err);
void np_report_done(struct np_report *r);

/* The words for what is known: "pass", "fail", "unknown"; of a status also "warn". */
const char *np_verdict_name(enum np_verdict v);
const char *np_check_status_name(enum np_check_status s);

/* Returns the NodeReport (docs/checks.md, "The JSON"); NULL where memory runs out. */
json_t *np_machine_tree(const struct np_machine *m, const struct np_machine_options *o,
			const struct np_report *r);

/* The same for people; `wide` adds bridges and what passed without a word to say. */
int np_machine_text(const struct np_machine *m, const struct np_report *r, bool wide, char **ret,
		    struct np_err *err);

/* What a container may leave as its last words: the verdict first, then what is wrong, cut at `max`. */
int np_report_brief(const struct np_report *r, const char *what, size_t max, char **ret,
		    struct np_err *err);

/* What captures say, each value with where it came from. */
struct np_host;

/* Makes an evidence that says nothing yet. */
int np_host_new(const struct np_catalogue *cat, struct np_host **ret, struct np_err *err);
void np_host_free(struct np_host *h);
void np_host_freep(struct np_host **h);

/* Reads one capture; several kinds may stand in it, one after the other. */
int np_host_read(struct np_host *h, const char *name, const char *bytes, size_t size,
		 struct np_err *err);

/* `wants_vgpu`: the host is to give vGPUs away; else that is told by who owns its GPUs. */
int np_host_judge(struct np_host *h, bool wants_vgpu, struct np_report *ret, struct np_err *err);

/* Returns the HostReport; NULL where memory runs out. */
json_t *np_host_tree(const struct np_host *h, const struct np_report *r);
int np_host_text(const struct np_host *h, const struct np_report *r, char **ret,
		 struct np_err *err);

#endif
