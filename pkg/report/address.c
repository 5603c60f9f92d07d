/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "nodeprep/report.h"
#include "nodeprep/text.h"

static bool is_hex_run(const char *text, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (np_hex_digit(text[i]) < 0)
			return false;
	return n > 0;
}

/* Returns how long the address at `text` is; 0 where none is. */
static size_t address_size(const char *text, size_t size)
{
	size_t domain = 0, at;

	while (domain < size && domain < 9 && np_hex_digit(text[domain]) >= 0)
		domain++;
	if (domain < 4 || domain > 8 || domain == size || text[domain] != ':')
		return 0;
	at = domain + 1;
	if (size < at + 7 || !is_hex_run(text + at, 2) || text[at + 2] != ':' ||
	    !is_hex_run(text + at + 3, 2) || text[at + 5] != '.' || text[at + 6] < '0' ||
	    text[at + 6] > '7')
		return 0;
	return at + 7;
}

bool np_report_is_address(const char *text)
{
	size_t size = strlen(text);

	return size > 0 && address_size(text, size) == size;
}

/* lspci omits domain 0. */
static bool is_short_address(const char *text, size_t size)
{
	return size >= 7 && is_hex_run(text, 2) && text[2] == ':' && is_hex_run(text + 3, 2) &&
	       text[5] == '.' && text[6] >= '0' && text[6] <= '7';
}

static bool ends_word(const char *text, size_t size)
{
	return size == 0 || (np_hex_digit(*text) < 0 && *text != ':' && *text != '.') ||
	       (*text == '.' && size > 1 && np_hex_digit(text[1]) < 0);
}

static void copy_lower(char *ret, const char *text, size_t size)
{
	for (size_t i = 0; i < size; i++)
		ret[i] = text[i] >= 'A' && text[i] <= 'F' ? (char)(text[i] - 'A' + 'a') : text[i];
	ret[size] = '\0';
}

const char *np_report_find_address(const char *line, size_t size,
				   char ret[static NP_PCI_ADDRESS_MAX])
{
	for (size_t at = 0; at < size; at++) {
		size_t long_size = address_size(line + at, size - at);

		if (at > 0 && np_hex_digit(line[at - 1]) >= 0)
			continue;
		if (long_size > 0) {
			copy_lower(ret, line + at, long_size);
			return line + at;
		}
		if (is_short_address(line + at, size - at) &&
		    ends_word(line + at + 7, size - at - 7) && (at == 0 || line[at - 1] != ':')) {
			char domain[] = "0000:";

			memcpy(ret, domain, sizeof(domain));
			copy_lower(ret + strlen(domain), line + at, 7);
			return line + at;
		}
	}
	return NULL;
}
