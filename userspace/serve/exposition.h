/* SPDX-License-Identifier: MIT */
/*
 * exposition - writes metric families in the OpenMetrics 1.0 or the Prometheus 0.0.4 text format.
 *
 * Knows the formats and no metric. A family is begun once, then all its samples follow:
 *
 *   exposition_family(x, "pgdog_mirror_requests", EXPOSITION_COUNTER, "Requests sent to the mirror");
 *   exposition_integer(x, LABELS({"cluster", name}, {"status", "success"}), count);
 *
 * The differences between the formats are settled here: a counter's family is named without `_total` in
 * OpenMetrics and with it in 0.0.4; UNIT exists only in OpenMetrics and is derived from the name's last word
 * (Prometheus rejects a scrape whose UNIT is not the end of the name). Numbers are exact decimals.
 */
#ifndef MO_EXPOSITION_H
#define MO_EXPOSITION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"

enum exposition_format { EXPOSITION_PROMETHEUS, EXPOSITION_OPENMETRICS };
enum exposition_type { EXPOSITION_COUNTER, EXPOSITION_GAUGE, EXPOSITION_HISTOGRAM };

struct exposition {
	struct buffer *out;
	enum exposition_format format;
	char family[128]; /* without _total */
	enum exposition_type type;
};

struct exposition_label {
	const char *name, *value;
};

/* Labels of a sample, in order; a list ends with a NULL name. */
#define LABELS(...) ((const struct exposition_label[]){__VA_ARGS__, {NULL, NULL}})
#define NO_LABELS   ((const struct exposition_label[]){{NULL, NULL}})

/* Value of the Content-Type header. */
const char *exposition_content_type(enum exposition_format format);

void exposition_begin(struct exposition *x, struct buffer *out, enum exposition_format format);
/* name has no _total; help is one sentence without a full stop. */
void exposition_family(struct exposition *x, const char *name, enum exposition_type type, const char *help);
/* One sample of a counter or gauge. */
void exposition_integer(struct exposition *x, const struct exposition_label *labels, uint64_t value);
/* value / 10^digits, digits 0 to 9: microseconds as seconds with digits = 6, exactly. */
void exposition_decimal(struct exposition *x, const struct exposition_label *labels, uint64_t value,
			int digits);
/* Shortest decimal that reads back as the same double; NaN and infinities as the formats spell them. */
void exposition_double(struct exposition *x, const struct exposition_label *labels, double value);
/*
 * A histogram of microseconds as seconds: bounds_us ascending, counts not cumulative and one more than bounds
 * (the last is +Inf). `le` is written alike in both formats ("1.0"), so that a series keeps its name when a
 * scraper changes the format.
 */
void exposition_histogram(struct exposition *x, const struct exposition_label *labels,
			  const uint64_t *bounds_us, const uint64_t *counts, size_t bounds, uint64_t sum_us);
/* "# EOF". */
void exposition_end(struct exposition *x);

/* Families that come from elsewhere: called once per scrape, between other families. */
struct exposition_source {
	void (*write)(void *ctx, struct exposition *x);
	void *ctx;
};

#endif
