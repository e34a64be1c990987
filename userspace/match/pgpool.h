/* SPDX-License-Identifier: MIT */
/*
 * pgpool - the statements that pgpool-II sends of its own accord, to the primary only, so that matching can
 * leave them out: they never reach the mirror and are no loss.
 *
 * Seen with pgpool-II 4.3 in native replication mode (log_statement = all on both servers): what clients send
 * reaches both servers byte for byte alike, also where pgpool-II rewrites it (now(), CURRENT_DATE and column
 * defaults of those kinds become one literal or one more parameter, the same for both; BEGIN and COMMIT
 * around a write go to both). Before that it asks the primary alone for the time, for properties of functions
 * and tables, and locks the table of an INSERT into a serial column.
 */
#ifndef MO_PGPOOL_H
#define MO_PGPOOL_H

#include <stdbool.h>
#include <stddef.h>

/* A client's own "SELECT now()" cannot be told from pgpool-II's and counts as one, on either side. */
bool pgpool_own_statement(const char *text, size_t len);

#endif
