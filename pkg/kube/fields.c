/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <bsd/string.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/base64.h"
#include "nodeprep/err.h"
#include "nodeprep/file.h"
#include "nodeprep/text.h"

/*
 * A certificate bundle is some hundred KiB; a kubeconfig that embeds some is held to
 * NP_DOC_INPUT_MAX.
 */
#define PEM_MAX (UINT64_C(4) << 20)

int kube_read_text(struct np_val node, bool secret, const char **ret, struct np_err *err)
{
	const char *text = NULL;

	if (secret && np_doc_is_present(node) && !json_is_string(node.json))
		return np_doc_fail(node, err, NP_E_SPEC, "%s must be a string: put it in quotes",
				   node.key);
	if (np_doc_string(node, &text, err) < 0)
		return np_err_ret(err);
	if (text && text[0])
		*ret = text;
	return 0;
}

/* Reads the table's fields of `node` into the structure at `entry`; "" counts as absent. */
int kube_read_fields(struct np_val node, const struct kube_text_field *fields, void *entry,
		     struct np_err *err)
{
	for (; fields->key; fields++) {
		const char *text = NULL;

		if (kube_read_text(np_doc_get(node, fields->key), fields->secret, &text, err) < 0)
			return np_err_ret(err);
		memcpy((char *)entry + fields->offset, &text, sizeof(text));
	}
	return 0;
}

int kube_wrap_place(struct np_val n, struct np_err *err)
{
	return np_wrap(err, "%s:%u:%u: %s", np_doc_name(n.doc), n.pos.line, n.pos.column, n.key);
}

/* A relative path counts from the folder of the file that names it. */
int kube_resolve(struct np_val node, const char *path, char **ret, struct np_err *err)
{
	const char *file = np_doc_name(node.doc), *slash = strrchr(file, '/');
	int folder = slash && path[0] != '/' ? (int)(slash - file) + 1 : 0;

	while (folder > 0 && strncmp(path, "./", 2) == 0)
		path += 2;
	if (asprintf(ret, "%.*s%s", folder, file, path) < 0) {
		*ret = NULL;
		return np_fail_nomem(err);
	}
	return 0;
}

static int load_pem_file(struct np_val node, const char *path, struct kube_blob *ret,
			 struct np_err *err)
{
	NP_AUTO(np_freep) char *full = NULL;

	if (kube_resolve(node, path, &full, err) < 0)
		return np_err_ret(err);
	if (np_file_load(full, PEM_MAX, &ret->bytes, &ret->size, err) < 0)
		return kube_wrap_place(node, err);
	return 0;
}

int kube_keep_path(struct np_val file_node, const char *data, const char *file, char **ret,
		   struct np_err *err)
{
	return !data && file ? kube_resolve(file_node, file, ret, err) : 0;
}

/* Data takes precedence over the file, as in client-go. */
int kube_load_pem(struct np_val data_node, const char *data, struct np_val file_node,
		  const char *file, struct kube_blob *ret, struct np_err *err)
{
	if (!data)
		return file ? load_pem_file(file_node, file, ret, err) : 0;
	if (!np_base64_decode(data, &ret->bytes, &ret->size))
		return np_doc_fail(data_node, err, NP_E_SPEC, "%s is not base64", data_node.key);
	return 0;
}
