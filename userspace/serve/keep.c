/* SPDX-License-Identifier: MIT */
#include "serve/keep.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "serve/statefile.h"

struct keep {
	struct statefile *history;
};

static void take_up(struct keep *keep, const char *directory, struct live *live)
{
	struct buffer content = {.max = STATEFILE_MAX};
	int err = statefile_read(keep->history, live_layout(), &content);

	if (!err)
		err = live_restore(live, content.data, content.len);
	if (err == -EPROTO)
		log_warning("%s/history is of another version: the figures over time begin anew", directory);
	else if (err && err != -ENOENT)
		log_warning("%s/history cannot be used (%s): the figures over time begin anew", directory,
			    err == -EBADMSG || err == -EINVAL ? "it is broken" : strerror(-err));
	buffer_free(&content);
}

void keep_open(struct keep **out, const char *directory, struct live *live)
{
	struct keep *keep;

	*out = NULL;
	if (!directory)
		return;
	keep = calloc(1, sizeof(*keep));
	if (!keep)
		return;
	if (statefile_open(&keep->history, directory, "history")) {
		log_warning("%s: the figures over time will not outlive this process", statefile_error());
		free(keep);
		return;
	}
	take_up(keep, directory, live);
	*out = keep;
}

void keep_save(struct keep *keep, const struct live *live)
{
	struct buffer content = {.max = STATEFILE_MAX};
	int err;

	if (!keep)
		return;
	live_save(live, &content);
	err = statefile_write(keep->history, live_layout(), &content);
	if (err)
		log_warning("the figures over time could not be kept: %s", strerror(-err));
	buffer_free(&content);
}

void keep_close(struct keep **keep)
{
	if (!*keep)
		return;
	statefile_close(&(*keep)->history);
	free(*keep);
	*keep = NULL;
}
