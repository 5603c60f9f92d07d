/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/units.h"

/* "Device 169:0.0 is not ...", "for 013:00.3": bus and slot in decimal. */
static void find_decimal_place(const char *text, char ret[static NP_PCI_ADDRESS_MAX])
{
	for (const char *at = text; *at != '\0'; at++) {
		bool is_start = at == text || strchr(" '\"(?", at[-1]);

		if (is_start && *at >= '0' && *at <= '9' && hostcheck_place_parse(at, "#:#.#", ret))
			return;
	}
}

static void read_place(const char *text, char ret[static NP_PCI_ADDRESS_MAX])
{
	const char *open = strchr(text, '(');

	/* "hotplug slot:0x1 (0000:a9:00.0)": the device in brackets, not the port above it. */
	ret[0] = '\0';
	if ((open && np_report_find_address(open, strlen(open), ret) == open + 1) ||
	    np_report_find_address(text, strlen(text), ret))
		return;
	find_decimal_place(text, ret);
}

static void add_reason(struct reading *r, const struct reason_row *row, const char *text,
		       size_t size)
{
	struct np_host *h = r->h;
	struct power_on_reason *reason = &h->reasons[h->n_reasons];
	char clean[sizeof(reason->text)], whole[512];

	np_report_copy_clean(clean, sizeof(clean), text, size);
	for (size_t i = 0; i < h->n_reasons; i++)
		if (strcmp(h->reasons[i].text, clean) == 0)
			return;
	if (h->n_reasons == REASONS_MAX)
		return;
	reason->row = row;
	reason->is_sure = r->is_message || !row || row->kind != REASON_GUESS;
	memcpy(reason->text, clean, sizeof(clean));
	np_report_copy_clean(whole, sizeof(whole), text, size);
	read_place(whole, reason->address);
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

/* "cpu10:2100020)WARNING: ": the world of a vmkernel.log; NULL for any other text. */
static const char *skip_world(const char *line, const char *end)
{
	static const char head[] = "cpu";
	const char *at =
		memmem(line, end - line < 96 ? (size_t)(end - line) : 96, head, strlen(head));
	size_t digits[2] = { 0, 0 };
	bool is_cut = !at;

	if (at && at > line && at[-1] != ' ')
		return NULL;
	/* "2100020)": the time and the processor were taken for a prefix. */
	at = is_cut ? line : at + strlen(head);
	for (size_t i = is_cut; i < 2; i++) {
		for (; at < end && *at >= '0' && *at <= '9'; at++)
			digits[i]++;
		if (digits[i] == 0 || at == end || *at++ != ":)"[i])
			return NULL;
	}
	return at;
}

static const char *skip_level(const char *at, const char *end)
{
	while (at < end && (*at == ' ' || *at == '|'))
		at++;
	if (end - at > 5 && *at >= 'A' && *at <= 'Z' && at[4] == ':' && at[1] >= '0' &&
	    at[1] <= '9')
		at += 5;
	while (at < end && *at == ' ')
		at++;
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
	if (!at && size > 5 && strncmp(line, "vmx| ", 5) == 0)
		at = line + 5;
	if (!at)
		at = skip_world(line, end);
	*ret_stamped = !!at;
	return at ? skip_key(skip_level(at, end), end) : line;
}

/* A guess counts in a log, or beside "power on failed". */
static bool is_sure(const struct reading *r, const struct reason_row *row, bool is_stamped)
{
	return is_stamped || r->is_message || r->h->has_power_on_failure ||
	       row->kind != REASON_GUESS;
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

/* Keeps the largest need; `limit` NULL: the line does not say what the window holds. */
static void add_pages(struct np_host *h, uint64_t needed, const uint64_t *limit)
{
	if (needed == 0 || (h->has_pages && needed <= h->pages_needed))
		return;
	h->has_pages = true;
	h->pages_needed = needed;
	h->has_limit = !!limit;
	h->pages_limit = limit ? *limit : 0;
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
	if (at && read_count(at, ")", &limit))
		add_pages(r->h, needed, &limit);
	return true;
}

/*
 * "The firmware could not allocate 33587200 KB of PCI MMIO. Increase ...": what the VM's EFI firmware says
 * where the window is too small, in a log or alone in the client's event. The VM was on then.
 */
static bool read_firmware(struct reading *r, const char *line, size_t size)
{
	static const char words[] = "firmware could not allocate ";
	const char *at = memmem(line, size, words, strlen(words));
	char text[64];
	uint64_t kb;

	if (!at)
		return false;
	at += strlen(words);
	np_report_copy_clean(text, sizeof(text), at, size - (size_t)(at - line));
	if (!read_count(text, " KB of PCI MMIO", &kb) || kb == 0)
		return false;
	r->kinds |= 1u << KIND_VMWARE_LOG;
	r->is_message = false;
	add_pages(r->h, kb / 4 + (kb % 4 != 0), NULL);
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

/* Lines around a failure that say nothing of its reason. */
static bool is_noise(const char *text, size_t size)
{
	static const char *const noise[] = {
		"Msg_Post", "----",         "Failed to start",          "An error was received",
		"Vix:",     "Transitioned", "Power on failure messages"
	};

	for (size_t i = 0; i < sizeof(noise) / sizeof(noise[0]); i++)
		if (hostcheck_has_text(text, size, noise[i]))
			return true;
	return false;
}

/* The text between "Msg_Post: Error" and "power on failed" that no row knows. */
static void read_message(struct reading *r, const char *text, size_t size)
{
	if (!r->is_message || size < 8 || r->is_cut || is_noise(text, size))
		return;
	r->is_message = false;
	add_reason(r, NULL, text, size);
}

/* Keeps a line that may tell why, in case that nothing else does before the VM fails to power on. */
static void keep_suspect(struct reading *r, const char *text, size_t size)
{
	static const char *const words[] = { "fail",      "error",        "cannot",
					     "could not", "unable",       "exceed",
					     "invalid",   "insufficient", "not found" };

	if (r->is_cut || is_noise(text, size))
		return;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (hostcheck_has_word(text, size, words[i])) {
			np_report_copy_clean(r->suspect, sizeof(r->suspect), text, size);
			return;
		}
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
	if (r->h->n_reasons == 0 && !r->h->has_pages && r->suspect[0] != '\0')
		add_reason(r, NULL, r->suspect, strlen(r->suspect));
	return true;
}

/* "... pciPassthru0 ...": a client's line in any language names the device; no setting. */
static bool names_device(const struct reading *r, const char *text, size_t size)
{
	static const char head[] = "pciPassthru";
	const char *at = memmem(text, size, head, strlen(head)), *end = text + size;

	if (!at || !r->h->has_power_on_failure || r->is_cut)
		return false;
	for (at += strlen(head); at < end && *at >= '0' && *at <= '9'; at++)
		;
	return at < end && at[-1] >= '0' && at[-1] <= '9' && *at == ' ' && !memchr(text, '=', size);
}

static bool read_reason(struct reading *r, const char *line, size_t size, const char *text,
			bool is_stamped)
{
	/* The key of the text counts, too, which is the same in every language. */
	const struct reason_row *row = hostcheck_find_reason(line, size);
	size_t left = size - (size_t)(text - line);

	if (!row || !is_sure(r, row, is_stamped))
		return false;
	r->kinds |= 1u << KIND_VMWARE_LOG;
	if (!r->is_cut)
		add_reason(r, row, text, left);
	r->is_message = false;
	return true;
}

bool hostcheck_read_vmlog(struct reading *r, const char *line, size_t size)
{
	bool is_stamped, is_failure;
	const char *text;
	size_t left;

	while (size > 0 && strchr(" \t\r", line[size - 1]))
		size--;
	text = skip_stamp(line, size, &is_stamped);
	left = size - (size_t)(text - line);
	if (read_pages(r, line, size) || read_firmware(r, line, size) || read_bar(r, line, size) ||
	    read_dict(r, text, left))
		return true;
	/* One line may have the reason and the failure. */
	is_failure = hostcheck_has_text(text, left, "power on failed") &&
		     read_reason(r, line, size, text, true);
	if (read_failure(r, text, left, is_stamped) || is_failure ||
	    read_reason(r, line, size, text, is_stamped))
		return true;
	if (hostcheck_has_text(text, left, "Msg_Post: Error")) {
		r->is_message = true;
		r->kinds |= 1u << KIND_VMWARE_LOG;
		return true;
	}
	if (names_device(r, text, left)) {
		add_reason(r, NULL, text, left);
		return true;
	}
	if (is_stamped) {
		read_message(r, text, left);
		keep_suspect(r, text, left);
	}
	if (hostcheck_has_text(line, size, "Log for VMware ESX") ||
	    (is_stamped && hostcheck_has_text(text, left, "PCIPassthru: ")))
		r->kinds |= 1u << KIND_VMWARE_LOG;
	return is_stamped;
}
