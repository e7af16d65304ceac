/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* The words that every topic uses: directions, hooks, verdicts, reasons. */
#ifndef BULKHEAD_ABI_WORDS_H
#define BULKHEAD_ABI_WORDS_H

#include <linux/types.h>

#define BH_NONE 0xffffffffu /* no rule, no rank, no offset */

/* Places of map `slots`. */
enum bh_slot {
	BH_SLOT_EVEN, /* this or the next holds the policy in force: struct bh_stamp says which */
	BH_SLOT_ODD,
	BH_SLOT_BEFORE, /* the previous policy, where it passed something without a flow, and no trial is open */
	BH_SLOT_MAX,
};

enum bh_direction { BH_IN, BH_OUT, BH_DIRECTION_MAX };

enum bh_protects { BH_HOST, BH_WORKLOAD, BH_PROTECTS_MAX };

enum bh_hook { BH_HOOK_XDP, BH_HOOK_TC_INGRESS, BH_HOOK_TC_EGRESS, BH_HOOK_MAX };

/* What a rule says of a packet. The first three are verdicts; the others leave the verdict to later rules. */
enum bh_verdict {
	BH_DROP,
	BH_ACCEPT,
	BH_REJECT,
	BH_LOG,  /* count and stream it, go on with the next rule */
	BH_PASS, /* go on with the next layer */
	BH_VERDICT_MAX,
};

enum bh_reason {
	BH_REASON_NONE,
	/* to drop; a rule or a default may also accept */
	BH_REASON_RULE,
	BH_REASON_DEFAULT,
	/* to drop */
	BH_REASON_MALFORMED,
	BH_REASON_VLAN,
	BH_REASON_NON_IP,
	BH_REASON_GUARD_MAC,
	BH_REASON_GUARD_IP,
	BH_REASON_GUARD_ARP,
	BH_REASON_GUARD_ND,
	BH_REASON_GUARD_DHCP,
	BH_REASON_GUARD_RA,
	BH_REASON_GUARD_PROMISCUOUS,
	BH_REASON_GUARD_DESTINATION,
	BH_REASON_QUARANTINE,
	BH_REASON_FRAGMENT, /* also to accept */
	BH_REASON_EXTENSION_HEADER,
	BH_REASON_INVALID_STATE,
	BH_REASON_FLOW_TABLE_FULL,
	BH_REASON_POLICY_CHANGED,
	BH_REASON_NOT_ADMITTED,
	/* to accept */
	BH_REASON_ESTABLISHED,
	BH_REASON_RELATED,
	BH_REASON_ESSENTIAL,
	BH_REASON_CONTROL,
	BH_REASON_ADOPTED,
	BH_REASON_MAX,
};

enum bh_vlan_mode { BH_VLAN_NONE, BH_VLAN_LIST, BH_VLAN_ANY, BH_VLAN_MODE_MAX };

enum bh_mode { BH_MODE_NONE, BH_MODE_TC, BH_MODE_XDP_NATIVE, BH_MODE_XDP_GENERIC, BH_MODE_MAX };

/* How far an address set reaches. A rule's partition is `from level` * 3 + `to level`. */
enum bh_level { BH_LEVEL_ANY, BH_LEVEL_COARSE, BH_LEVEL_FINE, BH_LEVEL_MAX };
enum { BH_PARTITIONS = 9 };

/* Indices of the image's `protocols`: 0-255 are IP protocol numbers; ICMP over the other family is not ICMP. */
enum bh_protocol_index {
	BH_PROTOCOL_ETHERTYPE = 256, /* first key: the ethertype, 0 for LLC */
	BH_PROTOCOL_ICMP_IN_IPV6 = 257,
	BH_PROTOCOL_ICMPV6_IN_IPV4 = 258,
	BH_PROTOCOL_INDEX_MAX = 259,
};

#endif
