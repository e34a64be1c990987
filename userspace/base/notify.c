/* SPDX-License-Identifier: MIT */
#include "base/notify.h"

#include <inttypes.h>
#include <systemd/sd-daemon.h>

#include "base/clock.h"

void notify_ready(const char *status)
{
	sd_notifyf(0, "READY=1\nSTATUS=%s", status);
}

void notify_reloading(void)
{
	/* Type=notify-reload wants the time of the reload with it. */
	sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64,
		   clock_us() + clock_offset_ns / 1000); /* of ours */
}

void notify_stopping(void)
{
	sd_notify(0, "STOPPING=1");
}

void notify_watchdog(void)
{
	sd_notify(0, "WATCHDOG=1");
}

uint64_t notify_watchdog_interval_us(void)
{
	uint64_t us = 0;

	/* sd_watchdog_enabled(3) recommends half of the limit. */
	return sd_watchdog_enabled(0, &us) > 0 ? us / 2 : 0;
}
