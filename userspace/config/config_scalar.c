/* SPDX-License-Identifier: MIT */
/* Errors of the configuration and the scalars in it. */
#include "config/config_reader.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "config/value.h"

#define DATABASE_MAX  63      /* the server cuts longer names: NAMEDATALEN - 1 */
#define COMM_MAX      15      /* the kernel's TASK_COMM_LEN - 1 */
#define PID_MAX_LIMIT 4194304 /* the kernel's, on 64 bits */

static int fail(struct reader *r, const struct text_place *place, const char *key, const char *format,
		va_list args)
{
	char text[1024];

	vsnprintf(text, sizeof(text), format, args);
	if (asprintf(r->error, "%s:%u:%u: %s%s%s", r->name, place->line, place->column, key, *key ? ": " : "",
		     text) < 0) {
		*r->error = NULL;
		return -ENOMEM;
	}
	return -EINVAL;
}

int reader_fail(struct reader *r, unsigned line, unsigned column, const char *format, ...)
{
	struct text_place place = {line, column};
	va_list args;
	int err;

	va_start(args, format);
	err = fail(r, &place, "", format, args);
	va_end(args);
	return err;
}

int reader_fail_key(struct reader *r, const struct tree *node, const char *format, ...)
{
	struct text_place place = {node->line, node->column};
	va_list args;
	int err;

	va_start(args, format);
	err = fail(r, &place, r->key, format, args);
	va_end(args);
	return err;
}

int reader_scalar(struct reader *r, const struct tree *node, const char *allowed)
{
	if (node->kind != TREE_SCALAR)
		return reader_fail_key(r, node, "%s stands here; write %s", tree_kind_name(node), allowed);
	if (tree_is_null(node))
		return reader_fail_key(r, node, "has no value; write %s", allowed);
	if (strlen(node->text) != node->len)
		return reader_fail_key(r, node, "holds a NUL byte; write %s", allowed);
	return 0;
}

int reader_refuse(struct reader *r, const struct tree *node, const char *allowed)
{
	char quoted[TEXT_QUOTED_MAX];

	return reader_fail_key(r, node, "%s is not allowed; write %s", text_quote(node->text, quoted),
			       allowed);
}

/* An unquoted scalar: numbers, durations and booleans in quotes are texts. */
static int check_plain(struct reader *r, const struct tree *node, const char *allowed)
{
	int err = reader_scalar(r, node, allowed);

	if (!err && !node->plain)
		return reader_fail_key(r, node, "stands in quotes; write %s without them", allowed);
	return err;
}

int reader_store(const char *text, char **target)
{
	char *copy = strdup(text);

	if (!copy)
		return -ENOMEM;
	free(*target);
	*target = copy;
	return 0;
}

/* A text of 1 to max bytes. */
static int parse_text(struct reader *r, const struct tree *node, char **target, size_t max,
		      const char *allowed)
{
	int err = reader_scalar(r, node, allowed);

	if (err)
		return err;
	if (!*node->text || strlen(node->text) > max)
		return reader_refuse(r, node, allowed);
	return reader_store(node->text, target);
}

int parse_bool(struct reader *r, const struct tree *node, void *target)
{
	int err = check_plain(r, node, "true or false");

	if (err)
		return err;
	*(bool *)target = strcmp(node->text, "true") == 0;
	if (!*(bool *)target && strcmp(node->text, "false") != 0)
		return reader_refuse(r, node, "true or false");
	return 0;
}

static int parse_unsigned(struct reader *r, const struct tree *node, uint32_t *target, uint32_t max)
{
	char allowed[64];
	uint64_t n;
	int err;

	snprintf(allowed, sizeof(allowed), "a whole number from 1 to %u", max);
	err = check_plain(r, node, allowed);
	if (err)
		return err;
	if (value_unsigned(node->text, &n) || n < 1 || n > max)
		return reader_refuse(r, node, allowed);
	*target = n;
	return 0;
}

int parse_max_clusters(struct reader *r, const struct tree *node, void *target)
{
	return parse_unsigned(r, node, target, CONFIG_CLUSTERS_MAX);
}

int parse_queue_limit(struct reader *r, const struct tree *node, void *target)
{
	return parse_unsigned(r, node, target, 1000000);
}

int parse_pid(struct reader *r, const struct tree *node, void *target)
{
	return parse_unsigned(r, node, target, PID_MAX_LIMIT);
}

int parse_threshold(struct reader *r, const struct tree *node, void *target)
{
	static const char allowed[] = "a number from 0 to 100 (percent)";
	int err = check_plain(r, node, allowed);

	if (err)
		return err;
	if (value_decimal(node->text, target) || *(double *)target > 100)
		return reader_refuse(r, node, allowed);
	return 0;
}

int parse_exposure(struct reader *r, const struct tree *node, void *target)
{
	static const char allowed[] = "a number above 0 and at most 1";
	int err = check_plain(r, node, allowed);

	if (err)
		return err;
	if (value_decimal(node->text, target) || *(double *)target <= 0 || *(double *)target > 1)
		return reader_refuse(r, node, allowed);
	return 0;
}

static int parse_duration(struct reader *r, const struct tree *node, uint64_t *us, uint64_t min,
			  const char *allowed)
{
	int err = check_plain(r, node, allowed);

	if (err)
		return err;
	if (value_duration(node->text, us) || *us < min || *us > 24 * 3600 * 1000000ull)
		return reader_refuse(r, node, allowed);
	return 0;
}

int parse_window(struct reader *r, const struct tree *node, void *target)
{
	return parse_duration(r, node, target, 1000000, "a duration from 1s to 24h, such as 30s, 5m or 1h");
}

int parse_timeout(struct reader *r, const struct tree *node, void *target)
{
	return parse_duration(r, node, target, 0,
			      "a duration up to 24h, such as 250ms, 30s or 5m, or 0 for none");
}

/* A threshold that is a time: seconds, as a double. */
int parse_seconds(struct reader *r, const struct tree *node, void *target)
{
	uint64_t us;
	int err = parse_duration(r, node, &us, 0, "a duration up to 24h, such as 250ms, 30s or 5m, or 0");

	if (!err)
		*(double *)target = us / 1e6;
	return err;
}

/* Any other threshold. */
int parse_number(struct reader *r, const struct tree *node, void *target)
{
	static const char allowed[] = "a number, 0 or more";
	int err = check_plain(r, node, allowed);

	if (err)
		return err;
	return value_decimal(node->text, target) ? reader_refuse(r, node, allowed) : 0;
}

/* As GET /statements shows it. */
int parse_fingerprint(struct reader *r, const struct tree *node, void *target)
{
	static const char allowed[] = "a fingerprint of 16 hexadecimal digits, in quotes";
	int err = reader_scalar(r, node, allowed);

	if (err)
		return err;
	if (strlen(node->text) != 16 || strspn(node->text, "0123456789abcdef") != 16)
		return reader_refuse(r, node, allowed);
	*(uint64_t *)target = strtoull(node->text, NULL, 16);
	return 0;
}

int parse_attach(struct reader *r, const struct tree *node, void *target)
{
	static const char allowed[] = "auto, tracepoint, fexit or kprobe";
	int err = reader_scalar(r, node, allowed);
	int mode;

	if (err)
		return err;
	mode = attach_parse(node->text);
	if (mode < 0)
		return reader_refuse(r, node, allowed);
	*(enum attach_mode *)target = mode;
	return 0;
}

int parse_ring(struct reader *r, const struct tree *node, void *target)
{
	static const char allowed[] = "a power of two from 64KiB to 1GiB, such as 16MiB";
	uint64_t bytes;
	int err = check_plain(r, node, allowed);

	if (err)
		return err;
	if (value_size(node->text, &bytes) || bytes < 64u << 10 || bytes > 1u << 30 || bytes & (bytes - 1))
		return reader_refuse(r, node, allowed);
	*(uint32_t *)target = bytes;
	return 0;
}

int parse_match_memory(struct reader *r, const struct tree *node, void *target)
{
	static const char allowed[] = "a size from 1MiB to 64GiB, such as 192MiB";
	uint64_t *bytes = target;
	int err = check_plain(r, node, allowed);

	if (err)
		return err;
	if (value_size(node->text, bytes) || *bytes < 1u << 20 || *bytes > 64ull << 30)
		return reader_refuse(r, node, allowed);
	return 0;
}

int parse_log_level(struct reader *r, const struct tree *node, void *target)
{
	static const char allowed[] = "error, warning, info or debug";
	int err = reader_scalar(r, node, allowed);

	if (err)
		return err;
	*(int *)target = log_level_parse(node->text);
	return *(int *)target < 0 ? reader_refuse(r, node, allowed) : 0;
}

/* One of `count` names, whose index is what *target (an enum from 0) becomes. */
static int parse_choice(struct reader *r, const struct tree *node, int *target, const char *const *names,
			int count, const char *allowed)
{
	int err = reader_scalar(r, node, allowed);

	if (err)
		return err;
	for (int i = 0; i < count; i++)
		if (strcmp(node->text, names[i]) == 0) {
			*target = i;
			return 0;
		}
	return reader_refuse(r, node, allowed);
}

int parse_result_checksum(struct reader *r, const struct tree *node, void *target)
{
	static const char *const names[] = {
	    [CHECKSUM_OFF] = "off", [CHECKSUM_ORDERED] = "ordered", [CHECKSUM_SET] = "set"};
	int choice = 0, err = parse_choice(r, node, &choice, names, 3, "off, ordered or set");

	*(enum config_checksum *)target = choice;
	return err;
}

int parse_level(struct reader *r, const struct tree *node, void *target)
{
	static const char *const names[] = {[LEVEL_ALL] = "all", [LEVEL_DML] = "dml", [LEVEL_DDL] = "ddl"};
	int choice = 0, err = parse_choice(r, node, &choice, names, 3, "all, dml or ddl");

	*(enum config_level *)target = choice;
	return err;
}

int parse_tls(struct reader *r, const struct tree *node, void *target)
{
	static const char *const names[] = {
	    [CONFIG_TLS_AUTO] = "auto", [CONFIG_TLS_ON] = "on", [CONFIG_TLS_OFF] = "off"};
	int choice = 0, err = parse_choice(r, node, &choice, names, 3, "auto, on or off");

	*(enum config_tls *)target = choice;
	return err;
}

int parse_comm(struct reader *r, const struct tree *node, void *target)
{
	return parse_text(r, node, target, COMM_MAX,
			  "the process name, at most 15 bytes, as /proc/PID/comm shows it");
}

int parse_user(struct reader *r, const struct tree *node, void *target)
{
	return parse_text(r, node, target, 255, "the name of an account");
}

int parse_database(struct reader *r, const struct tree *node, void *target)
{
	return parse_text(r, node, target, DATABASE_MAX, "the name of a database, 1 to 63 bytes");
}

static int parse_absolute(struct reader *r, const struct tree *node, char **target, const char *allowed)
{
	int err = parse_text(r, node, target, 1023, allowed);

	return !err && (*target)[0] != '/' ? reader_refuse(r, node, allowed) : err;
}

int parse_exe(struct reader *r, const struct tree *node, void *target)
{
	return parse_absolute(r, node, target, "the absolute path of the proxy's executable");
}

int parse_pin(struct reader *r, const struct tree *node, void *target)
{
	return parse_absolute(r, node, target, "the absolute path of a directory below a bpffs");
}

int parse_state(struct reader *r, const struct tree *node, void *target)
{
	return parse_absolute(r, node, target,
			      "the absolute path of a directory, such as /var/lib/mirror-observer");
}

int parse_cgroup(struct reader *r, const struct tree *node, void *target)
{
	return parse_text(r, node, target, 1023,
			  "the path of a cgroup below the cgroup2 mount, such as system.slice/pgdog.service");
}

int parse_name(struct reader *r, const struct tree *node, void *target)
{
	static const char allowed[] = "1 to 63 characters of A-Z a-z 0-9 _ . -";
	int err = parse_text(r, node, target, CONFIG_NAME_MAX, allowed);

	if (err)
		return err;
	for (const char *at = node->text; *at; at++)
		if (!isalnum((unsigned char)*at) && !strchr("_.-", *at))
			return reader_refuse(r, node, allowed);
	for (size_t i = 0; i + 1 < r->config->cluster_count; i++)
		if (strcmp(r->config->clusters[i].name, node->text) == 0)
			return reader_fail_key(
			    r, node, "clusters[%zu] is named %s already; names must differ", i, node->text);
	return 0;
}

int parse_listen(struct reader *r, const struct tree *node, void *target)
{
	static const char allowed[] = "a numeric address and port, such as 127.0.0.1:10432 or [::1]:10432";
	struct config *config = target;
	char host[ADDRESS_TEXT_MAX], quoted[TEXT_QUOTED_MAX];
	const char *why;
	int err = reader_scalar(r, node, allowed);

	if (err)
		return err;
	if (address_parse_listen(node->text, host, &config->listen_port, &why))
		return reader_fail_key(r, node, "%s: %s; write %s", text_quote(node->text, quoted), why,
				       allowed);
	return reader_store(host, &config->listen_host);
}
