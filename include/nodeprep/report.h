/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEPREP_REPORT_H
#define NODEPREP_REPORT_H

/*
 * report - shared by nodecheck and hostcheck: observed GPUs and BARs, probes, the verdict.
 *
 * Unknown    is never a pass: what cannot be read, is cut, or is not in the catalogue is unknown.
 *            The report passes only if every deciding probe passes; one failure fails it.
 * Ownership  a report owns its probes; GPUs point into the catalogue.
 * Errors     NP_E_NOMEM.
 * Probes     ids are stable; docs/checks.md has a row for each.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "nodeprep/gpu.h"

struct np_err;

/* A truth value that may be unknown. */
enum np_verdict { NP_VERDICT_UNKNOWN, NP_VERDICT_NO, NP_VERDICT_YES };

enum np_probe_status {
	NP_PROBE_PASS,
	NP_PROBE_FAIL,
	NP_PROBE_WARN,
	NP_PROBE_UNKNOWN,
	NP_PROBE_STATUS_MAX
};

struct np_probe {
	const char *id; /* a constant */
	enum np_probe_status status;
	bool decides; /* an unknown here keeps the report from passing */
	char *message;
	char *cure; /* NULL where there is nothing to do */
	const char *where; /* host: where the setting is found; NULL */
};

#define NP_PCI_ADDRESS_MAX 20

#define NP_DRIVER_MAX 32

/* A memory BAR of a device. */
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
	bool has_subsystem;
	struct np_pci_id subsystem; /* of the board; in a VM it names the type of a vGPU */
	char vgpu_type[NP_VGPU_NAME_MAX]; /* by the subsystem, as the driver spells it; "" none */
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
	enum np_verdict ok; /* all of its BARs are assigned */
};

/* The probes and their verdict. */
struct np_report {
	enum np_verdict pass;
	size_t n_probes;
	struct np_probe *probes;
	bool is_final; /* a failure that waiting cannot fix */
};

void np_report_done(struct np_report *r);

/* What a container may leave as its last words: the verdict first, then what is wrong, cut at `max`. */
int np_report_brief(const struct np_report *r, const char *what, size_t max, char **ret,
		    struct np_err *err);

#define NP_PCI_BARS 6

/*
 * Sets gpu, and of a VM's function vgpu_type and is_vgpu, by the id and the subsystem.
 */
void np_report_identify(struct np_seen_gpu *gpu, const struct np_catalogue *cat, bool is_in_vm);

/*
 * Completes a GPU whose BARs another host listed: pairs them with the catalogue's and sets ok. What
 * is missing is unknown unless the list is whole.
 */
void np_report_pair_bars(struct np_seen_gpu *gpu, bool is_whole);

/* Reads "0000:3b:00.0", 4 to 8 digits of domain; false for any other text. */
bool np_report_is_address(const char *text);

/*
 * Finds the first address in a line ("0000:3b:00.0", or "3b:00.0" in domain 0); NULL where none is.
 */
const char *np_report_find_address(const char *line, size_t size,
				   char ret[static NP_PCI_ADDRESS_MAX]);

/* Copies text from outside: cut, and printable ASCII only. */
void np_report_copy_clean(char *ret, size_t max, const char *text, size_t size);

/* Tells whether a driver's product name is a vGPU's ("GRID A100-40C"). */
bool np_report_is_vgpu_product(const char *product);

/* The result of a probe, without its message. */
struct np_judgement {
	const char *id;
	enum np_probe_status status;
	bool decides;
	const char *cure; /* copied, unless the probe passes; NULL */
	const char *where; /* a constant; NULL */
};

/* Adds a probe; the message is formatted, and escaped as np_text_escape() does. */
int np_report_add(struct np_report *r, const struct np_judgement *j, struct np_err *err,
		  const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* Sets `pass` once all probes are added. */
void np_report_finish(struct np_report *r);

/* Returns the address, or words where an excerpt has none. */
const char *np_report_address(const struct np_seen_gpu *gpu);

/* Writes "0000:3b:00.0 (A100-40GB)". */
#define NP_REPORT_WHO_MAX 96
const char *np_report_gpu_name(const struct np_seen_gpu *gpu, char buf[static NP_REPORT_WHO_MAX]);

/* Writes "BAR 1 (64 GB)". */
#define NP_REPORT_BAR_MAX 64
const char *np_report_bar_name(const struct np_seen_bar *bar, char buf[static NP_REPORT_BAR_MAX]);

/* Returns item `i` of a list as JSON, a new reference; NULL where memory runs out. */
typedef json_t *np_report_item_fn(const void *ctx, size_t i);

/* Returns the array of n items; NULL where memory runs out. */
json_t *np_report_list_tree(size_t n, np_report_item_fn *item, const void *ctx);

/* Parts of the two reports; NULL where memory runs out. */
json_t *np_report_gpu_tree(const struct np_seen_gpu *gpu);
json_t *np_report_probes_tree(const struct np_report *r);
json_t *np_report_verdict_tree(enum np_verdict v);

/* Returns the number, or null where it is 0 (unknown) or exceeds JSON's integers. */
json_t *np_report_bytes_tree(uint64_t bytes);
void np_report_write_probes(FILE *out, const struct np_report *r, bool wide);
void np_report_write_gpus(FILE *out, const struct np_seen_gpu *gpus, size_t n);

/* A text under construction, for lists in messages; cut with "..." at its end. */
struct np_report_words {
	size_t n; /* the number of added items */
	size_t used;
	bool is_cut;
	char text[512];
};

void np_report_words_add(struct np_report_words *w, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Appends a BAR without any known value; `gpu` has room for it. */
struct np_seen_bar *np_report_add_bar(struct np_seen_gpu *gpu, unsigned index);

/* Pairs the BARs read with the catalogue's, adds the missing ones, and sets ok. */
void np_report_complete_bars(struct np_seen_gpu *gpu);

#endif
