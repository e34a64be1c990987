/* SPDX-License-Identifier: MIT */
#include "stats/bpffs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/log.h"

#define BPFFS_DEFAULT "/sys/fs/bpf"

static bool is_bpffs(const char *path)
{
	struct statfs fs;

	return statfs(path, &fs) == 0 && (unsigned long)fs.f_type == BPF_FS_MAGIC;
}

static bool below_default(const char *pin)
{
	size_t len = strlen(BPFFS_DEFAULT);

	return strncmp(pin, BPFFS_DEFAULT, len) == 0 && pin[len] == '/';
}

/* False when the nearest existing directory above pin is no bpffs: then nothing is made there. */
static bool on_bpffs(const char *pin)
{
	char path[PATH_MAX];
	struct stat st;
	char *slash;

	if (pin[0] != '/' || strlen(pin) >= sizeof(path))
		return false;
	strcpy(path, pin);
	while (stat(path, &st) < 0 && (slash = strrchr(path, '/')) != NULL && slash != path)
		*slash = 0;
	return is_bpffs(path);
}

/* Only the customary place is mounted; anywhere else a missing bpffs is more likely a typing mistake. A
 * service's file system may hold nothing but our directory of it. */
static int mount_default(const char *pin)
{
	if (on_bpffs(pin) || !below_default(pin) || is_bpffs(BPFFS_DEFAULT))
		return 0;
	if (mount("bpf", BPFFS_DEFAULT, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700") < 0)
		return -errno;
	log_info("mounted a bpffs on %s: none was there", BPFFS_DEFAULT);
	return 0;
}

static int make_directories(const char *pin)
{
	char path[PATH_MAX];

	if (strlen(pin) >= sizeof(path))
		return -ENAMETOOLONG;
	strcpy(path, pin);
	for (char *p = path + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = 0;
		if (mkdir(path, 0700) < 0 && errno != EEXIST)
			return -errno;
		*p = '/';
	}
	return mkdir(path, 0700) < 0 && errno != EEXIST ? -errno : 0;
}

int bpffs_lock(const char *pin)
{
	int rc, fd;

	rc = mount_default(pin);
	if (rc < 0)
		return rc;
	if (!on_bpffs(pin))
		return -EINVAL;
	rc = make_directories(pin);
	if (rc < 0)
		return rc;
	fd = open(pin, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		rc = errno == EWOULDBLOCK ? -EBUSY : -errno;
		close(fd);
		return rc;
	}
	return fd;
}

/* proc_locks(5): "1: FLOCK  ADVISORY  WRITE 4711 00:22:12345 0 EOF"; pids are those of our namespace. */
int bpffs_holder(const char *pin)
{
	unsigned int dev_major, dev_minor;
	unsigned long inode;
	struct stat st;
	char line[256];
	int pid, found = 0;
	FILE *f;

	if (stat(pin, &st) < 0)
		return 0;
	f = fopen("/proc/locks", "re");
	if (!f)
		return 0;
	while (!found && fgets(line, sizeof(line), f))
		if (sscanf(line, "%*d: FLOCK %*s WRITE %d %x:%x:%lu", &pid, &dev_major, &dev_minor, &inode) ==
			4 &&
		    inode == st.st_ino && makedev(dev_major, dev_minor) == st.st_dev && pid > 0)
			found = pid;
	fclose(f);
	return found;
}
