/* SPDX-License-Identifier: Apache-2.0 */
#include "address.h"

#include <bsd/string.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "nodeprep/units.h"

int address_parse(const char *option, const char *text, struct address *ret, struct np_err *err)
{
	struct np_err why = NP_ERR_INIT;
	struct address a = { "", 0 };
	const char *colon = strrchr(text, ':'), *host = text;
	size_t size = colon ? (size_t)(colon - text) : SIZE_MAX;
	uint64_t port = 0;

	if (size >= sizeof(a.host) || np_u64_parse(colon + 1, 0, UINT16_MAX, &port, &why) < 0)
		return np_fail(err, NP_E_USAGE,
			       "--%s is '%.80s': expected HOST:PORT with a port up to 65535",
			       option, text);
	if (size >= 2 && host[0] == '[' && host[size - 1] == ']') {
		host++;
		size -= 2;
	}
	memcpy(a.host, host, size);
	if (size == 0)
		strlcpy(a.host, "0.0.0.0", sizeof(a.host));
	else if (strcmp(a.host, "localhost") == 0)
		strlcpy(a.host, "127.0.0.1", sizeof(a.host));
	a.port = (uint16_t)port;
	*ret = a;
	return 0;
}

void address_url(const char *scheme, const struct address *a, unsigned port,
		 char buf[static ADDRESS_URL_MAX])
{
	bool is_v6 = !!strchr(a->host, ':');

	snprintf(buf, ADDRESS_URL_MAX, "%s://%s%s%s:%u", scheme, is_v6 ? "[" : "", a->host,
		 is_v6 ? "]" : "", port);
}
