/* SPDX-License-Identifier: MIT */
/*
 * value - numbers, durations and sizes as people write them in observer.yaml. Pure; independent of the
 * locale.
 *
 * All return 0, -EINVAL when the text is not of that form, -ERANGE when it does not fit.
 */
#ifndef MO_VALUE_H
#define MO_VALUE_H

#include <stdint.h>

/* "5", "128": decimal digits only. */
int value_unsigned(const char *text, uint64_t *out);
/* "5", "0.25": digits with at most one point; no sign, exponent, nan or inf. */
int value_decimal(const char *text, double *out);
/* "250us", "250ms", "30s", "5m", "1h", "2d" to microseconds; "0" needs no unit. */
int value_duration(const char *text, uint64_t *us);
/* "65536", "64KiB", "16MiB", "1GiB" to bytes. */
int value_size(const char *text, uint64_t *bytes);

#endif
