/* SPDX-License-Identifier: MIT */
#include "watch/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "watch/mounts.h"

static bool is_cgroup2(void *ctx, const struct mount *mount)
{
	if (strcmp(mount->type, "cgroup2") != 0 || strlen(mount->path) >= PATH_MAX)
		return false;
	strcpy(ctx, mount->path);
	return true;
}

/* The id is the inode number of the directory on 64 bits, and what its file handle holds on all
 * (cgroup_id() of the kernel, FILEID_KERNFS). */
static int read_id(const char *directory, uint64_t *id)
{
	union {
		struct file_handle handle;
		char room[sizeof(struct file_handle) + sizeof(uint64_t)];
	} u = {.handle.handle_bytes = sizeof(uint64_t)};
	struct stat st;
	int mount_id;

	if (stat(directory, &st))
		return -errno;
	if (!S_ISDIR(st.st_mode))
		return -ENOTDIR;
	*id = st.st_ino;
	if (name_to_handle_at(AT_FDCWD, directory, &u.handle, &mount_id, 0) == 0 &&
	    u.handle.handle_bytes == sizeof(uint64_t))
		memcpy(id, u.handle.f_handle, sizeof(*id));
	return 0;
}

static bool leaves(const char *path)
{
	return strcmp(path, "..") == 0 || strncmp(path, "../", 3) == 0 || strstr(path, "/../") ||
	       (strlen(path) >= 3 && strcmp(path + strlen(path) - 3, "/..") == 0);
}

int cgroup_look_up(const char *path, char *name, size_t size, uint64_t *id)
{
	char mount[PATH_MAX], directory[2 * PATH_MAX];
	size_t len;
	int err;

	*id = 0;
	name[0] = '\0';
	if (leaves(path))
		return -EINVAL;
	err = mounts_walk(is_cgroup2, mount);
	if (err != 1)
		return err < 0 ? err : -ENODEV;
	len = strlen(mount);
	if (strncmp(path, mount, len) == 0 && (path[len] == '/' || !path[len]))
		path += len;
	path += strspn(path, "/");
	len = strlen(path);
	while (len && path[len - 1] == '/')
		len--;
	if (len + 2 > size || len >= PATH_MAX)
		return -ENAMETOOLONG;
	snprintf(directory, sizeof(directory), "%s/%.*s", mount, (int)len, path);
	err = read_id(directory, id);
	if (!err)
		snprintf(name, size, "/%.*s", (int)len, path);
	return err;
}

/* The line "0::/path" of /proc/PID/cgroup (cgroups(7)). */
bool cgroup_has_process(const char *name, pid_t pid)
{
	char file[64], *line = NULL, *path;
	size_t size = 0, len = strcmp(name, "/") == 0 ? 0 : strlen(name);
	bool found = false;
	FILE *f;

	snprintf(file, sizeof(file), "/proc/%d/cgroup", pid);
	f = name[0] ? fopen(file, "re") : NULL;
	if (!f)
		return false;
	while (!found && getline(&line, &size, f) > 0) {
		if (strncmp(line, "0::", 3) != 0)
			continue;
		path = line + 3;
		path[strcspn(path, "\n")] = '\0';
		found = strncmp(path, name, len) == 0 && (path[len] == '/' || !path[len]);
	}
	free(line);
	fclose(f);
	return found;
}
