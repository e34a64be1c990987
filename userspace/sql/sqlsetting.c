/* SPDX-License-Identifier: MIT */
#include "sql/sqlsetting.h"

#include <string.h>
#include <strings.h>
#include <xxhash.h>

#include "sql/sqlwords.h"

#define NAME_MAX_LEN 64
#define WORD_LEN     24

const uint64_t sqlsetting_temporary = 0x7e3a90b15c2d4f68ull;

/* A text on its way through. */
struct reader {
	struct sqlwords words;
	uint64_t text_key;
	void (*each)(void *ctx, const struct sqlsetting *setting);
	void *ctx;
};

/* --------------------------------------------------------------------------------------------- tokens */

static uint64_t hash_of_token(const struct sqllex_token *token, uint64_t seed)
{
	char name[NAME_MAX_LEN];
	size_t len = token->end - token->start;

	if (len > NAME_MAX_LEN)
		return XXH3_64bits_withSeed(token->start, len, seed);
	len = sqllex_name(token, name, sizeof(name));
	return XXH3_64bits_withSeed(name, len, seed);
}

/* --------------------------------------------------------------------------------------------- names */

static bool begins(const char *name, size_t len, const char *with)
{
	return len >= strlen(with) && strncasecmp(name, with, strlen(with)) == 0;
}

static bool changes_no_answer(const char *name, size_t len)
{
	static const char *const prefixes[] = {"log_",
					       "tcp_",
					       "idle_",
					       "statement_timeout",
					       "lock_",
					       "transaction_",
					       "deadlock_",
					       "client_min_messages",
					       "application_name",
					       "vacuum_",
					       "track_",
					       "auto_explain.",
					       "synchronous_commit",
					       "debug_",
					       "client_connection_check_"};

	for (size_t i = 0; i < sizeof(prefixes) / sizeof(*prefixes); i++)
		if (begins(name, len, prefixes[i]))
			return true;
	return false;
}

uint64_t sqlsetting_name(const char *name, size_t len)
{
	char folded[NAME_MAX_LEN];

	if (changes_no_answer(name, len))
		return 0;
	len = len < sizeof(folded) ? len : sizeof(folded);
	for (size_t i = 0; i < len; i++)
		folded[i] = name[i] >= 'A' && name[i] <= 'Z' ? name[i] + 32 : name[i];
	return XXH3_64bits(folded, len);
}

static uint64_t named(const char *name)
{
	return sqlsetting_name(name, strlen(name));
}

/* search_path, my.setting; moves behind it. */
static uint64_t take_name(struct reader *r)
{
	char name[NAME_MAX_LEN], part[NAME_MAX_LEN];
	size_t len = 0;

	while (r->words.token.kind == SQLLEX_WORD || r->words.token.kind == SQLLEX_QUOTED_IDENTIFIER ||
	       r->words.token.kind == SQLLEX_LITERAL || sqlwords_is_sign(&r->words, '.')) {
		bool dot = sqlwords_is_sign(&r->words, '.');
		size_t n = dot ? 1 : sqllex_name(&r->words.token, part, sizeof(part));

		if (dot)
			*part = '.';
		n = n < sizeof(name) - len ? n : sizeof(name) - len;
		memcpy(name + len, part, n);
		len += n;
		sqlwords_advance(&r->words);
		if (!dot && !sqlwords_is_sign(&r->words, '.'))
			break;
	}
	return sqlsetting_name(name, len);
}

/* What stands up to the end of the statement; 0: DEFAULT. */
static uint64_t take_value(struct reader *r)
{
	uint64_t value = 1;
	bool first = true, is_default = false;

	for (; !sqlwords_at_end(&r->words); sqlwords_advance(&r->words)) {
		is_default = first && (sqlwords_is(&r->words, "default") || sqlwords_is(&r->words, "none"));
		first = false;
		value = hash_of_token(&r->words.token, value);
		if (r->words.token.kind == SQLLEX_PARAMETER)
			value ^= r->text_key;
	}
	return is_default ? 0 : value;
}

static void emit(struct reader *r, enum sqlsetting_kind kind, uint64_t name, uint64_t value)
{
	const struct sqlsetting setting = {kind, name, value};
	bool named_one = kind == SQLSETTING_SET || kind == SQLSETTING_SET_LOCAL;

	if (name || !named_one)
		r->each(r->ctx, &setting);
}

/* --------------------------------------------------------------------------------------------- SET, RESET */

static void read_set(struct reader *r)
{
	enum sqlsetting_kind kind = SQLSETTING_SET;
	uint64_t name;

	if (sqlwords_take(&r->words, "local"))
		kind = SQLSETTING_SET_LOCAL;
	else if (sqlwords_take(&r->words, "session") && sqlwords_is(&r->words, "characteristics"))
		return;
	if (sqlwords_is(&r->words, "transaction") || sqlwords_is(&r->words, "constraints"))
		return; /* of the transaction only */
	if (sqlwords_take(&r->words, "time")) {
		sqlwords_advance(&r->words); /* ZONE */
		name = named("timezone");
	} else if (sqlwords_take(&r->words, "names")) {
		name = named("client_encoding");
	} else if (sqlwords_take(&r->words, "schema")) {
		name = named("search_path");
	} else if (sqlwords_take(&r->words, "authorization")) {
		name = named("session_authorization");
	} else {
		name = take_name(r);
	}
	if (!sqlwords_take(&r->words, "to") && sqlwords_is_sign(&r->words, '='))
		sqlwords_advance(&r->words);
	emit(r, kind, name, take_value(r));
}

static void read_reset(struct reader *r)
{
	uint64_t name;

	if (sqlwords_take(&r->words, "all")) {
		emit(r, SQLSETTING_RESET_ALL, 0, 0);
		return;
	}
	if (sqlwords_take(&r->words, "session"))
		name = named("session_authorization");
	else if (sqlwords_take(&r->words, "time"))
		name = named("timezone");
	else
		name = take_name(r);
	emit(r, SQLSETTING_SET, name, 0);
}

static void read_discard(struct reader *r)
{
	if (sqlwords_is(&r->words, "all"))
		emit(r, SQLSETTING_DISCARD_ALL, 0, 0);
	else if (sqlwords_is(&r->words, "temp") || sqlwords_is(&r->words, "temporary"))
		emit(r, SQLSETTING_SET, sqlsetting_temporary, 0);
}

/* set_config('name', 'value' or $1, is_local): what it is called with. The name may be a parameter too. */
static void read_set_config(struct reader *r)
{
	uint64_t name, value = 1;
	bool local = false;

	sqlwords_advance(&r->words);
	if (!sqlwords_is_sign(&r->words, '('))
		return;
	sqlwords_advance(&r->words);
	name = r->words.token.kind == SQLLEX_LITERAL ? take_name(r) : r->text_key | 1;
	for (; !sqlwords_at_end(&r->words) && !sqlwords_is_sign(&r->words, ')');
	     sqlwords_advance(&r->words)) {
		if (sqlwords_is_sign(&r->words, ','))
			continue;
		local = sqlwords_is(&r->words, "true");
		if (sqlwords_is(&r->words, "false") || local)
			continue;
		value = hash_of_token(&r->words.token, value);
		if (r->words.token.kind == SQLLEX_PARAMETER)
			value ^= r->text_key;
	}
	emit(r, local ? SQLSETTING_SET_LOCAL : SQLSETTING_SET, name, value);
}

/* --------------------------------------------------------------------------------------------- transactions
 */

static uint64_t take_savepoint(struct reader *r)
{
	uint64_t name = sqlwords_at_end(&r->words) ? 0 : hash_of_token(&r->words.token, 2);

	sqlwords_skip(&r->words);
	return name;
}

static void read_rollback(struct reader *r)
{
	if (sqlwords_is(&r->words, "prepared"))
		return;
	if (sqlwords_take_to(&r->words))
		emit(r, SQLSETTING_ROLLBACK_TO, take_savepoint(r), 0);
	else
		emit(r, SQLSETTING_ROLLBACK, 0, 0);
}

static void read_commit(struct reader *r)
{
	if (!sqlwords_is(&r->words, "prepared"))
		emit(r, SQLSETTING_COMMIT, 0, 0);
}

/* --------------------------------------------------------------------------------------------- objects */

/* ON COMMIT DROP: gone with the transaction. */
static bool drops_on_commit(struct reader *r)
{
	bool commit = false;

	for (; !sqlwords_at_end(&r->words); sqlwords_advance(&r->words)) {
		if (commit && sqlwords_is(&r->words, "drop"))
			return true;
		commit = sqlwords_is(&r->words, "commit");
	}
	return false;
}

static void read_create(struct reader *r)
{
	if (sqlwords_take(&r->words, "or"))
		sqlwords_advance(&r->words);
	if (sqlwords_is(&r->words, "global") || sqlwords_is(&r->words, "local"))
		sqlwords_advance(&r->words);
	if (sqlwords_is(&r->words, "temp") || sqlwords_is(&r->words, "temporary"))
		emit(r, drops_on_commit(r) ? SQLSETTING_MOVE_LOCAL : SQLSETTING_MOVE, sqlsetting_temporary,
		     0);
}

static uint64_t cursor_name(const struct sqllex_token *token)
{
	return hash_of_token(token, 3) | 1;
}

static void read_declare(struct reader *r)
{
	uint64_t name = cursor_name(&r->words.token);
	bool with = false, hold = false;

	for (; !sqlwords_at_end(&r->words) && !sqlwords_is(&r->words, "for"); sqlwords_advance(&r->words)) {
		hold |= with && sqlwords_is(&r->words, "hold");
		with = sqlwords_is(&r->words, "with");
	}
	emit(r, hold ? SQLSETTING_MOVE : SQLSETTING_MOVE_LOCAL, name, 0);
}

/* FETCH 10 FROM c: the cursor's name is the last word. */
static void read_fetch(struct reader *r)
{
	struct sqllex_token last = r->words.token;

	for (; !sqlwords_at_end(&r->words); sqlwords_advance(&r->words))
		last = r->words.token;
	emit(r, SQLSETTING_MOVE_LOCAL, cursor_name(&last), 0);
}

static void read_close(struct reader *r)
{
	if (!sqlwords_is(&r->words, "all"))
		emit(r, SQLSETTING_SET, cursor_name(&r->words.token), 0);
}

/* --------------------------------------------------------------------------------------------- statements */

static const struct {
	const char *word;
	void (*read)(struct reader *r);
} commands[] = {{"set", read_set},           {"reset", read_reset},    {"discard", read_discard},
		{"rollback", read_rollback}, {"abort", read_rollback}, {"commit", read_commit},
		{"end", read_commit},        {"create", read_create},  {"declare", read_declare},
		{"fetch", read_fetch},       {"move", read_fetch},     {"close", read_close}};

static void read_statement(struct reader *r)
{
	bool opens = sqlwords_is(&r->words, "begin") || sqlwords_is(&r->words, "start");

	if (opens) {
		emit(r, SQLSETTING_BEGIN, 0, 0);
		return;
	}
	if (sqlwords_take(&r->words, "savepoint")) {
		emit(r, SQLSETTING_SAVEPOINT, take_savepoint(r), 0);
		return;
	}
	if (sqlwords_take(&r->words, "release")) {
		sqlwords_take(&r->words, "savepoint");
		emit(r, SQLSETTING_RELEASE, take_savepoint(r), 0);
		return;
	}
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++)
		if (sqlwords_take(&r->words, commands[i].word)) {
			commands[i].read(r);
			return;
		}
	for (; !sqlwords_at_end(&r->words); sqlwords_advance(&r->words))
		if (sqlwords_is(&r->words, "set_config"))
			read_set_config(r);
}

void sqlsetting_read(const char *text, size_t len, uint64_t text_key,
		     void (*each)(void *ctx, const struct sqlsetting *setting), void *ctx)
{
	struct reader r = {.words = sqlwords_of(text, len), .text_key = text_key, .each = each, .ctx = ctx};

	do
		read_statement(&r);
	while (sqlwords_next(&r.words));
}

/* A call of set_config() somewhere. */
static bool calls_set_config(const char *text, size_t len)
{
	const char *at = text, *end = text + len;

	while ((at = memchr(at, '_', end - at))) {
		if (at - text >= 3 && end - at >= 7 && strncasecmp(at - 3, "set_config", 10) == 0)
			return true;
		at++;
	}
	return false;
}

bool sqlsetting_concerns(const char *text, size_t len)
{
	struct sqllex lexer = {.at = text, .end = text + len};
	struct sqllex_token token;
	char word[WORD_LEN];

	if (!sqllex_next_solid(&lexer, &token))
		return false;
	if (calls_set_config(text, len) || *token.start == ';' ||
	    memchr(token.end, ';', lexer.end - token.end))
		return true;
	sqllex_upper(&token, word, sizeof(word));
	if (strcmp(word, "BEGIN") == 0 || strcmp(word, "START") == 0 || strcmp(word, "SAVEPOINT") == 0 ||
	    strcmp(word, "RELEASE") == 0)
		return true;
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++)
		if (strcasecmp(word, commands[i].word) == 0)
			return true;
	return false;
}
