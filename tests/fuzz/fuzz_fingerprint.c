/* SPDX-License-Identifier: MIT */
/* Any bytes as a statement: nothing crashes, and what is shown holds no literal. */
#include <stdlib.h>
#include <string.h>

#include "sql/fingerprint.h"
#include "sql/sqlshape.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fingerprints *fingerprints;
	const struct fingerprint *fingerprint;

	if (fingerprints_new(&fingerprints, 4))
		return 0;
	fingerprint = fingerprint_of(fingerprints, (const char *)data, size, 0);
	if (fingerprint && strlen(fingerprint->text) < FINGERPRINT_TEXT_MAX &&
	    !strstr(fingerprint->text, "<unparsed>") &&
	    sqlshape_has_literal(fingerprint->text, strlen(fingerprint->text)))
		abort();
	fingerprints_free(&fingerprints);
	return 0;
}
