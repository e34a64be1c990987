/* SPDX-License-Identifier: MIT */
#include "serve/header.h"

#include <arpa/inet.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

/* A piece of the header, white space trimmed. */
struct slice {
	const char *s;
	size_t len;
};

static bool is_space(char c)
{
	return c == ' ' || c == '\t';
}

static struct slice trim(const char *s, const char *end)
{
	size_t len = s < end ? (size_t)(end - s) : 0;

	for (; len > 0 && is_space(*s); len--)
		s++;
	while (len > 0 && is_space(s[len - 1]))
		len--;
	return (struct slice){s, len};
}

static bool equals(struct slice a, const char *b)
{
	return a.len == strlen(b) && strncasecmp(a.s, b, a.len) == 0;
}

/* Cuts the part before the next separator off *rest; separators inside quoted strings do not count. */
static bool next_part(const char **rest, const char *end, char separator, struct slice *part)
{
	bool quoted = false;
	const char *s = *rest;

	if (!s)
		return false;
	for (; s < end && (quoted || *s != separator); s++) {
		if (*s == '"')
			quoted = !quoted;
		else if (quoted && *s == '\\' && s + 1 < end)
			s++;
	}
	*part = trim(*rest, s);
	*rest = s < end ? s + 1 : NULL;
	return true;
}

/* qvalue in thousandths: 0 to 1 with at most three decimals; anything else counts as 0. */
static int quality(struct slice v)
{
	int q, scale = 100;

	if (v.len == 0 || v.len > 5 || (v.s[0] != '0' && v.s[0] != '1') || (v.len > 1 && v.s[1] != '.'))
		return 0;
	q = (v.s[0] - '0') * 1000;
	for (size_t i = 2; i < v.len; i++, scale /= 10) {
		if (v.s[i] < '0' || v.s[i] > '9')
			return 0;
		q += (v.s[i] - '0') * scale;
	}
	return q > 1000 ? 0 : q;
}

static struct slice unquoted(struct slice v)
{
	if (v.len >= 2 && v.s[0] == '"' && v.s[v.len - 1] == '"')
		return (struct slice){v.s + 1, v.len - 2};
	return v;
}

struct range {
	struct slice type;
	struct slice version; /* len 0 = any */
	int q;
};

static struct range parse_range(struct slice item)
{
	const char *rest = item.s, *end = item.s + item.len;
	struct range range = {.q = 1000};
	struct slice part;

	next_part(&rest, end, ';', &range.type);
	while (next_part(&rest, end, ';', &part)) {
		const char *equal = memchr(part.s, '=', part.len);
		struct slice name, value;

		if (!equal)
			continue;
		name = trim(part.s, equal);
		value = unquoted(trim(equal + 1, part.s + part.len));
		if (equals(name, "q"))
			range.q = quality(value);
		else if (equals(name, "version"))
			range.version = value;
	}
	return range;
}

/* How closely the range names text/plain; version=0.0.4: 0 not at all, 3 by name. */
static int text_precision(const struct range *range)
{
	if (equals(range->type, "text/plain"))
		return range->version.len == 0 || equals(range->version, "0.0.4") ? 3 : 0;
	return equals(range->type, "text/*") ? 2 : equals(range->type, "*/*");
}

bool header_wants_openmetrics(const char *accept)
{
	int openmetrics = 0, text = 0, precision = 0;
	const char *rest = accept, *end;
	struct slice item;

	if (!accept)
		return false;
	end = accept + strlen(accept);
	while (next_part(&rest, end, ',', &item)) {
		struct range range = parse_range(item);
		int p = text_precision(&range);

		if (equals(range.type, "application/openmetrics-text")) {
			if ((range.version.len == 0 || equals(range.version, "1.0.0")) &&
			    range.q > openmetrics)
				openmetrics = range.q;
		} else if (p > precision || (p && p == precision && range.q > text)) {
			precision = p;
			text = range.q;
		}
	}
	return openmetrics > 0 && openmetrics >= text;
}

static bool is_address(struct slice host)
{
	unsigned char address[sizeof(struct in6_addr)];
	char text[INET6_ADDRSTRLEN];

	if (host.len == 0 || host.len >= sizeof(text))
		return false;
	memcpy(text, host.s, host.len);
	text[host.len] = 0;
	return inet_pton(AF_INET, text, address) == 1 || inet_pton(AF_INET6, text, address) == 1;
}

/* Cuts ":port" off; false when what follows the last colon is no number. */
static bool cut_port(struct slice *host)
{
	const char *colon = memrchr(host->s, ':', host->len);
	const char *end = host->s + host->len;

	if (!colon || (host->len && end[-1] == ']'))
		return true;
	for (const char *digit = colon + 1; digit < end; digit++)
		if (*digit < '0' || *digit > '9')
			return false;
	host->len = colon - host->s;
	return true;
}

static bool is_local(struct slice name, const char *hostname)
{
	static const char below[] = ".localhost";

	if (!cut_port(&name))
		return false;
	if (name.len > 2 && name.s[0] == '[' && name.s[name.len - 1] == ']')
		return is_address((struct slice){name.s + 1, name.len - 2});
	if (name.len >= sizeof(below) &&
	    strncasecmp(name.s + name.len - (sizeof(below) - 1), below, sizeof(below) - 1) == 0)
		return true;
	return is_address(name) || equals(name, "localhost") || (*hostname && equals(name, hostname));
}

bool header_host_is_local(const char *host, const char *hostname)
{
	return !host || is_local(trim(host, host + strlen(host)), hostname);
}

/* What stands between "http://" and the path; s is NULL when the target is not in absolute-form. */
static struct slice authority_of(const char *target)
{
	static const char *const schemes[] = {"http://", "https://"};

	for (size_t i = 0; i < sizeof(schemes) / sizeof(*schemes); i++) {
		size_t len = strlen(schemes[i]);

		if (strncasecmp(target, schemes[i], len) == 0)
			return (struct slice){target + len, strcspn(target + len, "/?#")};
	}
	return (struct slice){NULL, 0};
}

const char *header_target_path(const char *target)
{
	struct slice authority = authority_of(target);

	if (!authority.s)
		return target;
	return authority.s[authority.len] == '/' ? authority.s + authority.len : "/";
}

bool header_target_is_local(const char *target, const char *hostname)
{
	struct slice authority = authority_of(target);

	return !authority.s || (!memchr(authority.s, '@', authority.len) && is_local(authority, hostname));
}
