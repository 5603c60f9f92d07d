/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CURE_RELEASE                                                                                          \
	"install the driver of the right kind, of a release that supports the GPU: a vGPU requires NVIDIA's " \
	"vGPU guest driver (GRID), a whole card the data-center driver"
#define CURE_OFF_BUS \
	"power the VM off and on; if it comes back, look into the host's vmkernel.log and the server's hardware log"
#define CURE_GSP                                                                                                     \
	"power the VM off and on (a warm reboot does not suffice), or the host if that does not help; the driver's " \
	"firmware files must be of its own release"
#define CURE_SECURE_BOOT "sign the driver's modules, or switch Secure Boot off in the VM class"

/* How far below the line with the address a message goes on. */
#define MESSAGE_LINES 4

/*
 * Messages of the PCI core, NVIDIA's driver, amdgpu and nvidia-smi. What says more comes first.
 * Sources: the texts in NVIDIA's open-gpu-kernel-modules and in drivers/pci of Linux 5.10 to 7.2.
 */
static const struct np_log_row rows[] = {
	{ { "BAR0 is 0M", NULL }, NP_LOG_BAR, NULL, NULL },
	{ { "BAR1 is 0M", NULL }, NP_LOG_BAR, NULL, NULL },
	{ { "BAR2 is 0M", NULL }, NP_LOG_BAR, NULL, NULL },
	{ { "BAR3 is 0M", NULL }, NP_LOG_BAR, NULL, NULL },
	{ { "assigned to your NVIDIA device is invalid", NULL }, NP_LOG_BAR, NULL, NULL },
	{ { "can't assign", NULL }, NP_LOG_BAR, NULL, NULL },
	{ { "can't claim", NULL }, NP_LOG_BAR, NULL, NULL },
	{ { "failed to assign", NULL }, NP_LOG_BAR, NULL, NULL },
	{ { "no compatible bridge window", NULL }, NP_LOG_BAR, NULL, NULL },
	{ { "no space for", NULL }, NP_LOG_BAR, NULL, NULL },
	{ { "requires use of the NVIDIA open", NULL },
	  NP_LOG_DRIVER,
	  "the GPU requires NVIDIA's open kernel modules",
	  "install the driver with the open kernel modules (nvidia-open)" },
	{ { "not supported by open", NULL },
	  NP_LOG_DRIVER,
	  "NVIDIA's open kernel modules do not support this GPU",
	  "install the driver with the proprietary kernel modules" },
	{ { "not supported by the", "installed in this system" },
	  NP_LOG_DRIVER,
	  "NVIDIA's driver does not support this GPU",
	  CURE_RELEASE },
	{ { "not supported by the", "driver release" },
	  NP_LOG_DRIVER,
	  "NVIDIA's driver does not support this GPU",
	  CURE_RELEASE },
	{ { "supported through the NVIDIA", "Legacy drivers" },
	  NP_LOG_DRIVER,
	  "this release of NVIDIA's driver does not support the GPU any more",
	  "install the older driver that the message names, or the last vGPU release that supports the GPU" },
	{ { "fallen off the bus", NULL },
	  NP_LOG_DEVICE,
	  "the GPU does not answer any more",
	  CURE_OFF_BUS },
	{ { "Unable to determine the device handle", NULL },
	  NP_LOG_DEVICE,
	  "the GPU does not answer the driver",
	  CURE_OFF_BUS },
	{ { "GPU is lost", NULL },
	  NP_LOG_DEVICE,
	  "the GPU does not answer the driver",
	  CURE_OFF_BUS },
	{ { "GPU requires reset", NULL }, NP_LOG_DEVICE, "the GPU needs a reset", CURE_OFF_BUS },
	{ { "ERR! ", NULL }, NP_LOG_DEVICE, "the GPU does not answer the driver", CURE_OFF_BUS },
	{ { "unexpected WPR2", NULL },
	  NP_LOG_DRIVER,
	  "the GPU's system processor (GSP) did not start",
	  CURE_GSP },
	{ { "GSP", "failed" },
	  NP_LOG_DRIVER,
	  "the GPU's system processor (GSP) did not start",
	  CURE_GSP },
	{ { "GSP", "annot " },
	  NP_LOG_DRIVER,
	  "the GPU's system processor (GSP) did not start",
	  CURE_GSP },
	{ { "GSP", "imeout" },
	  NP_LOG_DEVICE,
	  "the GPU's system processor (GSP) does not answer",
	  CURE_GSP },
	{ { "GSP", "timed out" },
	  NP_LOG_DEVICE,
	  "the GPU's system processor (GSP) does not answer",
	  CURE_GSP },
	{ { "RmInitAdapter failed", NULL },
	  NP_LOG_DRIVER,
	  "NVIDIA's driver could not start the GPU",
	  "check that its kind and release fit the GPU (a vGPU requires the vGPU guest driver), and power the VM "
	  "off and on" },
	{ { "rm_init_adapter failed", NULL },
	  NP_LOG_DRIVER,
	  "NVIDIA's driver could not start the GPU",
	  "check that its kind and release fit the GPU (a vGPU requires the vGPU guest driver), and power the VM "
	  "off and on" },
	{ { "failed to copy vbios", NULL },
	  NP_LOG_DRIVER,
	  "NVIDIA's driver cannot read the GPU's ROM",
	  "set configSpec.firmware of the VM class to efi, and recreate the node" },
	{ { "Xid (", NULL }, NP_LOG_DEVICE, NULL, NULL },
	{ { "probe routine was not called", NULL },
	  NP_LOG_DRIVER,
	  "another driver holds the GPU",
	  "keep nouveau away: the kernel parameter modprobe.blacklist=nouveau" },
	{ { "No NVIDIA GPU found", NULL },
	  NP_LOG_DRIVER,
	  "NVIDIA's driver found no GPU that it supports",
	  CURE_RELEASE },
	{ { "No NVIDIA devices probed", NULL },
	  NP_LOG_DRIVER,
	  "NVIDIA's driver found no GPU that it supports",
	  CURE_RELEASE },
	{ { "API mismatch", NULL },
	  NP_LOG_DRIVER,
	  "the driver's kernel module and its libraries are of different releases",
	  "install one release of both, and reboot the node" },
	{ { "Driver/library version mismatch", NULL },
	  NP_LOG_DRIVER,
	  "the driver's kernel module and its libraries are of different releases",
	  "install one release of both, and reboot the node" },
	{ { "couldn't communicate with the NVIDIA driver", NULL },
	  NP_LOG_DRIVER,
	  "NVIDIA's driver is not loaded",
	  "look for the driver's words in the kernel's log ('dmesg'); install the driver of the right kind" },
	{ { "No devices were found", NULL },
	  NP_LOG_DRIVER,
	  "NVIDIA's driver is loaded, but runs no GPU",
	  "look for the driver's words in the kernel's log ('dmesg | grep NVRM')" },
	{ { "nvidia", "Key was rejected by service" },
	  NP_LOG_DRIVER,
	  "Secure Boot keeps the driver out",
	  CURE_SECURE_BOOT },
	{ { "amdgpu", "Fatal error during GPU init" },
	  NP_LOG_DRIVER,
	  "AMD's driver could not start the GPU",
	  "check the window and the firmware of the VM first, then the release of the driver" },
	{ { "gridd", "ailed to acquire" },
	  NP_LOG_HINT,
	  "the vGPU has no licence, which slows it down",
	  "configure the licence server in the guest (client configuration token)" },
	{ { "None of the NVIDIA devices were initialized", NULL },
	  NP_LOG_HINT,
	  "NVIDIA's driver runs no GPU",
	  "look at the driver's lines above this one" },
};

/* A record of /dev/kmsg is "priority,sequence,time,flags;text", a continuation starts with a blank. */
static const char *skip_prefix(const char *line, const char *end)
{
	const char *semicolon = memchr(line, ';', (size_t)(end - line));
	const char *at = line;

	while (semicolon && at < semicolon && strchr("0123456789,-c+", *at))
		at++;
	return semicolon && at == semicolon && at > line ? semicolon + 1 : line;
}

static bool has(const char *line, size_t size, const char *text)
{
	return !!memmem(line, size, text, strlen(text));
}

static const struct np_log_row *find_row(const char *line, size_t size)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct np_log_row *row = &rows[i];

		if (has(line, size, row->needles[0]) &&
		    (!row->needles[1] || has(line, size, row->needles[1])))
			return row;
	}
	return NULL;
}

/* "NVRM: Xid (PCI:0000:02:00): 79, ...": the device without its function. */
static unsigned read_xid(const char *text, size_t size, char address[static NP_PCI_ADDRESS_MAX])
{
	static const char words[] = "Xid (PCI:";
	const char *at = memmem(text, size, words, strlen(words));
	const char *close = at ? memchr(at, ')', size - (size_t)(at - text)) : NULL;
	char place[NP_PCI_ADDRESS_MAX];
	char number[8] = "";
	size_t length;

	if (!close)
		return 0;
	at += strlen(words);
	length = (size_t)(close - at);
	if (length + 3 < sizeof(place) && address[0] == '\0') {
		memcpy(place, at, length);
		memcpy(place + length, ".0", 3);
		if (!np_report_find_address(place, length + 2, address))
			address[0] = '\0';
	}
	for (at = close + 1; at < text + size && strchr(": ", *at); at++)
		;
	length = (size_t)(text + size - at);
	memcpy(number, at, length < 7 ? length : 7);
	return (unsigned)strtoul(number, NULL, 10);
}

static bool is_driver_line(const char *text, size_t size)
{
	static const char *const words[] = {
		"NVRM:",
		"nvidia",
		"NVIDIA",
		"nouveau",
		"amdgpu",
		"initialize NVML",
		"No devices were found",
		"device handle for GPU",
		"GPU is lost",
		"GPU requires reset",
		"ERR! ",
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (has(text, size, words[i]))
			return true;
	return false;
}

/* Leaves the time and the host out: "[    9.1] ", "Jan 12 10:11:12 node1 kernel: ". */
static const char *skip_stamp(const char *text, size_t *size)
{
	static const char words[] = "kernel: ";
	const char *end = text + *size, *at = memmem(text, *size, words, strlen(words));

	at = at ? at + strlen(words) : text;
	while (at < end && *at == ' ')
		at++;
	if (at < end && *at == '[' && memchr(at, ']', (size_t)(end - at)))
		at = (const char *)memchr(at, ']', (size_t)(end - at)) + 1;
	while (at < end && *at == ' ')
		at++;
	*size = (size_t)(end - at);
	return at;
}

/* A message of several lines names its GPU in the first; true where this line goes on with it. */
static bool find_gpu(struct np_kernel_log *log, const char *text, size_t size, char *ret)
{
	if (np_report_find_address(text, size, ret)) {
		memcpy(log->last_address, ret, NP_PCI_ADDRESS_MAX);
		np_report_copy_clean(log->last_text, sizeof(log->last_text), text, size);
		log->last_line = log->n_lines;
		return false;
	}
	ret[0] = '\0';
	if (log->last_address[0] == '\0' || log->n_lines - log->last_line >= MESSAGE_LINES)
		return false;
	memcpy(ret, log->last_address, NP_PCI_ADDRESS_MAX);
	return true;
}

static void set_text(struct np_log_finding *f, const struct np_kernel_log *log, const char *text,
		     size_t size, bool goes_on)
{
	static const char driver[] = "NVRM: ";
	size_t used = 0;

	if (goes_on && size > strlen(driver) && strncmp(text, driver, strlen(driver)) == 0) {
		used = (size_t)snprintf(f->text, sizeof(f->text), "%s ", log->last_text);
		text += strlen(driver);
		size -= strlen(driver);
	}
	np_report_copy_clean(f->text + used, sizeof(f->text) - used, text, size);
}

static void read_text(struct np_kernel_log *log, const char *text, size_t size)
{
	const struct np_log_row *row = find_row(text, size);
	bool is_driver = is_driver_line(text, size), goes_on = false;
	struct np_log_finding finding = { .row = row, .is_driver = is_driver };

	text = skip_stamp(text, &size);
	log->n_lines++;
	log->n_driver_lines += is_driver;
	if (is_driver)
		goes_on = find_gpu(log, text, size, finding.address);
	else if (!row || !np_report_find_address(text, size, finding.address))
		finding.address[0] = '\0';
	if (!row || log->n == NP_LOG_FINDINGS_MAX)
		return;
	/* The port window of a device matters to no GPU, nor does another device's signature. */
	if (!is_driver && (has(text, size, "[io ") || row->topic != NP_LOG_BAR))
		return;
	finding.xid = read_xid(text, size, finding.address);
	set_text(&finding, log, text, size, goes_on && row->topic != NP_LOG_BAR);
	log->findings[log->n++] = finding;
}

/* A record of /dev/kmsg has the line feeds of a message as "\x0a". */
static void read_line(struct np_kernel_log *log, const char *line, const char *end)
{
	static const char feed[] = "\\x0a";
	const char *text = skip_prefix(line, end);

	while (text < end) {
		const char *next = memmem(text, (size_t)(end - text), feed, strlen(feed));
		const char *stop = next ? next : end;

		if (stop > text)
			read_text(log, text, (size_t)(stop - text));
		text = next ? next + strlen(feed) : end;
	}
}

void np_nodecheck_log_parse(struct np_kernel_log *log, const char *bytes, size_t size)
{
	const char *at = bytes, *end = bytes + size;

	while (at < end) {
		const char *newline = memchr(at, '\n', (size_t)(end - at));
		const char *stop = newline ? newline : end;

		if (stop > at)
			read_line(log, at, stop);
		at = stop + 1;
	}
}

bool np_nodecheck_log_is_hint(const struct np_log_finding *f)
{
	return f->row->topic == NP_LOG_HINT || (f->xid > 0 && !f->row->what);
}

const char *np_nodecheck_log_cure(const struct np_log_finding *f)
{
	if (f->row->cure || f->xid == 0)
		return f->row->cure;
	return "look the Xid up in NVIDIA's catalogue of Xid errors; 13, 31, 43 and 45 come from applications";
}
