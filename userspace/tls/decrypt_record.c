/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "tls/decrypt_internal.h"
#include "tls/schedule.h"

#define MESSAGE_FINISHED   20
#define MESSAGE_KEY_UPDATE 24

#define ALERT_LEN 2

/* ------------------------------------------------------------------------------------- before the keys */

/* Both hellos are there: what will be read, and from when on its secrets may have been seen. */
static void agree(struct decrypt *decrypt, const struct hello *server, uint64_t time_ns)
{
	decrypt->suite = suite_find(server->version, server->suite);
	decrypt->greeted_ns = time_ns;
	if (!decrypt->suite || decrypt->sides[DECRYPT_CLIENT].hello.early_data)
		decrypt_give_up(decrypt, DECRYPT_CIPHER);
}

static void read_hello(struct decrypt *decrypt, struct side *side, const struct record *record,
		       uint64_t time_ns)
{
	bool server = side == &decrypt->sides[DECRYPT_SERVER];

	if (side->greeted)
		return;
	switch (hello_read(&side->hello_reader, server, record->body, record->len, &side->hello)) {
	case HELLO_MORE:
		return;
	case HELLO_INVALID:
		decrypt_give_up(decrypt, DECRYPT_CIPHER);
		return;
	case HELLO_DONE:
		hello_free(&side->hello_reader);
		side->greeted = true;
		if (side->hello.retry) /* both begin again, with the same suite */
			side->greeted = decrypt->sides[DECRYPT_CLIENT].greeted = false;
		if (server)
			agree(decrypt, &side->hello, time_ns);
	}
}

static void read_alert(struct decrypt *decrypt, const struct side *side, const uint8_t *data, size_t len)
{
	if (len == ALERT_LEN)
		decrypt->sink.alert(decrypt->sink.ctx, decrypt_direction(decrypt, side), data[1]);
}

static void read_open(struct decrypt *decrypt, struct side *side, const struct record *record,
		      const struct mark *mark)
{
	if (record->type == RECORD_HANDSHAKE)
		read_hello(decrypt, side, record, mark->time_ns);
	else if (record->type == RECORD_ALERT)
		read_alert(decrypt, side, record->body, record->len);
	else if (record->type == RECORD_APPLICATION)
		decrypt_give_up(decrypt, DECRYPT_CIPHER); /* no hello before it that we understood */
	else if (!decrypt->suite || decrypt->suite->version == TLS_1_2)
		side->ciphered = true;
}

/* ------------------------------------------------------------------------------------------ with a key */

static void update_key(struct decrypt *decrypt, struct side *side)
{
	const struct suite *suite = decrypt->suite;
	struct schedule_keys keys;
	bool ok = schedule_update(suite, side->key.secret, side->key.secret) &&
		  schedule_traffic(suite, side->key.secret, &keys);

	crypto_opener_free(&side->key.opener);
	if (ok && crypto_opener_new(&side->key.opener, suite->aead, keys.key) == 0)
		memcpy(side->key.iv, keys.iv, sizeof(keys.iv));
	explicit_bzero(&keys, sizeof(keys));
	side->sequence = 0;
	if (!side->key.opener)
		decrypt_give_up(decrypt, DECRYPT_CIPHER);
}

/* Keys change after a Finished (the next one has a secret of its own) and after a KeyUpdate, each the last
 * message of its record. In TLS 1.2 they change with ChangeCipherSpec. */
static void message_ends(struct decrypt *decrypt, struct side *side, uint8_t type)
{
	if (decrypt->suite->version != TLS_1_3)
		return;
	if (type == MESSAGE_FINISHED)
		record_key_wipe(&side->key);
	else if (type == MESSAGE_KEY_UPDATE)
		update_key(decrypt, side);
}

static void read_messages(struct decrypt *decrypt, struct side *side, const uint8_t *data, size_t len)
{
	struct messages *messages = &side->messages;

	while (len && decrypt->state != DECRYPT_BLIND) {
		if (messages->have < sizeof(messages->head)) {
			messages->head[messages->have++] = *data++;
			len--;
			if (messages->have == sizeof(messages->head))
				messages->left = (uint32_t)messages->head[1] << 16 | messages->head[2] << 8 |
						 messages->head[3];
		} else {
			size_t here = messages->left < len ? messages->left : len;

			messages->left -= here;
			data += here;
			len -= here;
		}
		if (messages->have < sizeof(messages->head) || messages->left)
			continue;
		messages->have = 0;
		message_ends(decrypt, side, messages->head[0]);
	}
}

static void read_application(struct decrypt *decrypt, const struct side *side, size_t len,
			     const struct mark *mark, bool last)
{
	if (decrypt->state == DECRYPT_BEGINS) {
		decrypt->state = DECRYPT_READS;
		decrypt->sink.proven(decrypt->sink.ctx);
	}
	if (len)
		decrypt->sink.bytes(decrypt->sink.ctx, decrypt_direction(decrypt, side), decrypt->room->plain,
				    len, mark->time_ns, last);
}

void decrypt_content(struct decrypt *decrypt, struct side *side, uint8_t type, size_t len,
		     const struct mark *mark, bool last)
{
	side->sequence++;
	if (type == RECORD_APPLICATION)
		read_application(decrypt, side, len, mark, last);
	else if (type == RECORD_HANDSHAKE)
		read_messages(decrypt, side, decrypt->room->plain, len);
	else if (type == RECORD_ALERT)
		read_alert(decrypt, side, decrypt->room->plain, len);
}

static bool is_encrypted(const struct decrypt *decrypt, const struct side *side, const struct record *record)
{
	if (!decrypt->suite)
		return side
		    ->ciphered; /* a ChangeCipherSpec before the ServerHello: decided when that is there */
	return decrypt->suite->version == TLS_1_3 ? record->type == RECORD_APPLICATION : side->ciphered;
}

enum step decrypt_record(struct decrypt *decrypt, struct side *side, const struct record *record,
			 const struct mark *mark, bool last)
{
	uint8_t type;
	size_t len;

	if (!is_encrypted(decrypt, side, record)) {
		read_open(decrypt, side, record, mark);
		return STEP_ON;
	}
	side->sealed = true;
	if (!decrypt->suite ||
	    (decrypt->suite->version == TLS_1_2 && record->type == RECORD_CHANGE_CIPHER_SPEC)) {
		decrypt_give_up(decrypt, DECRYPT_CIPHER); /* 0-RTT, or a renegotiation */
		return STEP_ON;
	}
	if (!side->key.opener) {
		if (!decrypt_find_key(decrypt, side, record, &len, &type))
			return STEP_WAIT;
	} else if (!decrypt_spend(decrypt, 0) && side->lost) {
		return STEP_WAIT;
	} else if (!record_unseal(decrypt->suite, &side->key, side->sequence, record, decrypt->room->plain,
				  &len, &type)) {
		decrypt_stray(decrypt, side);
		return STEP_ON;
	}
	decrypt_content(decrypt, side, type, len, mark, last);
	return STEP_ON;
}

/* ---------------------------------------------------------------------------------------------- alerts */

/* RFC 8446, 6, and those that RFC 5246, 7.2 has besides. */
static const struct {
	uint8_t description;
	const char *name;
} alerts[] = {
    {0, "close_notify"},
    {10, "unexpected_message"},
    {20, "bad_record_mac"},
    {22, "record_overflow"},
    {40, "handshake_failure"},
    {42, "bad_certificate"},
    {43, "unsupported_certificate"},
    {44, "certificate_revoked"},
    {45, "certificate_expired"},
    {46, "certificate_unknown"},
    {47, "illegal_parameter"},
    {48, "unknown_ca"},
    {49, "access_denied"},
    {50, "decode_error"},
    {51, "decrypt_error"},
    {70, "protocol_version"},
    {71, "insufficient_security"},
    {80, "internal_error"},
    {86, "inappropriate_fallback"},
    {90, "user_canceled"},
    {100, "no_renegotiation"},
    {109, "missing_extension"},
    {110, "unsupported_extension"},
    {112, "unrecognized_name"},
    {113, "bad_certificate_status_response"},
    {115, "unknown_psk_identity"},
    {116, "certificate_required"},
    {120, "no_application_protocol"},
};

const char *decrypt_alert_name(uint8_t description)
{
	for (size_t i = 0; i < sizeof(alerts) / sizeof(*alerts); i++)
		if (alerts[i].description == description)
			return alerts[i].name;
	return "unknown";
}
