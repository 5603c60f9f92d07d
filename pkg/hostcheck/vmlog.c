/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/units.h"

#define CURE_AGAIN "attach the device again: "

/*
 * Reasons of a failed power-on, the surest first; a needle is what the messages of several versions have in
 * common. Public reports quote the words about passthrough devices, sched.mem.min, system ids and pages.
 * The other needles are guesses at the wording: a log that has none of them is shown in its own words.
 */
static const struct reason_row rows[] = {
	{ { "is not a passthrough device" },
	  "power-on",
	  NULL,
	  "compare 'esxcli hardware pci list' and 'esxcli hardware pci pcipassthru list' of the host for this "
	  "device: set it to passthrough, reboot the host, and attach it to the VM again; on HPE servers switch "
	  "PCIe hot-plug off (esxcli system settings kernel set -s enablePCIEHotplug -v FALSE)" },
	{ { "adapter removed", "pciehp" },
	  "power-on",
	  "PCIe hot-plug of the host removed the device",
	  "switch PCIe hot-plug off (esxcli system settings kernel set -s enablePCIEHotplug -v FALSE), and reboot the "
	  "host" },
	{ { "sched.mem.min", "memsize" },
	  "memory-reservation",
	  "the memory is not fully reserved",
	  NULL },
	{ { "does not match", "systemid" },
	  "power-on",
	  "the VM names a device of another host, or one that moved",
	  "remove the device from the VM and add it again, or use a dynamic DirectPath device, which names "
	  "no host" },
	{ { "does not match", "deviceid" },
	  "power-on",
	  "the VM names a device of another host, or one that moved",
	  "remove the device from the VM and add it again, or use a dynamic DirectPath device" },
	{ { "device", "in use" },
	  "power-on",
	  "another VM uses the device",
	  "power the other VM off, or give this one a free device: 'esxcli vm process list' names those that run" },
	{ { "passthr", "in use" },
	  "power-on",
	  "another VM uses the device",
	  "power the other VM off, or give this one a free device: 'esxcli vm process list' names those that run" },
	{ { "iommu", "not allowed with vgpu" },
	  "power-on",
	  "the VM has a virtual IOMMU and a vGPU, which ESXi 7 does not combine",
	  "remove the virtual IOMMU (vvtd.enable), with at most 127 vCPUs; ESXi 8 takes both with "
	  "pciPassthru.vmiop.allowViommu and pciPassthru.vmiop.enableViommu TRUE" },
	{ { "graphics resource", "insufficient" },
	  "power-on",
	  "no GPU of the host has room for the vGPU",
	  "compare the vGPU types in use on the host's GPUs with the one asked for; a GPU in time-sliced mode "
	  "holds one size unless mixed sizes are enabled" },
	{ { "no graphics device is available" },
	  "power-on",
	  "no GPU of the host has room for the vGPU",
	  "compare the vGPU types in use on the host's GPUs with the one asked for, and check that the host's "
	  "default graphics type is Shared Direct" },
	{ { "could not initialize plugin" },
	  "power-on",
	  "NVIDIA's vGPU plugin did not start",
	  "check the vGPU manager of the host (nvidia-smi), the vGPU type and the ECC mode of the GPU" },
	{ { "vgpu", "is not available" },
	  "power-on",
	  "the host does not offer this vGPU type",
	  "compare 'nvidia-smi vgpu -s' of the host with the type, and check the vGPU manager's release" },
	{ { "vgpu", "not supported" },
	  "power-on",
	  "the host does not offer this vGPU type",
	  "compare 'nvidia-smi vgpu -s' of the host with the type, and check the vGPU manager's release" },
	{ { "could not allocate", "mmio" },
	  "mmio-window",
	  "the firmware found no room for the devices' BARs",
	  NULL },
	{ { "passthr", "hardware version" },
	  "device-limit",
	  "the hardware version does not take the devices",
	  "raise the VM's hardware version: 16 devices up to version 19, 32 with 20, 64 with 20 on ESXi 8.0 "
	  "U1, 128 with 21 (Broadcom KB 309986)" },
	{ { "passthr", "exceed" },
	  "device-limit",
	  "the VM has more passthrough devices than its hardware version takes",
	  "remove devices, or raise the hardware version: 16 devices up to version 19, 32 with 20, 128 with 21 "
	  "(Broadcom KB 309986)" },
	{ { "passthr", "maximum" },
	  "device-limit",
	  "the VM has more passthrough devices than its hardware version takes",
	  "remove devices, or raise the hardware version: 16 devices up to version 19, 32 with 20, 128 with 21 "
	  "(Broadcom KB 309986)" },
	{ { "passthr", "too many" },
	  "device-limit",
	  "the VM has more passthrough devices than its hardware version takes",
	  "remove devices, or raise the hardware version: 16 devices up to version 19, 32 with 20, 128 with 21 "
	  "(Broadcom KB 309986)" },
	{ { "hot", "add", "passthr" },
	  "hot-add",
	  "hot-add of memory or CPUs does not go with passthrough",
	  "switch mem.hotadd and vcpu.hotadd off" },
	{ { "insufficient", "reservation" },
	  "memory-reservation",
	  "the host or the resource pool cannot reserve the VM's memory",
	  "free memory on the host, raise the reservation of the resource pool or namespace, or use a smaller "
	  "class: a GPU VM reserves all of its memory" },
	{ { "memory", "insufficient" },
	  "memory-reservation",
	  "the host or the resource pool cannot reserve the VM's memory",
	  "free memory on the host, raise the reservation of the resource pool or namespace, or use a smaller "
	  "class: a GPU VM reserves all of its memory" },
	{ { "admission check failed" },
	  "memory-reservation",
	  "the host cannot admit the VM's reservation",
	  "free memory on the host, raise the reservation of the resource pool or namespace, or use a smaller "
	  "class: a GPU VM reserves all of its memory" },
	{ { "unavailable hardware or software support" },
	  "power-on",
	  "the host cannot give the device to the VM",
	  "check VT-d or AMD IOMMU in the BIOS, that the device is set to passthrough and the host was rebooted "
	  "since, and that no other VM uses it" },
	{ { "failed to register the device" },
	  "power-on",
	  "the host cannot give the device to the VM",
	  "check that the device is set to passthrough, the host was rebooted since, and no other VM uses it" },
	{ { "rmrr" },
	  "power-on",
	  "the firmware of the host keeps memory of the device for itself (RMRR)",
	  "update the server's firmware, and switch the feature off that shares the device" },
	{ { "passthr", "failed to reset" },
	  "power-on",
	  "the device does not answer a reset",
	  "power the host off and on, or set another reset method in /etc/vmware/passthru.map" },
	{ { "no host iommu" },
	  "power-on",
	  "the host has no IOMMU",
	  "switch VT-d (Intel) or the IOMMU (AMD) on in the BIOS" },
	{ { "iommu", "not enabled" },
	  "power-on",
	  "the host's IOMMU is off",
	  "switch VT-d (Intel) or the IOMMU (AMD) on in the BIOS" },
};

static const struct reason_row *find_reason(const char *line, size_t size)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		bool has_all = true;

		for (size_t k = 0; k < 3 && rows[i].needles[k] && has_all; k++)
			has_all = hostcheck_has_word(line, size, rows[i].needles[k]);
		if (has_all)
			return &rows[i];
	}
	return NULL;
}

/* "Device 169:0.0 is not ...": bus and slot are decimal. */
static void read_place(const char *text, char ret[static NP_PCI_ADDRESS_MAX])
{
	const char *at = strstr(text, "evice ");

	const char *open = strchr(text, '(');

	/* "hotplug slot:0x1 (0000:a9:00.0)": the device in brackets, not the port above it. */
	ret[0] = '\0';
	if (open && np_report_find_address(open, strlen(open), ret) == open + 1)
		return;
	if (np_report_find_address(text, strlen(text), ret))
		return;
	if (at)
		hostcheck_place_parse(at + strlen("evice "), "#:#.#", ret);
}

/* A long needle is sure wherever it is. */
static bool is_long(const struct reason_row *row)
{
	return strlen(row->needles[0]) > 12;
}

static void add_reason(struct reading *r, const struct reason_row *row, const char *text,
		       size_t size)
{
	struct np_host *h = r->h;
	struct power_on_reason *reason = &h->reasons[h->n_reasons];
	char clean[sizeof(reason->text)];

	np_report_copy_clean(clean, sizeof(clean), text, size);
	for (size_t i = 0; i < h->n_reasons; i++)
		if (strcmp(h->reasons[i].text, clean) == 0)
			return;
	if (h->n_reasons == REASONS_MAX)
		return;
	reason->row = row;
	reason->is_sure = r->is_message || !row || is_long(row);
	memcpy(reason->text, clean, sizeof(clean));
	read_place(reason->text, reason->address);
	h->n_reasons++;
}

/* --- lines -------------------------------------------------------------------------------------- */

/* "[msg.moduletable.powerOnFailed] ": the key of the text in ESXi's own list. */
static const char *skip_key(const char *at, const char *end)
{
	const char *close;

	if (end - at < 6 || strncmp(at, "[msg.", 5) != 0)
		return at;
	close = memchr(at, ']', (size_t)(end - at));
	for (at = close ? close + 1 : at; at < end && *at == ' '; at++)
		;
	return at;
}

/* What the line says, without time, level and thread: "... In(05) vmx - text", "...| vmx| I005: text". */
static const char *skip_stamp(const char *line, size_t size, bool *ret_stamped)
{
	static const char *const ends[] = { " vmx - ", "| vmx| ", " vcpu-0 - ", "| vcpu-0| " };
	const char *end = line + size, *at = NULL;

	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]) && !at; i++) {
		at = memmem(line, size < 96 ? size : 96, ends[i], strlen(ends[i]));
		if (at)
			at += strlen(ends[i]);
	}
	*ret_stamped = !!at;
	if (!at)
		return line;
	while (at < end && (*at == ' ' || *at == '|'))
		at++;
	if (end - at > 5 && *at >= 'A' && *at <= 'Z' && at[4] == ':' && at[1] >= '0' &&
	    at[1] <= '9')
		at += 5;
	while (at < end && *at == ' ')
		at++;
	return skip_key(at, end);
}

/* A short needle counts in a log, or beside "power on failed". */
static bool is_sure(const struct reading *r, const struct reason_row *row, bool is_stamped)
{
	return is_stamped || r->is_message || r->h->has_power_on_failure || is_long(row);
}

/* Reads digits and a unit; returns the rest, NULL for any other text. */
static const char *read_count(const char *text, const char *behind, uint64_t *ret)
{
	char digits[24];
	size_t n = strspn(text, "0123456789");
	struct np_err ignored = NP_ERR_INIT;

	if (n == 0 || n >= sizeof(digits) || strncmp(text + n, behind, strlen(behind)) != 0)
		return NULL;
	memcpy(digits, text, n);
	digits[n] = '\0';
	/* More pages than 2^52 are more than 64 bits address. */
	if (np_u64_parse(digits, 0, UINT64_C(1) << 52, ret, &ignored) < 0)
		return NULL;
	return text + n + strlen(behind);
}

static bool read_pages(struct reading *r, const char *line, size_t size)
{
	static const char words[] = "total number of pages needed (";
	const char *at = memmem(line, size, words, strlen(words));
	uint64_t needed, limit;
	char text[128];

	if (!at)
		return false;
	r->kinds |= 1u << KIND_VMWARE_LOG;
	at += strlen(words);
	np_report_copy_clean(text, sizeof(text), at, size - (size_t)(at - line));
	at = read_count(text, ") exceeds limit (", &needed);
	if (!at || !read_count(at, ")", &limit) || needed == 0)
		return true;
	if (!r->h->has_pages || needed > r->h->pages_needed) {
		r->h->has_pages = true;
		r->h->pages_needed = needed;
		r->h->pages_limit = limit;
	}
	return true;
}

static void add_bar(struct host_device *d, unsigned index, uint64_t bytes)
{
	struct np_seen_gpu *gpu = &d->seen;
	struct np_seen_bar *bar = NULL;

	for (size_t i = 0; i < gpu->n_bars; i++)
		if (gpu->bars[i].index == index)
			bar = &gpu->bars[i];
	if (!bar && gpu->n_bars < NP_GPU_BARS_MAX)
		bar = np_report_add_bar(gpu, index);
	if (bar && bytes > bar->bytes)
		bar->bytes = bytes;
}

/* "PCIPassthru: Device 0000:41:00.0 barIndex 1 type 3 realaddr 0x3a000000000 size 34359738368 ...". */
static bool read_bar(struct reading *r, const char *line, size_t size)
{
	static const char words[] = "barIndex ";
	const char *at = memmem(line, size, words, strlen(words));
	char address[NP_PCI_ADDRESS_MAX], text[160];
	uint64_t index, bytes;
	const char *number;
	char *end;

	if (!at || !np_report_find_address(line, (size_t)(at - line), address))
		return false;
	r->kinds |= 1u << KIND_VMWARE_LOG;
	np_report_copy_clean(text, sizeof(text), at, size - (size_t)(at - line));
	number = strstr(text, " size ");
	/* A number at the end of a cut line may lack digits. */
	if (!hostcheck_scan(text, "barIndex # ", &index) || index >= NP_PCI_BARS || !number)
		return true;
	bytes = strtoull(number + strlen(" size "), &end, 0);
	if (bytes > UINT64_C(1) << 60 || (r->is_cut && *end == '\0'))
		return true;
	if (bytes == 0 || !hostcheck_device_open(r, SIDE_VM, address))
		return true;
	add_bar(r->device, (unsigned)index, bytes);
	r->device = NULL;
	return true;
}

/* "DICT     firmware = "bios"": the VM's settings, as the log begins with them. */
static bool read_dict(struct reading *r, const char *text, size_t size)
{
	struct pair_line p;
	unsigned kinds = r->kinds;

	if (size < 5 || strncmp(text, "DICT ", 5) != 0)
		return false;
	r->kinds |= 1u << KIND_VMWARE_LOG;
	while (size > 0 && *text != ' ') {
		text++;
		size--;
	}
	while (size > 0 && *text == ' ') {
		text++;
		size--;
	}
	if (hostcheck_pair_parse(text, size, &p))
		hostcheck_read_vmx_pair(r, &p);
	r->kinds = kinds | 1u << KIND_VMWARE_LOG;
	return true;
}

/* The text between "Msg_Post: Error" and "power on failed" that no row knows. */
static void read_message(struct reading *r, const char *text, size_t size)
{
	static const char *const noise[] = {
		"Msg_Post", "----",        "Failed to start", "An error was received",
		"Vix:",     "Transitioned"
	};

	if (!r->is_message || size < 8 || r->is_cut)
		return;
	for (size_t i = 0; i < sizeof(noise) / sizeof(noise[0]); i++)
		if (hostcheck_has_text(text, size, noise[i]))
			return;
	r->is_message = false;
	add_reason(r, NULL, text, size);
}

static bool read_failure(struct reading *r, const char *text, size_t size, bool is_stamped)
{
	/* In other languages the name of the module remains. */
	if (!hostcheck_has_text(text, size, "power on failed") &&
	    (is_stamped || !hostcheck_has_text(text, size, "DevicePowerOn")))
		return false;
	r->kinds |= 1u << KIND_VMWARE_LOG;
	r->is_message = false;
	r->h->has_power_on_failure = true;
	return true;
}

bool hostcheck_read_vmlog(struct reading *r, const char *line, size_t size)
{
	bool is_stamped;
	const char *text = skip_stamp(line, size, &is_stamped);
	size_t left = size - (size_t)(text - line);
	const struct reason_row *row;

	while (left > 0 && strchr(" \t\r", text[left - 1]))
		left--;
	if (read_pages(r, line, size) || read_bar(r, line, size) || read_dict(r, text, left) ||
	    read_failure(r, text, left, is_stamped))
		return true;
	row = find_reason(text, left);
	if (row && is_sure(r, row, is_stamped)) {
		r->kinds |= 1u << KIND_VMWARE_LOG;
		if (!r->is_cut)
			add_reason(r, row, text, left);
		r->is_message = false;
		return true;
	}
	if (hostcheck_has_text(text, left, "Msg_Post: Error")) {
		r->is_message = true;
		r->kinds |= 1u << KIND_VMWARE_LOG;
		return true;
	}
	if (is_stamped)
		read_message(r, text, left);
	if (hostcheck_has_text(line, size, "Log for VMware ESX") ||
	    (is_stamped && hostcheck_has_text(text, left, "PCIPassthru: ")))
		r->kinds |= 1u << KIND_VMWARE_LOG;
	return is_stamped;
}
