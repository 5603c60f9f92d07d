/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/err.h"
#include "nodeprep/hostcheck.h"

/* The kinds of captures, and how each is made; one that nothing recognises gets to see them all. */
static const struct kind_row {
	const char *name, *command;
} kinds[KINDS] = {
	[KIND_HV] = { "esxcfg-info", "esxcfg-info | grep 'HV Support'" },
	[KIND_PCI] = { "esxcli hardware pci list", "esxcli hardware pci list" },
	[KIND_LSPCI] = { "lspci", "lspci -nnvvv" },
	[KIND_VMKCHDEV] = { "vmkchdev", "vmkchdev -l" },
	[KIND_PASSTHROUGH] = { "passthrough",
			       "esxcli hardware pci pcipassthru list, vim-cmd hostsvc/hostconfig" },
	[KIND_SETTINGS] = { "settings",
			    "esxcli system settings advanced|kernel list, exports of BIOS settings (text, CSV, JSON, XML)" },
	[KIND_VMWARE_LOG] = { "vmware.log", "a VM's vmware.log" },
	[KIND_VMX] = { "vmx", "a VM's .vmx" },
	[KIND_KERNEL_LOG] = { "kernel log", "dmesg" },
	[KIND_SMI] = { "nvidia-smi", "nvidia-smi, nvidia-smi -q" },
};

/* The readers of lines, the surest first; each line goes to the first that takes it. */
static hostcheck_reader *const line_readers[] = {
	hostcheck_read_lspci_body,     hostcheck_read_csv,    hostcheck_read_esxcfg,
	hostcheck_read_vmlog,          hostcheck_read_kernel, hostcheck_read_smi,
	hostcheck_read_vmkchdev,       hostcheck_read_esxcli, hostcheck_read_lspci,
	hostcheck_read_kernel_setting,
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

const char *hostcheck_kind_name(enum host_kind kind)
{
	return kinds[kind].name;
}

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

/* --- prefixes ----------------------------------------------------------------------------------- */

/* Words that begin an explanation, not a prefix: what follows them is no setting. */
static bool is_explanation(const char *text, size_t size)
{
	static const char *const words[] = { "note",        "help",    "hint",    "default",
					     "description", "example", "warning", "recommended" };
	char name[KEY_MAX];

	hostcheck_name_of(text, size, name);
	for (size_t i = 0; i < COUNT(words); i++)
		if (strcmp(words[i], name) == 0)
			return true;
	return false;
}

/*
 * Returns where the line goes on behind a prefix: a host's or a file's name and : - | > or ]; NULL
 * where there is none.
 */
static const char *skip_prefix(const char *line, const char *end)
{
	const char *at = line, *word;

	while (at < end && *at == ' ')
		at++;
	word = at;
	while (at < end && !strchr(" \t:-|>]=,\"", *at))
		at++;
	if (at == word || is_explanation(word, (size_t)(at - word)))
		return NULL;
	/* "node1 | " of ansible. */
	if (end - at > 3 && strncmp(at, " | ", 3) == 0)
		return at + 3;
	if (at == end || !strchr(":-|>]", *at++) || at == end)
		return NULL;
	/* "VT-d" is a word. */
	return at[-1] != '-' || strchr(" \t", *at) || (*at >= '0' && *at <= '9') ? at : NULL;
}

/* Returns where the key in front of the = begins. */
static const char *key_of(const char *line, const char *equal)
{
	while (equal > line && !strchr(" \t;,]", equal[-1]))
		equal--;
	return equal;
}

/* The = of the next pair: none within parentheses, and none without a key. */
static const char *next_equal(const char *at, const char *end)
{
	unsigned depth = 0;

	for (; at < end; at++)
		if (*at == '(')
			depth++;
		else if (*at == ')' && depth > 0)
			depth--;
		else if (*at == '=' && depth == 0)
			return at;
	return NULL;
}

/* "[Key=BIOS.Setup.1-1#X] A=Enabled B=Disabled (Pending Value=Enabled)": several pairs on one line. */
static bool read_pairs(struct reading *r, const char *line, const char *end)
{
	const char *equal = next_equal(line, end);
	const char *next = equal ? next_equal(equal + 1, end) : NULL;
	bool is_any = false;

	while (equal && (next || is_any)) {
		const char *from = key_of(line, equal), *stop = next ? key_of(equal, next) : end;
		struct pair_line p;

		if (stop > equal && hostcheck_pair_parse(from, (size_t)(stop - from), &p))
			is_any = hostcheck_read_pair(r, &p) || is_any;
		line = stop > equal ? stop : equal + 1;
		equal = next;
		next = equal ? next_equal(equal + 1, end) : NULL;
		if (!next && !is_any)
			break;
	}
	return is_any;
}

#define PREFIXES_MAX 3
#define LINE_MAX 4096

/* "bios.xml:  <Setting name=...>": an element behind a prefix. */
static bool read_element(struct reading *r, const char *line, const char *end)
{
	const char *at = memchr(line, '<', (size_t)(end - line));
	size_t size = at ? (size_t)(end - at) : 0;

	return size > 0 && size < LINE_MAX &&
	       (hostcheck_has_text(at, size, "=\"") || hostcheck_has_text(at, size, "</")) &&
	       hostcheck_read_xml(r, at, size) > 0;
}

static void read_pair_line(struct reading *r, const char *line, size_t size)
{
	const char *end = line + size;
	struct pair_line p;

	if (read_element(r, line, end) || read_pairs(r, line, end))
		return;
	for (unsigned i = 0; i <= PREFIXES_MAX && line; i++) {
		if (hostcheck_pair_parse(line, (size_t)(end - line), &p) &&
		    hostcheck_read_pair(r, &p))
			return;
		line = skip_prefix(line, end);
	}
}

/* --- lines -------------------------------------------------------------------------------------- */

static bool is_blank(const char *line, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (!strchr(" \t\r", line[i]))
			return false;
	return true;
}

/* "--", which grep -A puts between its excerpts. */
static bool is_separator(const char *line, size_t size)
{
	while (size > 0 && strchr(" \t\r", line[size - 1]))
		size--;
	return size == 2 && line[0] == '-' && line[1] == '-';
}

/* `lspci -vvv -s 05:00.0 | grep Region`: a record without its first line. */
static void open_headless(struct reading *r, const char *line, size_t size)
{
	enum host_side side = r->side == SIDE_GUEST ? SIDE_GUEST : SIDE_HOST;

	if (!hostcheck_has_text(line, size, "Region ") ||
	    !hostcheck_has_text(line, size, ": Memory at ") || !hostcheck_device_open(r, side, ""))
		return;
	r->kinds |= 1u << KIND_LSPCI;
	r->is_indented_record = r->is_excerpt = true;
	r->device->is_told = r->device->is_listed = r->device->is_doubtful = true;
	r->device->has_class = r->device->is_display = true;
	snprintf(r->device->title, sizeof(r->device->title), "a device without its first line");
}

static void read_line(struct reading *r, const char *line, size_t size)
{
	r->is_bar1 = r->is_bar1 && size > 0 && line[0] == ' ';
	if (hostcheck_has_text(line, size, "BAR1 Memory Usage"))
		r->is_bar1 = true;
	if (is_separator(line, size)) {
		r->is_excerpt = true;
		hostcheck_device_close(r, false);
		return;
	}
	if (is_blank(line, size)) {
		/* The beginning of a line that was cut ends nothing. */
		if (r->is_cut)
			return;
		hostcheck_device_close(r, true);
		r->setting[0] = '\0';
		return;
	}
	if (r->is_headless && !r->device)
		open_headless(r, line, size);
	if (hostcheck_read_lspci_body(r, line, size))
		return;
	for (size_t i = 1; i < COUNT(line_readers); i++)
		if (line_readers[i](r, line, size))
			return;
	/* What nothing reads may be the rest of a line that mail wrapped. */
	if (!r->is_indented_record)
		read_pair_line(r, line, size);
}

/* "node1: {"Attributes": ...": a document behind a prefix; NULL where there is none. */
static const char *find_json(const char *line, const char *end)
{
	const char *stop = end - line > KEY_MAX ? line + KEY_MAX : end;

	for (const char *at = line; at + 1 < stop && *at != '\n'; at++)
		if ((*at == '{' && at[1] == '"') || (*at == '[' && at[1] == '{'))
			return at > line && strchr(" :|]>", at[-1]) ? at : NULL;
	return NULL;
}

/* Reads a document of JSON or XML that begins with this line; returns its size, 0: none does. */
static size_t read_document(struct reading *r, const char *line, const char *end)
{
	const char *at = line;
	size_t used = 0;

	while (at < end && (*at == ' ' || *at == '\t'))
		at++;
	if (at < end && *at == '<')
		used = hostcheck_read_xml(r, at, (size_t)(end - at));
	else if (at < end)
		used = hostcheck_read_json(r, at, (size_t)(end - at));
	if (used == 0) {
		at = find_json(line, end);
		used = at ? hostcheck_read_json(r, at, (size_t)(end - at)) : 0;
	}
	return used > 0 ? used + (size_t)(at - line) : 0;
}

static void read_text(struct reading *r, const char *text, size_t size)
{
	const char *at = text, *end = text + size;

	while (at < end && r->err->code == NP_OK) {
		const char *newline, *stop;
		size_t used = read_document(r, at, end);

		at += used;
		newline = memchr(at, '\n', (size_t)(end - at));
		stop = newline ? newline : end;
		r->is_cut = !newline;
		if (r->err->code == NP_OK && (used == 0 || at < stop))
			read_line(r, at, (size_t)(stop - at));
		at = newline ? newline + 1 : end;
	}
}

/* Tells whether the record that is open at the end lacks what such a record ends with. */
static bool is_within_record(const struct reading *r)
{
	const struct host_device *d = r->device;

	if (!d || d->is_working || r->is_excerpt)
		return false;
	if (r->is_indented_record)
		return !d->has_all_regions && (r->is_cut || d->has_regions);
	return !r->is_api_record && !d->is_told &&
	       (!d->seen.has_id || d->capable == NP_VERDICT_UNKNOWN);
}

static int fail_unrecognised(const char *name, size_t size, struct np_err *err)
{
	char list[sizeof(err->text)] = "";
	size_t used = 0;

	if (size == 0)
		return np_fail(err, NP_E_SPEC, "'%s': empty: nothing recognised", name);
	for (size_t i = 0; i < KINDS; i++) {
		int n = snprintf(list + used, sizeof(list) - used, "%s%s", i > 0 ? "; " : "",
				 kinds[i].command);

		if (n < 0 || (size_t)n >= sizeof(list) - used)
			break;
		used += (size_t)n;
	}
	return np_fail(err, NP_E_SPEC, "'%s': nothing recognised; looked for: %s", name, list);
}

static void keep_capture(struct np_host *h, const char *name, const struct reading *r)
{
	struct host_capture *capture;

	h->has_guest = h->has_guest || r->side == SIDE_GUEST;
	if (h->n_captures == CAPTURES_MAX)
		return;
	capture = &h->captures[h->n_captures++];
	np_report_copy_clean(capture->name, sizeof(capture->name), name, strlen(name));
	capture->kinds = r->kinds;
	capture->side = r->side;
}

int np_hostcheck_read(struct np_host *h, const char *name, const char *bytes, size_t size,
		      struct np_err *err)
{
	struct reading r = { .h = h, .err = err };
	NP_AUTO(np_freep) char *text = NULL;
	size_t text_size = 0;

	err->code = NP_OK;
	if (hostcheck_decode(bytes, size, &text, &text_size, err) < 0)
		return np_err_ret(err);
	r.side = hostcheck_find_side(text, text_size);
	read_text(&r, text, text_size);
	if (r.kinds == 0 && err->code == NP_OK &&
	    hostcheck_has_text(text, text_size, ": Memory at ")) {
		r.is_headless = true;
		read_text(&r, text, text_size);
	}
	if (err->code != NP_OK)
		return np_wrap(err, "'%s'", name);
	h->is_list_cut = h->is_list_cut || is_within_record(&r);
	hostcheck_device_close(&r, false);
	/* What a cut .vmx lacks may be in its rest. */
	if (r.is_cut)
		h->vm.is_whole_file = false;
	if (r.kinds == 0)
		return fail_unrecognised(name, size, err);
	keep_capture(h, name, &r);
	return 0;
}
