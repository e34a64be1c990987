/* SPDX-License-Identifier: MIT */
#include "secrets/follow.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "secrets/image.h"
#include "secrets/mapped.h"

#define FILES_MAX     256 /* looked at; the oldest that has no library makes room */
#define PROCESSES_MAX 4096

struct file {
	uint64_t device, inode;
	struct hooks_link *links[IMAGE_HOOKS_MAX];
	size_t link_count;
};

struct follow {
	struct hooks *hooks;
	void (*report)(void *ctx, const struct follow_report *report);
	void *ctx;
	struct file files[FILES_MAX];
	size_t file_count;
	int closed_errno; /* the last reason why a process could not be looked into, and said so */
};

int follow_new(struct follow **out, struct hooks *hooks,
	       void (*report)(void *ctx, const struct follow_report *report), void *ctx)
{
	struct follow *follow = calloc(1, sizeof(*follow));

	if (!follow)
		return -ENOMEM;
	follow->hooks = hooks;
	follow->report = report;
	follow->ctx = ctx;
	*out = follow;
	return 0;
}

static void detach(struct file *file)
{
	for (size_t i = 0; i < file->link_count; i++)
		hooks_detach(&file->links[i]);
	file->link_count = 0;
}

void follow_free(struct follow **follow)
{
	if (!*follow)
		return;
	for (size_t i = 0; i < (*follow)->file_count; i++)
		detach(&(*follow)->files[i]);
	free(*follow);
	*follow = NULL;
}

/* ------------------------------------------------------------------------------------------ one file */

static bool is_known(const struct follow *follow, const struct mapped_file *file)
{
	for (size_t i = 0; i < follow->file_count; i++)
		if (follow->files[i].inode == file->inode && follow->files[i].device == file->device)
			return true;
	return false;
}

static struct file *add_file(struct follow *follow, const struct mapped_file *mapped)
{
	struct file *file = &follow->files[follow->file_count];

	if (follow->file_count == FILES_MAX) {
		for (file = follow->files; file->link_count; file++)
			if (file == &follow->files[FILES_MAX - 1])
				return NULL;
		memmove(file, file + 1, (char *)&follow->files[FILES_MAX] - (char *)(file + 1));
		file = &follow->files[FILES_MAX - 1];
	} else {
		follow->file_count++;
	}
	*file = (struct file){.device = mapped->device, .inode = mapped->inode};
	return file;
}

static int attach(struct follow *follow, struct file *file, const struct image *image, const char *path)
{
	for (size_t i = 0; i < image->hook_count; i++) {
		int err = follow->hooks ? hooks_attach(follow->hooks, image->hooks[i].hook, path,
						       image->hooks[i].offset, &file->links[file->link_count])
					: 0;

		if (err)
			return err;
		if (follow->hooks)
			file->link_count++;
	}
	return 0;
}

/* A library whose functions cannot be found, in words that say what helps. */
static void describe_unreadable(const struct image *image, const char *name, char *text)
{
	if (image->stripped)
		snprintf(text, FOLLOW_TEXT_MAX,
			 "%.200s: %s, stripped of its symbols: its connections can only be counted; use an "
			 "unstripped build, or no TLS towards the servers",
			 name, image->library);
	else
		snprintf(
		    text, FOLLOW_TEXT_MAX,
		    "%.200s: %s, without the functions in which this observer sees secrets: its connections "
		    "can only be counted; use no TLS towards the servers",
		    name, image->library);
}

static void look_into(struct follow *follow, const struct mapped_file *mapped, struct file *file)
{
	struct follow_report report = {0};
	struct image image;
	int fd = open(mapped->path, O_RDONLY | O_CLOEXEC), err;

	if (fd < 0)
		return; /* it was there a moment ago: its process has ended */
	err = image_read(fd, &image);
	close(fd);
	if (err || (!image.hook_count && !image.library[0]))
		return;
	err = attach(follow, file, &image, mapped->path);
	report.readable = image.hook_count && !err;
	if (err)
		snprintf(report.text, sizeof(report.text), "%.200s: %s: attaching to it failed: %s",
			 mapped->name, image.library, strerror(-err));
	else if (image.hook_count)
		snprintf(report.text, sizeof(report.text), "%.200s: %s: read", mapped->name,
			 image.library[0] ? image.library : "a TLS library");
	else
		describe_unreadable(&image, mapped->name, report.text);
	follow->report(follow->ctx, &report);
}

static void on_mapped(void *ctx, const struct mapped_file *mapped)
{
	struct follow *follow = ctx;
	struct file *file;

	if (is_known(follow, mapped))
		return;
	file = add_file(follow, mapped);
	if (file)
		look_into(follow, mapped, file);
}

/* ------------------------------------------------------------------------------------- all processes */

static void say_closed(struct follow *follow, pid_t pid, int err)
{
	struct follow_report report = {0};

	if (err == follow->closed_errno || err == ENOENT || err == ESRCH)
		return;
	follow->closed_errno = err;
	snprintf(report.text, sizeof(report.text),
		 "process %d: what it has mapped cannot be read (%s), so TLS can only be counted: start the "
		 "observer as root, or with CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH",
		 pid, strerror(err));
	follow->report(follow->ctx, &report);
}

void follow_look(struct follow *follow, const struct proxy *proxy)
{
	static pid_t pids[PROCESSES_MAX];
	size_t count = proxy_find(proxy, pids, PROCESSES_MAX);

	for (size_t i = 0; i < count && i < PROCESSES_MAX; i++) {
		int err = mapped_files(pids[i], on_mapped, follow);

		if (err)
			say_closed(follow, pids[i], -err);
	}
}
