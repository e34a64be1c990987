/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "tls/decrypt_internal.h"

bool decrypt_spend(struct decrypt *decrypt, size_t bytes)
{
	decrypt->room->budget -= 1000 + (int64_t)bytes;
	return decrypt->room->budget > 0;
}

void decrypt_clear(struct decrypt *decrypt)
{
	for (int i = 0; i < 2; i++) {
		record_key_wipe(&decrypt->sides[i].key);
		input_free(&decrypt->sides[i].in);
		hello_free(&decrypt->sides[i].hello_reader);
	}
	free(decrypt->marks);
	decrypt->marks = NULL;
	decrypt->first = decrypt->count = decrypt->capacity = decrypt->held = 0;
	decrypt->waits_since_ns = 0;
}

void decrypt_give_up(struct decrypt *decrypt, enum decrypt_reason reason)
{
	uint64_t unread = input_len(&decrypt->sides[0].in) + input_len(&decrypt->sides[1].in);

	if (decrypt->state == DECRYPT_BLIND)
		return;
	decrypt->state = DECRYPT_BLIND;
	decrypt->reason = reason;
	decrypt_clear(decrypt);
	if (unread)
		decrypt->sink.unread(decrypt->sink.ctx, unread, reason);
	decrypt->sink.given_up(decrypt->sink.ctx, reason);
}
