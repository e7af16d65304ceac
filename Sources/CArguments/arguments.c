// SPDX-License-Identifier: Apache-2.0
#include "arguments.h"

#include <stddef.h>

static int argument_count;
static char **arguments;

/* glibc hands a constructor what it hands to main(). */
__attribute__((constructor)) static void keep_arguments(int count, char **values)
{
	argument_count = count;
	arguments = values;
}

const char *bulkhead_argument(int index)
{
	return index >= 0 && index < argument_count ? arguments[index] : NULL;
}
