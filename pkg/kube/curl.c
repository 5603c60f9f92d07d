/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <string.h>

#include "nodeprep/err.h"
#include "nodeprep/text.h"

void kube_blob_done(struct kube_blob *b)
{
	np_wipe_bytes(&b->bytes, b->size);
	b->size = 0;
}

void kube_curl_freep(char **p)
{
	curl_free(*p);
}

void kube_curlu_freep(CURLU **u)
{
	curl_url_cleanup(*u);
}

int kube_fail_address(CURLUcode code, const char *server, struct np_err *err)
{
	if (code == CURLUE_OUT_OF_MEMORY)
		return np_fail_nomem(err);
	return np_fail(err, NP_E_USAGE,
		       "server '%s' is not a valid address: expected https://HOST[:PORT]",
		       strchr(server, '@') ? "[redacted]" : server);
}

int kube_has_part(CURLU *url, CURLUPart part, const char *server, bool *ret, struct np_err *err)
{
	NP_AUTO(kube_curl_freep) char *text = NULL;
	CURLUcode code = curl_url_get(url, part, &text, 0);

	if (code == CURLUE_OUT_OF_MEMORY)
		return kube_fail_address(code, server, err);
	*ret = code == CURLUE_OK;
	return 0;
}
