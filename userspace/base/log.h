/* SPDX-License-Identifier: MIT */
/*
 * log - one line each to stderr, for journald ("<3>" prefixes where JOURNAL_STREAM says so) and for people.
 *
 * No line carries statement text with literals, parameters or a server's error text. The level is the only
 * global state of the program. Safe from one thread only, like everything here.
 */
#ifndef MO_LOG_H
#define MO_LOG_H

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

void log_set_level(enum log_level level);
/* "error", "warning", "info", "debug" to the level; -EINVAL for anything else. */
int log_level_parse(const char *name);

void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warning(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
