/* SPDX-License-Identifier: MIT */
/*
 * notify - what systemd is told (sd_notify(3)); all of it does nothing when systemd did not start us.
 */
#ifndef MO_NOTIFY_H
#define MO_NOTIFY_H

#include <stdint.h>

void notify_ready(const char *status);
/* Also after a reload that failed: notify_ready ends it. */
void notify_reloading(void);
void notify_stopping(void);
void notify_watchdog(void);
/* How often notify_watchdog is due, in microseconds; 0 = no watchdog. */
uint64_t notify_watchdog_interval_us(void);

#endif
