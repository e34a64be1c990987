/* SPDX-License-Identifier: MIT */
#include "secrets/mapped.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define DELETED " (deleted)"

/* Under its name, if that still is this file; else (replaced, deleted) by the mapping itself. */
static void find_path(pid_t pid, const char *range, struct mapped_file *file)
{
	struct stat st;
	int len =
	    snprintf(file->path, sizeof(file->path), "/proc/%d/root%.*s", pid, PATH_MAX - 64, file->name);

	if (len < (int)sizeof(file->path) && stat(file->path, &st) == 0 && st.st_ino == file->inode)
		return;
	snprintf(file->path, sizeof(file->path), "/proc/%d/map_files/%s", pid, range);
}

/* "55d5c0a5f000-55d5c0b2a000 r-xp 0002f000 fe:00 1311  /usr/bin/x": one mapping of proc(5). */
static void read_mapping(pid_t pid, const char *line, struct mapped_file *file,
			 void (*found)(void *, const struct mapped_file *), void *ctx)
{
	char range[64], rights[8];
	unsigned major, minor;
	int name = 0;

	if (sscanf(line, "%63s %7s %*x %x:%x %" SCNu64 " %n", range, rights, &major, &minor, &file->inode,
		   &name) < 5 ||
	    rights[2] != 'x' || !file->inode || line[name] != '/')
		return;
	file->device = (uint64_t)major << 20 | minor;
	snprintf(file->name, sizeof(file->name), "%s", line + name);
	file->name[strcspn(file->name, "\n")] = '\0';
	find_path(pid, range, file);
	if (strlen(file->name) > strlen(DELETED) &&
	    strcmp(file->name + strlen(file->name) - strlen(DELETED), DELETED) == 0)
		file->name[strlen(file->name) - strlen(DELETED)] = '\0';
	found(ctx, file);
}

int mapped_files(pid_t pid, void (*found)(void *ctx, const struct mapped_file *file), void *ctx)
{
	struct mapped_file file;
	char path[64], *line = NULL;
	size_t size = 0;
	FILE *maps;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	maps = fopen(path, "re");
	if (!maps)
		return -errno;
	while (getline(&line, &size, maps) > 0)
		read_mapping(pid, line, &file, found, ctx);
	free(line);
	fclose(maps);
	return 0;
}
