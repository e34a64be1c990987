/* SPDX-License-Identifier: MIT */
/* judged - figures of a cluster that nothing can be said against, to be spoiled by a test, and their verdict.
 */
#ifndef MO_JUDGED_H
#define MO_JUDGED_H

#include "verdict/readiness.h"

/* With enough evidence for every default threshold. */
struct readiness_input healthy(struct stats_cluster *delta);
struct match_arrivals fates(double arrived, double lost);
/* The verdict of one check by the default thresholds. */
enum verdict check_of(const struct readiness_input *input, enum readiness_check_id id, struct readiness *out);

#endif
