/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <string.h>

/* "|----HV Support......3": one digit that ends the word. */
bool hostcheck_read_esxcfg(struct reading *r, const char *line, size_t size)
{
	static const char words[] = "HV Support";
	const char *at = memmem(line, size, words, strlen(words)), *end = line + size;
	int level;

	if (!at)
		return false;
	r->kinds |= 1u << KIND_HV;
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
