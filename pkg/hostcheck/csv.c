/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <string.h>

/*
 * A table of `esxcli --formatter=csv`: a row of names, then rows of values. A quoted value may have commas.
 * Nothing is read of a row that has another number of values, as one has that was cut.
 */

/* Sets the field that begins at `at`; returns where the next one begins, NULL after the last. */
static const char *next_field(const char *at, const char *end, const char **ret, size_t *ret_size)
{
	const char *stop;

	if (at < end && *at == '"') {
		stop = memchr(at + 1, '"', (size_t)(end - at - 1));
		*ret = at + 1;
		*ret_size = stop ? (size_t)(stop - at - 1) : 0;
		at = stop ? stop + 1 : end;
	} else {
		*ret = at;
		stop = memchr(at, ',', (size_t)(end - at));
		at = stop ? stop : end;
		*ret_size = (size_t)(at - *ret);
	}
	stop = memchr(at, ',', (size_t)(end - at));
	return stop ? stop + 1 : NULL;
}

static size_t count_fields(const char *line, size_t size)
{
	const char *at = line, *field;
	size_t n = 0, field_size;

	while (at) {
		at = next_field(at, line + size, &field, &field_size);
		n++;
	}
	return n;
}

/* A row of names has those of an address and of both ids. */
static bool is_head(const char *line, size_t size)
{
	return hostcheck_has_text(line, size, "Address,") &&
	       hostcheck_has_text(line, size, "VendorID,") &&
	       hostcheck_has_text(line, size, "DeviceID,") && count_fields(line, size) > 3;
}

static void read_field(struct reading *r, const char *name, size_t name_size, const char *value,
		       size_t size)
{
	char key[KEY_MAX], text[VALUE_MAX];
	struct pair_line p;

	if (name_size >= sizeof(key) || size >= sizeof(text))
		return;
	np_report_copy_clean(key, sizeof(key), name, name_size);
	np_report_copy_clean(text, sizeof(text), value, size);
	if (hostcheck_pair_set(key, text, &p))
		hostcheck_read_pair(r, &p);
}

/* The address first, wherever its column is: it begins the record. */
static void read_row(struct reading *r, const char *line, size_t size, bool is_address)
{
	const char *name_at = r->columns, *at = line, *end = line + size;
	const char *names_end = r->columns + strlen(r->columns);

	while (name_at && at && r->err->code == NP_OK) {
		const char *name, *value;
		size_t name_size, value_size;

		name_at = next_field(name_at, names_end, &name, &name_size);
		at = next_field(at, end, &value, &value_size);
		if ((name_size == 7 && memcmp(name, "Address", 7) == 0) == is_address)
			read_field(r, name, name_size, value, value_size);
	}
}

bool hostcheck_read_csv(struct reading *r, const char *line, size_t size)
{
	while (size > 0 && strchr(" \t\r", line[size - 1]))
		size--;
	if (size < sizeof(r->columns) && is_head(line, size)) {
		memcpy(r->columns, line, size);
		r->columns[size] = '\0';
		r->kinds |= 1u << KIND_PCI;
		return true;
	}
	if (r->columns[0] == '\0' || r->is_cut ||
	    count_fields(line, size) != count_fields(r->columns, strlen(r->columns)))
		return false;
	read_row(r, line, size, true);
	read_row(r, line, size, false);
	hostcheck_device_close(r, true);
	return true;
}
