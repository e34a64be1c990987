/* SPDX-License-Identifier: MIT */
#include "wire/pgwire.h"

#include <errno.h>
#include <strings.h>

#include "wire/cursor.h"

#define LARGE_MAX 0x3fffffffu /* PQ_LARGE_MESSAGE_LIMIT: MaxAllocSize */
#define SMALL_MAX 10000u      /* PQ_SMALL_MESSAGE_LIMIT */
#define AUTH_MAX  65536u      /* PG_MAX_AUTH_TOKEN_LENGTH */

#define CODE_CANCEL 80877102u
#define CODE_SSL    80877103u
#define CODE_GSSENC 80877104u

bool pgwire_frontend_valid(uint8_t type, uint32_t body_len)
{
	switch (type) {
	case 'Q': /* Query */
		return body_len >= 1 && body_len < LARGE_MAX;
	case 'P': /* Parse: two strings and a count */
		return body_len >= 4 && body_len < LARGE_MAX;
	case 'B': /* Bind: two strings and three counts */
		return body_len >= 8 && body_len < LARGE_MAX;
	case 'F': /* FunctionCall */
		return body_len >= 10 && body_len < LARGE_MAX;
	case 'd': /* CopyData */
		return body_len < LARGE_MAX;
	case 'C': /* Close */
	case 'D': /* Describe */
		return body_len >= 2 && body_len < SMALL_MAX;
	case 'E': /* Execute */
		return body_len >= 5 && body_len < SMALL_MAX;
	case 'f': /* CopyFail */
		return body_len >= 1 && body_len < SMALL_MAX;
	case 'c': /* CopyDone */
	case 'H': /* Flush */
	case 'S': /* Sync */
	case 'X': /* Terminate */
		return body_len == 0;
	case 'p': /* PasswordMessage, SASL and GSS responses */
		return body_len <= AUTH_MAX;
	}
	return false;
}

bool pgwire_backend_valid(uint8_t type, uint32_t body_len)
{
	switch (type) {
	case 'D': /* DataRow */
	case 'T': /* RowDescription */
	case 't': /* ParameterDescription */
		return body_len >= 2 && body_len < LARGE_MAX;
	case 'd': /* CopyData */
	case 'V': /* FunctionCallResponse */
		return body_len < LARGE_MAX;
	case 'E': /* ErrorResponse */
	case 'N': /* NoticeResponse */
		return body_len >= 1 && body_len < LARGE_MAX;
	case 'C': /* CommandComplete */
		return body_len >= 1 && body_len <= 1024;
	case 'S': /* ParameterStatus */
		return body_len >= 2 && body_len < LARGE_MAX;
	case 'A': /* NotificationResponse */
		return body_len >= 6 && body_len <= SMALL_MAX;
	case 'R': /* Authentication... */
		return body_len >= 4 && body_len <= AUTH_MAX;
	case 'K': /* BackendKeyData: 4 bytes of key, up to 256 since protocol 3.2 */
		return body_len >= 8 && body_len <= 260;
	case 'G': /* CopyInResponse, CopyOutResponse, CopyBothResponse */
	case 'H':
	case 'W':
		return body_len >= 3 && body_len < 3 + 2 * 65536;
	case 'v': /* NegotiateProtocolVersion */
		return body_len >= 8 && body_len <= PGWIRE_STARTUP_MAX;
	case 'Z': /* ReadyForQuery */
		return body_len == 1;
	case '1': /* ParseComplete, BindComplete, CloseComplete, NoData, EmptyQueryResponse, */
	case '2':
	case '3':
	case 'n':
	case 'I':
	case 's': /* PortalSuspended, CopyDone */
	case 'c':
		return body_len == 0;
	}
	return false;
}

bool pgwire_asynchronous(uint8_t type)
{
	return type == 'N' || type == 'S' || type == 'A';
}

/* The values of `replication` that mean no, as parse_bool reads them: any prefix of these that is unique. */
static bool is_replication(const char *value)
{
	static const char *const no[] = {"false", "no", "off", "0"};
	size_t len = strlen(value);

	for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++)
		if (len >= (i == 2 ? 2 : 1) && !strncasecmp(value, no[i], len))
			return false;
	return len > 0;
}

static int read_parameters(struct cursor *cursor, struct pgwire_startup *out)
{
	while (cursor_left(cursor) > 1) {
		const char *name = cursor_string(cursor, NULL);
		const char *value = cursor_string(cursor, NULL);

		if (cursor->failed)
			return -EBADMSG;
		if (!strcmp(name, "user"))
			out->user = value;
		else if (!strcmp(name, "database"))
			out->database = value;
		else if (!strcmp(name, "replication"))
			out->replication = is_replication(value);
	}
	if (!*out->database)
		out->database = out->user;
	return cursor_u8(cursor) || cursor->failed ? -EBADMSG : 0;
}

int pgwire_startup(const uint8_t *body, size_t len, struct pgwire_startup *out)
{
	struct cursor cursor = cursor_of(body, len);
	uint32_t code = cursor_u32(&cursor);

	*out = (struct pgwire_startup){.user = "", .database = ""};
	if (cursor.failed)
		return -EBADMSG;
	if (code == CODE_CANCEL)
		out->first = PGWIRE_FIRST_CANCEL;
	else if (code == CODE_SSL)
		out->first = PGWIRE_FIRST_SSL;
	else if (code == CODE_GSSENC)
		out->first = PGWIRE_FIRST_GSSENC;
	else if (code >> 16 == 3)
		return read_parameters(&cursor, out);
	else
		return -EBADMSG;
	return 0;
}

static void copy_text(char *to, size_t size, const char *from, size_t len)
{
	if (len >= size)
		len = size - 1;
	memcpy(to, from, len);
	to[len] = 0;
}

int pgwire_error(const uint8_t *body, size_t len, struct pgwire_error *out)
{
	struct cursor cursor = cursor_of(body, len);
	bool untranslated = false;

	memset(out, 0, sizeof(*out));
	for (;;) {
		uint8_t field = cursor_u8(&cursor);
		size_t value_len;
		const char *value;

		if (!field)
			break;
		value = cursor_string(&cursor, &value_len);
		if (!value)
			break;
		if (field == 'C')
			copy_text(out->sqlstate, sizeof(out->sqlstate), value, value_len);
		if (field == 'V' || (field == 'S' && !untranslated))
			copy_text(out->severity, sizeof(out->severity), value, value_len);
		untranslated |= field == 'V';
	}
	return *out->sqlstate && *out->severity ? 0 : -EBADMSG;
}

/* Cuts a trailing number off text; returns false where there is none. */
static bool cut_number(const char *text, size_t *len, uint64_t *number)
{
	size_t at = *len;
	uint64_t value = 0;

	while (at > 0 && text[at - 1] >= '0' && text[at - 1] <= '9')
		at--;
	if (at == *len || at == 0 || text[at - 1] != ' ')
		return false;
	for (size_t i = at; i < *len; i++)
		value = value * 10 + (text[i] - '0');
	*number = value;
	*len = at - 1;
	return true;
}

int pgwire_tag(const uint8_t *body, size_t len, struct pgwire_tag *out)
{
	struct cursor cursor = cursor_of(body, len);
	size_t text_len;
	const char *text = cursor_string(&cursor, &text_len);
	uint64_t object;

	memset(out, 0, sizeof(*out));
	if (!text)
		return -EBADMSG;
	out->has_rows = cut_number(text, &text_len, &out->rows);
	if (out->has_rows)
		cut_number(text, &text_len, &object); /* INSERT carries an object id before the count */
	copy_text(out->tag, sizeof(out->tag), text, text_len);
	return 0;
}

char pgwire_ready(const uint8_t *body, size_t len)
{
	struct cursor cursor = cursor_of(body, len);
	uint8_t status = cursor_u8(&cursor);

	return status == 'I' || status == 'T' || status == 'E' ? (char)status : 0;
}

/* A string that may go on past what is there. */
static void read_text(struct cursor *cursor, struct pgwire_string *text, bool *whole)
{
	size_t left = cursor_left(cursor);
	const char *rest = (const char *)cursor->at;

	text->text = cursor_string(cursor, &text->len);
	*whole = text->text;
	if (!text->text)
		*text = (struct pgwire_string){rest, left};
}

int pgwire_parse(const uint8_t *body, size_t len, struct pgwire_string *name, struct pgwire_string *text,
		 bool *whole)
{
	struct cursor cursor = cursor_of(body, len);

	name->text = cursor_string(&cursor, &name->len);
	if (!name->text)
		return -EBADMSG;
	read_text(&cursor, text, whole);
	return 0;
}

void pgwire_query(const uint8_t *body, size_t len, struct pgwire_string *text, bool *whole)
{
	struct cursor cursor = cursor_of(body, len);

	read_text(&cursor, text, whole);
}

int pgwire_bind(const uint8_t *body, size_t len, struct pgwire_string *portal,
		struct pgwire_string *statement, size_t *params_at)
{
	struct cursor cursor = cursor_of(body, len);

	portal->text = cursor_string(&cursor, &portal->len);
	statement->text = cursor_string(&cursor, &statement->len);
	*params_at = cursor.at - body;
	return cursor.failed ? -EBADMSG : 0;
}

int pgwire_execute(const uint8_t *body, size_t len, struct pgwire_string *portal)
{
	struct cursor cursor = cursor_of(body, len);

	portal->text = cursor_string(&cursor, &portal->len);
	cursor_u32(&cursor);
	return cursor.failed ? -EBADMSG : 0;
}

int pgwire_target(const uint8_t *body, size_t len, char *kind, struct pgwire_string *name)
{
	struct cursor cursor = cursor_of(body, len);

	*kind = (char)cursor_u8(&cursor);
	name->text = cursor_string(&cursor, &name->len);
	return cursor.failed || (*kind != 'S' && *kind != 'P') ? -EBADMSG : 0;
}

enum { STEP_FORMATS, STEP_VALUES, STEP_LENGTH };

/* A count or length is complete: what follows it? */
static void params_word(struct pgwire_params *params)
{
	uint32_t word = params->word;

	params->word = 0;
	params->have = 0;
	if (params->step == STEP_FORMATS) {
		params->skip = 2ull * word;
		params->step = STEP_VALUES;
		return;
	}
	if (params->step == STEP_VALUES) {
		params->values = word;
		params->any = word > 0;
		params->step = STEP_LENGTH;
	} else {
		params->skip = word == UINT32_MAX ? 0 : word; /* -1 is NULL */
		params->values--;
	}
}

/* The next count or length, as far as it is there; nearly always it is there whole. */
static void take_word(struct pgwire_params *params, struct cursor *cursor)
{
	uint8_t size = params->step == STEP_LENGTH ? 4 : 2;

	if (!params->have && cursor_left(cursor) >= size) {
		params->word = size == 4 ? cursor_u32(cursor) : cursor_u16(cursor);
		params->have = size;
	} else {
		params->word = params->word << 8 | cursor_u8(cursor);
		params->have++;
	}
	if (params->have == size)
		params_word(params);
}

size_t pgwire_params_feed(struct pgwire_params *params, const uint8_t *data, size_t len)
{
	struct cursor cursor = cursor_of(data, len);

	while (!params->done) {
		size_t left = cursor_left(&cursor);

		if (params->skip) {
			size_t now = params->skip < left ? params->skip : left;

			cursor_bytes(&cursor, now);
			params->skip -= now;
			if (params->skip)
				break;
		} else if (params->step == STEP_LENGTH && !params->values) {
			params->done = true;
		} else if (left) {
			take_word(params, &cursor);
		} else {
			break;
		}
	}
	return cursor.at - data;
}
