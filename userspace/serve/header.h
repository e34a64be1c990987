/* SPDX-License-Identifier: MIT */
/*
 * header - reads the request headers that matter to us. Pure: strings in, decisions out; any bytes are safe.
 */
#ifndef MO_HEADER_H
#define MO_HEADER_H

#include <stdbool.h>

/*
 * True when Accept (several header lines joined by ",") asks for OpenMetrics 1.0 by name, with a quality that
 * is above 0 and not below that of text/plain (RFC 9110, 12.5.1). Wildcards ask for nothing by name. NULL is
 * no header.
 */
bool header_wants_openmetrics(const char *accept);

/*
 * True when Host names this machine beyond doubt: an address, "localhost", a name below ".localhost" or
 * `hostname`, each with an optional port. A page of another site that had its name resolve to 127.0.0.1 (DNS
 * rebinding) sends that name. NULL (HTTP/1.0) is true: browsers always send it.
 */
bool header_host_is_local(const char *host, const char *hostname);

/*
 * The path of a request's target. A target in absolute-form, "http://host:port/path", has to be understood by
 * every server (RFC 9112, 3.2.2); its path begins after the authority and is "/" when nothing follows. Any
 * other target is returned as it is. The result lives as long as `target`.
 */
const char *header_target_path(const char *target);

/*
 * False when the target is in absolute-form and its authority is not this machine, by the rule of
 * header_host_is_local, or names a user.
 */
bool header_target_is_local(const char *target, const char *hostname);

#endif
