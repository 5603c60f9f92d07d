/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/doc.h"

static const char bom[] = "\xef\xbb\xbf";

static bool is_json(const struct np_doc_reader *r)
{
	size_t i = r->offset;

	while (i < r->size && strchr(" \t\r\n", r->bytes[i]) && r->bytes[i])
		i++;
	return i < r->size && r->bytes[i] == '{';
}

static struct np_doc_reader *new_reader(const char *name, const char *bytes, size_t size)
{
	NP_AUTO(np_doc_reader_freep) struct np_doc_reader *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->name = strdup(name);
	if (!r->name)
		return NULL;
	r->bytes = bytes;
	r->size = size;
	r->base = (struct np_pos){ 1, 1 };
	if (size >= sizeof(bom) - 1 && memcmp(bytes, bom, sizeof(bom) - 1) == 0)
		r->offset = sizeof(bom) - 1;
	r->state = is_json(r) ? READER_JSON : READER_YAML;
	return np_take(r);
}

int np_doc_reader_new(const char *name, const char *bytes, size_t size, struct np_doc_reader **ret,
		      struct np_err *err)
{
	struct np_doc_reader *r;

	if (size > NP_DOC_INPUT_MAX)
		return np_fail(err, NP_E_SPEC, "%s: input has '%zu' bytes, at most %" PRIu64 " MiB",
			       name, size, NP_DOC_INPUT_MAX >> 20);
	r = new_reader(name, bytes, size);
	if (!r)
		return np_fail_nomem(err);
	*ret = r;
	return 0;
}

void np_doc_reader_leave_out(struct np_doc_reader *r, np_doc_unread *is_unread, const void *context)
{
	r->is_unread = is_unread;
	r->unread_context = context;
}

void np_doc_reader_free(struct np_doc_reader *r)
{
	if (!r)
		return;
	if (r->has_parser)
		yaml_parser_delete(&r->parser);
	doc_keys_done(&r->keys);
	free(r->name);
	free(r);
}

void np_doc_reader_freep(struct np_doc_reader **r)
{
	np_doc_reader_free(*r);
}

/* Text that is not JSON may be YAML's flow style; where it is neither, JSON's message is better. */
static int next_json(struct np_doc_reader *r, struct np_doc **ret, struct np_err *err)
{
	struct np_err json_err = NP_ERR_INIT;
	bool syntax = false;
	int n = doc_json_next(r, ret, &syntax, &json_err);

	if (n < 0 && syntax) {
		r->state = READER_YAML;
		n = doc_yaml_next(r, ret, &syntax, err);
		if (n >= 0 || !syntax)
			return n;
	}
	if (n < 0)
		*err = json_err;
	return n < 0 ? np_err_ret(err) : n;
}

int np_doc_reader_next(struct np_doc_reader *r, struct np_doc **ret_doc, struct np_err *err)
{
	struct np_doc *doc;
	bool syntax;
	int n = 0;

	if (r->state == READER_JSON)
		n = next_json(r, &doc, err);
	else if (r->state == READER_YAML)
		n = doc_yaml_next(r, &doc, &syntax, err);
	if (n <= 0)
		r->state = READER_END;
	else
		*ret_doc = doc;
	return n;
}
