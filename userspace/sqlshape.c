/* SPDX-License-Identifier: MIT */
#include "sqlshape.h"

#include <errno.h>
#include <string.h>
#include <strings.h>
#define XXH_STATIC_LINKING_ONLY /* for XXH3_state_t on the stack */
#include <xxhash.h>

enum token_kind {
	TOKEN_END,
	TOKEN_SPACE, /* white space and comments */
	TOKEN_WORD,  /* keyword or identifier */
	TOKEN_QUOTED_IDENTIFIER,
	TOKEN_PARAMETER, /* $1 */
	TOKEN_LITERAL,
	TOKEN_OTHER, /* one operator character or punctuation */
};

struct token {
	enum token_kind kind;
	const char *start, *end;
};

struct scanner {
	const char *at, *end;
};

static bool is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_word_start(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (unsigned char)c >= 0x80;
}

static bool is_word(char c)
{
	return is_word_start(c) || is_digit(c) || c == '$';
}

static bool looking_at(const struct scanner *s, const char *text)
{
	size_t n = strlen(text);

	return (size_t)(s->end - s->at) >= n && memcmp(s->at, text, n) == 0;
}

/* Block comments nest. Returns 0 or -EILSEQ. */
static int skip_comment(struct scanner *s)
{
	int depth = 0;

	if (looking_at(s, "--")) {
		while (s->at < s->end && *s->at != '\n' && *s->at != '\r')
			s->at++;
		return 0;
	}
	do {
		if (looking_at(s, "/*"))
			depth++, s->at += 2;
		else if (looking_at(s, "*/"))
			depth--, s->at += 2;
		else if (s->at < s->end)
			s->at++;
		else
			return -EILSEQ;
	} while (depth);
	return 0;
}

/* From the opening quote. escapes: E'...', where a backslash always escapes; elsewhere one before a quote is
 * ambiguous. */
static int skip_quoted(struct scanner *s, char quote, bool escapes)
{
	for (s->at++; s->at < s->end; s->at++) {
		if (*s->at == '\\' && quote == '\'') {
			if (!escapes && s->end - s->at > 1 && (s->at[1] == '\'' || s->at[1] == '\\'))
				return -EILSEQ;
			if (escapes && ++s->at == s->end)
				return -EILSEQ;
		} else if (*s->at == quote) {
			s->at++;
			if (s->at == s->end || *s->at != quote)
				return 0;
		}
	}
	return -EILSEQ;
}

/* $tag$ ... $tag$; returns 1 when there is none here, 0 when skipped, -EILSEQ when it does not end. */
static int skip_dollar_quoted(struct scanner *s)
{
	const char *tag_end = s->at + 1, *p;
	size_t tag_len;

	while (tag_end < s->end && is_word(*tag_end) && *tag_end != '$')
		tag_end++;
	if (tag_end == s->end || *tag_end != '$' || is_digit(s->at[1]))
		return 1;
	tag_len = tag_end + 1 - s->at;
	p = memmem(tag_end + 1, s->end - tag_end - 1, s->at, tag_len);
	if (!p)
		return -EILSEQ;
	s->at = p + tag_len;
	return 0;
}

/* Also 1e5, 0x1F, 1_000: letters that touch a number belong to it, which errs on the side of hiding. */
static void skip_number(struct scanner *s)
{
	while (s->at < s->end) {
		bool exponent = s->at[-1] == 'e' || s->at[-1] == 'E';

		if (!is_word(*s->at) && *s->at != '.' && !(exponent && (*s->at == '+' || *s->at == '-')))
			return;
		s->at++;
	}
}

static int scan_space(struct scanner *s)
{
	while (s->at < s->end) {
		if (is_space(*s->at)) {
			s->at++;
		} else if (looking_at(s, "--") || looking_at(s, "/*")) {
			int err = skip_comment(s);
			if (err)
				return err;
		} else {
			break;
		}
	}
	return 0;
}

/* E'', B'', X'', N'' and U&'': the prefix touches the quote. Returns its length, 0 for none. */
static size_t string_prefix(const struct scanner *s)
{
	size_t left = s->end - s->at;

	if (left >= 2 && s->at[1] == '\'' && strchr("eEbBxXnN", s->at[0]))
		return 1;
	if (left >= 3 && (s->at[0] == 'u' || s->at[0] == 'U') && s->at[1] == '&' &&
	    (s->at[2] == '\'' || s->at[2] == '"'))
		return 2;
	return 0;
}

static int scan_quoted(struct scanner *s, struct token *token)
{
	bool escapes = *s->at == 'e' || *s->at == 'E';
	size_t prefix = string_prefix(s);

	s->at += prefix;
	token->kind = *s->at == '"' ? TOKEN_QUOTED_IDENTIFIER : TOKEN_LITERAL;
	return skip_quoted(s, *s->at, prefix && escapes);
}

static int scan_dollar(struct scanner *s, struct token *token)
{
	int err = 1;

	if (s->end - s->at > 1)
		err = skip_dollar_quoted(s);
	if (err <= 0) {
		token->kind = TOKEN_LITERAL;
		return err;
	}
	s->at++;
	token->kind = TOKEN_OTHER;
	if (s->at < s->end && is_digit(*s->at)) {
		token->kind = TOKEN_PARAMETER;
		while (s->at < s->end && is_digit(*s->at))
			s->at++;
	}
	return 0;
}

static int scan(struct scanner *s, struct token *token)
{
	int err = 0;

	token->start = s->at;
	if (s->at == s->end) {
		token->kind = TOKEN_END;
	} else if (is_space(*s->at) || looking_at(s, "--") || looking_at(s, "/*")) {
		token->kind = TOKEN_SPACE;
		err = scan_space(s);
	} else if (*s->at == '\'' || *s->at == '"' || string_prefix(s)) {
		err = scan_quoted(s, token);
	} else if (*s->at == '$') {
		err = scan_dollar(s, token);
	} else if (is_word_start(*s->at)) {
		token->kind = TOKEN_WORD;
		while (s->at < s->end && is_word(*s->at))
			s->at++;
	} else if (is_digit(*s->at) || (*s->at == '.' && s->end - s->at > 1 && is_digit(s->at[1]))) {
		token->kind = TOKEN_LITERAL;
		s->at++;
		skip_number(s);
	} else {
		token->kind = TOKEN_OTHER;
		s->at++;
	}
	token->end = s->at;
	return err;
}

static int append(char *out, size_t size, size_t *used, const char *text, size_t len)
{
	if (*used + len + 1 > size)
		return -ENOSPC;
	memcpy(out + *used, text, len);
	*used += len;
	return 0;
}

int sqlshape_strip(const char *text, size_t len, char *out, size_t size)
{
	struct scanner s = {text, text + len};
	struct token token;
	size_t used = 0;
	int err;

	if (!size)
		return -ENOSPC;
	for (;;) {
		err = scan(&s, &token);
		if (err)
			return err;
		if (token.kind == TOKEN_END)
			break;
		if (token.kind == TOKEN_SPACE)
			err = used ? append(out, size, &used, " ", 1) : 0;
		else
			err = append(out, size, &used, token.start, token.end - token.start);
		if (err)
			return err;
	}
	while (used && (out[used - 1] == ' ' || out[used - 1] == ';'))
		used--;
	out[used] = '\0';
	return (int)used;
}

/* Words are folded to lower case a piece at a time; every token is followed by a separator that no token
 * holds. */
static void hash_word(XXH3_state_t *state, const char *start, const char *end)
{
	char folded[64];
	size_t n = 0;

	for (; start < end; start++) {
		folded[n++] = *start >= 'A' && *start <= 'Z' ? *start | 0x20 : *start;
		if (n == sizeof(folded)) {
			XXH3_64bits_update(state, folded, n);
			n = 0;
		}
	}
	XXH3_64bits_update(state, folded, n);
}

int sqlshape_hash(const char *text, size_t len, uint64_t *shape)
{
	struct scanner s = {text, text + len};
	struct token token = {.kind = TOKEN_SPACE};
	XXH3_state_t state;

	XXH3_64bits_reset(&state);
	while (token.kind != TOKEN_END) {
		int err = scan(&s, &token);
		if (err)
			return err;
		if (token.kind == TOKEN_SPACE || token.kind == TOKEN_END)
			continue;
		if (token.kind == TOKEN_LITERAL)
			XXH3_64bits_update(&state, "?", 1);
		else if (token.kind == TOKEN_WORD)
			hash_word(&state, token.start, token.end);
		else
			XXH3_64bits_update(&state, token.start, token.end - token.start);
		XXH3_64bits_update(&state, "", 1);
	}
	*shape = XXH3_64bits_digest(&state);
	return 0;
}

bool sqlshape_has_literal(const char *text, size_t len)
{
	struct scanner s = {text, text + len};
	struct token token;

	do {
		if (scan(&s, &token) || token.kind == TOKEN_LITERAL)
			return true;
	} while (token.kind != TOKEN_END);
	return false;
}

/* Anything else in first place is no command of PostgreSQL, and could be anything: it is not shown. */
static const char *const commands[] = {
    "ABORT",    "ANALYZE",    "BEGIN",    "CALL",    "CHECKPOINT", "CLOSE",   "CLUSTER", "COMMIT",
    "COPY",     "DEALLOCATE", "DECLARE",  "DELETE",  "DISCARD",    "DO",      "END",     "EXECUTE",
    "EXPLAIN",  "FETCH",      "GRANT",    "IMPORT",  "INSERT",     "LISTEN",  "LOAD",    "LOCK",
    "MERGE",    "MOVE",       "NOTIFY",   "PREPARE", "REASSIGN",   "RELEASE", "RESET",   "REVOKE",
    "ROLLBACK", "SAVEPOINT",  "SECURITY", "SELECT",  "SET",        "SHOW",    "START",   "TABLE",
    "TRUNCATE", "UNLISTEN",   "UPDATE",   "VACUUM",  "VALUES",     "WITH"};

/* Commands whose tag names the kind of object too. */
static const char *const object_commands[] = {"CREATE", "ALTER", "DROP", "REFRESH", "REINDEX", "COMMENT"};

static bool is_one_of(const char *word, const char *const *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(word, list[i]) == 0)
			return true;
	return false;
}

#define IS_ONE_OF(word, list) is_one_of(word, list, sizeof(list) / sizeof(*(list)))

/* The second word of a tag is shown only when it is one of these: a misspelt statement could hold anything
 * there. */
static bool is_object(const char *word, size_t len)
{
	static const char *const objects[] = {"table",     "index",    "view",  "materialized", "sequence",
					      "schema",    "function", "type",  "domain",       "extension",
					      "trigger",   "database", "role",  "user",         "policy",
					      "procedure", "or",       "unique"};

	for (size_t i = 0; i < sizeof(objects) / sizeof(*objects); i++)
		if (strlen(objects[i]) == len && strncasecmp(objects[i], word, len) == 0)
			return true;
	return false;
}

static size_t upper(char *out, size_t size, const char *word, size_t len)
{
	size_t n = 0;

	for (; n < len && n + 1 < size; n++)
		out[n] = word[n] >= 'a' && word[n] <= 'z' ? word[n] & ~0x20 : word[n];
	out[n] = '\0';
	return n;
}

static bool next_word(struct scanner *s, struct token *token)
{
	do {
		if (scan(s, token) || token->kind == TOKEN_END)
			return false;
	} while (token->kind == TOKEN_SPACE || (token->kind == TOKEN_OTHER && *token->start == '('));
	return token->kind == TOKEN_WORD;
}

const char *sqlshape_tag(const char *text, size_t len, char tag[32])
{
	struct scanner s = {text, text + len};
	struct token token;
	size_t n;

	tag[0] = '\0';
	if (!next_word(&s, &token))
		return tag;
	n = upper(tag, 16, token.start, token.end - token.start);
	if (!IS_ONE_OF(tag, object_commands)) {
		if (!IS_ONE_OF(tag, commands))
			tag[0] = '\0';
		return tag;
	}
	if (next_word(&s, &token) && is_object(token.start, token.end - token.start)) {
		tag[n++] = ' ';
		upper(tag + n, 32 - n, token.start, token.end - token.start);
	}
	return tag;
}
