/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <arpa/inet.h>
#include <bsd/stdlib.h>
#include <bsd/string.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "nodeprep/err.h"
#include "nodeprep/text.h"

/* Proxies are chosen by the rules of Go's net/http, which kubectl's users have configured for. */

/* --- addresses ------------------------------------------------------------------------------- */

/* An IPv4 address is held as its IPv4-mapped IPv6 address. */
struct ip {
	unsigned char bytes[16];
};

static bool parse_ip(const char *text, struct ip *ret)
{
	static const unsigned char mapped[12] = { [10] = 0xff, [11] = 0xff };

	if (inet_pton(AF_INET6, text, ret->bytes) == 1)
		return true;
	memcpy(ret->bytes, mapped, sizeof(mapped));
	return inet_pton(AF_INET, text, ret->bytes + 12) == 1;
}

static bool has_prefix(const struct ip *ip, const struct ip *net, unsigned bits)
{
	unsigned whole = bits / 8, rest = bits % 8;
	unsigned char mask = (unsigned char)(0xff << (8 - rest));

	return memcmp(ip->bytes, net->bytes, whole) == 0 &&
	       (rest == 0 || ((ip->bytes[whole] ^ net->bytes[whole]) & mask) == 0);
}

static bool is_loopback(const struct ip *ip)
{
	struct ip v4, v6;

	return parse_ip("127.0.0.0", &v4) && parse_ip("::1", &v6) &&
	       (has_prefix(ip, &v4, 96 + 8) || has_prefix(ip, &v6, 128));
}

/* Reads "10.0.0.0/8". */
static bool parse_net(const char *text, struct ip *ret, unsigned *ret_bits)
{
	const char *slash = strchr(text, '/'), *wrong = NULL;
	bool is_v4 = !strchr(text, ':');
	char address[64];
	long long bits;

	if (!slash || (size_t)(slash - text) >= sizeof(address))
		return false;
	memcpy(address, text, (size_t)(slash - text));
	address[slash - text] = '\0';
	bits = strtonum(slash + 1, 0, is_v4 ? 32 : 128, &wrong);
	if (wrong || !isdigit((unsigned char)slash[1]) || !parse_ip(address, ret))
		return false;
	*ret_bits = (unsigned)bits + (is_v4 ? 96 : 0);
	return true;
}

/* --- NO_PROXY -------------------------------------------------------------------------------- */

/* Where a request goes: lower case, no brackets. */
struct target {
	const char *host, *port;
	bool is_ip;
	struct ip ip;
};

/* Cuts ":port" off an entry and brackets around its host; "::1" and "host" are hosts alone. */
static void split_port(char **host, const char **port)
{
	char *colon = strrchr(*host, ':'), *close = strrchr(*host, ']');
	bool is_split =
		**host == '[' ? close && colon == close + 1 : colon && colon == strchr(*host, ':');

	*port = "";
	if (!is_split)
		return;
	*colon = '\0';
	*port = colon + 1;
	if (**host == '[') {
		*close = '\0';
		(*host)++;
	}
}

/* "example.com" matches itself and its subdomains, ".example.com" its subdomains only. */
static bool is_domain(const struct target *t, const char *domain)
{
	size_t size, length = strlen(t->host);

	if (strncmp(domain, "*.", 2) == 0)
		domain++;
	size = strlen(domain);
	if (domain[0] != '.' && strcmp(t->host, domain) == 0)
		return true;
	if (domain[0] != '.')
		return length > size + 1 && t->host[length - size - 1] == '.' &&
		       strcmp(t->host + length - size, domain) == 0;
	return length >= size && strcmp(t->host + length - size, domain) == 0;
}

static bool matches(const struct target *t, char *entry)
{
	const char *port;
	struct ip ip;
	unsigned bits;

	if (strcmp(entry, "*") == 0)
		return true;
	if (parse_net(entry, &ip, &bits))
		return t->is_ip && has_prefix(&t->ip, &ip, bits);
	split_port(&entry, &port);
	if (!entry[0] || (port[0] && strcmp(port, t->port) != 0))
		return false;
	if (parse_ip(entry, &ip))
		return t->is_ip && memcmp(&ip, &t->ip, sizeof(ip)) == 0;
	return is_domain(t, entry);
}

static char *trim_lower(char *text)
{
	text = np_text_trim(text);
	for (char *p = text; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	return text;
}

int kube_proxy_is_excepted(const char *no_proxy, const char *host, const char *port, bool *ret,
			   struct np_err *err)
{
	NP_AUTO(np_freep) char *list = strdup(no_proxy ? no_proxy : "");
	NP_AUTO(np_freep) char *lower = strdup(host);
	struct target t = { .port = port };
	char *rest = list, *entry;

	if (!list || !lower)
		return np_fail_nomem(err);
	t.host = trim_lower(lower);
	t.is_ip = parse_ip(t.host, &t.ip);
	*ret = strcmp(t.host, "localhost") == 0 || (t.is_ip && is_loopback(&t.ip));
	while (!*ret && (entry = strsep(&rest, ",")))
		*ret = matches(&t, trim_lower(entry));
	return 0;
}

/* --- the proxy's address --------------------------------------------------------------------- */

bool kube_proxy_is_known(const char *url)
{
	static const char *const schemes[] = { "http://", "https://", "socks5://", "socks5h://" };

	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++)
		if (strncasecmp(url, schemes[i], strlen(schemes[i])) == 0 &&
		    url[strlen(schemes[i])] != '\0')
			return true;
	return false;
}

/* Go lets a SOCKS proxy resolve the name; libcurl calls that socks5h. */
static char *name_proxy(const char *url)
{
	char *text = NULL;
	int n;

	if (strncasecmp(url, "socks5://", 9) == 0)
		n = asprintf(&text, "socks5h://%s", url + 9);
	else
		n = asprintf(&text, "%s%s", strstr(url, "://") ? "" : "http://", url);
	return n < 0 ? NULL : text;
}

int kube_proxy_choose(const struct np_kube_config *c, const char *host, const char *port,
		      char **ret, struct np_err *err)
{
	bool is_tls = strncmp(c->server, "https:", 6) == 0, excepted = false;
	const char *url = c->proxy_url ? c->proxy_url : is_tls ? c->proxy : c->http_proxy;
	char *text;

	if (!c->proxy_url && url &&
	    kube_proxy_is_excepted(c->no_proxy, host, port, &excepted, err) < 0)
		return np_err_ret(err);
	text = url && !excepted ? name_proxy(url) : strdup("");
	if (!text)
		return np_fail_nomem(err);
	if (text[0] && !kube_proxy_is_known(text)) {
		free(text);
		return np_fail(
			err, NP_E_USAGE,
			"%s_PROXY is not the address of a proxy: expected http://HOST:PORT, or "
			"https or socks5",
			is_tls ? "HTTPS" : "HTTP");
	}
	*ret = text;
	return 0;
}
