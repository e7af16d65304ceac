// SPDX-License-Identifier: Apache-2.0
/* libbpf's messages, kept per thread. */
#include "clibbpf.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static _Thread_local char messages[64 * 1024];
static _Thread_local size_t used;
static _Thread_local bool taken;

static int keep(enum libbpf_print_level level, const char *format, va_list arguments)
{
	size_t room = sizeof(messages) - used;
	int length;

	if (level == LIBBPF_DEBUG)
		return 0;
	if (taken) {
		used = 0;
		room = sizeof(messages);
		taken = false;
	}
	length = vsnprintf(messages + used, room, format, arguments);
	if (length > 0)
		used += (size_t)length < room ? (size_t)length : room - 1;
	return length;
}

void bulkhead_capture_messages(void)
{
	libbpf_set_print(keep);
}

const char *bulkhead_take_messages(void)
{
	if (taken || used == 0)
		messages[0] = '\0';
	taken = true;
	return messages;
}
