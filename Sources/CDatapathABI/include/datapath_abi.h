/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * The contract between kernel and controller: every structure, enumeration and limit that both sides know, once.
 * BPF/ includes it (clang, target bpf), and Swift imports it. This file is the one to include; each topic has a
 * header of its own.
 *
 * Numbers are in host byte order unless a field says otherwise. IPv4 addresses are stored as their 32-bit value;
 * IPv6 addresses as two 64-bit halves, `high` the first eight bytes on the wire. Padding is explicit and zero. Where a
 * structure is an element of an image table its size is a power of two, so that no element straddles an image page.
 */
#ifndef BULKHEAD_DATAPATH_ABI_H
#define BULKHEAD_DATAPATH_ABI_H

#include "abi/limits.h"
#include "abi/timeouts.h"
#include "abi/words.h"
#include "abi/lock.h"
#include "abi/hash.h"
#include "abi/image.h"
#include "abi/rules.h"
#include "abi/port.h"
#include "abi/packet.h"
#include "abi/flow.h"
#include "abi/fragment.h"
#include "abi/conditions.h"
#include "abi/connections.h"
#include "abi/groups.h"
#include "abi/addresses.h"
#include "abi/counters.h"
#include "abi/events.h"
#include "abi/shadow.h"
#include "abi/settings.h"
#include "abi/stamp.h"
#include "abi/scratch.h"

#endif
