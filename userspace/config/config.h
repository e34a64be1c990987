/* SPDX-License-Identifier: MIT */
/*
 * config - observer.yaml, parsed and checked. The only file that knows libyaml.
 *
 * Every error names file:line:column, the key and what is allowed. Pure apart from reading the file: names
 * are not resolved here (resolve.h), so that a configuration can be checked anywhere.
 */
#ifndef MO_CONFIG_H
#define MO_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "config/attach.h"
#include "config/checks.h"

#define CONFIG_NAME_MAX         63 /* of a cluster: [A-Za-z0-9_.-]{1,63} */
#define CONFIG_CLUSTERS_MAX     64
#define CONFIG_FINGERPRINTS_MAX 1024
#define CONFIG_ADDRESSES_MAX    32 /* of one endpoint */
#define CONFIG_IGNORE_MAX       64 /* ignore_statements of one cluster */
#define CONFIG_FILE_MAX         (1u << 20)

/* One item of `address`: a range, or a host name to resolve. */
struct config_address {
	char *text;                 /* as written, for messages */
	char *host;                 /* NULL unless a name */
	struct address_range range; /* of a name: only base.port */
	unsigned line, column;      /* where it stands in the file, from 1 */
};

struct config_endpoint {
	struct config_address *addresses;
	size_t address_count;
	char *database; /* NULL = any */
};

/* How result rows are compared. */
enum config_checksum { CHECKSUM_OFF, CHECKSUM_ORDERED, CHECKSUM_SET };

/* What the proxy mirrors: PgDog's key of the same name. */
enum config_level { LEVEL_ALL, LEVEL_DML, LEVEL_DDL };

struct config_cluster {
	char *name;
	struct config_endpoint primary, mirror;
	double exposure;             /* 0 < exposure <= 1; NaN = not given */
	uint32_t queue_limit;        /* requests per client of the proxy; 0 = not given */
	uint64_t request_timeout_us; /* default 30 s; 0 = none */
	enum config_checksum result_checksum;
	enum config_level level;  /* default LEVEL_ALL */
	char **ignore_statements; /* trimmed; default { ";" } */
	size_t ignore_count;
	uint64_t *ignore_fingerprints; /* shown, but not held against the mirror */
	size_t fingerprint_count;
};

struct config_proxy {
	char *comm, *exe, *cgroup; /* NULL = not given */
	uint32_t pid;              /* 0 = not given */
};

/* auto: once a backend connection is seen to use TLS. */
enum config_tls { CONFIG_TLS_AUTO, CONFIG_TLS_ON, CONFIG_TLS_OFF };

struct config {
	char *path;           /* of the file, for messages */
	char *listen_host;    /* numeric address; default 127.0.0.1 */
	uint16_t listen_port; /* default 10432; 0 = let the kernel choose (printed at start) */
	bool mirror_metrics_enabled;
	double failure_threshold; /* percent; NaN = not given */
	uint64_t window_us;       /* default 5 min */
	char *pin;                /* default /sys/fs/bpf/mirror_observer */
	uint32_t max_clusters;    /* elements of the pinned map, default 16 */
	uint32_t ring_bytes;      /* default 16 MiB, a power of two >= 64 KiB */
	uint64_t match_memory;    /* bytes for statements that wait, all clusters; default 192 MiB */
	enum config_tls tls;      /* whether TLS is read; default auto */
	enum attach_mode attach;  /* how sends and receives are seen; default auto */
	int log_level;            /* enum log_level, default info */
	char *state;              /* directory of what outlives the process; NULL = see config_state */
	char *user;               /* account to change to after attach; NULL = keep */
	struct readiness_settings readiness; /* thresholds of the verdict */
	struct config_proxy proxy;
	struct config_cluster *clusters;
	size_t cluster_count;
};

/* Writes a finished message, "observer.yaml:12:7: clusters[0].mirror.address: ...", into *error (caller
 * frees). Returns 0 or -EINVAL (the file's contents), -errno (cannot be read), -ENOMEM. */
int config_load(struct config **out, const char *path, char **error);
/* The same from memory; name stands for the path in messages. */
int config_parse(struct config **out, const char *name, const void *text, size_t len, char **error);
void config_free(struct config **config);

/* The directory of what outlives the process: `state`, or the first that systemd gives (StateDirectory=), or
 * NULL. */
const char *config_state(const struct config *config);
/* Is one of the addresses that of a Unix-domain socket? */
bool config_names_unix(const struct config *config);
/* The same name, endpoints and databases: what is known of the one is true of the other. The order of
 * addresses is of no account, nor is any other key. */
bool config_same_cluster(const struct config_cluster *a, const struct config_cluster *b);
/* True when nothing but what a reload may change differs (listen, mirror_metrics_enabled, pin, max_clusters,
 * ring_bytes, match_memory, attach, state, user need a restart); otherwise *key names the first one that
 * does. */
bool config_can_reload(const struct config *old, const struct config *new_, const char **key);

#endif
