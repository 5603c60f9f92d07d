/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEPREP_GPU_H
#define NODEPREP_GPU_H

/*
 * gpu - the catalogue: the PCI IDs of GPUs, their BARs, memory, published MMIO sizes and vGPU
 * names.
 *
 * Units      bars[].bytes in bytes; memory_gb and published_mmio_gb in whole GB (2^30), per GPU.
 * Ownership  a catalogue owns its rows; a row lives as long as its catalogue. The build generates
 *            the built-in rows from pkg/gpu/catalogue.tsv (one card per line, with the source of
 *            each figure). np_gpu_catalogue_add() copies the rows.
 * Errors     NP_E_SPEC: unknown or ambiguous name (with the near ones), swapped or malformed id.
 * Unknown    is never zero: a BAR of unknown size has bytes 0 and figure NP_SIZE_SOURCE_NONE, and
 *            has_figure says whether the card can be sized at all.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct np_err;
struct np_doc;

#define NP_GPU_BARS_MAX 6
#define NP_PCI_VENDOR_NVIDIA 0x10deu
#define NP_PCI_VENDOR_AMD 0x1002u
#define NP_PCI_VENDOR_HABANA 0x1da3u
#define NP_PCI_VENDOR_INTEL 0x8086u

/* The source of a figure, in the terms of the catalogue's documentation. */
enum np_size_source {
	NP_SIZE_SOURCE_NONE, /* not known */
	NP_SIZE_SOURCE_PUBLISHED, /* a vendor document prints it */
	NP_SIZE_SOURCE_OBSERVED, /* captured from real hardware */
	NP_SIZE_SOURCE_DERIVED, /* computed from another fact */
	NP_SIZE_SOURCE_ASSUMED, /* by analogy; no source */
	NP_SIZE_SOURCE_USER, /* from the user's --catalogue */
	NP_SIZE_SOURCE_MAX
};

struct np_bar {
	unsigned index;
	uint64_t bytes;
	enum np_size_source figure;
};

struct np_pci_id {
	uint16_t vendor;
	uint16_t device;
};

struct np_gpu {
	const char *model; /* generic name that covers every board alike, such as A100-40GB */
	const char *product; /* the board, such as A100 SXM4 40GB */
	uint16_t vendor_id;
	uint16_t device_id;
	struct np_pci_id subsystem; /* of the board, where boards share the id; 0:0: any */
	unsigned memory_gb; /* 0: not known */
	size_t n_bars;
	struct np_bar bars[NP_GPU_BARS_MAX];
	unsigned published_mmio_gb; /* for one GPU; 0: none published */
	bool has_figure; /* false: of unknown size (Grace boards, memory and BARs unknown) */
	bool no_bar; /* memory is behind no ordinary BAR (Grace boards): no window is known to fit */
	const char
		*vgpu; /* board codes of its vGPU types, blank separated, such as "grid_a100x"; '?'
			     behind one whose spelling is not confirmed */
	const char *aliases; /* other names, '|' separated */
	const char *bar_source; /* the source, readable; "" where assumed */
	const char *mmio_source; /* the source of the MMIO figure; "" without one */
	const char *note;
};

/* The role of a PCI function in a node's GPU count (docs/contract.md, "What is a GPU"). */
enum np_pci_class {
	NP_PCI_GPU, /* in the catalogue */
	NP_PCI_GPU_UNKNOWN, /* of a GPU vendor, not in the catalogue: counted, of unknown size */
	NP_PCI_OTHER, /* NIC, NVSwitch, storage: listed, not counted */
};

struct np_catalogue;

/* Creates a catalogue with the built-in cards. */
int np_gpu_catalogue_new(struct np_catalogue **ret, struct np_err *err);
void np_gpu_catalogue_free(struct np_catalogue *cat);
void np_gpu_catalogue_freep(struct np_catalogue **cat);

/* Adds the cards of a --catalogue document (a list); replaces a known pciID. */
int np_gpu_catalogue_add(struct np_catalogue *cat, const struct np_doc *doc, struct np_err *err);

/*
 * Captures of cards: the text of lspci -nnvv, of esxcli hardware pci list, and of vmware.log with
 * its settings. Ids and BARs of one address may come from several texts of one host; of several
 * cards with one id the one with the most BARs counts.
 */
struct np_capture;

int np_gpu_capture_new(struct np_capture **ret, struct np_err *err);
void np_gpu_capture_free(struct np_capture *capture);
void np_gpu_capture_freep(struct np_capture **capture);

/* Reads one text; lines of any other kind are ignored. */
int np_gpu_capture_read(struct np_capture *c, const char *bytes, size_t size, struct np_err *err);

/*
 * Adds a card for each id with BARs, with `source` as their source; replaces a known id but keeps
 * its names and memory. NP_E_SPEC where there is none.
 */
int np_gpu_capture_add(const struct np_capture *c, const char *source, struct np_catalogue *cat,
		       struct np_err *err);

/* Return the number of cards, and card `i` in the catalogue's order. */
size_t np_gpu_catalogue_count(const struct np_catalogue *cat);
const struct np_gpu *np_gpu_catalogue_at(const struct np_catalogue *cat, size_t i);

/* Returns the card with that ID, the larger of two boards with one ID; NULL where there is none. */
const struct np_gpu *np_gpu_find_id(const struct np_catalogue *cat, struct np_pci_id id);

/*
 * Returns the board with that ID and subsystem, the vGPU's board for a vGPU's subsystem; else the
 * card that np_gpu_find_id() returns.
 */
const struct np_gpu *np_gpu_find_board(const struct np_catalogue *cat, struct np_pci_id id,
				       struct np_pci_id subsystem);

#define NP_VGPU_NAME_MAX 40

/*
 * Writes the vGPU type that the subsystem of a guest's function names, as NVIDIA's driver spells
 * it ("A16-4C"); returns false where it names none. The driver need not be loaded for this.
 */
bool np_gpu_vgpu_of_subsystem(struct np_pci_id id, struct np_pci_id subsystem,
			      char buf[static NP_VGPU_NAME_MAX]);

/*
 * Tells whether two names mean the same vGPU type, whatever their prefix, case and gaps:
 * "grid_a16-4c", "NVIDIA A16-4C" and "A16-4C" do.
 */
bool np_gpu_vgpu_is_same(const char *a, const char *b);

#define NP_VGPU_PROFILE_MAX 96

/*
 * Tells whether vCenter would list the profile under another spelling, which it writes to `buf`.
 * Only where the catalogue has a confirmed spelling of the board.
 */
bool np_gpu_vgpu_is_misspelt(const struct np_catalogue *cat, const char *profile,
			     char buf[static NP_VGPU_PROFILE_MAX]);

/* Tells whether the profile is of the C-series: compute, which needs a 64-bit window and EFI. */
bool np_gpu_vgpu_is_compute(const char *profile);

/* Finds the card by a model's name ("A100-40GB", "a100 40gb", "NVIDIA-A100-SXM4-40GB"). */
int np_gpu_find_model(const struct np_catalogue *cat, const char *name, const struct np_gpu **ret,
		      struct np_err *err);

/*
 * Returns the card behind a vGPU profile ("grid_a100-40c"); NULL where no card has that board code.
 */
const struct np_gpu *np_gpu_find_vgpu(const struct np_catalogue *cat, const char *profile);

/* Returns the role of a PCI function. */
enum np_pci_class np_gpu_pci_classify(const struct np_catalogue *cat, struct np_pci_id id);

/*
 * Tells whether a function that is not counted may still be a GPU: the catalogue knows neither its id nor its vendor
 * as one of NICs, HBAs or drives. Intel makes GPUs and NICs.
 */
bool np_gpu_pci_may_be_gpu(const struct np_catalogue *cat, struct np_pci_id id);

/* Tells whether the vendor and the device part of an ID are swapped. */
bool np_gpu_pci_is_swapped(struct np_pci_id id);

/*
 * Reads "10de:20b0", "0x10DE:0x20B0", or decimal "4318:8368" of a known vendor; the error names a
 * swapped pair.
 */
int np_gpu_pci_id_parse(const char *text, struct np_pci_id *ret, struct np_err *err);

/* Reads one half of an id from text: "0x10DE" or "10de" as hex. */
int np_gpu_pci_half_parse(const char *text, uint16_t *ret, struct np_err *err);

#define NP_PCI_ID_MAX 10

/* Writes "10de:20b0". */
void np_gpu_pci_id_format(struct np_pci_id id, char buf[static NP_PCI_ID_MAX]);

/*
 * Returns the word for a figure's source: "published", "observed", "derived", "assumed", "user",
 * "unknown".
 */
const char *np_gpu_size_source_name(enum np_size_source figure);

#endif
