/* SPDX-License-Identifier: MIT */
/*
 * fleet - the verdict that Prometheus's rules make of several observers (docs/prometheus/rules.yaml): the
 * question, and its answer in the form of /readiness, so that report.h can show it.
 *
 * Pure: text in, text out. What is not of the expected form is -EPROTO.
 */
#ifndef MO_FLEET_H
#define MO_FLEET_H

#include "base/buffer.h"

/* Appends the PromQL expression; cluster NULL = all of them. */
void fleet_query(struct buffer *out, const char *cluster);

/*
 * Appends {"clusters":[...]} (figures.h) for what Prometheus answered to that. Each cluster has, beside the
 * checks of its observers, one named `observers`: whether all of them report. The reasons name the observers
 * that are in the way. 0, -ENOENT when there is no verdict in it, -EPROTO or -ENOMEM.
 */
int fleet_answer(struct buffer *out, const char *json);

#endif
