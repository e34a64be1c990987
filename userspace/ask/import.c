/* SPDX-License-Identifier: MIT */
#include "ask/import.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/options.h"

#define PROGRAM     "mirror-observer-import"
#define INTERPRETER "/usr/bin/python3"

int import_run(char **files)
{
	char self[PATH_MAX], path[PATH_MAX + sizeof(PROGRAM) + 1], *arguments[NAME_MAX];
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
	int n = 0;

	self[len > 0 ? len : 0] = '\0';
	snprintf(path, sizeof(path), "%s/%s", dirname(self), PROGRAM);
	arguments[n++] = INTERPRETER;
	arguments[n++] = "-B";
	arguments[n++] = path;
	for (; *files && n < NAME_MAX - 1; files++)
		arguments[n++] = *files;
	arguments[n] = NULL;
	if (access(path, R_OK)) {
		fprintf(stderr, "import: %s: %s: it is installed with mirror-observer, beside it\n", path,
			strerror(errno));
		return EXIT_NOT_OK;
	}
	execv(INTERPRETER, arguments);
	fprintf(stderr, "import: " INTERPRETER ": %s: install python3 (3.11 or later)\n", strerror(errno));
	return EXIT_NOT_OK;
}
