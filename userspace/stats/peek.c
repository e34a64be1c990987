/* SPDX-License-Identifier: MIT */
#include "stats/peek.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct peek {
	const struct stats_cluster *clusters;
	uint32_t count;
	size_t bytes;
};

static int map_elements(struct peek *peek, int fd)
{
	struct bpf_map_info info = {0};
	uint32_t len = sizeof(info);
	void *memory;

	if (bpf_obj_get_info_by_fd(fd, &info, &len) < 0)
		return -errno;
	if (info.value_size != sizeof(struct stats_cluster))
		return -EPROTO;
	peek->count = info.max_entries;
	peek->bytes = (size_t)info.max_entries * info.value_size;
	memory = mmap(NULL, peek->bytes, PROT_READ, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED)
		return -errno;
	peek->clusters = memory;
	return peek->clusters->layout && peek->clusters->layout != STATS_LAYOUT_VERSION ? -EPROTO : 0;
}

int peek_open(struct peek **out, const char *pin, char *error, size_t error_len)
{
	LIBBPF_OPTS(bpf_obj_get_opts, options, .file_flags = BPF_F_RDONLY);
	struct peek *peek = calloc(1, sizeof(*peek));
	char path[512];
	int fd, err;

	if (!peek)
		return -ENOMEM;
	snprintf(path, sizeof(path), "%s/stats", pin);
	fd = bpf_obj_get_opts(path, &options);
	err = fd < 0 ? fd : map_elements(peek, fd);
	if (fd >= 0)
		close(fd);
	if (err) {
		snprintf(error, error_len,
			 err == -EPROTO ? "%s is of another version of mirror-observer" : "%s: %s", path,
			 strerror(-err));
		peek_close(&peek);
		return err;
	}
	*out = peek;
	return 0;
}

void peek_close(struct peek **peek)
{
	if (!*peek)
		return;
	if ((*peek)->clusters)
		munmap((void *)(*peek)->clusters, (*peek)->bytes);
	free(*peek);
	*peek = NULL;
}

const struct stats_cluster *peek_clusters(const struct peek *peek, uint32_t *count)
{
	*count = peek->count;
	return peek->clusters;
}
