/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "nodeprep/err.h"
#include "nodeprep/hostcheck.h"
#include "nodeprep/report.h"
#include "nodeprep/units.h"

/* One capture on its way: the device and the setting that its lines are about. */
struct reading {
	struct np_host *h;
	unsigned kinds;
	struct host_device *device; /* of the record that is open; NULL: none */
	bool is_indented_record; /* lspci: the record ends at a line that is not indented */
	bool is_api_record; /* vim-cmd, PowerCLI: data of the API */
	bool is_cut; /* the line that is read ends where the capture does, without a line feed */
	char setting[KEY_MAX]; /* the name of a line "Name: x" or `key = "x"` */
	struct np_err *err;
};

int np_hostcheck_new(const struct np_catalogue *cat, struct np_host **ret, struct np_err *err)
{
	struct np_host *h = calloc(1, sizeof(*h));

	if (!h)
		return np_fail_nomem(err);
	h->cat = cat;
	h->hv_support = -1;
	*ret = h;
	return 0;
}

void np_hostcheck_free(struct np_host *h)
{
	if (!h)
		return;
	free(h->devices);
	free(h->gpus);
	free(h);
}

void np_hostcheck_freep(struct np_host **h)
{
	np_hostcheck_free(*h);
}

/*
 * --- settings -----------------------------------------------------------------------------------
 */

/* Names of settings, letters and digits alone, sorted; in the words of the vendors' exports. */
static const struct setting_name {
	const char *name;
	enum host_setting setting;
} setting_names[] = {
	{ "64bitmmio", SETTING_ABOVE_4G },
	{ "above4g", SETTING_ABOVE_4G },
	{ "above4gb", SETTING_ABOVE_4G },
	{ "above4gbdecoding", SETTING_ABOVE_4G },
	{ "above4gdecoding", SETTING_ABOVE_4G },
	{ "above4gmmio", SETTING_ABOVE_4G },
	{ "above4gmmiobiosassignment", SETTING_ABOVE_4G },
	{ "amdiommu", SETTING_IOMMU },
	{ "amdiommusupport", SETTING_IOMMU },
	{ "amdiovirtualizationtechnology", SETTING_IOMMU },
	{ "amdvi", SETTING_IOMMU },
	{ "intelprocvtd", SETTING_IOMMU },
	{ "intelrvtfordirectedio", SETTING_IOMMU },
	{ "intelrvtfordirectediovtd", SETTING_IOMMU },
	{ "intelvirtualizationtechnologyfordirectedio", SETTING_IOMMU },
	{ "intelvirtualizationtechnologyfordirectediovtd", SETTING_IOMMU },
	{ "intelvtd", SETTING_IOMMU },
	{ "intelvtdsupport", SETTING_IOMMU },
	{ "intelvtfordirectedio", SETTING_IOMMU },
	{ "intelvtfordirectediovtd", SETTING_IOMMU },
	{ "iommu", SETTING_IOMMU },
	{ "iommusupport", SETTING_IOMMU },
	{ "memorymappedioabove4g", SETTING_ABOVE_4G },
	{ "memorymappedioabove4gb", SETTING_ABOVE_4G },
	{ "memorymappingabove4g", SETTING_ABOVE_4G },
	{ "memorymappingabove4gb", SETTING_ABOVE_4G },
	{ "mmioabove4g", SETTING_ABOVE_4G },
	{ "mmioabove4gb", SETTING_ABOVE_4G },
	{ "noiommu", SETTING_NO_IOMMU },
	{ "pci64bitresourceallocation", SETTING_ABOVE_4G },
	{ "pcie64bitresource", SETTING_ABOVE_4G },
	{ "pciesriov", SETTING_SRIOV },
	{ "pciesriovsupport", SETTING_SRIOV },
	{ "procamdiovt", SETTING_IOMMU },
	{ "singlerootiovirtualization", SETTING_SRIOV },
	{ "singlerootiovirtualizationsriov", SETTING_SRIOV },
	{ "sriov", SETTING_SRIOV },
	{ "sriovenable", SETTING_SRIOV },
	{ "sriovglobal", SETTING_SRIOV },
	{ "sriovglobalenable", SETTING_SRIOV },
	{ "sriovsupport", SETTING_SRIOV },
	{ "vgpuhotmigrateenabled", SETTING_HOT_MIGRATE },
	{ "virtualizationtechnologyfordirectedio", SETTING_IOMMU },
	{ "vtd", SETTING_IOMMU },
	{ "vtdsupport", SETTING_IOMMU },
	{ "vtfordirectedio", SETTING_IOMMU },
	{ "vtfordirectediovtd", SETTING_IOMMU },
};

static const struct setting_name *find_name(const char *name)
{
	for (size_t i = 0; i < sizeof(setting_names) / sizeof(setting_names[0]); i++)
		if (strcmp(setting_names[i].name, name) == 0)
			return &setting_names[i];
	return NULL;
}

/* "Advanced.SR-IOV Support" and "/VMkernel/Boot/noIOMMU" end in the name. */
static const struct setting_name *find_setting(const char *key)
{
	char name[KEY_MAX];
	const struct setting_name *found;
	const char *last;

	hostcheck_name_of(key, strlen(key), name);
	found = find_name(name);
	last = key + strlen(key);
	while (last > key && !strchr("./\\>", last[-1]))
		last--;
	if (found || last == key)
		return found;
	hostcheck_name_of(last, strlen(last), name);
	return find_name(name);
}

/* Of two captures that contradict each other the worse one counts. */
static void set_worst(enum np_verdict *verdict, enum np_verdict value, bool no_is_worse)
{
	enum np_verdict worse = no_is_worse ? NP_VERDICT_NO : NP_VERDICT_YES;

	if (value != NP_VERDICT_UNKNOWN && (*verdict == NP_VERDICT_UNKNOWN || value == worse))
		*verdict = value;
}

static void set_setting(struct reading *r, const struct setting_name *name, const char *value)
{
	set_worst(&r->h->settings[name->setting], hostcheck_yes_or_no(value),
		  name->setting != SETTING_NO_IOMMU);
}

/* Lines that name a setting, and the following lines with its value. */
static bool names_setting(const char *name)
{
	static const char *const names[] = { "attribute", "attributename", "key",
					     "name",      "path",          "setting" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

static bool gives_value(const char *name)
{
	static const char *const names[] = { "currentvalue", "intvalue", "stringvalue", "value" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

static void read_setting(struct reading *r, const struct pair_line *p)
{
	const struct setting_name *setting;

	if (names_setting(p->name)) {
		snprintf(r->setting, sizeof(r->setting), "%.*s", KEY_MAX - 1, p->value);
		return;
	}
	setting = find_setting(gives_value(p->name) ? r->setting : p->key);
	if (!setting)
		return;
	/* An option of type string has no number, and the other way round. */
	r->kinds |= KIND_SETTINGS;
	if (p->value[0] == '\0')
		return;
	set_setting(r, setting, p->value);
	r->setting[0] = '\0';
}

/* "noIOMMU  Bool  FALSE  FALSE  FALSE  Disable ...": name, type, configured, runtime, default. */
static bool read_kernel_setting(struct reading *r, const char *line, size_t size)
{
	char name[64], configured[16], runtime[16], text[256];
	const struct setting_name *setting;

	np_report_copy_clean(text, sizeof(text), line, size);
	if (sscanf(text, " %63s Bool %15s %15s", name, configured, runtime) != 3)
		return false;
	setting = find_setting(name);
	if (!setting)
		return false;
	r->kinds |= KIND_SETTINGS;
	set_setting(r, setting, runtime);
	return true;
}

/*
 * --- devices ------------------------------------------------------------------------------------
 */

static struct host_device *find_device(struct np_host *h, const char *address)
{
	for (size_t i = 0; i < h->n_devices; i++)
		if (strcmp(h->devices[i].seen.address, address) == 0)
			return &h->devices[i];
	return NULL;
}

/* Makes the device the current one for the next lines. */
static bool open_device(struct reading *r, const char *address)
{
	struct host_device *all;

	if (r->device)
		r->device->is_whole = true;
	r->device = find_device(r->h, address);
	if (r->device)
		return true;
	if (r->h->n_devices == HOST_DEVICES_MAX) {
		np_fail(r->err, NP_E_SPEC, "more than %d devices", HOST_DEVICES_MAX);
		return false;
	}
	all = reallocarray(r->h->devices, r->h->n_devices + 1, sizeof(*all));
	if (!all) {
		np_fail_nomem(r->err);
		return false;
	}
	r->h->devices = all;
	r->device = &r->h->devices[r->h->n_devices++];
	*r->device = (struct host_device){ .seen = { .iommu_group = -1 } };
	memcpy(r->device->seen.address, address, strlen(address) + 1);
	return true;
}

static void close_device(struct reading *r, bool is_whole)
{
	if (r->device && (is_whole || r->device->has_all_regions))
		r->device->is_whole = true;
	r->device = NULL;
	r->is_indented_record = false;
	r->is_api_record = false;
}

/* Four digits: a number that was cut is another id. */
static bool read_id(const char *value, uint16_t *ret)
{
	struct np_err ignored = NP_ERR_INIT;

	return strlen(value) == 6 && strncmp(value, "0x", 2) == 0 &&
	       np_gpu_pci_half_parse(value, ret, &ignored) == 0;
}

/* vim-cmd prints numbers, those over 32767 as negative ones. */
static bool read_decimal_id(const char *value, uint16_t *ret)
{
	char *end;
	long number = strtol(value, &end, 10);

	if (end == value || *end != '\0' || number < -32768 || number > 65535)
		return false;
	*ret = (uint16_t)(number & 0xffff);
	return true;
}

static enum np_verdict owner(const char *value)
{
	if (strcmp(value, "VM Passthru") == 0)
		return NP_VERDICT_YES;
	return strcmp(value, "VMkernel") == 0 || strcmp(value, "Unknown") == 0 ? NP_VERDICT_NO
									       : NP_VERDICT_UNKNOWN;
}

static void set_class(struct host_device *d, unsigned class)
{
	d->has_class = true;
	d->is_display = class >> 8 == 0x03 || class >> 8 == 0x12;
}

static void set_vendor(struct host_device *d, uint16_t vendor)
{
	d->seen.id.vendor = vendor;
	d->is_nvidia = vendor == NP_PCI_VENDOR_NVIDIA;
	d->seen.has_id = vendor != 0 && d->seen.id.device != 0;
}

static void set_device(struct host_device *d, uint16_t device)
{
	d->seen.id.device = device;
	d->seen.has_id = device != 0 && d->seen.id.vendor != 0;
}

/* Fields of `esxcli hardware pci list`. */
static bool read_pci_field(struct reading *r, const struct pair_line *p)
{
	struct host_device *d = r->device;
	uint16_t number;

	if (strcmp(p->name, "vendorid") == 0 && read_id(p->value, &number))
		set_vendor(d, number);
	else if (strcmp(p->name, "deviceid") == 0 && read_id(p->value, &number))
		set_device(d, number);
	else if (strcmp(p->name, "deviceclass") == 0 && read_id(p->value, &number))
		set_class(d, number);
	else if (strcmp(p->name, "configuredowner") == 0)
		set_worst(&d->enabled, owner(p->value), true);
	else if (strcmp(p->name, "currentowner") == 0)
		set_worst(&d->active, owner(p->value), true);
	else if (strcmp(p->name, "modulename") == 0)
		snprintf(d->module, sizeof(d->module), "%.31s", p->value);
	else
		return false;
	r->kinds |= KIND_PCI;
	return true;
}

/* Fields of the API's HostPciDevice and PciPassthruInfo, as vim-cmd and PowerCLI print them. */
static bool read_api_field(struct reading *r, const struct pair_line *p)
{
	struct host_device *d = r->device;
	enum np_verdict value = hostcheck_yes_or_no(p->value);
	uint16_t number;

	if (strcmp(p->name, "passthrucapable") == 0 || strcmp(p->name, "passthroughcapable") == 0)
		set_worst(&d->capable, value, true);
	else if (strcmp(p->name, "passthruenabled") == 0)
		set_worst(&d->enabled, value, true);
	else if (strcmp(p->name, "passthruactive") == 0)
		set_worst(&d->active, value, true);
	else if (strcmp(p->name, "vendorid") == 0 && read_decimal_id(p->value, &number))
		set_vendor(d, number);
	else if (strcmp(p->name, "deviceid") == 0 && read_decimal_id(p->value, &number))
		set_device(d, number);
	else if (strcmp(p->name, "classid") == 0 && read_decimal_id(p->value, &number))
		set_class(d, number);
	else
		return false;
	r->kinds |= KIND_PASSTHROUGH;
	return true;
}

static void copy_address(char ret[static NP_PCI_ADDRESS_MAX], const char *text)
{
	if (!np_report_find_address(text, strlen(text), ret))
		ret[0] = '\0';
}

/*
 * "Address: 0000:3b:00.0" and `id = "0000:3b:00.0",` begin a record where the line before did not.
 */
static bool begins_record(const struct pair_line *p, char ret[static NP_PCI_ADDRESS_MAX])
{
	if (strcmp(p->name, "address") != 0 && strcmp(p->name, "id") != 0)
		return false;
	copy_address(ret, p->value);
	return ret[0] != '\0' && strcasecmp(ret, p->value) == 0;
}

/*
 * --- lspci --------------------------------------------------------------------------------------
 */

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
		if (strspn(text, "0123456789abcdefABCDEF:") == 9 &&
		    np_gpu_pci_id_parse(text, ret, &ignored) == 0)
			return true;
	}
	return false;
}

static void read_lspci_ids(struct host_device *d, const char *line, size_t size, bool is_cut)
{
	struct np_pci_id id;

	if (!find_ids(line, size, is_cut, &id))
		return;
	set_vendor(d, id.vendor);
	set_device(d, id.device);
}

/* "GA100 [A100 PCIe 40GB]": without ids the board's name in brackets has to tell. */
static void read_lspci_name(struct reading *r, const char *line, size_t size)
{
	struct np_err ignored = NP_ERR_INIT;
	const char *open = memchr(line, '[', size);

	while (open && !r->device->seen.gpu) {
		size_t left = size - (size_t)(open + 1 - line);
		const char *close = memchr(open + 1, ']', left);
		char name[64];

		if (!close)
			return;
		np_report_copy_clean(name, sizeof(name), open + 1, (size_t)(close - open - 1));
		np_gpu_find_model(r->h->cat, name, &r->device->seen.gpu, &ignored);
		open = memchr(close, '[', size - (size_t)(close - line));
	}
}

static bool has_text(const char *line, size_t size, const char *text)
{
	return !!memmem(line, size, text, strlen(text));
}

/*
 * "3b:00.0 3D controller: NVIDIA Corporation GA100 [A100 PCIe 40GB] (rev a1)" at the left margin.
 */
static bool read_lspci_head(struct reading *r, const char *line, size_t size)
{
	char address[NP_PCI_ADDRESS_MAX];
	const char *at = np_report_find_address(line, size < 20 ? size : 20, address);
	const char *blank = memchr(line, ' ', size);

	if (at != line || !blank || !memchr(blank, ':', size - (size_t)(blank - line)))
		return false;
	if (!open_device(r, address))
		return true;
	r->is_indented_record = true;
	r->kinds |= KIND_LSPCI;
	r->device->is_told = true;
	read_lspci_ids(r->device, line, size, r->is_cut);
	if (has_text(line, size, "3D controller") || has_text(line, size, "VGA compatible") ||
	    has_text(line, size, "Display controller") || has_text(line, size, " 0302: ") ||
	    has_text(line, size, " 0300: ") || has_text(line, size, "Processing accelerators"))
		r->device->has_class = r->device->is_display = true;
	r->device->is_nvidia = r->device->is_nvidia || has_text(line, size, "NVIDIA");
	if (!r->device->seen.has_id && r->device->is_display)
		read_lspci_name(r, line, size);
	return true;
}

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
	else if (*text != '<' && !(end > text && *end == ' '))
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

static void read_lspci_line(struct reading *r, const char *line, size_t size)
{
	static const char driver[] = "Kernel driver in use: ";
	char text[512];
	const char *at;

	np_report_copy_clean(text, sizeof(text), line, size);
	read_region(r, text);
	if (strstr(text, "(SR-IOV)"))
		r->device->has_sriov = true;
	at = strstr(text, driver);
	if (!at)
		return;
	at += strlen(driver);
	np_report_copy_clean(r->device->seen.driver, NP_DRIVER_MAX, at, strcspn(at, " "));
	r->device->seen.has_driver = NP_VERDICT_YES;
}

/*
 * --- lines --------------------------------------------------------------------------------------
 */

/* "|----HV Support......3": one digit that ends the word. */
static bool read_hv_support(struct reading *r, const char *line, size_t size)
{
	static const char words[] = "HV Support";
	const char *at = memmem(line, size, words, strlen(words)), *end = line + size;
	int level;

	if (!at)
		return false;
	r->kinds |= KIND_HV;
	at += strlen(words);
	while (at < end && strchr(". :=\t", *at))
		at++;
	if (at == end || *at < '0' || *at > '3' || (at + 1 < end && !strchr(" \t\r", at[1])))
		return true;
	level = *at - '0';
	if (r->h->hv_support < 0 || level < r->h->hv_support)
		r->h->hv_support = level;
	return true;
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
	r->kinds |= KIND_VMWARE_LOG;
	at += strlen(words);
	np_report_copy_clean(text, sizeof(text), at, size - (size_t)(at - line));
	at = read_count(text, ") exceeds limit (", &needed);
	if (!at || !read_count(at, ")", &limit) || needed == 0)
		return true;
	if (!r->h->has_need || needed > r->h->pages_needed) {
		r->h->has_need = true;
		r->h->pages_needed = needed;
		r->h->pages_limit = limit;
	}
	return true;
}

/* "0000:3b:00.0     true" of `esxcli hardware pci pcipassthru list`. */
static bool read_passthrough_row(struct reading *r, const char *line, size_t size)
{
	char text[64], address[NP_PCI_ADDRESS_MAX], word[16];
	enum np_verdict value;

	if (size >= sizeof(text))
		return false;
	np_report_copy_clean(text, sizeof(text), line, size);
	text[strcspn(text, "?")] = '\0';
	if (sscanf(text, " %19s %15s", address, word) != 2 || !np_report_is_address(address))
		return false;
	value = hostcheck_yes_or_no(word);
	if (value == NP_VERDICT_UNKNOWN)
		return false;
	copy_address(address, text);
	if (!open_device(r, address))
		return true;
	set_worst(&r->device->enabled, value, true);
	r->kinds |= KIND_PASSTHROUGH;
	close_device(r, true);
	return true;
}

/* "0000:3b:00.0" alone on its line begins a record of esxcli. */
static bool read_record_head(struct reading *r, const char *line, size_t size)
{
	char text[NP_PCI_ADDRESS_MAX];

	while (size > 0 && strchr(" \t\r", line[size - 1]))
		size--;
	if (size == 0 || size >= sizeof(text))
		return false;
	np_report_copy_clean(text, sizeof(text), line, size);
	if (!np_report_is_address(text))
		return false;
	copy_address(text, text);
	if (open_device(r, text))
		r->kinds |= KIND_PCI;
	return true;
}

static void read_pair(struct reading *r, const char *line, size_t size)
{
	char address[NP_PCI_ADDRESS_MAX];
	struct pair_line p;

	if (read_kernel_setting(r, line, size) || !hostcheck_pair_parse(line, size, &p))
		return;
	if (begins_record(&p, address)) {
		if (!r->device || strcmp(r->device->seen.address, address) != 0)
			open_device(r, address);
		r->is_api_record = strcmp(p.name, "id") == 0;
		return;
	}
	if (r->device && (read_pci_field(r, &p) || read_api_field(r, &p)))
		return;
	read_setting(r, &p);
}

static bool is_blank(const char *line, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (!strchr(" \t\r", line[i]))
			return false;
	return true;
}

static void read_line(struct reading *r, const char *line, size_t size)
{
	bool is_indented = size > 0 && (line[0] == ' ' || line[0] == '\t');

	if (is_blank(line, size)) {
		/* The beginning of a line that was cut ends nothing. */
		if (r->is_cut)
			return;
		close_device(r, true);
		r->setting[0] = '\0';
		return;
	}
	if (r->is_indented_record && is_indented) {
		read_lspci_line(r, line, size);
		return;
	}
	if (r->is_indented_record)
		close_device(r, true);
	if (read_hv_support(r, line, size) || read_pages(r, line, size) ||
	    read_passthrough_row(r, line, size) || read_record_head(r, line, size) ||
	    read_lspci_head(r, line, size))
		return;
	read_pair(r, line, size);
}

/* Tells whether the record that is open at the end lacks what such a record ends with. */
static bool is_within_record(const struct reading *r)
{
	const struct host_device *d = r->device;

	if (!d)
		return false;
	if (r->is_indented_record)
		return !d->has_all_regions && (r->is_cut || d->has_regions);
	return !r->is_api_record && (!d->seen.has_id || d->capable == NP_VERDICT_UNKNOWN);
}

static int fail_unrecognised(const char *name, struct np_err *err)
{
	return np_fail(
		err, NP_E_SPEC,
		"'%s': nothing recognised: esxcfg-info, esxcli hardware pci list, esxcli hardware "
		"pci pcipassthru list, esxcli system settings, lspci -vvv, vim-cmd, exports of BIOS "
		"settings and vmware.log are",
		name);
}

static void keep_capture(struct np_host *h, const char *name, unsigned kinds)
{
	struct host_capture *capture;

	if (h->n_captures == CAPTURES_MAX)
		return;
	capture = &h->captures[h->n_captures++];
	np_report_copy_clean(capture->name, sizeof(capture->name), name, strlen(name));
	capture->kinds = kinds;
}

int np_hostcheck_read(struct np_host *h, const char *name, const char *bytes, size_t size,
		      struct np_err *err)
{
	struct reading r = { .h = h, .err = err };
	const char *at = bytes, *end = bytes + size;

	err->code = NP_OK;
	while (at < end && err->code == NP_OK) {
		const char *newline = memchr(at, '\n', (size_t)(end - at));
		const char *stop = newline ? newline : end;

		r.is_cut = !newline;
		read_line(&r, at, (size_t)(stop - at));
		at = stop + 1;
	}
	if (err->code != NP_OK)
		return np_wrap(err, "'%s'", name);
	h->is_list_cut = h->is_list_cut || is_within_record(&r);
	close_device(&r, false);
	if (r.kinds == 0)
		return fail_unrecognised(name, err);
	keep_capture(h, name, r.kinds);
	return 0;
}
