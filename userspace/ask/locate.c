/* SPDX-License-Identifier: MIT */
#include "ask/locate.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"

#define DEFAULT_URL "http://127.0.0.1:10432"

/* What listens on every address answers on loopback too. */
static void url_of(char url[LOCATE_URL_MAX], const struct config *config)
{
	const char *host = config->listen_host;

	if (strcmp(host, "0.0.0.0") == 0)
		host = "127.0.0.1";
	else if (strcmp(host, "::") == 0)
		host = "::1";
	snprintf(url, LOCATE_URL_MAX, strchr(host, ':') ? "http://[%s]:%u" : "http://%s:%u", host,
		 config->listen_port);
}

/* --url, or what the configuration says; without a file of the default name, the default address. */
int locate(const struct options *options, char url[LOCATE_URL_MAX])
{
	struct config *config = NULL;
	char *error = NULL;
	int err;

	if (options->url) {
		snprintf(url, LOCATE_URL_MAX, "%s", options->url);
		return 0;
	}
	err = config_load(&config, options->config_path, &error);
	if (err == -ENOENT && !options->config_given) {
		snprintf(url, LOCATE_URL_MAX, DEFAULT_URL);
		err = 0;
	} else if (err) {
		fprintf(stderr, "%s\n", error ? error : "out of memory");
	} else if (!config->listen_port) {
		fprintf(stderr, "%s leaves the port to the kernel: give --url with the one in the log\n",
			options->config_path);
		err = -EINVAL;
	} else {
		url_of(url, config);
	}
	free(error);
	config_free(&config);
	return err;
}
