/* SPDX-License-Identifier: MIT */
/* Any bytes as a statement: nothing crashes, and what is shown holds no literal. */
#include <stdlib.h>
#include <string.h>

#include "sql/naming.h"
#include "sql/sqlshape.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct naming naming;

	naming_of((const char *)data, size, &naming);
	if (!strstr(naming.text, "<unparsed>") && sqlshape_has_literal(naming.text, strlen(naming.text)) &&
	    strlen(naming.text) < NAMING_TEXT_MAX - 4) /* one that is cut may end in a quoted identifier */
		abort();
	return 0;
}
