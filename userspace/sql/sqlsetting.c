/* SPDX-License-Identifier: MIT */
#include "sql/sqlsetting.h"

#include <string.h>
#include <strings.h>
#include <xxhash.h>

#include "sql/sqllex.h"

#define NAME_MAX_LEN 64
#define WORD_LEN     24

const uint64_t sqlsetting_temporary = 0x7e3a90b15c2d4f68ull;

/* A text on its way through. */
struct reader {
	struct sqllex lexer;
	struct sqllex_token token; /* the one ahead */
	uint64_t text_key;
	void (*each)(void *ctx, const struct sqlsetting *setting);
	void *ctx;
};

/* --------------------------------------------------------------------------------------------- tokens */

static void advance(struct reader *r)
{
	sqllex_next_solid(&r->lexer, &r->token);
}

static bool is_sign(const struct reader *r, char sign)
{
	return r->token.kind == SQLLEX_OTHER && *r->token.start == sign;
}

static bool at_end(const struct reader *r)
{
	return r->token.kind == SQLLEX_END || is_sign(r, ';');
}

static bool is_word(const struct reader *r, const char *word)
{
	size_t len = r->token.end - r->token.start;

	return r->token.kind == SQLLEX_WORD && len == strlen(word) &&
	       strncasecmp(r->token.start, word, len) == 0;
}

static bool take(struct reader *r, const char *word)
{
	if (!is_word(r, word))
		return false;
	advance(r);
	return true;
}

static void skip_statement(struct reader *r)
{
	while (!at_end(r))
		advance(r);
}

/* A name without its quotes, lower case where it has none, as PostgreSQL folds it; returns its length. */
static size_t plain(const struct sqllex_token *token, char out[NAME_MAX_LEN])
{
	const char *start = token->start, *end = token->end;
	size_t n = 0;
	bool fold = token->kind == SQLLEX_WORD;

	if (!fold && end - start >= 2 && (*start == '"' || *start == '\''))
		start++, end--;
	for (; start < end && n < NAME_MAX_LEN; start++)
		out[n++] = fold && *start >= 'A' && *start <= 'Z' ? *start + 32 : *start;
	return n;
}

static uint64_t hash_of_token(const struct sqllex_token *token, uint64_t seed)
{
	char name[NAME_MAX_LEN];
	size_t len = token->end - token->start;

	if (len > NAME_MAX_LEN)
		return XXH3_64bits_withSeed(token->start, len, seed);
	len = plain(token, name);
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

	while (r->token.kind == SQLLEX_WORD || r->token.kind == SQLLEX_QUOTED_IDENTIFIER ||
	       r->token.kind == SQLLEX_LITERAL || is_sign(r, '.')) {
		bool dot = is_sign(r, '.');
		size_t n = dot ? 1 : plain(&r->token, part);

		if (dot)
			*part = '.';
		n = n < sizeof(name) - len ? n : sizeof(name) - len;
		memcpy(name + len, part, n);
		len += n;
		advance(r);
		if (!dot && !is_sign(r, '.'))
			break;
	}
	return sqlsetting_name(name, len);
}

/* What stands up to the end of the statement; 0: DEFAULT. */
static uint64_t take_value(struct reader *r)
{
	uint64_t value = 1;
	bool first = true, is_default = false;

	for (; !at_end(r); advance(r)) {
		is_default = first && (is_word(r, "default") || is_word(r, "none"));
		first = false;
		value = hash_of_token(&r->token, value);
		if (r->token.kind == SQLLEX_PARAMETER)
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

	if (take(r, "local"))
		kind = SQLSETTING_SET_LOCAL;
	else if (take(r, "session") && is_word(r, "characteristics"))
		return;
	if (is_word(r, "transaction") || is_word(r, "constraints"))
		return; /* of the transaction only */
	if (take(r, "time")) {
		advance(r); /* ZONE */
		name = named("timezone");
	} else if (take(r, "names")) {
		name = named("client_encoding");
	} else if (take(r, "schema")) {
		name = named("search_path");
	} else if (take(r, "authorization")) {
		name = named("session_authorization");
	} else {
		name = take_name(r);
	}
	if (!take(r, "to") && is_sign(r, '='))
		advance(r);
	emit(r, kind, name, take_value(r));
}

static void read_reset(struct reader *r)
{
	uint64_t name;

	if (take(r, "all")) {
		emit(r, SQLSETTING_RESET_ALL, 0, 0);
		return;
	}
	if (take(r, "session"))
		name = named("session_authorization");
	else if (take(r, "time"))
		name = named("timezone");
	else
		name = take_name(r);
	emit(r, SQLSETTING_SET, name, 0);
}

static void read_discard(struct reader *r)
{
	if (is_word(r, "all"))
		emit(r, SQLSETTING_DISCARD_ALL, 0, 0);
	else if (is_word(r, "temp") || is_word(r, "temporary"))
		emit(r, SQLSETTING_SET, sqlsetting_temporary, 0);
}

/* set_config('name', 'value' or $1, is_local): what it is called with. The name may be a parameter too. */
static void read_set_config(struct reader *r)
{
	uint64_t name, value = 1;
	bool local = false;

	advance(r);
	if (!is_sign(r, '('))
		return;
	advance(r);
	name = r->token.kind == SQLLEX_LITERAL ? take_name(r) : r->text_key | 1;
	for (; !at_end(r) && !is_sign(r, ')'); advance(r)) {
		if (is_sign(r, ','))
			continue;
		local = is_word(r, "true");
		if (is_word(r, "false") || local)
			continue;
		value = hash_of_token(&r->token, value);
		if (r->token.kind == SQLLEX_PARAMETER)
			value ^= r->text_key;
	}
	emit(r, local ? SQLSETTING_SET_LOCAL : SQLSETTING_SET, name, value);
}

/* --------------------------------------------------------------------------------------------- transactions
 */

static uint64_t take_savepoint(struct reader *r)
{
	uint64_t name = at_end(r) ? 0 : hash_of_token(&r->token, 2);

	skip_statement(r);
	return name;
}

static void read_rollback(struct reader *r)
{
	if (is_word(r, "prepared"))
		return;
	if (!take(r, "work"))
		take(r, "transaction");
	if (take(r, "to")) {
		take(r, "savepoint");
		emit(r, SQLSETTING_ROLLBACK_TO, take_savepoint(r), 0);
	} else {
		emit(r, SQLSETTING_ROLLBACK, 0, 0);
	}
}

static void read_commit(struct reader *r)
{
	if (!is_word(r, "prepared"))
		emit(r, SQLSETTING_COMMIT, 0, 0);
}

/* --------------------------------------------------------------------------------------------- objects */

/* ON COMMIT DROP: gone with the transaction. */
static bool drops_on_commit(struct reader *r)
{
	bool commit = false;

	for (; !at_end(r); advance(r)) {
		if (commit && is_word(r, "drop"))
			return true;
		commit = is_word(r, "commit");
	}
	return false;
}

static void read_create(struct reader *r)
{
	if (take(r, "or"))
		advance(r);
	if (is_word(r, "global") || is_word(r, "local"))
		advance(r);
	if (is_word(r, "temp") || is_word(r, "temporary"))
		emit(r, drops_on_commit(r) ? SQLSETTING_MOVE_LOCAL : SQLSETTING_MOVE, sqlsetting_temporary,
		     0);
}

static uint64_t cursor_name(const struct sqllex_token *token)
{
	return hash_of_token(token, 3) | 1;
}

static void read_declare(struct reader *r)
{
	uint64_t name = cursor_name(&r->token);
	bool with = false, hold = false;

	for (; !at_end(r) && !is_word(r, "for"); advance(r)) {
		hold |= with && is_word(r, "hold");
		with = is_word(r, "with");
	}
	emit(r, hold ? SQLSETTING_MOVE : SQLSETTING_MOVE_LOCAL, name, 0);
}

/* FETCH 10 FROM c: the cursor's name is the last word. */
static void read_fetch(struct reader *r)
{
	struct sqllex_token last = r->token;

	for (; !at_end(r); advance(r))
		last = r->token;
	emit(r, SQLSETTING_MOVE_LOCAL, cursor_name(&last), 0);
}

static void read_close(struct reader *r)
{
	if (!is_word(r, "all"))
		emit(r, SQLSETTING_SET, cursor_name(&r->token), 0);
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
	bool opens = is_word(r, "begin") || is_word(r, "start");

	if (opens) {
		emit(r, SQLSETTING_BEGIN, 0, 0);
		return;
	}
	if (take(r, "savepoint")) {
		emit(r, SQLSETTING_SAVEPOINT, take_savepoint(r), 0);
		return;
	}
	if (take(r, "release")) {
		take(r, "savepoint");
		emit(r, SQLSETTING_RELEASE, take_savepoint(r), 0);
		return;
	}
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++)
		if (take(r, commands[i].word)) {
			commands[i].read(r);
			return;
		}
	for (; !at_end(r); advance(r))
		if (is_word(r, "set_config"))
			read_set_config(r);
}

void sqlsetting_read(const char *text, size_t len, uint64_t text_key,
		     void (*each)(void *ctx, const struct sqlsetting *setting), void *ctx)
{
	struct reader r = {
	    .lexer = {.at = text, .end = text + len}, .text_key = text_key, .each = each, .ctx = ctx};

	advance(&r);
	while (r.token.kind != SQLLEX_END) {
		read_statement(&r);
		skip_statement(&r);
		if (is_sign(&r, ';'))
			advance(&r);
	}
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
	if (calls_set_config(text, len) || memchr(token.end, ';', lexer.end - token.end))
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
