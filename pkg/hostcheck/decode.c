/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

/* The text as it grows; never larger than twice the capture. */
struct output {
	char *bytes;
	size_t size;
	unsigned row; /* of the terminal's cursor; 0: not known */
};

enum encoding { ENCODING_BYTES, ENCODING_LE, ENCODING_BE };

/* PowerShell writes UTF-16 with a mark; other tools leave the mark out. */
static enum encoding find_encoding(const unsigned char *bytes, size_t size)
{
	size_t zeros[2] = { 0, 0 };
	size_t n = size < 512 ? size & ~(size_t)1 : 512;

	if (size >= 2 && bytes[0] == 0xff && bytes[1] == 0xfe)
		return ENCODING_LE;
	if (size >= 2 && bytes[0] == 0xfe && bytes[1] == 0xff)
		return ENCODING_BE;
	for (size_t i = 0; i < n; i++)
		zeros[i & 1] += bytes[i] == 0;
	if (n < 4)
		return ENCODING_BYTES;
	if (zeros[1] * 10 > n * 3 && zeros[0] * 10 < n)
		return ENCODING_LE;
	return zeros[0] * 10 > n * 3 && zeros[1] * 10 < n ? ENCODING_BE : ENCODING_BYTES;
}

static void put(struct output *o, char c)
{
	o->bytes[o->size++] = c;
}

/* What stands for a character beyond ASCII: frames of setup screens, blanks, curly quotes. */
static void put_wide(struct output *o, unsigned c)
{
	if (c < 0x80)
		put(o, (char)c);
	else if (c == 0xfeff)
		return;
	else if (c == 0xa0 || (c >= 0x2000 && c <= 0x200a) || c == 0x202f || c == 0x3000)
		put(o, ' ');
	else if (c >= 0x2500 && c <= 0x257f)
		put(o, '|');
	else if (c >= 0x201c && c <= 0x201f)
		put(o, '"');
	else
		put(o, '?');
}

/* Decodes one character of UTF-8; a byte that begins none is its own character. */
static size_t read_utf8(const unsigned char *at, size_t left, unsigned *ret)
{
	unsigned char c = *at;
	size_t size = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc0 ? 2 : 1;
	unsigned value = size == 1 ? c : c & (0x7fu >> size);

	for (size_t i = 1; i < size; i++) {
		if (i >= left || (at[i] & 0xc0) != 0x80) {
			*ret = c < 0x80 ? c : '?';
			return 1;
		}
		value = value << 6 | (at[i] & 0x3f);
	}
	*ret = size == 1 && c >= 0x80 ? '?' : value;
	return size;
}

/*
 * A terminal's code: a move to another row ends the line, one within the row parts two columns; what
 * only colours is left out. Returns the code's size.
 */
static size_t read_code(struct output *o, const unsigned char *at, size_t left)
{
	unsigned row = 0;
	size_t i = 2;

	if (left < 2 || at[1] != '[')
		return left < 2 ? 1 : at[1] == '(' || at[1] == ')' ? 3 : 2;
	for (; i < left && at[i] >= '0' && at[i] <= '9' && row < 1000; i++)
		row = row * 10 + (unsigned)(at[i] - '0');
	while (i < left && (at[i] < 0x40 || at[i] > 0x7e) && at[i] != '\n')
		i++;
	if (i < left && (at[i] == 'H' || at[i] == 'f')) {
		if (row == o->row && row > 0) {
			put(o, ' ');
			put(o, ' ');
		} else
			put(o, '\n');
		o->row = row;
	}
	return i < left && at[i] != '\n' ? i + 1 : i;
}

static void decode_bytes(struct output *o, const unsigned char *bytes, size_t size)
{
	bool is_lone = false;

	for (size_t i = 0; i < size;) {
		unsigned c = 0;

		if (bytes[i] == 0x1b) {
			size_t code = read_code(o, bytes + i, size - i);

			i += code < size - i ? code : size - i;
			continue;
		}
		/* A lone carriage return is the line end of a serial console. */
		if (bytes[i] == '\r' &&
		    (i + 1 < size ? bytes[i + 1] != '\n' && bytes[i + 1] != '\r' : is_lone)) {
			put(o, '\n');
			i++;
			is_lone = true;
			continue;
		}
		i += read_utf8(bytes + i, size - i, &c);
		put_wide(o, c);
	}
}

static void decode_utf16(struct output *o, const unsigned char *bytes, size_t size, bool is_le)
{
	for (size_t i = 0; i + 1 < size; i += 2) {
		unsigned c = is_le ? bytes[i] | (unsigned)bytes[i + 1] << 8
				   : bytes[i + 1] | (unsigned)bytes[i] << 8;

		put_wide(o, c);
	}
}

/* Blanks the marks of quoting ("> > ") at the head of each line. */
static void strip_quotes(char *text, size_t size)
{
	bool is_head = true;

	for (size_t i = 0; i < size; i++)
		if (text[i] == '\n')
			is_head = true;
		else if (is_head && text[i] == '>')
			text[i] = '\x01';
		else if (!is_head || (text[i] != ' ' && text[i] != '|'))
			is_head = false;
		else if (text[i] == '|' && (i + 1 == size || text[i + 1] != ' '))
			is_head = false;
}

/* Removes the marks with the one blank behind each, so that the rest keeps its indentation. */
static size_t drop_quotes(char *text, size_t size)
{
	size_t used = 0;

	for (size_t i = 0; i < size; i++) {
		if (text[i] != '\x01') {
			text[used++] = text[i];
			continue;
		}
		while (used > 0 && text[used - 1] == ' ')
			used--;
		if (i + 1 < size && text[i + 1] == ' ')
			i++;
	}
	return used;
}

/* UTF-16 as bytes of ASCII; NULL where memory runs out. */
static char *narrow(const unsigned char *bytes, size_t size, bool is_le, size_t *ret_size)
{
	struct output o = { .bytes = malloc(size / 2 + 1) };

	if (o.bytes)
		decode_utf16(&o, bytes, size, is_le);
	*ret_size = o.size;
	return o.bytes;
}

int hostcheck_decode(const char *bytes, size_t size, char **ret, size_t *ret_size,
		     struct np_err *err)
{
	enum encoding encoding = find_encoding((const unsigned char *)bytes, size);
	NP_AUTO(np_freep) char *narrowed = NULL;
	struct output o = { .size = 0 };

	if (encoding != ENCODING_BYTES) {
		narrowed =
			narrow((const unsigned char *)bytes, size, encoding == ENCODING_LE, &size);
		if (!narrowed)
			return np_fail_nomem(err);
		bytes = narrowed;
	}
	o.bytes = malloc(size + 1);
	if (!o.bytes)
		return np_fail_nomem(err);
	decode_bytes(&o, (const unsigned char *)bytes, size);
	/* The mark stands for a quote below. */
	for (size_t i = 0; i < o.size; i++)
		if (o.bytes[i] == '\x01')
			o.bytes[i] = '?';
	strip_quotes(o.bytes, o.size);
	o.size = drop_quotes(o.bytes, o.size);
	*ret_size = hostcheck_strip_prefixes(o.bytes, o.size);
	*ret = o.bytes;
	return 0;
}

/* --- whose capture it is ------------------------------------------------------------------------ */

static const struct mark {
	const char *text;
	enum host_side side;
} marks[] = {
	/* Virtual hardware, and what a kernel says that runs on it. The first that is found decides. */
	{ "VMware PCI Express Root Port", SIDE_GUEST },
	{ "VMware Virtual Machine Communication", SIDE_GUEST },
	{ "VMware SVGA", SIDE_GUEST },
	{ "VMXNET3", SIDE_GUEST },
	{ "Virtual Machine Chipset", SIDE_GUEST },
	{ "PCI bridge: VMware", SIDE_GUEST },
	{ "[15ad:07", SIDE_GUEST },
	{ " 15ad:07", SIDE_GUEST },
	{ "[15ad:0405]", SIDE_GUEST },
	{ "[1b36:", SIDE_GUEST },
	{ "Red Hat, Inc. Virtio", SIDE_GUEST },
	{ "Red Hat, Inc Virtio", SIDE_GUEST },
	{ "Red Hat, Inc. QEMU", SIDE_GUEST },
	/* VMware numbers the slots behind its root ports in steps of 32. */
	{ "Physical Slot: 160", SIDE_GUEST },
	{ "Physical Slot: 192", SIDE_GUEST },
	{ "Physical Slot: 224", SIDE_GUEST },
	{ "Physical Slot: 256", SIDE_GUEST },
	{ "emu virtual machine", SIDE_GUEST },
	{ "XenSource, Inc. Xen Platform", SIDE_GUEST },
	{ "Hyper-V virtual VGA", SIDE_GUEST },
	{ "DMI: VMware", SIDE_GUEST },
	{ "DMI: QEMU", SIDE_GUEST },
	{ "Hypervisor detected", SIDE_GUEST },
	{ "by VMware", SIDE_GUEST },
	/* ESXi's own tools. */
	{ "Configured Owner", SIDE_HOST },
	{ "vim.host.", SIDE_HOST },
	{ "Log for VMware ESX", SIDE_HOST },
	{ "Host VGPU", SIDE_HOST },
	{ "Host vGPU", SIDE_HOST },
	{ "[vmgfx", SIDE_HOST },
	{ "[vmnic", SIDE_HOST },
	{ "[vmhba", SIDE_HOST },
	/* A Linux host that passes its devices on. */
	{ "driver in use: vfio", SIDE_HOST },
	{ "driver: vfio", SIDE_HOST },
};

static enum host_side side_of_mode(const char *text, size_t size)
{
	static const char words[] = "Virtualization Mode";
	const char *at = memmem(text, size, words, strlen(words));
	size_t left = at ? size - (size_t)(at - text) : 0;
	const char *end = at ? memchr(at, '\n', left) : NULL;
	size_t line = end ? (size_t)(end - at) : left;

	if (!at)
		return SIDE_UNKNOWN;
	if (hostcheck_has_text(at, line, "Host"))
		return SIDE_HOST;
	return hostcheck_has_text(at, line, "Pass") || hostcheck_has_text(at, line, "VGPU")
		       ? SIDE_GUEST
		       : SIDE_UNKNOWN;
}

enum host_side hostcheck_find_side(const char *text, size_t size)
{
	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++)
		if (hostcheck_has_text(text, size, marks[i].text))
			return marks[i].side;
	return side_of_mode(text, size);
}
