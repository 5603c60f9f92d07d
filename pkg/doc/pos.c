/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "nodeprep/doc.h"

void doc_pos_advance(struct np_pos *pos, const char *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		if (bytes[i] == '\n') {
			pos->line++;
			pos->column = 1;
		} else if (((unsigned char)bytes[i] & 0xc0) != 0x80) {
			pos->column++;
		}
	}
}

int doc_reader_fail(const struct np_doc_reader *r, struct np_pos pos, struct np_err *err,
		    const char *fmt, ...)
{
	char text[NP_ERR_TEXT_MAX + 8];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return np_fail(err, NP_E_SPEC, "%s:%u:%u: %s", r->name, pos.line, pos.column, text);
}
