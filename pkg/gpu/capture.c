/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "nodeprep/err.h"
#include "nodeprep/gpu.h"
#include "nodeprep/units.h"

/*
 * One pass over the lines: an address opens a device, later lines fill it in. The text is hostile:
 * each line is cut at LINE_MAX bytes, and the number of devices is bounded.
 */

#define LINE_MAX 512
#define DEVICES_MAX 4096
#define NAME_MAX 64
#define ADDRESS_MAX 13 /* "0000:41:00.0" */

/* A device of the captures; ids and BARs may come from different files of one host. */
struct seen {
	char address[ADDRESS_MAX];
	struct np_pci_id id; /* 0:0: not known */
	bool is_display; /* lspci says so, for any vendor */
	char name[NAME_MAX];
	size_t n_bars;
	struct np_bar bars[NP_GPU_BARS_MAX];
};

struct np_capture {
	struct seen *devices;
	size_t n;
	struct seen *open; /* what the following lines are of; NULL: nothing */
	char passthrough[ADDRESS_MAX]; /* of a vmware.log's last pciPassthruN.id */
	struct np_pci_id settings; /* of its last vendorId and deviceId */
};

int np_gpu_capture_new(struct np_capture **ret, struct np_err *err)
{
	struct np_capture *capture = calloc(1, sizeof(*capture));

	if (!capture)
		return np_fail_nomem(err);
	*ret = capture;
	return 0;
}

void np_gpu_capture_free(struct np_capture *capture)
{
	if (!capture)
		return;
	free(capture->devices);
	free(capture);
}

void np_gpu_capture_freep(struct np_capture **capture)
{
	np_gpu_capture_free(*capture);
}

static bool is_hex(char c)
{
	return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

static bool are_hex(const char *text, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!is_hex(text[i]))
			return false;
	return true;
}

/* Reads "41:00.0" or "0000:41:00.0" in front of a blank or the end; returns its length, or 0. */
static size_t read_address(const char *text, char ret[static ADDRESS_MAX])
{
	size_t n = strcspn(text, " \t");
	size_t skip = n == 12 ? 5 : 0;

	if ((n != 7 && n != 12) || (skip > 0 && (!are_hex(text, 4) || text[4] != ':')))
		return 0;
	if (!are_hex(text + skip, 2) || text[skip + 2] != ':' || !are_hex(text + skip + 3, 2) ||
	    text[skip + 5] != '.' || !is_hex(text[skip + 6]))
		return 0;
	snprintf(ret, ADDRESS_MAX, "%s%.*s", skip > 0 ? "" : "0000:", (int)n, text);
	for (char *c = ret; *c; c++)
		*c = (char)(*c >= 'A' && *c <= 'F' ? *c | 0x20 : *c);
	return n;
}

/* Finds the first address that starts a word. */
static const char *find_address(const char *line, char ret[static ADDRESS_MAX])
{
	for (const char *p = line; *p != '\0'; p++) {
		size_t n = p == line || strchr(" \t|>", p[-1]) ? read_address(p, ret) : 0;

		if (n > 0)
			return p + n;
	}
	return NULL;
}

static struct seen *find_device(struct np_capture *c, const char *address)
{
	for (size_t i = 0; i < c->n; i++)
		if (strcmp(c->devices[i].address, address) == 0)
			return &c->devices[i];
	return NULL;
}

static int open_device(struct np_capture *c, const char *address, struct np_err *err)
{
	struct seen *items;

	c->open = find_device(c, address);
	if (c->open)
		return 0;
	if (c->n >= DEVICES_MAX)
		return np_fail(err, NP_E_SPEC, "more than %d devices", DEVICES_MAX);
	/* Doubled at each power of two. */
	if ((c->n & (c->n - 1)) == 0) {
		items = reallocarray(c->devices, c->n ? 2 * c->n : 1, sizeof(*items));
		if (!items)
			return np_fail_nomem(err);
		c->devices = items;
	}
	c->open = &c->devices[c->n++];
	*c->open = (struct seen){ 0 };
	memcpy(c->open->address, address, ADDRESS_MAX);
	return 0;
}

/* Finds the last "[10de:2335]" of the line, or the first " 10de:2335" of lspci -n. */
static bool find_id(const char *line, struct np_pci_id *ret)
{
	bool found = false;

	for (const char *p = line; *p != '\0'; p++) {
		struct np_err ignored = NP_ERR_INIT;
		char text[NP_PCI_ID_MAX];

		if ((*p != '[' && (*p != ' ' || found)) || strlen(p) < NP_PCI_ID_MAX ||
		    !are_hex(p + 1, 4) || p[5] != ':' || !are_hex(p + 6, 4) ||
		    (p[10] != ']' && p[10] != ' ' && p[10] != '\0'))
			continue;
		snprintf(text, sizeof(text), "%.9s", p + 1);
		found = np_gpu_pci_id_parse(text, ret, &ignored) == 0 || found;
	}
	return found;
}

/* Takes the board's name of "GH100 [H200 SXM 141GB] [10de:2335]": the last bracket without an id. */
static void read_board(const char *line, struct seen *d)
{
	const char *colon = strstr(line, ": "), *at = colon ? colon : line;

	while ((at = strchr(at, '['))) {
		size_t n = strcspn(at + 1, "]");

		if (!(n == 9 && at[5] == ':') && n >= 2 && n < NAME_MAX && !are_hex(at + 1, n)) {
			snprintf(d->name, sizeof(d->name), "%.*s", (int)n, at + 1);
			for (char *c = d->name; *c; c++)
				if (*c == ' ' || *c == '/' || *c == '|' || (unsigned char)*c < ' ')
					*c = '-';
		}
		at++;
	}
}

static void add_bar(struct seen *d, uint64_t index, uint64_t bytes)
{
	if (index >= NP_GPU_BARS_MAX || bytes < NP_KIB || bytes > NP_WINDOW_GB_MAX * NP_GIB ||
	    !np_is_pow2(bytes))
		return;
	for (size_t i = 0; i < d->n_bars; i++)
		if (d->bars[i].index == index)
			return;
	d->bars[d->n_bars++] = (struct np_bar){ (unsigned)index, bytes, NP_SIZE_SOURCE_USER };
}

/* Reads "Region 1: Memory at 38000000000 (64-bit, prefetchable) [size=64G]". */
static void read_region(const char *line, struct seen *d)
{
	const char *at = strstr(line, "Region "), *size = strstr(line, "[size=");
	char *end = NULL;
	uint64_t bytes;

	if (!at || !size || !strstr(at, ": Memory at ") || at[7] < '0' || at[7] > '5' ||
	    size[6] < '1' || size[6] > '9')
		return;
	errno = 0;
	bytes = strtoull(size + 6, &end, 10);
	if (errno != 0 || bytes > 1024 * 1024)
		return;
	bytes <<= *end == 'K' ? 10 : *end == 'M' ? 20 : *end == 'G' ? 30 : *end == 'T' ? 40 : 0;
	add_bar(d, (uint64_t)(at[7] - '0'), bytes);
}

/* Reads the number behind "WORD " in decimal. */
static bool read_word(const char *line, const char *word, uint64_t *ret)
{
	const char *at = strstr(line, word);
	char digits[24];
	struct np_err ignored = NP_ERR_INIT;

	if (!at)
		return false;
	at += strlen(word);
	snprintf(digits, sizeof(digits), "%.*s", (int)strspn(at, "0123456789"), at);
	return np_u64_parse(digits, 0, UINT64_MAX, ret, &ignored) == 0;
}

/* Reads vmware.log's "Device 0000:41:00.0 barIndex 1 type 3 realaddr 0x… size 34359738368". */
static int read_log_bar(struct np_capture *c, const char *line, struct np_err *err)
{
	char address[ADDRESS_MAX];
	uint64_t index, bytes;

	if (!read_word(line, "barIndex ", &index) || !read_word(line, " size ", &bytes) ||
	    !find_address(line, address))
		return 0;
	if (open_device(c, address, err) < 0)
		return np_err_ret(err);
	add_bar(c->open, index, bytes);
	return 0;
}

/* Returns the value of `KEY = "VALUE"` or "KEY: VALUE" behind `key`, without quotes. */
static const char *value_of(const char *line, const char *key, char buf[static 32])
{
	const char *at = strcasestr(line, key);

	if (!at)
		return NULL;
	at += strlen(key);
	at += strspn(at, " \t=:\"");
	snprintf(buf, 32, "%.*s", (int)strcspn(at, "\" \t,"), at);
	return buf;
}

static void read_half(const char *text, uint16_t *ret)
{
	struct np_err ignored = NP_ERR_INIT;

	if (text)
		(void)np_gpu_pci_half_parse(text, ret, &ignored);
}

/* Reads one number more than there are separators between them; what follows the last is not looked at. */
static bool read_numbers(const char *text, const char *separators, unsigned long *ret)
{
	for (size_t i = 0;; i++) {
		char *end;

		if (!isdigit((unsigned char)*text))
			return false;
		ret[i] = strtoul(text, &end, 10);
		if (separators[i] == '\0')
			return true;
		if (*end != separators[i])
			return false;
		text = end + 1;
	}
}

/* Bus and device of "00000:065:00.0" are decimal in a .vmx file and in vmware.log. */
static bool read_vmx_address(const char *text, char ret[static ADDRESS_MAX])
{
	unsigned long n[4] = { 0 }; /* domain, bus, device, function */

	if (!text ||
	    (!read_numbers(text, "::.", n) && (n[0] = 0, !read_numbers(text, ":.", n + 1))) ||
	    n[0] > 0xffff || n[1] > 0xff || n[2] > 0x1f || n[3] > 7)
		return false;
	snprintf(ret, ADDRESS_MAX, "%04lx:%02lx:%02lx.%lu", n[0], n[1], n[2], n[3]);
	return true;
}

/* The settings of a VM: pciPassthruN.id, .deviceId and .vendorId, in any order. */
static int read_setting(struct np_capture *c, const char *line, struct np_err *err)
{
	char buf[32];

	if (strcasestr(line, ".id =") &&
	    !read_vmx_address(value_of(line, ".id", buf), c->passthrough))
		c->passthrough[0] = '\0';
	read_half(value_of(line, ".deviceId", buf), &c->settings.device);
	read_half(value_of(line, ".vendorId", buf), &c->settings.vendor);
	if (c->passthrough[0] == '\0' || c->settings.vendor == 0 || c->settings.device == 0)
		return 0;
	if (open_device(c, c->passthrough, err) < 0)
		return np_err_ret(err);
	c->open->id = c->settings;
	c->open = NULL;
	c->passthrough[0] = '\0';
	c->settings = (struct np_pci_id){ 0 };
	return 0;
}

static bool is_display_class(const char *line)
{
	static const char *const classes[] = {
		"3D controller",
		"Display controller",
		"Processing accelerators",
		"VGA compatible",
		" 0300: ",
		" 0302: ",
		" 0380: ",
		" 1200: ",
	};

	for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++)
		if (strstr(line, classes[i]))
			return true;
	return false;
}

/* A line of lspci that opens a device, or the address alone that opens one of esxcli. */
static int read_header(struct np_capture *c, const char *line, struct np_err *err)
{
	char address[ADDRESS_MAX];
	const char *rest = find_address(line, address);
	struct np_pci_id id = { 0 };

	if (!rest)
		return 0;
	if (open_device(c, address, err) < 0)
		return np_err_ret(err);
	if (find_id(rest, &id)) {
		c->open->id = id;
		c->open->is_display = is_display_class(rest);
		read_board(rest, c->open);
	}
	return 0;
}

static int read_line(struct np_capture *c, const char *line, struct np_err *err)
{
	char buf[32];

	if (strstr(line, "barIndex "))
		return read_log_bar(c, line, err);
	if (strcasestr(line, "pciPassthru") && strchr(line, '='))
		return read_setting(c, line, err);
	if (strstr(line, "Region ") && c->open) {
		read_region(line, c->open);
		return 0;
	}
	/* esxcli hardware pci list: "   Vendor ID: 0x10de". */
	if (c->open && strstr(line, " Vendor ID:") && !strstr(line, "SubVendor"))
		read_half(value_of(line, "Vendor ID", buf), &c->open->id.vendor);
	else if (c->open && strstr(line, " Device ID:") && !strstr(line, "SubDevice"))
		read_half(value_of(line, "Device ID", buf), &c->open->id.device);
	else if (!strstr(line, "Address:"))
		return read_header(c, line, err);
	return 0;
}

int np_gpu_capture_read(struct np_capture *c, const char *bytes, size_t size, struct np_err *err)
{
	char line[LINE_MAX];

	c->open = NULL;
	for (size_t at = 0; at < size;) {
		const char *start = bytes + at, *stop = memchr(start, '\n', size - at);
		size_t n = stop ? (size_t)(stop - start) : size - at, kept = 0;

		for (size_t i = 0; i < n && kept + 1 < sizeof(line); i++)
			if (start[i] != '\0' && start[i] != '\r')
				line[kept++] = start[i];
		line[kept] = '\0';
		if (read_line(c, line, err) < 0)
			return np_err_ret(err);
		at += n + 1;
	}
	return 0;
}

/* --- cards --------------------------------------------------------------------------------- */

static int by_index(const void *a, const void *b)
{
	const struct np_bar *x = a, *y = b;

	return (x->index > y->index) - (x->index < y->index);
}

static int copy_text(const char *text, const char **ret, struct np_err *err)
{
	*ret = strdup(text);
	return *ret ? 0 : np_fail_nomem(err);
}

static void own_freep(struct np_gpu **gpu)
{
	gpu_own_free(*gpu);
}

/* The model keeps its name, or takes the capture's, or that of the id. */
static int name_card(struct np_gpu *gpu, const struct np_gpu *old, const struct seen *d,
		     struct np_err *err)
{
	struct gpu_name name;
	char text[NP_PCI_ID_MAX + 8];

	if (old)
		return copy_text(old->model, &gpu->model, err);
	if (gpu_name_parse(d->name, &name))
		return copy_text(d->name, &gpu->model, err);
	snprintf(text, sizeof(text), "GPU-%04x-%04x", d->id.vendor, d->id.device);
	return copy_text(text, &gpu->model, err);
}

static int make_card(const struct np_catalogue *cat, const struct seen *d, const char *source,
		     struct np_gpu **ret, struct np_err *err)
{
	NP_AUTO(own_freep) struct np_gpu *gpu = calloc(1, sizeof(*gpu));
	const struct np_gpu *old = np_gpu_find_id(cat, d->id);

	if (!gpu)
		return np_fail_nomem(err);
	gpu->vendor_id = d->id.vendor;
	gpu->device_id = d->id.device;
	gpu->memory_gb = old ? old->memory_gb : 0;
	gpu->n_bars = d->n_bars;
	memcpy(gpu->bars, d->bars, sizeof(gpu->bars));
	qsort(gpu->bars, gpu->n_bars, sizeof(gpu->bars[0]), by_index);
	if (name_card(gpu, old, d, err) < 0 ||
	    copy_text(old ? old->vgpu : "", &gpu->vgpu, err) < 0 ||
	    copy_text(old ? old->aliases : "", &gpu->aliases, err) < 0 ||
	    copy_text(source, &gpu->bar_source, err) < 0)
		return np_err_ret(err);
	gpu->product = gpu->model;
	gpu->mmio_source = gpu->note = "";
	gpu->has_figure = true;
	*ret = np_take(gpu);
	return 0;
}

static bool is_card(const struct np_catalogue *cat, const struct seen *d)
{
	if (d->n_bars == 0 || d->id.vendor == 0)
		return false;
	if (np_gpu_pci_classify(cat, d->id) != NP_PCI_OTHER)
		return true;
	/* A server's own display has small BARs, and so has a VM's. */
	for (size_t i = 0; d->is_display && i < d->n_bars; i++)
		if (d->bars[i].bytes > 256 * NP_MIB)
			return true;
	return false;
}

/* Of twins with one id the first counts that has the most BARs: the others' are not assigned. */
static bool is_best(const struct np_capture *c, size_t i)
{
	for (size_t k = 0; k < c->n; k++) {
		const struct seen *a = &c->devices[k], *b = &c->devices[i];

		if (k != i && a->id.vendor == b->id.vendor && a->id.device == b->id.device &&
		    (a->n_bars > b->n_bars || (k < i && a->n_bars == b->n_bars)))
			return false;
	}
	return true;
}

int np_gpu_capture_add(const struct np_capture *c, const char *source, struct np_catalogue *cat,
		       struct np_err *err)
{
	size_t added = 0;

	for (size_t i = 0; i < c->n; i++) {
		NP_AUTO(own_freep) struct np_gpu *gpu = NULL;

		if (!is_card(cat, &c->devices[i]) || !is_best(c, i))
			continue;
		if (make_card(cat, &c->devices[i], source, &gpu, err) < 0 ||
		    gpu_catalogue_take(cat, &gpu, 1, err) < 0)
			return np_err_ret(err);
		added++;
	}
	if (added == 0)
		return np_fail(
			err, NP_E_SPEC,
			"%s: no GPU with an id and the sizes of its BARs: expected the output "
			"of lspci -nnvv, or a vmware.log with the VM's settings, or both a "
			"vmware.log and esxcli hardware pci list of its host",
			source);
	return 0;
}
