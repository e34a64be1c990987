/* SPDX-License-Identifier: MIT */
#include "watch/mounts.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* "\040" to ' ' in place: space, tab, newline and backslash are written so. */
static void unescape(char *text)
{
	char *to = text;

	for (; *text; text++) {
		unsigned code;
		if (*text == '\\' && sscanf(text, "\\%3o", &code) == 1) {
			*to++ = (char)code;
			text += 3;
		} else {
			*to++ = *text;
		}
	}
	*to = '\0';
}

/* "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue" */
static bool parse_line(char *line, struct mount *out)
{
	char *save, *end, *root, *path, *type = strstr(line, " - ");
	int used = 0;

	if (!type || sscanf(line, "%" SCNu64 " %*d %u:%u %n", &out->id, &out->major, &out->minor, &used) != 3)
		return false;
	root = strtok_r(line + used, " ", &save);
	path = strtok_r(NULL, " ", &save);
	end = strchr(type + 3, ' ');
	if (!root || !path || !end)
		return false;
	*end = '\0';
	unescape(root);
	unescape(path);
	out->root = root;
	out->path = path;
	out->type = type + 3;
	return true;
}

int mounts_walk(mounts_visitor *visitor, void *ctx)
{
	FILE *f = fopen("/proc/self/mountinfo", "re");
	struct mount mount;
	char *line = NULL;
	size_t size = 0;
	int found = 0;

	if (!f)
		return -errno;
	while (!found && getline(&line, &size, f) > 0)
		found = parse_line(line, &mount) && visitor(ctx, &mount);
	free(line);
	fclose(f);
	return found;
}
