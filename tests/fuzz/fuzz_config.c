/* SPDX-License-Identifier: MIT */
/* observer.yaml is written by hand, and reloaded in a daemon: any bytes must end as a configuration or as one
 * line that says what is wrong. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "watch/classify.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct address nowhere = {.port = 5432};
	struct classify *table = NULL;
	struct config *config = NULL;
	char *error = NULL;
	int err = config_parse(&config, "f", data, size, &error);

	if (err == 0) {
		if (error || !config || config->cluster_count > config->max_clusters)
			abort();
		if (classify_new(&table, config, NULL, NULL))
			abort();
		classify(table, &nowhere, NULL, NULL);
		classify_free(&table);
		config_free(&config);
	} else if (err != -EINVAL || config || !error || strncmp(error, "f:", 2) != 0 ||
		   strchr(error, '\n')) {
		abort();
	}
	free(error);
	return 0;
}
