/* SPDX-License-Identifier: MIT */
#include "support/tls_record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Decodes hexadecimal text to the end of the word; returns the bytes, and their number in *len. */
static uint8_t *from_hex(const char *text, size_t *len)
{
	uint8_t *data = malloc(strlen(text) / 2 + 1);
	unsigned byte;

	assert_non_null(data);
	for (*len = 0; sscanf(text + 2 * *len, "%2x", &byte) == 1; ++*len)
		data[*len] = byte;
	return data;
}

static void add_chunk(struct tls_record *out, int direction, const char *hex)
{
	struct tls_chunk *chunk = &out->chunks[out->chunk_count++];

	assert_true(out->chunk_count <= TLS_RECORD_CHUNKS);
	chunk->direction = direction;
	chunk->data = from_hex(hex, &chunk->len);
}

static void add_plain(struct tls_record *out, int direction, const char *hex)
{
	size_t len;
	uint8_t *data = from_hex(hex, &len);

	out->plain[direction] = realloc(out->plain[direction], out->plain_len[direction] + len);
	assert_non_null(out->plain[direction]);
	memcpy(out->plain[direction] + out->plain_len[direction], data, len);
	out->plain_len[direction] += len;
	free(data);
}

/* A line of SSLKEYLOGFILE's format: what it is, the client's random, the secret. */
static void add_secret(struct tls_record *out, char *line)
{
	char *label = strtok(line, " "), *random = strtok(NULL, " "), *hex = strtok(NULL, " ");
	struct secret *secret = &out->secrets[out->secret_count++];
	size_t len;
	uint8_t *bytes;

	assert_true(out->secret_count <= TLS_RECORD_SECRETS && random && hex);
	bytes = from_hex(hex, &len);
	*secret = (struct secret){.seen_ns = 2, .process = 1, .library = TLS_OPENSSL_3, .len = len};
	secret->master = strcmp(label, "CLIENT_RANDOM") == 0;
	secret->traffic = !secret->master;
	memcpy(secret->bytes, bytes, len);
	free(bytes);
}

static void read_line(struct tls_record *out, char *line)
{
	line[strcspn(line, "\n")] = '\0';
	if (strncmp(line, "key ", 4) == 0)
		add_secret(out, line + 4);
	else if (strncmp(line, "plain ", 6) == 0)
		add_plain(out, line[6] == 'S', line + 8);
	else if (line[0] == 'C' || line[0] == 'S')
		add_chunk(out, line[0] == 'S', line + 2);
}

void tls_record_load(struct tls_record *out, const char *name)
{
	char path[256], *line = NULL;
	size_t size = 0;
	FILE *file;

	memset(out, 0, sizeof(*out));
	snprintf(out->name, sizeof(out->name), "%s", name);
	snprintf(path, sizeof(path), "%s/%s.txt", TLS_RECORD_DIRECTORY, name);
	file = fopen(path, "re");
	assert_non_null(file);
	while (getline(&line, &size, file) > 0)
		read_line(out, line);
	free(line);
	fclose(file);
}

void tls_record_free(struct tls_record *record)
{
	for (size_t i = 0; i < record->chunk_count; i++)
		free(record->chunks[i].data);
	free(record->plain[0]);
	free(record->plain[1]);
}
