/* SPDX-License-Identifier: MIT */
/*
 * config_reader - inside the configuration's modules only: where a reader is, how it fails, and the scalars
 * of observer.yaml. config.c makes the tree, config_fields.c walks it, config_scalar.c reads the leaves.
 *
 * Every function returns 0, -EINVAL with r->error set, or -ENOMEM.
 */
#ifndef MO_CONFIG_READER_H
#define MO_CONFIG_READER_H

#include "config/config.h"
#include "config/text.h"
#include "config/tree.h"

struct reader {
	const char *name; /* of the file */
	char **error;
	struct config *config;
	char key[192]; /* where we are: "clusters[0].mirror.address" */
};

/* "file:line:column: text" into *r->error; -EINVAL. */
int reader_fail(struct reader *r, unsigned line, unsigned column, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* The same, beginning with the key that is being read. */
int reader_fail_key(struct reader *r, const struct tree *node, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* A scalar that is there and holds no NUL; allowed says what the key wants. */
int reader_scalar(struct reader *r, const struct tree *node, const char *allowed);
/* "the text" is not allowed; write allowed. */
int reader_refuse(struct reader *r, const struct tree *node, const char *allowed);
/* Replaces *target by a copy. */
int reader_store(const char *text, char **target);

/* Walks the whole tree into r->config; root may be NULL. */
int config_fields(struct reader *r, const struct tree *root);

/* What a key's value is read with; target is the field it fills (parse_listen: the struct config). */
typedef int parse_function(struct reader *r, const struct tree *node, void *target);

parse_function parse_bool, parse_threshold, parse_exposure, parse_window, parse_timeout, parse_ring;
parse_function parse_attach, parse_match_memory, parse_tls;
parse_function parse_max_clusters, parse_queue_limit, parse_pid, parse_log_level, parse_result_checksum,
    parse_level, parse_comm, parse_user;
parse_function parse_seconds, parse_number, parse_fingerprint;
parse_function parse_database, parse_exe, parse_pin, parse_state, parse_cgroup, parse_name, parse_listen;

#endif
