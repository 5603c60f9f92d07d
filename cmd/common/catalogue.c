/* SPDX-License-Identifier: Apache-2.0 */
#include "catalogue.h"

#include "nodeprep/doc.h"
#include "nodeprep/file.h"

static int add_file(struct np_catalogue *cat, const char *path, struct np_err *err)
{
	NP_AUTO(np_freep) char *bytes = NULL;
	NP_AUTO(np_doc_reader_freep) struct np_doc_reader *reader = NULL;
	size_t size = 0;
	int got;

	if (np_file_load(path, NP_DOC_INPUT_MAX, &bytes, &size, err) < 0 ||
	    np_doc_reader_new(path, bytes, size, &reader, err) < 0)
		return np_err_ret(err);
	do {
		NP_AUTO(np_doc_unrefp) struct np_doc *doc = NULL;

		got = np_doc_reader_next(reader, &doc, err);
		if (got > 0 && np_gpu_catalogue_add(cat, doc, err) < 0)
			return np_err_ret(err);
	} while (got > 0);
	return got;
}

static int read_capture(struct np_capture *capture, const char *path, struct np_err *err)
{
	NP_AUTO(np_freep) char *bytes = NULL;
	struct np_err why = NP_ERR_INIT;
	size_t size = 0;

	if (np_file_load(path, NP_DOC_INPUT_MAX, &bytes, &size, err) < 0)
		return np_err_ret(err);
	if (np_gpu_capture_read(capture, bytes, size, &why) < 0)
		return np_fail(err, why.code, "%s: %s", path, why.text);
	return 0;
}

/* The captures are read as one: ids and BARs of one host may be in different ones. */
static int add_captures(struct np_catalogue *cat, const struct texts *captures, struct np_err *err)
{
	NP_AUTO(np_gpu_capture_freep) struct np_capture *capture = NULL;

	if (!captures || captures->n == 0)
		return 0;
	if (np_gpu_capture_new(&capture, err) < 0)
		return np_err_ret(err);
	for (size_t i = 0; i < captures->n; i++)
		if (read_capture(capture, captures->items[i], err) < 0)
			return np_err_ret(err);
	return np_gpu_capture_add(capture, captures->items[0], cat, err);
}

int catalogue_load(const struct texts *files, const struct texts *captures,
		   struct np_catalogue **ret, struct np_err *err)
{
	NP_AUTO(np_gpu_catalogue_freep) struct np_catalogue *cat = NULL;

	if (np_gpu_catalogue_new(&cat, err) < 0)
		return np_err_ret(err);
	for (size_t i = 0; i < files->n; i++)
		if (add_file(cat, files->items[i], err) < 0)
			return np_err_ret(err);
	if (add_captures(cat, captures, err) < 0)
		return np_err_ret(err);
	*ret = np_take(cat);
	return 0;
}
