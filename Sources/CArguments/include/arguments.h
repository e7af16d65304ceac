/* SPDX-License-Identifier: Apache-2.0 */
/* The arguments of this process, as the C library got them. Swift reads /proc/self/cmdline, and has none without it. */
#ifndef BULKHEAD_ARGUMENTS_H
#define BULKHEAD_ARGUMENTS_H

/* Argument `index`; 0 is the program's own name. NULL after the last one. It lives as long as the process. */
const char *bulkhead_argument(int index);

#endif
