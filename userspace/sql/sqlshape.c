/* SPDX-License-Identifier: MIT */
#include "sql/sqlshape.h"

#include <errno.h>
#include <string.h>
#include <strings.h>
#include <xxhash.h>

#include "sql/sqllex.h"

static int append(char *out, size_t size, size_t *used, const char *text, size_t len)
{
	if (*used + len + 1 > size)
		return -ENOSPC;
	memcpy(out + *used, text, len);
	*used += len;
	return 0;
}

/* What is uncertain may be settled by the rest of the text; that is read once, not for each such token. */
static bool settled(const struct sqllex_token *token, const char *end, bool *certain)
{
	return *certain || (*certain = sqllex_is_certain(token->start, end - token->start));
}

int sqlshape_strip(const char *text, size_t len, char *out, size_t size)
{
	struct sqllex lexer = {.at = text, .end = text + len};
	struct sqllex_token token;
	bool certain = false;
	size_t used = 0;
	int err = 0;

	if (!size)
		return -ENOSPC;
	while (sqllex_next(&lexer, &token)) {
		if (token.uncertain && !settled(&token, text + len, &certain))
			return -EILSEQ;
		if (token.kind != SQLLEX_SPACE)
			err = append(out, size, &used, token.start, token.end - token.start);
		else if (used)
			err = append(out, size, &used, " ", 1);
		if (err)
			return err;
	}
	while (used && (out[used - 1] == ' ' || out[used - 1] == ';'))
		used--;
	out[used] = '\0';
	return (int)used;
}

/* Bytes are hashed a buffer at a time, each seeded with the hash of those before. */
struct digest {
	uint64_t hash;
	size_t used;
	char bytes[240]; /* XXH3 is at its best up to here */
};

static void digest_flush(struct digest *digest)
{
	digest->hash = XXH3_64bits_withSeed(digest->bytes, digest->used, digest->hash);
	digest->used = 0;
}

static void digest_byte(struct digest *digest, char byte)
{
	if (digest->used == sizeof(digest->bytes))
		digest_flush(digest);
	digest->bytes[digest->used++] = byte;
}

/* Words in lower case, literals as one mark; behind each token a separator that no token holds. */
static void digest_token(struct digest *digest, const struct sqllex_token *token)
{
	bool word = token->kind == SQLLEX_WORD;

	if (token->kind == SQLLEX_LITERAL)
		digest_byte(digest, '?');
	else
		for (const char *at = token->start; at < token->end; at++)
			digest_byte(digest, word && *at >= 'A' && *at <= 'Z' ? *at | 0x20 : *at);
	digest_byte(digest, '\0');
}

int sqlshape_hash(const char *text, size_t len, uint64_t *shape)
{
	struct sqllex lexer = {.at = text, .end = text + len};
	struct sqllex_token token;
	struct digest digest;
	bool certain = false;

	digest.hash = digest.used = 0;
	while (sqllex_next(&lexer, &token)) {
		if (token.uncertain && !settled(&token, text + len, &certain))
			return -EILSEQ;
		if (token.kind != SQLLEX_SPACE)
			digest_token(&digest, &token);
	}
	digest_flush(&digest);
	*shape = digest.hash;
	return 0;
}

bool sqlshape_has_literal(const char *text, size_t len)
{
	struct sqllex lexer = {.at = text, .end = text + len};
	struct sqllex_token token;

	while (sqllex_next(&lexer, &token))
		if (token.uncertain || token.kind == SQLLEX_LITERAL)
			return true;
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

static bool next_word(struct sqllex *lexer, struct sqllex_token *token)
{
	do
		sqllex_next_solid(lexer, token);
	while (token->kind == SQLLEX_OTHER && *token->start == '(');
	return token->kind == SQLLEX_WORD;
}

const char *sqlshape_tag(const char *text, size_t len, char tag[32])
{
	struct sqllex lexer = {.at = text, .end = text + len};
	struct sqllex_token token;
	size_t n;

	tag[0] = '\0';
	if (!next_word(&lexer, &token))
		return tag;
	n = sqllex_upper(&token, tag, 16);
	if (!IS_ONE_OF(tag, object_commands)) {
		if (!IS_ONE_OF(tag, commands))
			tag[0] = '\0';
		return tag;
	}
	if (next_word(&lexer, &token) && is_object(token.start, token.end - token.start)) {
		tag[n++] = ' ';
		sqllex_upper(&token, tag + n, 32 - n);
	}
	return tag;
}
