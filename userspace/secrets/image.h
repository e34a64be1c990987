/* SPDX-License-Identifier: MIT */
/*
 * image - which TLS library is in an ELF file, and where in it the hooks belong. The only file that knows
 * libelf.
 */
#ifndef MO_IMAGE_H
#define MO_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "secrets/hooks.h"

#define IMAGE_HOOKS_MAX 8 /* in one file: Rust programs may have several versions of a library */

struct image_hook {
	enum hook hook;
	uint64_t offset; /* in the file */
};

struct image {
	struct image_hook hooks[IMAGE_HOOKS_MAX];
	size_t hook_count;
	/* The library as its own strings name it, "OpenSSL 3.0.19" or "ring 0.17.14"; "" when there is none.
	 * With a library and no hooks the file was stripped, or its version is not known to us. */
	char library[64];
	bool stripped; /* no symbols at all */
};

/* Reads the file behind the descriptor, which stays open. 0, or -ENOEXEC for what is no ELF file of this
 * machine. */
int image_read(int fd, struct image *out);

#endif
