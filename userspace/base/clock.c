/* SPDX-License-Identifier: MIT */
#include "base/clock.h"

#include <inttypes.h>
#include <stdio.h>

int64_t clock_offset_ns;

int64_t clock_read_offset(const char *path)
{
	FILE *file = fopen(path, "re");
	int64_t seconds, ns, offset = 0;
	char line[128];

	if (!file)
		return 0;
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "monotonic %" SCNd64 " %" SCNd64, &seconds, &ns) == 2)
			offset = seconds * 1000000000 + ns;
	fclose(file);
	return offset;
}

int64_t clock_find_offset(void)
{
	return clock_offset_ns = clock_read_offset("/proc/self/timens_offsets");
}
