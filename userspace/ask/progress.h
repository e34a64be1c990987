/* SPDX-License-Identifier: MIT */
/* progress - the line that `readiness --wait` keeps up to date on a terminal: what is still missing, and how
 * long that takes at this rate. Nothing where standard error is none. */
#ifndef MO_PROGRESS_H
#define MO_PROGRESS_H

/* cluster NULL: the first that is not ready. */
void progress_show(const char *url, const char *cluster);
/* Clears the line. */
void progress_end(void);

#endif
