/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* nvidia-smi prints eight digits of domain. */
static bool find_address(const char *line, size_t size, char ret[static NP_PCI_ADDRESS_MAX])
{
	char found[NP_PCI_ADDRESS_MAX];
	const char *at = np_report_find_address(line, size, found);

	if (!at || strlen(found) != 16)
		return false;
	if (strncmp(found, "0000", 4) == 0)
		memmove(found, found + 4, strlen(found) - 3);
	memcpy(ret, found, strlen(found) + 1);
	return true;
}

static bool open_gpu(struct reading *r, const char *address)
{
	enum host_side side = r->side == SIDE_HOST ? SIDE_HOST : SIDE_GUEST;

	if (!hostcheck_device_open(r, side, address))
		return false;
	r->kinds |= 1u << KIND_SMI;
	r->device->is_told = r->device->is_nvidia = r->device->is_working = true;
	r->device->has_class = r->device->is_display = true;
	if (side == SIDE_HOST)
		snprintf(r->device->module, sizeof(r->device->module), "nvidia");
	return true;
}

static void set_product(struct reading *r, const char *name, size_t size)
{
	struct np_seen_gpu *gpu = &r->device->seen;

	while (size > 0 && name[size - 1] == ' ')
		size--;
	if (size == 0)
		return;
	np_report_copy_clean(gpu->product, sizeof(gpu->product), name, size);
	gpu->is_vgpu = np_report_is_vgpu_product(gpu->product) ? NP_VERDICT_YES : NP_VERDICT_NO;
	snprintf(gpu->driver, sizeof(gpu->driver), "nvidia");
	gpu->has_driver = NP_VERDICT_YES;
	if (gpu->is_vgpu == NP_VERDICT_YES)
		snprintf(r->device->vgpu, sizeof(r->device->vgpu), "%s", gpu->product);
	else if (!gpu->has_id)
		gpu->gpu = hostcheck_find_model(r->h, gpu->product);
}

/* The number of the GPU, then its name, which two blanks end. */
static void read_name(struct reading *r, const char *text, size_t size)
{
	size_t at = 0, end;

	while (at < size && (strchr(" |", text[at]) || (text[at] >= '0' && text[at] <= '9')))
		at++;
	for (end = at; end < size && text[end] != '|' && text[end] != ','; end++)
		if (text[end] == ' ' && end + 1 < size && text[end + 1] == ' ')
			break;
	set_product(r, text + at, end - at);
}

/*
 * "|   0  NVIDIA A100-PCIE-40GB          On  | 00000000:3B:00.0 Off |", "GPU 00000000:3B:00.0" of -q,
 * or "NVIDIA A16-4C, 00000000:02:00.0" of --query-gpu.
 */
static bool read_row(struct reading *r, const char *line, size_t size)
{
	char address[NP_PCI_ADDRESS_MAX], found[NP_PCI_ADDRESS_MAX];
	const char *at;

	if (!find_address(line, size, address))
		return false;
	at = np_report_find_address(line, size, found);
	if (hostcheck_has_text(line, (size_t)(at - line), "Bus Id") || !open_gpu(r, address))
		return true;
	if (!hostcheck_has_text(line, (size_t)(at - line), "GPU ")) {
		read_name(r, line, (size_t)(at - line));
		r->device = NULL;
	}
	return true;
}

/* "GPU 0: NVIDIA A100-PCIE-40GB (UUID: GPU-...)" of -L, which has no address. */
static bool read_list_row(struct reading *r, const char *line, size_t size)
{
	char text[128], address[NP_PCI_ADDRESS_MAX];
	const char *name, *uuid;
	uint64_t index;

	np_report_copy_clean(text, sizeof(text), line, size);
	uuid = strstr(text, " (UUID: GPU-");
	name = strstr(text, "GPU ");
	if (!uuid || !name || !hostcheck_scan(name, "GPU #:", &index) || index > 999 ||
	    strchr(name, ':') > uuid)
		return false;
	name = strchr(name, ':') + 1;
	name += strspn(name, " ");
	snprintf(address, sizeof(address), "GPU %u", (unsigned)index);
	if (name >= uuid || !open_gpu(r, address))
		return true;
	set_product(r, name, (size_t)(uuid - name));
	r->device = NULL;
	return true;
}

bool hostcheck_read_smi(struct reading *r, const char *line, size_t size)
{
	static const char *const failures[] = { "NVIDIA-SMI has failed",
						"No devices were found",
						"Failed to initialize NVML",
						"Unable to determine the device handle",
						"GPU is lost",
						"GPU requires reset",
						"ERR! " };
	char address[NP_PCI_ADDRESS_MAX];
	bool is_lost = false;

	if (hostcheck_has_text(line, size, "NVSMI LOG") ||
	    hostcheck_has_text(line, size, "NVIDIA-SMI ")) {
		r->kinds |= 1u << KIND_SMI;
		r->h->log.is_read = true;
	}
	for (size_t i = 0; i < sizeof(failures) / sizeof(failures[0]) && !is_lost; i++)
		is_lost = hostcheck_has_text(line, size, failures[i]);
	if (is_lost) {
		r->kinds |= 1u << KIND_SMI;
		np_nodecheck_log_parse(&r->h->log, line, size);
		r->h->log.is_read = true;
		if (find_address(line, size, address) && open_gpu(r, address))
			r->device->is_working = false;
		r->device = NULL;
		return true;
	}
	return read_row(r, line, size) || read_list_row(r, line, size);
}

/* "0x1EB810DE": device and vendor in one number. */
static bool read_double_id(const char *value, struct np_pci_id *ret)
{
	unsigned long number;
	char *end;

	if (strlen(value) != 10 || strncasecmp(value, "0x", 2) != 0)
		return false;
	number = strtoul(value + 2, &end, 16);
	if (*end != '\0')
		return false;
	ret->vendor = (uint16_t)(number & 0xffff);
	ret->device = (uint16_t)(number >> 16);
	return true;
}

/* "Total : 32768 MiB" below "BAR1 Memory Usage": the BAR as the driver maps it. */
static void read_bar1(struct reading *r, const char *value)
{
	struct np_seen_gpu *gpu = &r->device->seen;
	uint64_t mib;
	char *end;

	mib = strtoull(value, &end, 10);
	r->is_bar1 = false;
	if (strcmp(end, " MiB") != 0 || mib == 0 || mib > UINT64_C(1) << 40 || gpu->n_bars > 0)
		return;
	r->device->bar1_bytes = mib << 20;
}

/* The lines of `nvidia-smi -q` below a GPU's head. */
bool hostcheck_read_smi_pair(struct reading *r, const struct pair_line *p)
{
	/* As the licence daemon of the guest puts it. */
	static const char unlicensed[] = "nvidia-gridd: Failed to acquire license";
	struct host_device *d = r->device;
	struct np_pci_id id;

	if (strcmp(p->name, "virtualizationmode") == 0 || strcmp(p->name, "hostvgpumode") == 0) {
		r->kinds |= 1u << KIND_SMI;
		return true;
	}
	if (!d || !d->is_working)
		return false;
	if (strcmp(p->name, "productname") == 0)
		set_product(r, p->value, strlen(p->value));
	else if (strcmp(p->name, "deviceid") == 0 && read_double_id(p->value, &id)) {
		hostcheck_device_set_vendor(d, id.vendor);
		hostcheck_device_set_device(d, id.device);
	} else if (strcmp(p->name, "subsystemid") == 0 && read_double_id(p->value, &id))
		d->subsystem = id;
	else if (strcmp(p->name, "total") == 0 && r->is_bar1)
		read_bar1(r, p->value);
	else if (strcmp(p->name, "licensestatus") == 0 && strncmp(p->value, "Unlicensed", 10) == 0)
		np_nodecheck_log_parse(&r->h->log, unlicensed, strlen(unlicensed));
	else
		return false;
	return true;
}
