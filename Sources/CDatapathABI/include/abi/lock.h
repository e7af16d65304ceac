/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* A lock inside a structure: the kernel accepts only its own type, and Swift sees four bytes. */
#ifndef BULKHEAD_ABI_LOCK_H
#define BULKHEAD_ABI_LOCK_H

#ifdef __bpf__
#include <linux/bpf.h>
/* Not a typedef, which the kernel does not look through. */
#define BH_LOCK struct bpf_spin_lock
#else
#include <linux/types.h>
#define BH_LOCK __u32
#endif

_Static_assert(sizeof(BH_LOCK) == 4, "BH_LOCK");

#endif
