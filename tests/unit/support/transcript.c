/* SPDX-License-Identifier: MIT */
#include "support/transcript.h"

#include <ctype.h>
#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STEP_NS   100000ull     /* between chunks without a time of their own */
#define CHUNK_MAX (64ull << 20) /* bytes of one chunk: a typo in `repeat` shall not eat the machine */

static char error_buffer[512];

static int fail(const char *path, size_t line, const char *what, const char **error_text)
{
	snprintf(error_buffer, sizeof(error_buffer), "%s:%zu: %s", path, line, what);
	if (error_text)
		*error_text = error_buffer;
	return -EINVAL;
}

static int grow(void **array, size_t count, size_t size)
{
	void *more = realloc(*array, (count + 1) * size);

	if (!more)
		return -ENOMEM;
	memset((char *)more + count * size, 0, size);
	*array = more;
	return 0;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* One character of a quoted string; returns how many were consumed, 0 for a bad escape. */
static size_t unescape(const char *text, uint8_t *out)
{
	*out = (uint8_t)text[0];
	if (text[0] != '\\')
		return 1;
	if (text[1] == '"' || text[1] == '\\') {
		*out = (uint8_t)text[1];
		return 2;
	}
	if (text[1] != 'x' || hex_digit(text[2]) < 0 || hex_digit(text[3]) < 0)
		return 0;
	*out = (uint8_t)(hex_digit(text[2]) << 4 | hex_digit(text[3]));
	return 4;
}

/* Decodes "..." in place (the result is never longer); returns its length or -1. */
static ssize_t unquote(char *text)
{
	uint8_t *out = (uint8_t *)text;
	const char *at = text + 1;
	size_t len = 0, used;

	if (*text != '"')
		return -1;
	while (*at != '"') {
		if (!*at)
			return -1;
		used = unescape(at, out + len);
		if (!used)
			return -1;
		len++;
		at += used;
	}
	return at[1] ? -1 : (ssize_t)len;
}

/* Appends `"bytes"` or `repeat N "bytes"` to the chunk. */
static int append_data(struct transcript_chunk *chunk, char *text)
{
	unsigned long long times = 1;
	ssize_t len;
	uint8_t *more;

	if (strncmp(text, "repeat ", 7) == 0) {
		times = strtoull(text + 7, &text, 10);
		if (*text++ != ' ')
			return -EINVAL;
	}
	len = unquote(text);
	if (len < 0 || times > CHUNK_MAX || times * (size_t)len > CHUNK_MAX - chunk->len)
		return -EINVAL;
	more = realloc(chunk->data, chunk->len + times * (size_t)len + 1);
	if (!more)
		return -ENOMEM;
	chunk->data = more;
	for (; times > 0; times--) {
		memcpy(chunk->data + chunk->len, text, (size_t)len);
		chunk->len += (size_t)len;
	}
	return 0;
}

/* `C @120 "..."`, `S close` and the like. */
static int add_chunk(struct transcript *transcript, char *line)
{
	struct transcript_chunk *chunk;
	char *rest = line + 2;
	uint64_t earliest = 0;

	if (transcript->chunk_count)
		earliest = transcript->chunks[transcript->chunk_count - 1].time_ns + STEP_NS;
	if (grow((void **)&transcript->chunks, transcript->chunk_count, sizeof(*chunk)))
		return -ENOMEM;
	chunk = &transcript->chunks[transcript->chunk_count++];
	chunk->side = line[0] == 'C' ? TRANSCRIPT_CLIENT : TRANSCRIPT_SERVER;
	if (*rest == '@') {
		chunk->time_ns = (uint64_t)(strtod(rest + 1, &rest) * 1e6);
		if (*rest++ != ' ')
			return -EINVAL;
	}
	if (chunk->time_ns < earliest)
		chunk->time_ns = earliest;
	if (strcmp(rest, "close") == 0 || strcmp(rest, "reset") == 0) {
		chunk->kind = rest[0] == 'c' ? TRANSCRIPT_CLOSE : TRANSCRIPT_RESET;
		return 0;
	}
	return append_data(chunk, rest);
}

static int add_fact(struct transcript *transcript, const char *group, char *item)
{
	char *equals = strchr(item, '=');
	struct transcript_fact *fact;

	if (!equals)
		return -EINVAL;
	*equals = '\0';
	if (grow((void **)&transcript->facts, transcript->fact_count, sizeof(*fact)))
		return -ENOMEM;
	fact = &transcript->facts[transcript->fact_count++];
	snprintf(fact->group, sizeof(fact->group), "%s", group);
	snprintf(fact->key, sizeof(fact->key), "%s", item);
	snprintf(fact->text, sizeof(fact->text), "%s", equals + 1);
	if (isdigit((unsigned char)equals[1]))
		fact->value = strtoull(equals + 1, NULL, 10);
	return 0;
}

/* `truth group key=value ...` */
static int add_facts(struct transcript *transcript, char *line)
{
	char *save, *group = strtok_r(line + strlen("truth "), " ", &save), *item;
	int err = group ? 0 : -EINVAL;

	while (!err && (item = strtok_r(NULL, " ", &save)))
		err = add_fact(transcript, group, item);
	return err;
}

static int read_line(struct transcript *transcript, char *line)
{
	if (!*line || *line == '#')
		return 0;
	if (strncmp(line, "truth ", 6) == 0)
		return add_facts(transcript, line);
	if (strncmp(line, "C ", 2) == 0 || strncmp(line, "S ", 2) == 0)
		return add_chunk(transcript, line);
	if (strncmp(line, "  ", 2) == 0 && transcript->chunk_count)
		return append_data(&transcript->chunks[transcript->chunk_count - 1], line + 2);
	return -EINVAL;
}

static int read_lines(struct transcript *transcript, FILE *file, const char *path, const char **error_text)
{
	char *line = NULL;
	size_t size = 0, number = 0;
	ssize_t len;
	int err = 0;

	while (!err && (len = getline(&line, &size, file)) >= 0) {
		if (len && line[len - 1] == '\n')
			line[len - 1] = '\0';
		number++;
		err = read_line(transcript, line);
	}
	free(line);
	return err == -EINVAL ? fail(path, number, "not a line of a transcript", error_text) : err;
}

static char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *name = strdup(slash ? slash + 1 : path);
	char *dot = name ? strrchr(name, '.') : NULL;

	if (dot)
		*dot = '\0';
	return name;
}

int transcript_load(struct transcript **out, const char *path, const char **error_text)
{
	struct transcript *transcript = calloc(1, sizeof(*transcript));
	FILE *file = fopen(path, "r");
	int err = -ENOMEM;

	if (!file)
		err = fail(path, 0, "cannot be opened", error_text);
	else if (transcript && (transcript->name = base_name(path)))
		err = read_lines(transcript, file, path, error_text);
	if (file)
		fclose(file);
	if (err)
		transcript_free(&transcript);
	else
		*out = transcript;
	return err;
}

void transcript_free(struct transcript **transcript)
{
	struct transcript *old = *transcript;

	*transcript = NULL;
	if (!old)
		return;
	for (size_t i = 0; i < old->chunk_count; i++)
		free(old->chunks[i].data);
	free(old->chunks);
	free(old->facts);
	free(old->name);
	free(old);
}

int transcript_load_all(struct transcript ***out, size_t *count, const char *directory,
			const char **error_text)
{
	struct transcript **all;
	char pattern[512];
	size_t n = 0;
	int err = 0;
	glob_t found;

	snprintf(pattern, sizeof(pattern), "%s/*.txt", directory);
	if (glob(pattern, 0, NULL, &found))
		return fail(directory, 0, "no transcripts there", error_text);
	all = calloc(found.gl_pathc, sizeof(*all));
	if (!all)
		err = -ENOMEM;
	while (!err && n < found.gl_pathc) {
		err = transcript_load(&all[n], found.gl_pathv[n], error_text);
		n += !err;
	}
	globfree(&found);
	if (err) {
		transcript_free_all(&all, n);
		return err;
	}
	*out = all;
	*count = n;
	return 0;
}

void transcript_free_all(struct transcript ***transcripts, size_t count)
{
	for (size_t i = 0; *transcripts && i < count; i++)
		transcript_free(&(*transcripts)[i]);
	free(*transcripts);
	*transcripts = NULL;
}

const struct transcript_fact *transcript_find(const struct transcript *transcript, const char *group,
					      const char *key)
{
	for (size_t i = 0; i < transcript->fact_count; i++) {
		const struct transcript_fact *fact = &transcript->facts[i];

		if (strcmp(fact->group, group) == 0 && strcmp(fact->key, key) == 0)
			return fact;
	}
	return NULL;
}

uint64_t transcript_truth(const struct transcript *transcript, const char *group, const char *key,
			  uint64_t unstated)
{
	const struct transcript_fact *fact = transcript_find(transcript, group, key);

	return fact ? fact->value : unstated;
}

uint64_t transcript_total(const struct transcript *transcript, const char *group)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < transcript->fact_count; i++)
		if (strcmp(transcript->facts[i].group, group) == 0)
			sum += transcript->facts[i].value;
	return sum;
}
