/* SPDX-License-Identifier: MIT */
#include "base/address.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define V4_BITS 96 /* length of the ::ffff:0:0/96 prefix that IPv4 is held under */

static const uint8_t v4_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

static bool is_v4(const uint8_t ip[16])
{
	return memcmp(ip, v4_prefix, sizeof(v4_prefix)) == 0;
}

static int fail(const char **why, const char *text)
{
	*why = text;
	return -EINVAL;
}

/* Decimal digits only, at most max; -EINVAL otherwise. */
static int parse_unsigned(const char *text, unsigned max, unsigned *out)
{
	unsigned n = 0;

	if (!*text || strlen(text) > 5)
		return -EINVAL;
	for (; *text; text++) {
		if (!isdigit((unsigned char)*text))
			return -EINVAL;
		n = n * 10 + (*text - '0');
	}
	*out = n;
	return n <= max ? 0 : -EINVAL;
}

/* Compares the first bits of two addresses. */
static bool same_prefix(const uint8_t a[16], const uint8_t b[16], unsigned bits)
{
	unsigned whole = bits / 8, rest = bits % 8;
	uint8_t mask = rest ? (uint8_t)(0xff << (8 - rest)) : 0;

	return memcmp(a, b, whole) == 0 && (!rest || ((a[whole] ^ b[whole]) & mask) == 0);
}

static bool has_host_bits(const struct address_range *range)
{
	uint8_t network[16] = {0};
	unsigned whole = range->prefix_len / 8, rest = range->prefix_len % 8;

	memcpy(network, range->base.ip, whole);
	if (rest)
		network[whole] = range->base.ip[whole] & (uint8_t)(0xff << (8 - rest));
	return memcmp(network, range->base.ip, sizeof(network)) != 0;
}

/* "10.0.0.0/24" or "2001:db8::1" into out; ip is modified. -EDESTADDRREQ when it is neither family. */
static int parse_ip(char *ip, struct address_range *out, const char **why)
{
	char *slash = strchr(ip, '/');
	unsigned bits, max = 128, shift = 0;

	if (slash)
		*slash = '\0';
	if (inet_pton(AF_INET, ip, out->base.ip + sizeof(v4_prefix)) == 1) {
		memcpy(out->base.ip, v4_prefix, sizeof(v4_prefix));
		shift = V4_BITS;
		max = 32;
	} else if (inet_pton(AF_INET6, ip, out->base.ip) != 1) {
		if (slash)
			*slash = '/';
		return -EDESTADDRREQ;
	}
	bits = max;
	if (slash && parse_unsigned(slash + 1, max, &bits))
		return fail(why, max == 32 ? "the prefix length must be 0 to 32"
					   : "the prefix length must be 0 to 128");
	out->family = ADDRESS_IP;
	out->prefix_len = shift + bits;
	if (has_host_bits(out))
		return fail(why, "the address has bits set beyond its prefix length");
	return 0;
}

static bool is_label(const char *text, size_t len)
{
	if (len == 0 || len > 63 || text[0] == '-' || text[len - 1] == '-')
		return false;
	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)text[i]) && text[i] != '-' && text[i] != '_')
			return false;
	return true;
}

/* RFC 1123, plus the underscore that container networks use. A last label of digits alone is a bad IPv4
 * address, not a name. */
static int check_name(const char *name, const char **why)
{
	const char *last = name, *end;
	size_t len = strlen(name);

	if (len == 0)
		return fail(why, "the host is missing");
	if (strchr(name, '/'))
		return fail(why, "a prefix length needs a numeric address");
	if (len > 253)
		return fail(why, "the host name is longer than 253 bytes");
	for (;; last = end + 1) {
		end = strchrnul(last, '.');
		if (!*end || !end[1])
			break;
		if (!is_label(last, end - last))
			return fail(why, "this is no valid host name");
	}
	if (!is_label(last, end - last))
		return fail(why, "this is no valid host name");
	if (strspn(last, "0123456789") == (size_t)(end - last))
		return fail(why, "this is no valid IPv4 address");
	return 0;
}

static int parse_unix(const char *path, struct address_range *out, const char **why)
{
	if (path[0] != '/')
		return fail(why, "the path of a Unix-domain socket must begin with /");
	if (strlen(path) >= sizeof(out->path))
		return fail(why, "the path of a Unix-domain socket is longer than 107 bytes");
	out->family = ADDRESS_UNIX;
	strcpy(out->path, path);
	return 0;
}

/* Splits "host:port" or "[v6]:port" in place. */
static int split_port(char *text, char **host, const char **port, bool *bracket, const char **why)
{
	char *colon = strrchr(text, ':'), *close;

	*bracket = text[0] == '[';
	*host = text + *bracket;
	if (*bracket) {
		close = strchr(text, ']');
		if (!close)
			return fail(why, "the closing bracket is missing");
		if (close[1] != ':')
			return fail(why, "the port is missing");
		*close = '\0';
		*port = close + 2;
		return 0;
	}
	if (!colon)
		return fail(why, "the port is missing");
	if (strchr(text, ':') != colon)
		return fail(why, "an IPv6 address must stand in brackets");
	*colon = '\0';
	*port = colon + 1;
	return 0;
}

int address_parse(const char *text, struct address_range *out, char *host, size_t host_size, const char **why)
{
	char copy[320], *name;
	const char *port_text;
	unsigned port;
	bool bracket;
	int err;

	*why = "";
	memset(out, 0, sizeof(*out));
	if (strncmp(text, "unix:", 5) == 0)
		return parse_unix(text + 5, out, why);
	if (strlen(text) >= sizeof(copy))
		return fail(why, "the address is too long");
	strcpy(copy, text);
	err = split_port(copy, &name, &port_text, &bracket, why);
	if (err)
		return err;
	if (parse_unsigned(port_text, UINT16_MAX, &port) || port == 0)
		return fail(why, "the port must be a number from 1 to 65535");
	err = parse_ip(name, out, why);
	out->base.port = port;
	if (err != -EDESTADDRREQ)
		return err;
	if (bracket)
		return fail(why, "this is no valid IPv6 address");
	if (check_name(name, why))
		return -EINVAL;
	if (strlen(name) >= host_size)
		return fail(why, "the host name is too long");
	strcpy(host, name);
	return -EDESTADDRREQ;
}

int address_parse_listen(const char *text, char *host, uint16_t *port, const char **why)
{
	uint8_t ip[16];
	const char *port_text;
	char copy[ADDRESS_TEXT_MAX], *name;
	unsigned number;
	bool bracket;

	if (strlen(text) >= sizeof(copy))
		return fail(why, "the address is too long");
	strcpy(copy, text);
	if (split_port(copy, &name, &port_text, &bracket, why))
		return -EINVAL;
	if (parse_unsigned(port_text, UINT16_MAX, &number))
		return fail(why, "the port must be a number from 0 to 65535");
	if (inet_pton(bracket ? AF_INET6 : AF_INET, name, ip) != 1)
		return fail(why, "the host must be a numeric address of this machine");
	strcpy(host, name);
	*port = number;
	return 0;
}

bool address_range_contains(const struct address_range *range, const struct address *address)
{
	return range->family == ADDRESS_IP && range->base.port == address->port &&
	       same_prefix(range->base.ip, address->ip, range->prefix_len);
}

bool address_range_overlaps(const struct address_range *a, const struct address_range *b)
{
	unsigned bits = a->prefix_len < b->prefix_len ? a->prefix_len : b->prefix_len;

	if (a->family != b->family || a->family == ADDRESS_NONE)
		return false;
	if (a->family == ADDRESS_UNIX)
		return strcmp(a->path, b->path) == 0;
	return a->base.port == b->base.port && same_prefix(a->base.ip, b->base.ip, bits);
}

bool address_equal(const struct address *a, const struct address *b)
{
	return a->port == b->port && memcmp(a->ip, b->ip, sizeof(a->ip)) == 0;
}

const char *address_format(const struct address *address, char *text)
{
	char ip[INET6_ADDRSTRLEN];
	bool v4 = is_v4(address->ip);

	inet_ntop(v4 ? AF_INET : AF_INET6, address->ip + (v4 ? sizeof(v4_prefix) : 0), ip, sizeof(ip));
	snprintf(text, ADDRESS_TEXT_MAX, v4 ? "%s:%u" : "[%s]:%u", ip, address->port);
	return text;
}
