/* SPDX-License-Identifier: MIT */
#include "config/checks.h"

void readiness_defaults(struct readiness_settings *settings)
{
	static const double defaults[READINESS_CHECK_COUNT] = {
#define READINESS_DEFAULT(name, compare, value, unit, what, advice) value,
	    READINESS_CHECKS(READINESS_DEFAULT)
#undef READINESS_DEFAULT
	};

	settings->window_us = 3600ull * 1000000;
	settings->latency_harmless_us = 1000;
	for (int i = 0; i < READINESS_CHECK_COUNT; i++)
		settings->thresholds[i] = defaults[i];
}
