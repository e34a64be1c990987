/* SPDX-License-Identifier: MIT */
#include "rights/landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What Debian 12's header does not know yet (include/uapi/linux/landlock.h of Linux 6.12). */
#define FS_FIRST     (LANDLOCK_ACCESS_FS_MAKE_SYM * 2 - 1) /* version 1: all up to MAKE_SYM */
#define FS_TRUNCATE  (1ULL << 14)                          /* version 3 */
#define FS_IOCTL_DEV (1ULL << 15)                          /* version 5 */
#define NET_BIND     (1ULL << 0)                           /* version 4 */
#define NET_CONNECT  (1ULL << 1)
#define SCOPE_SIGNAL (1ULL << 1) /* version 6 */
#define RULE_NET     2

#define DNS_PORT 53 /* c-ares goes to TCP when an answer is too large for UDP */

struct ruleset {
	uint64_t fs, net, scoped;
};

struct net_rule {
	uint64_t access, port;
};

int landlock_version(void)
{
	long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

	return version > 0 ? (int)version : 0;
}

static struct ruleset all_of(int version)
{
	struct ruleset all = {.fs = FS_FIRST};

	if (version >= 2)
		all.fs |= LANDLOCK_ACCESS_FS_REFER;
	if (version >= 3)
		all.fs |= FS_TRUNCATE;
	if (version >= 5)
		all.fs |= FS_IOCTL_DEV;
	if (version >= 4)
		all.net = NET_BIND | NET_CONNECT;
	if (version >= 6)
		all.scoped = SCOPE_SIGNAL;
	return all;
}

/* A kernel takes no longer a struct than it knows, unless the rest is 0, which all_of sees to. */
static int allow_path(int ruleset, const char *path)
{
	struct landlock_path_beneath_attr rule = {.allowed_access = LANDLOCK_ACCESS_FS_READ_FILE};
	struct stat st;
	int err = 0;

	rule.parent_fd = open(path, O_PATH | O_CLOEXEC);
	if (rule.parent_fd < 0)
		return errno == ENOENT || errno == EACCES ? 0 : -errno;
	if (fstat(rule.parent_fd, &st) == 0 && S_ISDIR(st.st_mode))
		rule.allowed_access |= LANDLOCK_ACCESS_FS_READ_DIR;
	if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0))
		err = -errno;
	close(rule.parent_fd);
	return err;
}

static int allow_dns(int ruleset)
{
	const struct net_rule rule = {.access = NET_CONNECT, .port = DNS_PORT};

	return syscall(SYS_landlock_add_rule, ruleset, RULE_NET, &rule, 0) ? -errno : 0;
}

int landlock_read_only(const char *const *paths, size_t count)
{
	int version = landlock_version(), ruleset, err = 0;
	struct ruleset all = all_of(version);

	if (!version)
		return -EOPNOTSUPP;
	ruleset = syscall(SYS_landlock_create_ruleset, &all, sizeof(all), 0);
	if (ruleset < 0)
		return -errno;
	for (size_t i = 0; i < count && !err; i++)
		err = allow_path(ruleset, paths[i]);
	if (!err && all.net)
		err = allow_dns(ruleset);
	if (!err && syscall(SYS_landlock_restrict_self, ruleset, 0))
		err = -errno;
	close(ruleset);
	return err;
}
