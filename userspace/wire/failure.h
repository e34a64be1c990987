/* SPDX-License-Identifier: MIT */
/*
 * failure - the one table that says what type of failure an ErrorResponse is. Pure.
 *
 * Decided in this order:
 *   1. timeout          57014 query_canceled (statement_timeout, a cancel request, CopyFail),
 *                       55P03 lock_not_available (lock_timeout, NOWAIT), 25P03
 *                       idle_in_transaction_session_timeout, 25P04 transaction_timeout
 *   2. connection       severity FATAL or PANIC, and every error before the first ReadyForQuery
 *   3. query_execution  everything else
 * What has no ErrorResponse is decided where it is seen: no answer within request_timeout and a close by the
 * proxy with a cycle outstanding are `timeout`; FIN or RST by the server with a request open is `connection`.
 */
#ifndef MO_FAILURE_H
#define MO_FAILURE_H

#include <stdbool.h>

/* Label values of `error_type`; the order is that of ERROR_TYPE in counters.def. */
enum failure_type { FAILURE_CONNECTION, FAILURE_TIMEOUT, FAILURE_QUERY_EXECUTION, FAILURE_NONE };

enum failure_type failure_of(const char *sqlstate, const char *severity, bool startup);
/* FATAL and PANIC end the connection. */
bool failure_fatal(const char *severity);

#endif
