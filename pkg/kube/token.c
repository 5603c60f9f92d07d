/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <ctype.h>
#include <openssl/evp.h>
#include <string.h>

#include "nodeprep/err.h"
#include "nodeprep/file.h"
#include "nodeprep/text.h"

int kube_token_load(const char *path, char **ret, struct np_err *err)
{
	NP_AUTO(np_wipep) char *token = NULL;
	size_t size;

	if (np_file_load(path, KUBE_FILE_MAX, &token, &size, err) < 0)
		return np_err_ret(err);
	while (size > 0 && isspace((unsigned char)token[size - 1]))
		token[--size] = '\0';
	if (size == 0)
		return np_fail(err, NP_E_SPEC, "'%s': holds no token", path);
	if (strlen(token) != size || !kube_is_header_text(token))
		return np_fail(err, NP_E_SPEC,
			       "'%s': expected one token, found blanks or binary bytes", path);
	*ret = np_take(token);
	return 0;
}

int kube_config_set_token_take(struct np_kube_config *c, char *token, struct np_err *err)
{
	np_wipep(&c->token);
	c->token = token;
	return kube_secrets_add(&c->secrets, token, strlen(token), err);
}
