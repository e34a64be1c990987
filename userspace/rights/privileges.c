/* SPDX-License-Identifier: MIT */
#include "rights/privileges.h"

#include <cap-ng.h>
#include <errno.h>
#include <grp.h>
#include <libgen.h>
#include <limits.h>
#include <linux/bpf.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"
#include "rights/landlock.h"
#include "rights/syscalls.h"

static char error_text[512] = "no error";

const char *privileges_error(void)
{
	return error_text;
}

/* ---- before ---- */

struct needed {
	unsigned capability;
	const char *name, *why;
};

static const struct needed for_attaching[] = {
    {CAP_BPF, "CAP_BPF", "to create maps and load programs"},
    {CAP_PERFMON, "CAP_PERFMON", "to attach them"},
};
static const struct needed for_changing[] = {
    {CAP_SETUID, "CAP_SETUID", "to change to `user`"},
    {CAP_SETGID, "CAP_SETGID", "to change to `user`"},
};

/* File capabilities can be given as permitted only (setcap ...=p). */
static bool have(unsigned capability)
{
	if (capng_have_capability(CAPNG_EFFECTIVE, capability))
		return true;
	if (!capng_have_capability(CAPNG_PERMITTED, capability))
		return false;
	return capng_update(CAPNG_ADD, CAPNG_EFFECTIVE, capability) == 0 &&
	       capng_apply(CAPNG_SELECT_CAPS) == 0;
}

static void add_missing(const struct needed *needed, size_t count, char *text, size_t size)
{
	for (size_t i = 0; i < count; i++) {
		size_t used = strlen(text);

		if (!have(needed[i].capability))
			snprintf(text + used, size - used, "%s%s (%s)", used ? " and " : "", needed[i].name,
				 needed[i].why);
	}
}

/* Capabilities of a user namespace are none to bpf(). The initial one maps all numbers to themselves
 * (user_namespaces(7)). */
static bool in_initial_user_namespace(void)
{
	FILE *f = fopen("/proc/self/uid_map", "re");
	unsigned long inside, outside, count;
	bool initial = true;

	if (!f)
		return true;
	if (fscanf(f, "%lu %lu %lu", &inside, &outside, &count) == 3)
		initial = inside == 0 && outside == 0 && count == 0xffffffff;
	fclose(f);
	return initial;
}

static int look_up(const char *user, struct passwd **account)
{
	errno = 0;
	*account = getpwnam(user);
	if (*account)
		return 0;
	snprintf(error_text, sizeof(error_text), "user: there is no account %s on this host", user);
	return -ENOENT;
}

static bool is_change(const struct passwd *account)
{
	return account->pw_uid != getuid() || account->pw_uid != geteuid();
}

/* A small map, made and let go: containers' seccomp profiles refuse bpf() to those who have the capabilities.
 */
static int try_bpf(void)
{
	union bpf_attr attr = {.map_type = BPF_MAP_TYPE_ARRAY,
			       .key_size = sizeof(int),
			       .value_size = sizeof(int),
			       .max_entries = 1};
	int fd = syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof(attr)), err = errno;

	if (fd >= 0)
		return close(fd);
	if (err == ENOSYS)
		snprintf(error_text, sizeof(error_text),
			 "this kernel has no bpf(): use one built with CONFIG_BPF_SYSCALL=y");
	else if (err == EPERM && !in_initial_user_namespace())
		snprintf(error_text, sizeof(error_text),
			 "the capabilities here are those of a user namespace, which mean nothing to bpf(): "
			 "start the "
			 "observer outside of it");
	else if (err == EPERM)
		snprintf(error_text, sizeof(error_text),
			 "bpf() is refused although the capabilities are there: by a seccomp filter (the "
			 "container "
			 "runtime's profile) or a security module, which must allow it");
	else
		return 0; /* whoever makes the real maps explains it better */
	return -err;
}

int privileges_check(bool attach, const char *user)
{
	struct passwd *account = NULL;
	char missing[256] = "";
	int err = user ? look_up(user, &account) : 0;

	if (err)
		return err;
	if (capng_get_caps_process())
		return 0; /* bpf() will tell */
	if (attach)
		add_missing(for_attaching, sizeof(for_attaching) / sizeof(*for_attaching), missing,
			    sizeof(missing));
	if (account && is_change(account))
		add_missing(for_changing, sizeof(for_changing) / sizeof(*for_changing), missing,
			    sizeof(missing));
	if (missing[0]) {
		snprintf(
		    error_text, sizeof(error_text),
		    "missing: %s; run as root, give the file capabilities (setcap) or let systemd give them "
		    "(AmbientCapabilities=)",
		    missing);
		return -EPERM;
	}
	return attach ? try_bpf() : 0;
}

/* ---- after ---- */

static int failed(const char *what, int err)
{
	snprintf(error_text, sizeof(error_text), "giving up privileges: %s: %s", what, strerror(-err));
	return err;
}

/* The groups first, the numbers last; the bounding set while CAP_SETPCAP is there. */
static int change_account(const struct passwd *account, bool bounding)
{
	unsigned flags = CAPNG_INIT_SUPP_GRP | (bounding ? CAPNG_CLEAR_BOUNDING : 0);
	int rc;

	capng_clear(CAPNG_SELECT_BOTH);
	errno = 0;
	rc = capng_change_id(account->pw_uid, account->pw_gid, flags);
	return rc ? failed("changing to `user`", errno ? -errno : -EPERM) : 0;
}

static int drop_capabilities(const struct passwd *account)
{
	bool bounding;

	if (capng_get_caps_process())
		return failed("reading the capabilities", -EIO);
	bounding = capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP);
	if (account && is_change(account)) {
		if (change_account(account, bounding))
			return -EPERM;
	} else {
		capng_clear(CAPNG_SELECT_BOTH);
		if (capng_apply(bounding ? CAPNG_SELECT_BOTH : CAPNG_SELECT_CAPS))
			return failed("capabilities", -EPERM);
	}
	if (capng_get_caps_process() || capng_have_capabilities(CAPNG_SELECT_CAPS) != CAPNG_NONE)
		return failed("capabilities are still there", -EPERM);
	/* Without capabilities, ambient ones are gone too: they are a subset (capabilities(7)). */
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ? failed("no_new_privs", -errno) : 0;
}

int privileges_keep_for_helper(void)
{
	static const unsigned kept[] = {CAP_BPF, CAP_PERFMON, CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH,
					CAP_CHECKPOINT_RESTORE};
	bool there[sizeof(kept) / sizeof(*kept)];

	if (capng_get_caps_process())
		return -EPERM;
	for (size_t i = 0; i < sizeof(kept) / sizeof(*kept); i++)
		there[i] = capng_have_capability(CAPNG_PERMITTED, kept[i]);
	capng_clear(CAPNG_SELECT_BOTH);
	for (size_t i = 0; i < sizeof(kept) / sizeof(*kept); i++)
		if (there[i])
			capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, kept[i]);
	if (capng_apply(CAPNG_SELECT_CAPS))
		return -EPERM;
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ? -EPERM : 0;
}

/* The directory that the file itself is in, whatever symbolic links lead there. */
static const char *real_directory(const char *path, char room[PATH_MAX])
{
	return realpath(path, room) ? dirname(room) : "/nonexistent";
}

/*
 * Directories rather than files, since files are replaced by renaming: a rule holds for the file that was
 * there. /etc has resolv.conf, hosts and nsswitch.conf; /sys/fs/cgroup and executables are only looked at
 * with stat(), which needs no rule.
 */
static int restrict_files(const char *config_path)
{
	char path[PATH_MAX], config[PATH_MAX], real_config[PATH_MAX], resolver[PATH_MAX];
	const char *readable[] = {"/proc", "/etc", "/usr/share/zoneinfo", "/dev/urandom", NULL, NULL, NULL};

	snprintf(path, sizeof(path), "%s", config_path);
	readable[4] = realpath(dirname(path), config) ? config : "/nonexistent";
	readable[5] = real_directory(config_path, real_config);
	readable[6] = real_directory("/etc/resolv.conf", resolver);
	return landlock_read_only(readable, sizeof(readable) / sizeof(*readable));
}

/* Said at once rather than at the first reload. */
static void check_reload(const char *config_path)
{
	if (access(config_path, R_OK))
		log_warning("%s cannot be read any more (%s), so a reload will be refused: give it a group "
			    "that uid %u is "
			    "in, and mode 640",
			    config_path, strerror(errno), getuid());
}

int privileges_drop(const char *user, const char *config_path)
{
	struct passwd *account = NULL;
	int err = user ? look_up(user, &account) : 0;
	int files, calls;

	if (!err)
		err = drop_capabilities(account);
	if (err)
		return err;
	check_reload(config_path);
	files = restrict_files(config_path);
	if (files && files != -EOPNOTSUPP)
		return failed("Landlock", files);
	calls = syscalls_restrict();
	if (calls && calls != -EOPNOTSUPP)
		return failed("the filter of system calls", calls);
	log_info("gave up all privileges: uid %u, no capabilities, system calls %s, files %s", getuid(),
		 calls ? "not filtered" : "filtered", files ? "not restricted (no Landlock)" : "read-only");
	return 0;
}

int privileges_confine(const char *user)
{
	struct passwd *account = NULL;
	int err = user ? look_up(user, &account) : 0;

	if (!err)
		err = drop_capabilities(account);
	if (!err)
		err = landlock_read_only(NULL, 0);
	return err == -EOPNOTSUPP ? 0 : err;
}
