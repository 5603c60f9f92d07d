/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEPREP_CMD_COMMON_ADDRESS_H
#define NODEPREP_CMD_COMMON_ADDRESS_H

/*
 * address - HOST:PORT to listen on, as an option gives it and as a log line shows it.
 */

#include <stdint.h>

#include "nodeprep/err.h"

#define ADDRESS_HOST_MAX 64
#define ADDRESS_URL_MAX (ADDRESS_HOST_MAX + 24)

struct address {
	char host[ADDRESS_HOST_MAX]; /* "": not given */
	uint16_t port;
};

/* Reads HOST:PORT; an IPv6 address is in brackets, an empty host is every IPv4 address. */
int address_parse(const char *option, const char *text, struct address *ret, struct np_err *err);

/* Writes SCHEME://HOST:PORT, with the port that is really used. */
void address_url(const char *scheme, const struct address *a, unsigned port,
		 char buf[static ADDRESS_URL_MAX]);

#endif
