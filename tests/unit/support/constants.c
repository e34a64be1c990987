/* SPDX-License-Identifier: MIT */
#include "support/constants.h"

#include <pg_query.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Of pg_query.proto: ScanResult has the tokens as field 2, a ScanToken its kind as field 4. The few lines of
 * protobuf's wire format that this takes spare a library. */
#define TOKENS_FIELD 2
#define KIND_FIELD   4

static bool is_constant(uint64_t kind)
{
	switch (kind) {
	case 260: /* FCONST */
	case 261: /* SCONST */
	case 262: /* USCONST */
	case 263: /* BCONST */
	case 264: /* XCONST */
	case 266: /* ICONST */
		return true;
	}
	return false;
}

struct bytes {
	const uint8_t *at, *end;
};

static uint64_t varint(struct bytes *in)
{
	uint64_t value = 0;

	for (int shift = 0; in->at < in->end; shift += 7) {
		value |= (uint64_t)(*in->at & 0x7f) << shift;
		if (!(*in->at++ & 0x80))
			break;
	}
	return value;
}

/* The next field's number; its value, or the bytes of a submessage in *inner. */
static unsigned int field(struct bytes *in, uint64_t *value, struct bytes *inner)
{
	uint64_t key = varint(in);

	*value = varint(in);
	*inner = (struct bytes){in->at, in->at};
	if ((key & 7) == 2) {
		inner->end += *value;
		in->at = inner->end;
	}
	return key >> 3;
}

static bool token_is_constant(struct bytes token)
{
	while (token.at < token.end) {
		struct bytes inner;
		uint64_t value;

		if (field(&token, &value, &inner) == KIND_FIELD)
			return is_constant(value);
	}
	return false;
}

int constants_in(const char *text)
{
	PgQueryScanResult result = pg_query_scan(text);
	struct bytes all = {(const uint8_t *)result.pbuf.data,
			    (const uint8_t *)result.pbuf.data + result.pbuf.len};
	int count = result.error ? -1 : 0;

	while (!result.error && all.at < all.end) {
		struct bytes inner;
		uint64_t value;

		if (field(&all, &value, &inner) == TOKENS_FIELD)
			count += token_is_constant(inner);
	}
	pg_query_free_scan_result(result);
	return count;
}
