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

int catalogue_load(const struct texts *files, struct np_catalogue **ret, struct np_err *err)
{
	NP_AUTO(np_gpu_catalogue_freep) struct np_catalogue *cat = NULL;

	if (np_gpu_catalogue_new(&cat, err) < 0)
		return np_err_ret(err);
	for (size_t i = 0; i < files->n; i++)
		if (add_file(cat, files->items[i], err) < 0)
			return np_err_ret(err);
	*ret = np_take(cat);
	return 0;
}
