/* SPDX-License-Identifier: MIT */
/*
 * address - where a backend listens: IP address and port, a CIDR block and port, or the path of a Unix-domain
 * socket. Values only; nothing here allocates or resolves names (resolve.h does).
 */
#ifndef MO_ADDRESS_H
#define MO_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One end of a connection. IPv4 is held as ::ffff:a.b.c.d, so that v4-mapped sockets compare equal. */
struct address {
	uint8_t ip[16];
	uint16_t port; /* host byte order */
};

enum address_family { ADDRESS_NONE, ADDRESS_IP, ADDRESS_UNIX }; /* values of struct filter_target.family */

/* What a configuration's `address` stands for after resolving. */
struct address_range {
	enum address_family family;
	struct address base;
	uint8_t prefix_len; /* 0..128 over base.ip; 128 = one address (a v4 /24 is 96 + 24) */
	char path[108];     /* ADDRESS_UNIX: sun_path */
};

#define ADDRESS_TEXT_MAX 128

/*
 * Parses "10.0.0.1:5432", "10.0.0.0/24:5432", "[2001:db8::1]:5432", "[2001:db8::/64]:5432" or "unix:/path".
 * Returns 0; -EDESTADDRREQ when the host part is a name (host and port are then in *host, size host_size, and
 * out->base.port); -EINVAL otherwise, *why then says what is wrong (static text).
 */
int address_parse(const char *text, struct address_range *out, char *host, size_t host_size,
		  const char **why);

/* Where to listen: "127.0.0.1:10432" or "[::1]:10432", a numeric host and a port that may be 0. host holds at
 * least ADDRESS_TEXT_MAX bytes and gets the bare address. Returns 0, or -EINVAL with *why. */
int address_parse_listen(const char *text, char *host, uint16_t *port, const char **why);

bool address_range_contains(const struct address_range *range, const struct address *address);
/* True when some address and port could be in both. */
bool address_range_overlaps(const struct address_range *a, const struct address_range *b);
bool address_equal(const struct address *a, const struct address *b);

/* "10.0.0.1:5432" or "[2001:db8::1]:5432"; returns text, which holds at least ADDRESS_TEXT_MAX bytes. */
const char *address_format(const struct address *address, char *text);

#endif
