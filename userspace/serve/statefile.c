/* SPDX-License-Identifier: MIT */
#include "serve/statefile.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#define MAGIC             0x65746174536f4d01ull /* "\1MoState" */
#define VERSION_OF_FORMAT 1

struct header {
	uint64_t magic, version, layout, length, checksum;
	uint64_t own_checksum; /* of what stands before it */
};

struct statefile {
	int fd;
};

static char error_text[600];

const char *statefile_error(void)
{
	return error_text;
}

static int fail(const char *path, int err)
{
	snprintf(error_text, sizeof(error_text), "%s: %s", path,
		 err == -ELOOP ? "is a symbolic link, which is not followed" : strerror(-err));
	return err;
}

int statefile_open(struct statefile **out, const char *directory, const char *name)
{
	struct statefile *file = calloc(1, sizeof(*file));
	char path[512];
	struct stat st;

	if (!file)
		return -ENOMEM;
	snprintf(path, sizeof(path), "%s/%s", directory, name);
	file->fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0600);
	if (file->fd < 0) {
		int err = fail(path, -errno);

		free(file);
		return err;
	}
	if (fstat(file->fd, &st) || !S_ISREG(st.st_mode)) {
		statefile_close(&file);
		return fail(path, -EINVAL);
	}
	*out = file;
	return 0;
}

void statefile_close(struct statefile **file)
{
	if (!*file)
		return;
	close((*file)->fd);
	free(*file);
	*file = NULL;
}

/* The bytes that are there, at most len; -errno. */
static ssize_t read_whole(int fd, void *data, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = read(fd, (char *)data + done, len - done);

		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		done += n;
	}
	return (ssize_t)done;
}

static int check_header(const struct header *header, uint64_t layout)
{
	if (header->magic != MAGIC ||
	    header->own_checksum != XXH3_64bits(header, offsetof(struct header, own_checksum)))
		return -EBADMSG;
	if (header->version != VERSION_OF_FORMAT || header->layout != layout)
		return -EPROTO;
	return header->length > STATEFILE_MAX ? -EBADMSG : 0;
}

int statefile_read(struct statefile *file, uint64_t layout, struct buffer *out)
{
	struct header header;
	ssize_t n = lseek(file->fd, 0, SEEK_SET) < 0 ? -errno : read_whole(file->fd, &header, sizeof(header));
	char *content;
	int err;

	if (n <= 0)
		return n ? (int)n : -ENOENT;
	err = n < (ssize_t)sizeof(header) ? -EBADMSG : check_header(&header, layout);
	if (err)
		return err;
	content = malloc(header.length + 1);
	if (!content)
		return -ENOMEM;
	n = read_whole(file->fd, content, header.length);
	if (n != (ssize_t)header.length || XXH3_64bits(content, header.length) != header.checksum)
		err = n < 0 ? (int)n : -EBADMSG;
	else
		buffer_append(out, content, header.length);
	free(content);
	return err ? err : out->failed ? -ENOMEM : 0;
}

static int write_whole(int fd, const void *data, size_t len)
{
	for (size_t done = 0; done < len;) {
		ssize_t n = write(fd, (const char *)data + done, len - done);

		if (n < 0)
			return -errno;
		done += n;
	}
	return 0;
}

/* An end in the middle leaves the header of before with a content that is not its own. */
int statefile_write(struct statefile *file, uint64_t layout, const struct buffer *content)
{
	struct header header = {.magic = MAGIC,
				.version = VERSION_OF_FORMAT,
				.layout = layout,
				.length = content->len,
				.checksum = XXH3_64bits(content->data ? content->data : "", content->len)};
	int err;

	if (content->failed || content->len > STATEFILE_MAX)
		return -EFBIG;
	header.own_checksum = XXH3_64bits(&header, offsetof(struct header, own_checksum));
	if (lseek(file->fd, sizeof(header), SEEK_SET) < 0)
		return -errno;
	err = write_whole(file->fd, content->data, content->len);
	if (err || lseek(file->fd, 0, SEEK_SET) < 0)
		return err ? err : -errno;
	return write_whole(file->fd, &header, sizeof(header));
}
