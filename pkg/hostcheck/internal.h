/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEPREP_PKG_HOSTCHECK_INTERNAL_H
#define NODEPREP_PKG_HOSTCHECK_INTERNAL_H

/*
 * hostcheck, inside
 *
 * decode.c       bytes of a capture to ASCII lines; whose capture it is
 * prefix.c       what tools put in front of every line
 * pair.c         keys and values of a line
 * host.c         the loop over lines and the table of kinds
 * device.c       the list of PCI functions
 * one file for each kind: esxcli.c (also vim-cmd, PowerCLI), csv.c (esxcli's), lspci.c, vmkchdev.c, settings.c (BIOS
 * and ESXi), json.c, xml.c, vmlog.c (its reasons of a failed power-on: reasons.c), vmx.c, kernel.c, smi.c, esxcfg.c
 * need.c         the window that the VM's devices need
 * judge.c        the checklist of the host, judge_vm.c that of the VM; show.c the report
 *
 * A value counts only as a whole word of a closed vocabulary, so that a capture that was cut in the
 * middle of one says nothing. To add a kind: a row in the table of host.c, and its file.
 */

#include "nodeprep/err.h"
#include "nodeprep/hostcheck.h"
#include "nodeprep/nodecheck.h"
#include "nodeprep/report.h"

#define KEY_MAX 96
#define VALUE_MAX 160

/* "VT-d : Enabled", "Key=Value", "key","value", `key = "value",`, or a table of two columns. */
struct pair_line {
	char key[KEY_MAX]; /* as it was written, without quotes */
	char name[KEY_MAX]; /* its letters and digits alone, lower case */
	char value[VALUE_MAX]; /* without quotes and what ends a line */
	char pending[VALUE_MAX]; /* the value after the next reboot; "" none */
};

/* Splits a line; false for any other line. */
bool hostcheck_pair_parse(const char *line, size_t size, struct pair_line *ret);

/* Fills a pair from two texts; false where they are too long. */
bool hostcheck_pair_set(const char *key, const char *value, struct pair_line *ret);

/* Copies letters and digits alone, lower case. */
void hostcheck_name_of(const char *text, size_t size, char ret[static KEY_MAX]);

/* Reads enabled, true, on, yes, 1 and their opposites; UNKNOWN for any other word. */
enum np_verdict hostcheck_yes_or_no(const char *value);

/* Reads "64G", "16M", "4K"; false for any other text. */
bool hostcheck_size_parse(const char *text, uint64_t *ret);

/*
 * Reads `form`, in which # stands for a decimal number and $ for a hexadecimal one, into numbers[];
 * returns what follows, NULL where the text is another.
 */
const char *hostcheck_scan(const char *text, const char *form, uint64_t *numbers);

/* Reads a place in decimal, of the form "#:#.#" or "#:#:#.#": bus, slot and function. */
bool hostcheck_place_parse(const char *text, const char *form, char ret[static NP_PCI_ADDRESS_MAX]);

/* Tells whether the line holds the text. */
bool hostcheck_has_text(const char *line, size_t size, const char *text);

/* As above, without regard to case. */
bool hostcheck_has_word(const char *line, size_t size, const char *text);

/* Who wrote a capture, or whom a device belongs to. */
enum host_side {
	SIDE_UNKNOWN, /* a host or a VM */
	SIDE_HOST,
	SIDE_GUEST, /* the inside of a VM */
	SIDE_VM, /* a VM, as its host describes it: vmware.log, .vmx */
};

/*
 * Sets *ret to the capture as lines of ASCII: UTF-16 and UTF-8 read, terminal codes and quote marks
 * removed.
 */
int hostcheck_decode(const char *bytes, size_t size, char **ret, size_t *ret_size,
		     struct np_err *err);

/* Removes what a tool put in front of every line; returns the new size. */
size_t hostcheck_strip_prefixes(char *text, size_t size);

/* Tells by its marks who wrote the decoded capture. */
enum host_side hostcheck_find_side(const char *text, size_t size);

/* One PCI function as a capture reports it. */
struct host_device {
	struct np_seen_gpu seen;
	enum host_side side;
	struct np_pci_id subsystem;
	bool has_class, is_display; /* a display or 3D controller, or a processing accelerator */
	bool is_console; /* graphics for a screen alone: a BMC's or a VM's */
	bool is_nvidia;
	bool is_named; /* the catalogue was searched for its name */
	bool is_other; /* the VMkernel's name for it tells that it is no GPU: vmnic4, vmhba0 */
	bool is_told; /* its kind, even without an ID */
	bool is_doubtful; /* lspci of a host or of a VM: nothing tells which */
	bool is_listed; /* in a list of devices, not only in a log */
	bool is_whole; /* its record ended before the capture did */
	bool has_regions; /* BARs were listed */
	bool has_all_regions; /* and something else after them */
	bool has_sriov;
	bool is_working; /* its driver reports it */
	uint64_t bar1_bytes; /* as its driver maps it; 0: not known */
	enum np_verdict capable, enabled, active;
	enum np_verdict owned; /* by a VM, as vmkchdev says: the state now, not after a reboot */
	char module[NP_DRIVER_MAX];
	char vgpu[64]; /* the type of a VM's vGPU; "" none */
	char title[64]; /* how the capture calls it; "" unknown */
	char prefix[32]; /* the word before its first line: a host or a file; "" none */
};

enum host_setting {
	SETTING_IOMMU,
	SETTING_SRIOV,
	SETTING_ABOVE_4G,
	SETTING_HOT_MIGRATE,
	SETTING_NO_IOMMU,
	SETTINGS
};

/* The recognised captures, a bit each; the table in host.c has their names. */
enum host_kind {
	KIND_HV,
	KIND_PCI,
	KIND_LSPCI,
	KIND_VMKCHDEV,
	KIND_PASSTHROUGH,
	KIND_SETTINGS,
	KIND_VMWARE_LOG,
	KIND_VMX,
	KIND_KERNEL_LOG,
	KIND_SMI,
	KINDS
};

const char *hostcheck_kind_name(enum host_kind kind);

struct host_capture {
	char name[128];
	unsigned kinds;
	enum host_side side;
};

#define CAPTURES_MAX 256
#define HOST_DEVICES_MAX 4096
#define VM_DEVICES_MAX 128
#define REASONS_MAX 16

enum firmware { FIRMWARE_UNKNOWN, FIRMWARE_BIOS, FIRMWARE_EFI };

/* A pciPassthruN of a VM's settings. */
struct vm_device {
	unsigned index;
	enum np_verdict present;
	char address[NP_PCI_ADDRESS_MAX]; /* on the host; "" dynamic, or a vGPU */
	struct np_pci_id id; /* 0: not known */
	bool is_network; /* an SR-IOV network adapter, whose ids need not be set */
	char vgpu[64];
};

/* A VM's own settings. */
struct vm_settings {
	bool is_seen;
	bool is_whole_file; /* a .vmx with its first lines: what it lacks has its default */
	enum np_verdict use_64bit, pinned, memory_hotadd, cpu_hotadd, viommu;
	enum firmware firmware;
	uint64_t window_gb, memory_mb, reserved_mb, cpus, hardware_version; /* 0: not known */
	bool has_window, has_reserved;
	size_t n_devices;
	struct vm_device devices[VM_DEVICES_MAX];
};

/* A reason of a failed power-on, as a vmware.log gives it. */
struct power_on_reason {
	const struct reason_row *row; /* NULL: an unknown one */
	char text[160];
	char address[NP_PCI_ADDRESS_MAX]; /* "" none */
	bool is_sure; /* posted as an error, or in words that mean nothing else */
};

struct np_host {
	const struct np_catalogue *cat;
	int hv_support; /* -1: not known */
	enum np_verdict settings[SETTINGS];
	enum np_verdict pending[SETTINGS]; /* after the next reboot */
	bool has_pages; /* a vmware.log reported pages, or the VM's firmware kilobytes */
	bool has_limit; /* the log says how many pages the window holds */
	uint64_t pages_needed, pages_limit; /* of the largest need */
	struct vm_settings vm;
	enum firmware guest_firmware; /* as the guest's kernel reports it */
	bool has_guest; /* some capture is a guest's */
	bool has_guest_list; /* and is its list of PCI devices */
	bool has_list; /* some capture is a list of PCI devices of a host */
	bool has_power_on_failure;
	size_t n_reasons;
	struct power_on_reason reasons[REASONS_MAX];
	struct np_kernel_log log;
	unsigned n_lookups; /* of names */
	size_t n_captures;
	struct host_capture captures[CAPTURES_MAX];
	bool is_list_cut; /* a list of devices ends within a record: more of them may follow */
	size_t n_devices;
	struct host_device *devices;
	/* The result of judging: the GPUs, and whether they are for vGPUs. */
	size_t n_gpus;
	struct host_device *gpus;
	bool is_vgpu;
	bool has_need; /* the VM's devices, or their pages, are known */
	bool is_lower_bound; /* the need may be larger */
	bool is_small; /* no device needs a window */
	bool needs_efi;
	uint64_t needed_gb, window_gb;
};

/* One capture on its way: the device and the setting that its lines are about. */
struct reading {
	struct np_host *h;
	unsigned kinds;
	enum host_side side;
	struct host_device *device; /* of the record that is open; NULL: none */
	bool is_indented_record; /* lspci: the record ends at a line that is not indented */
	bool is_api_record; /* vim-cmd, PowerCLI: data of the API */
	bool is_excerpt; /* grep left lines out */
	bool is_cut; /* the line that is read ends where the capture does, without a line feed */
	bool is_headless; /* lines of lspci are all there is, without the first of their record */
	bool is_pending; /* JSON: the values after the next reboot */
	bool is_message; /* vmware.log: the next lines are what was posted */
	char suspect[160]; /* vmware.log: the last line that may tell why a VM does not power on */
	bool is_bar1; /* nvidia-smi -q: below "BAR1 Memory Usage" */
	char columns[1024]; /* esxcli as CSV: the row of names; "" none */
	unsigned n_json_failures, n_xml_failures;
	char setting[KEY_MAX]; /* the name of a line "Name: x" or `key = "x"` */
	char log_address[NP_PCI_ADDRESS_MAX]; /* of the driver's message that goes on */
	struct np_err *err;
};

/* device.c */
bool hostcheck_device_open(struct reading *r, enum host_side side, const char *address);
bool hostcheck_device_append(struct reading *r, enum host_side side, const char *address);
void hostcheck_device_close(struct reading *r, bool is_whole);

/* Notes what stands before the first line of the open device; fails where another host's line had it. */
void hostcheck_device_set_prefix(struct reading *r, const char *text, size_t size);
void hostcheck_device_set_class(struct host_device *d, unsigned class);
void hostcheck_device_set_vendor(struct host_device *d, uint16_t vendor);
void hostcheck_device_set_device(struct host_device *d, uint16_t device);

/* Returns the card by the name that a capture gives; NULL where none is meant, or after many tries. */
const struct np_gpu *hostcheck_find_model(struct np_host *h, const char *name);
bool hostcheck_device_is_gpu(const struct np_host *h, const struct host_device *d);

/* Of two captures that contradict each other the worse one counts. */
void hostcheck_set_worst(enum np_verdict *verdict, enum np_verdict value, bool no_is_worse);

/*
 * Readers of one line each; true where the line is of their kind. host.c calls them in the order of
 * its table.
 */
typedef bool hostcheck_reader(struct reading *r, const char *line, size_t size);
hostcheck_reader hostcheck_read_esxcfg, hostcheck_read_vmlog, hostcheck_read_kernel,
	hostcheck_read_smi, hostcheck_read_vmkchdev, hostcheck_read_csv, hostcheck_read_esxcli,
	hostcheck_read_lspci;

/* Reads a line that may belong to the open record of lspci. */
bool hostcheck_read_lspci_body(struct reading *r, const char *line, size_t size);

/* Readers of keys and values; true where the key is theirs. */
typedef bool hostcheck_pair_reader(struct reading *r, const struct pair_line *p);
hostcheck_pair_reader hostcheck_read_device_pair, hostcheck_read_lspci_pair,
	hostcheck_read_smi_pair, hostcheck_read_vmx_pair, hostcheck_read_setting_pair;

/* Offers the pair to every one of them. */
bool hostcheck_read_pair(struct reading *r, const struct pair_line *p);

/* Tells whether the word names a setting. */
bool hostcheck_is_setting(const char *text, size_t size);

/* Reads a row of `esxcli system settings kernel list`. */
bool hostcheck_read_kernel_setting(struct reading *r, const char *line, size_t size);

/* Reads a document that begins at `text`; returns its size, 0 where there is none. */
size_t hostcheck_read_json(struct reading *r, const char *text, size_t size);
size_t hostcheck_read_xml(struct reading *r, const char *text, size_t size);

enum reason_kind {
	REASON_QUOTED, /* in words of public reports: sure wherever they are */
	REASON_EVENT, /* of a device, which the host's vmkernel.log reports, also while a VM runs */
	REASON_GUESS, /* at the wording: counts where a VM did not power on, as probable */
};

/* What a vmware.log says of a failed power-on. */
struct reason_row {
	const char *needles[3]; /* all of them, without regard to case; NULL: fewer */
	const char *check; /* the id of the check that reports it */
	const char *what; /* NULL: the log's own words suffice */
	const char *cure;
	enum reason_kind kind;
};

/* reasons.c: returns the row whose words the line has; NULL: none. */
const struct reason_row *hostcheck_find_reason(const char *line, size_t size);

/* Writes "0000:3b:00.0 (A100-40GB)", or the name that the capture gives. */
const char *hostcheck_gpu_name(const struct host_device *d, char buf[static NP_REPORT_WHO_MAX]);

/* need.c: sets has_need, needed_gb, window_gb. */
int hostcheck_find_need(struct np_host *h, struct np_err *err);

/* judge.c, judge_vm.c */
struct checking {
	struct np_host *h;
	struct np_report *r;
	bool has_devices; /* some capture listed PCI devices */
	size_t n_untold; /* of which nothing says what they are */
};

typedef int hostcheck_check(struct checking *c, struct np_err *err);
hostcheck_check hostcheck_check_window, hostcheck_check_keys, hostcheck_check_firmware,
	hostcheck_check_memory, hostcheck_check_device_limit, hostcheck_check_hot_add,
	hostcheck_check_power_on, hostcheck_check_vm_bars, hostcheck_check_kernel_log;

#endif
