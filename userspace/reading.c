/* SPDX-License-Identifier: MIT */
#include "reading.h"

#include <errno.h>
#include <stdlib.h>

#include "base/log.h"
#include "secrets/hooks.h"
#include "secrets/secrets.h"
#include "tls/decrypt.h"

_Static_assert(READING_PROGRAMS >= HOOKS_PROGRAMS, "room for all");

struct reading {
	struct stats *stats;
	struct decrypt_room *room; /* NULL where the kernel does not offer what it needs */
	struct secrets *secrets;
	uint64_t before[DECRYPT_REASONS]; /* unread bytes in the map before this process */
};

/* In the map what TLS keeps from us comes after what the kernel could not give. */
static uint64_t *unread_cell(const struct reading *reading, enum decrypt_reason reason)
{
	return (uint64_t *)stats_cell(&stats_observer(reading->stats)->lost_bytes, LOSS_REASONS - 1 + reason);
}

static int start(struct reading *reading, struct loop *loop, const struct config *config)
{
	int err = decrypt_room_new(&reading->room);

	if (!err)
		err = secrets_new(&reading->secrets, loop, config, decrypt_keyring(reading->room));
	if (!err || config->tls == CONFIG_TLS_ON)
		return err;
	log_warning("%s", secrets_error());
	decrypt_room_free(&reading->room);
	return 0;
}

int reading_new(struct reading **out, struct loop *loop, struct stats *stats, const struct config *config,
		const char **error)
{
	struct reading *reading;
	int err;

	*out = NULL;
	if (config->tls == CONFIG_TLS_OFF)
		return 0;
	reading = calloc(1, sizeof(*reading));
	if (!reading)
		return -ENOMEM;
	reading->stats = stats;
	for (int i = 0; i < DECRYPT_REASONS; i++)
		reading->before[i] = *unread_cell(reading, i);
	err = start(reading, loop, config);
	if (err) {
		*error = secrets_error();
		reading_free(&reading);
	}
	*out = reading;
	return err;
}

void reading_free(struct reading **reading)
{
	if (!*reading)
		return;
	secrets_free(&(*reading)->secrets);
	decrypt_room_free(&(*reading)->room);
	free(*reading);
	*reading = NULL;
}

struct decrypt_room *reading_room(const struct reading *reading)
{
	return reading ? reading->room : NULL;
}

void reading_set_filter(struct reading *reading, const struct filter *filter)
{
	if (reading && reading->secrets)
		secrets_set_filter(reading->secrets, filter);
}

void reading_begin(void *ctx)
{
	struct reading *reading = ctx;

	if (reading && reading->secrets)
		secrets_begin(reading->secrets);
}

void reading_reload(struct reading *reading, const struct config *config)
{
	if (reading && reading->secrets)
		secrets_reload(reading->secrets, config);
}

void reading_drain(struct reading *reading)
{
	if (reading && reading->secrets)
		secrets_drain(reading->secrets);
}

void reading_sync(struct reading *reading, const struct conns_totals *totals)
{
	for (int i = 0; reading && i < DECRYPT_REASONS; i++)
		*unread_cell(reading, i) = reading->before[i] + totals->unread_bytes[i];
}

/* ----------------------------------------------------------------------------------------- what is shown */

#define LIBRARIES (TLS_LIBRARIES + 1) /* the last: not known */

static const char *const sides[] = {[TARGET_PRIMARY] = "primary", [TARGET_MIRROR] = "mirror"};
static const char *const states[] = {
    [CONN_TLS_READ] = "read", [CONN_TLS_NO_KEY] = "no_key", [CONN_TLS_UNSUPPORTED] = "unsupported"};

struct tally {
	uint64_t count[64][TARGET_NONE][LIBRARIES][CONN_TLS_STATES]; /* by cluster, as in struct role */
};

size_t reading_programs(const struct reading *reading, struct probe_program out[READING_PROGRAMS])
{
	struct hooks_program programs[HOOKS_PROGRAMS];
	size_t count = reading && reading->secrets ? secrets_programs(reading->secrets, programs) : 0;

	for (size_t i = 0; i < count; i++)
		out[i] = (struct probe_program){programs[i].name, programs[i].runs, programs[i].run_ns,
						programs[i].recursion_misses};
	return count;
}

static void add(void *ctx, const struct role *role, int library, enum conn_tls state)
{
	struct tally *tally = ctx;

	for (int i = 0; role->target != TARGET_NONE && i < 64; i++)
		if (role->clusters >> i & 1)
			tally->count[i][role->target][library < 0 ? TLS_LIBRARIES : library][state]++;
}

static void write_cluster(const struct tally *tally, size_t i, const char *name, struct exposition *x)
{
	for (int target = 0; target < TARGET_NONE; target++)
		for (int library = 0; library < LIBRARIES; library++)
			for (int state = 0; state < CONN_TLS_STATES; state++) {
				uint64_t count = tally->count[i][target][library][state];
				const char *in =
				    library < TLS_LIBRARIES ? tls_library_name(library) : "unknown";

				if (count)
					exposition_integer(x,
							   LABELS({"cluster", name},
								  {"target", sides[target]}, {"library", in},
								  {"state", states[state]}),
							   count);
			}
}

void reading_write(const struct reading *reading, const struct conns *conns, const struct config *config,
		   struct exposition *x)
{
	struct tally *tally = reading && reading->room ? calloc(1, sizeof(*tally)) : NULL;

	if (!tally)
		return;
	conns_each_tls(conns, add, tally);
	exposition_family(
	    x, "mirror_observer_tls_connections", EXPOSITION_GAUGE,
	    "Open backend connections that use TLS, by the library in which their secrets were seen");
	for (size_t i = 0; i < config->cluster_count && i < 64; i++)
		write_cluster(tally, i, config->clusters[i].name, x);
	free(tally);
}
