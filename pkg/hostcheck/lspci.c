/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/text.h"

#define CLASS_NAME_MAX 48

static bool is_hex_run(const char *text, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (np_hex_digit(text[i]) < 0)
			return false;
	return true;
}

/* "[10de:20f1]", which -nn adds, or "0302: 10de:20f1" of -n. */
static bool find_ids(const char *line, size_t size, bool is_cut, struct np_pci_id *ret)
{
	struct np_err ignored = NP_ERR_INIT;

	for (size_t i = 1; i + 9 <= size; i++) {
		char text[NP_PCI_ID_MAX];
		/* An ID at the end of a cut line may be incomplete. */
		char next = i + 9 < size ? line[i + 9] : is_cut ? '0' : ' ';
		bool is_marked = line[i - 1] == '[' ? next == ']' : line[i - 1] == ' ';

		if (line[i + 4] != ':' || !is_marked || !strchr("] \r", next))
			continue;
		memcpy(text, line + i, 9);
		text[9] = '\0';
		if (is_hex_run(text, 4) && is_hex_run(text + 5, 4) &&
		    np_gpu_pci_id_parse(text, ret, &ignored) == 0)
			return true;
	}
	return false;
}

static void read_ids(struct reading *r, const char *line, size_t size)
{
	struct np_pci_id id;

	if (!find_ids(line, size, r->is_cut, &id))
		return;
	hostcheck_device_set_vendor(r->device, id.vendor);
	hostcheck_device_set_device(r->device, id.device);
}

/* "Radeon Instinct MI60": the words of a family may come first. */
static void find_model(struct reading *r, const char *name)
{
	for (unsigned words = 0; words < 4 && name && !r->device->seen.gpu; words++) {
		r->device->seen.gpu = hostcheck_find_model(r->h, name);
		name = strchr(name, ' ');
		name = name ? name + 1 : NULL;
	}
}

/* "GA100 [A100 PCIe 40GB]": without ids the board's name in brackets has to tell. */
static void read_bracketed_name(struct reading *r, const char *line, size_t size)
{
	const char *open = memchr(line, '[', size);

	while (open && !r->device->seen.gpu) {
		size_t left = size - (size_t)(open + 1 - line);
		const char *close = memchr(open + 1, ']', left);
		char name[64];

		if (!close)
			return;
		np_report_copy_clean(name, sizeof(name), open + 1, (size_t)(close - open - 1));
		find_model(r, name);
		open = memchr(close, '[', size - (size_t)(close - line));
	}
}

/* ESXi's own lspci prints "NVIDIA Corporation NVIDIA A100-PCIE-40GB [vmgfx0]". */
static void read_plain_name(struct reading *r)
{
	static const char maker[] = "Corporation ";
	char name[64];
	const char *at = strstr(r->device->title, maker);

	snprintf(name, sizeof(name), "%s", at ? at + strlen(maker) : r->device->title);
	name[strcspn(name, "[(")] = '\0';
	for (size_t i = strlen(name); i > 0 && name[i - 1] == ' '; i--)
		name[i - 1] = '\0';
	if (!r->device->seen.gpu)
		r->device->seen.gpu = hostcheck_find_model(r->h, name);
}

/*
 * Words of which nearly every name of a class holds one (pci.ids). At the left margin any name does.
 */
static bool is_class_name(const char *text, size_t size, bool is_margin)
{
	static const char *const words[] = {
		"bridge",   "controller", "accelerator", "peripheral", "co-processor",
		"device",   "memory",     "encryption",  "iommu",      "signal processing",
		"communic", "pic",        "timer",
	};

	if (size == 0 || size > CLASS_NAME_MAX)
		return false;
	for (size_t i = 0; i < size; i++)
		if (!isalnum((unsigned char)text[i]) && !strchr(" -/(),&+", text[i]))
			return false;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (hostcheck_has_word(text, size, words[i]))
			return true;
	return is_margin;
}

static bool is_display_name(const char *text, size_t size)
{
	static const char *const names[] = { "3D controller", "VGA compatible", "XGA compatible",
					     "Display controller", "Processing accelerator" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (hostcheck_has_word(text, size, names[i]))
			return true;
	return false;
}

/* What lspci prints between the address and the name of the device. */
struct class_text {
	const char *at;
	size_t size;
	bool has_code;
	unsigned code;
	const char *device; /* the rest of the line */
};

static bool read_code(const char *text, size_t size, unsigned *ret)
{
	char digits[5];

	if (size < 4 || !is_hex_run(text, 4))
		return false;
	memcpy(digits, text, 4);
	digits[4] = '\0';
	*ret = (unsigned)strtoul(digits, NULL, 16);
	return true;
}

/* "3D controller [0302]: ", "3D controller: ", "0302: ", "Class 0302: ". */
static bool split_class(const char *text, size_t size, bool is_margin, struct class_text *ret)
{
	const char *colon = memchr(text, ':', size), *open;

	if (!colon)
		return false;
	*ret = (struct class_text){ .at = text, .size = (size_t)(colon - text) };
	ret->device = colon + 1;
	if (ret->size > 6 && strncmp(text, "Class ", 6) == 0) {
		text += 6;
		ret->size -= 6;
	}
	if (ret->size == 4 && read_code(text, ret->size, &ret->code))
		return ret->has_code = true;
	open = memchr(text, '[', ret->size);
	if (!open)
		return is_class_name(text, ret->size, is_margin);
	ret->has_code = colon - open == 6 && open[5] == ']' && read_code(open + 1, 4, &ret->code);
	return ret->has_code;
}

/* -mm writes every part in quotes: "3D controller [0302]" "NVIDIA Corporation [10de]" "..." */
static bool split_quoted_class(const char *text, size_t size, struct class_text *ret)
{
	const char *close = size > 2 && *text == '"' ? memchr(text + 1, '"', size - 1) : NULL;
	const char *open;

	if (!close)
		return false;
	*ret = (struct class_text){ .at = text + 1, .size = (size_t)(close - text) - 1 };
	ret->device = close + 1;
	open = memchr(ret->at, '[', ret->size);
	if (open && close - open == 6)
		ret->has_code = read_code(open + 1, 4, &ret->code);
	if (open)
		ret->size = (size_t)(open - ret->at);
	while (ret->size > 0 && ret->at[ret->size - 1] == ' ')
		ret->size--;
	return ret->has_code || is_class_name(ret->at, ret->size, false);
}

/* "[10de]" at the end of each quoted part: vendor, then device. */
static void read_quoted_ids(struct host_device *d, const char *text, size_t size)
{
	unsigned codes[2];
	size_t n = 0;

	for (size_t i = 0; i + 7 <= size && n < 2; i++)
		if (text[i] == '[' && text[i + 5] == ']' && text[i + 6] == '"' &&
		    read_code(text + i + 1, 4, &codes[n]))
			n++;
	if (n < 2)
		return;
	hostcheck_device_set_vendor(d, (uint16_t)codes[0]);
	hostcheck_device_set_device(d, (uint16_t)codes[1]);
}

/* "host.txt:3b:00.0 ..." and "40:3b:00.0 ..." of grep: the address right behind a colon. */
static const char *find_behind_colon(const char *line, size_t size,
				     char address[static NP_PCI_ADDRESS_MAX],
				     struct class_text *ret)
{
	const char *end = line + size, *at = line;

	for (unsigned colons = 0; colons < 3; colons++) {
		at = memchr(at, ':', (size_t)(end - at));
		if (!at || end - ++at < 9)
			return NULL;
		if (np_report_find_address(at, 8, address) == at && at[7] == ' ' &&
		    (split_class(at + 8, (size_t)(end - at) - 8, false, ret) ||
		     split_quoted_class(at + 8, (size_t)(end - at) - 8, ret)))
			return at;
	}
	return NULL;
}

/* Finds an address that a class follows; what stands before it is a prefix. */
static const char *find_head(const char *line, size_t size, char address[static NP_PCI_ADDRESS_MAX],
			     struct class_text *ret)
{
	const char *from = line, *end = line + size;

	for (unsigned tries = 0; tries < 4; tries++) {
		const char *at = np_report_find_address(from, (size_t)(end - from), address);
		const char *behind = at;

		if (!at)
			break;
		while (behind < end && (np_hex_digit(*behind) >= 0 || strchr(":.", *behind)))
			behind++;
		from = behind;
		if (behind == end || *behind != ' ')
			continue;
		while (behind < end && *behind == ' ')
			behind++;
		if (split_class(behind, (size_t)(end - behind), at == line, ret) ||
		    split_quoted_class(behind, (size_t)(end - behind), ret))
			return at;
	}
	return find_behind_colon(line, size, address, ret);
}

static void read_device_name(struct reading *r, const struct class_text *c, size_t size)
{
	struct host_device *d = r->device;
	const char *at = c->device;

	while (size > 0 && *at == ' ') {
		at++;
		size--;
	}
	/* Numbers alone are no name. */
	if (size >= 9 && is_hex_run(at, 4) && at[4] == ':')
		return;
	np_report_copy_clean(d->title, sizeof(d->title), at, size);
	if (d->seen.has_id || !d->is_display || d->is_named)
		return;
	d->is_named = true;
	read_bracketed_name(r, at, size);
	read_plain_name(r);
}

/* "(driver: vfio-pci)", which loops over IOMMU groups add. */
static void read_driver_note(struct host_device *d, const char *line, size_t size)
{
	static const char words[] = "(driver: ";
	const char *at = memmem(line, size, words, strlen(words));
	const char *close = at ? memchr(at, ')', size - (size_t)(at - line)) : NULL;

	if (!close || strncmp(at + strlen(words), "none", 4) == 0)
		return;
	at += strlen(words);
	np_report_copy_clean(d->seen.driver, NP_DRIVER_MAX, at, (size_t)(close - at));
	d->seen.has_driver = NP_VERDICT_YES;
}

/* Without a mark of either it may be a host's or a VM's: what follows from that is not certain. */
static bool open_function(struct reading *r, const char *address)
{
	if (!hostcheck_device_open(r, r->side == SIDE_GUEST ? SIDE_GUEST : SIDE_HOST, address))
		return false;
	r->device->is_doubtful =
		r->side == SIDE_UNKNOWN && r->device->enabled == NP_VERDICT_UNKNOWN;
	return true;
}

/* "3b:00.0 3D controller: NVIDIA Corporation GA100 [A100 PCIe 40GB] (rev a1)". */
bool hostcheck_read_lspci(struct reading *r, const char *line, size_t size)
{
	char address[NP_PCI_ADDRESS_MAX];
	struct class_text class;
	const char *at = find_head(line, size, address, &class);
	size_t left;

	if (!at)
		return false;
	if (!open_function(r, address))
		return true;
	left = (size_t)(line + size - class.device);
	hostcheck_device_set_prefix(r, line, (size_t)(at - line));
	r->is_indented_record = true;
	r->kinds |= 1u << KIND_LSPCI;
	r->device->is_told = true;
	r->device->is_listed = true;
	if (class.has_code)
		hostcheck_device_set_class(r->device, class.code);
	else {
		r->device->has_class = true;
		r->device->is_display = is_display_name(class.at, class.size);
	}
	read_ids(r, at, size - (size_t)(at - line));
	if (!r->device->seen.has_id)
		read_quoted_ids(r->device, class.device, left);
	r->device->is_nvidia = r->device->is_nvidia || hostcheck_has_text(line, size, "NVIDIA");
	read_device_name(r, &class, left);
	read_driver_note(r->device, line, size);
	return true;
}

/* --- the lines of a record ---------------------------------------------------------------------- */

/* "Memory at 39000000000 (64-bit, prefetchable) [size=64G]", or at <unassigned>, <ignored>. */
static void fill_region(struct np_seen_bar *bar, const char *text)
{
	const char *size = strstr(text, "[size="), *close;
	char number[16];
	char *end;

	bar->address = strtoull(text, &end, 16);
	bar->assigned = NP_VERDICT_NO;
	if (end > text && *end == ' ' && bar->address > 0)
		bar->assigned = NP_VERDICT_YES;
	/* A forum's page has the angle bracket as an entity. */
	else if (*text != '<' && strncmp(text, "&lt;", 4) != 0 && !(end > text && *end == ' '))
		bar->assigned = NP_VERDICT_UNKNOWN;
	bar->has_kind = true;
	bar->is_64bit = !!strstr(text, "(64-bit");
	bar->is_prefetchable = strstr(text, ", prefetchable") && !strstr(text, "non-prefetchable");
	close = size ? strchr(size, ']') : NULL;
	if (!close || (size_t)(close - size) - 6 >= sizeof(number))
		return;
	memcpy(number, size + 6, (size_t)(close - size) - 6);
	number[close - size - 6] = '\0';
	hostcheck_size_parse(number, &bar->bytes);
}

/* lspci -v does not say which BAR it is: one of 64 bits takes two places. */
static unsigned next_index(const struct np_seen_gpu *gpu)
{
	const struct np_seen_bar *last = gpu->n_bars > 0 ? &gpu->bars[gpu->n_bars - 1] : NULL;

	return last ? last->index + 1 + last->is_64bit : 0;
}

static void read_region(struct reading *r, const char *text)
{
	static const char words[] = "Memory at ";
	const char *memory = strstr(text, words), *at;
	struct np_seen_gpu *gpu = &r->device->seen;
	struct np_seen_bar bar = { .index = 0 };
	unsigned index = next_index(gpu);

	/* The regions further below are those of virtual functions. */
	if (!memory || gpu->n_bars == NP_GPU_BARS_MAX || r->device->has_all_regions) {
		r->device->has_all_regions = r->device->has_regions;
		return;
	}
	at = strstr(text, "Region ");
	if (at && at[7] >= '0' && at[7] <= '9' && at[8] == ':')
		index = (unsigned)(at[7] - '0');
	if (index >= NP_PCI_BARS)
		return;
	for (size_t i = 0; i < gpu->n_bars; i++)
		if (gpu->bars[i].index == index)
			return;
	bar.index = index;
	fill_region(&bar, memory + strlen(words));
	gpu->bars[gpu->n_bars++] = bar;
	r->device->has_regions = true;
}

static void read_subsystem(struct reading *r, const char *line, size_t size)
{
	struct np_pci_id id;

	if (hostcheck_has_text(line, size, "Subsystem: ") && find_ids(line, size, r->is_cut, &id))
		r->device->subsystem = id;
}

/* What begins the lines of a record, wherever a prefix put them. */
static bool is_body(const char *line, size_t size)
{
	static const char *const words[] = {
		"Subsystem:",    "Region ",       "Memory at ",     "Control: I/O",
		"Status: Cap",   "Latency:",      "Interrupt:",     "NUMA node:",
		"IOMMU group:",  "Capabilities:", "Kernel driver ", "Kernel modules",
		"Expansion ROM", "Flags: ",       "Physical Slot:", "DeviceName:",
		"I/O ports at ", "I/O behind",    "Memory behind",  "Prefetchable ",
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (hostcheck_has_text(line, size < 96 ? size : 96, words[i]))
			return true;
	return false;
}

bool hostcheck_read_lspci_body(struct reading *r, const char *line, size_t size)
{
	static const char driver[] = "Kernel driver in use: ";
	bool is_indented = size > 0 && (line[0] == ' ' || line[0] == '\t');
	char other[NP_PCI_ADDRESS_MAX];
	struct class_text class;
	char text[512];
	const char *at;

	if (!r->device || !r->is_indented_record)
		return false;
	/* A loop may indent the next head as well. */
	if (!(is_indented || is_body(line, size)) || find_head(line, size, other, &class))
		return false;
	np_report_copy_clean(text, sizeof(text), line, size);
	read_subsystem(r, line, size);
	read_region(r, text);
	if (strstr(text, "(SR-IOV)"))
		r->device->has_sriov = true;
	at = strstr(text, driver);
	if (!at)
		return true;
	at += strlen(driver);
	np_report_copy_clean(r->device->seen.driver, NP_DRIVER_MAX, at, strcspn(at, " "));
	r->device->seen.has_driver = NP_VERDICT_YES;
	return true;
}

/* --- lspci -vmm --------------------------------------------------------------------------------- */

/* "NVIDIA Corporation [10de]" or "10de". */
static bool read_bracketed_id(const char *value, uint16_t *ret)
{
	size_t size = strlen(value);
	unsigned code;

	if (size == 4 && read_code(value, size, &code))
		;
	else if (size < 6 || value[size - 6] != '[' || value[size - 1] != ']' ||
		 !read_code(value + size - 5, 4, &code))
		return false;
	*ret = (uint16_t)code;
	return true;
}

static bool read_record_pair(struct reading *r, const struct pair_line *p)
{
	struct host_device *d = r->device;
	uint16_t number = 0;
	bool has_id = read_bracketed_id(p->value, &number);

	if (strcmp(p->name, "class") == 0) {
		d->is_told = d->has_class = true;
		d->is_display = is_display_name(p->value, strlen(p->value));
		if (has_id)
			hostcheck_device_set_class(d, number);
	} else if (strcmp(p->name, "vendor") == 0 && has_id)
		hostcheck_device_set_vendor(d, number);
	else if (strcmp(p->name, "device") == 0) {
		snprintf(d->title, sizeof(d->title), "%.63s", p->value);
		if (has_id)
			hostcheck_device_set_device(d, number);
		else if (d->is_display)
			read_bracketed_name(r, p->value, strlen(p->value));
	} else if (strcmp(p->name, "svendor") == 0 && has_id)
		d->subsystem.vendor = number;
	else if (strcmp(p->name, "sdevice") == 0 && has_id)
		d->subsystem.device = number;
	else if (strcmp(p->name, "driver") == 0) {
		snprintf(d->seen.driver, NP_DRIVER_MAX, "%.31s", p->value);
		d->seen.has_driver = NP_VERDICT_YES;
	} else
		return false;
	return true;
}

/* "Slot: 3b:00.0" begins a record of lspci -vmm. */
bool hostcheck_read_lspci_pair(struct reading *r, const struct pair_line *p)
{
	char address[NP_PCI_ADDRESS_MAX];
	size_t size = strlen(p->value);

	if (strcmp(p->name, "slot") == 0 &&
	    np_report_find_address(p->value, size, address) == p->value && size <= 12) {
		if (!open_function(r, address))
			return true;
		r->kinds |= 1u << KIND_LSPCI;
		r->device->is_listed = true;
		r->is_api_record = true;
		return true;
	}
	return r->device && r->device->is_listed && read_record_pair(r, p);
}
