/* SPDX-License-Identifier: MIT */
/*
 * import - `import FILE...`: observer.yaml from a proxy's configuration. Debian has no C library that reads
 * TOML, Python has one: the work is done by mirror-observer-import, which is installed beside this program.
 */
#ifndef MO_IMPORT_H
#define MO_IMPORT_H

/* Runs it in this process's place, with these arguments (NULL-terminated); returns an exit_code where that
 * fails. */
int import_run(char **files);

#endif
