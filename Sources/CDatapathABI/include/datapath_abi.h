/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * The contract between kernel and controller: every structure, enumeration and limit that both sides
 * know, once. Included by BPF/ (clang, target bpf) and imported by Swift.
 *
 * Numbers are host byte order unless a field says otherwise. IPv4 addresses are stored as their
 * 32-bit value in host order; IPv6 addresses as two host-order 64-bit halves, `high` the first eight
 * bytes on the wire. Padding is explicit and zero. Sizes are powers of two wherever a structure is an
 * element of an image table, so that no element straddles an image page.
 */
#ifndef BULKHEAD_DATAPATH_ABI_H
#define BULKHEAD_DATAPATH_ABI_H

#include <linux/types.h>

/* ---- Limits -------------------------------------------------------------------------------- */

enum {
	BH_PAGE_BITS = 22,               /* an image page is 4 MiB: the largest array value that 6.1 takes */
	BH_PAGE_SIZE = 1 << BH_PAGE_BITS,
	BH_PAGES_MAX = 64,               /* 256 MiB an image */
	BH_DEVICES_MAX = 4096,           /* devices enforced at once by one instance; id 0 is never allotted */
	BH_RULES_MAX = 131072,           /* rules of one policy, and slots of rule counters */
	BH_READERS_MAX = 4,              /* event streams at once */
	BH_HEADER_BYTES = 128,           /* of the frame, in an event */
	BH_LIST_SHORT = 8,               /* entries of a list that is scanned; longer lists have a row */
	BH_TRIE_DEPTH = 16,              /* nodes on the longest walk: one a byte of an IPv6 address */
	BH_VLANS = 4096,                 /* tags, 0 standing for untagged */
	BH_EXTENSIONS_MAX = 8,           /* IPv6 extension headers before a packet is refused */
	BH_MACS_MAX = 16,                /* MAC addresses of one port, those that it shares included */
	BH_HEADER_SETS = 32,             /* sets of the five headers that may stand between IP and L4 */
	BH_OPTIONS_MAX = 32,             /* options of a neighbour discovery message before a guard refuses it */
	BH_BUCKETS = 16384,              /* token buckets of event sampling */
	BH_TRIES_MAX = 16,               /* conditional rules that one packet may match ahead of the one that decides */
	BH_LIMITS_MAX = 16384,           /* rules with a limit a rule */
	BH_SOURCE_WAYS = 8,
	BH_SOURCE_SETS = 8192,           /* 65,536 sources under limits a source */
	BH_GROUPS_MAX = 512,             /* dynamic groups of one policy */
	BH_GROUP_SLOTS = 3 * BH_GROUPS_MAX, /* so that three policies in a row never share one */
	BH_LITERALS_MAX = 8,             /* questions about dynamic groups in one of a rule's terms */
	BH_MEMBERS_MAX = 1 << 24,        /* members of one dynamic group */
};

#define BH_NONE 0xffffffffu          /* no rule, no rank, no offset */

/* Places of map `slots`. */
enum bh_slot {
	BH_SLOT_IN_FORCE,
	BH_SLOT_BEFORE,                  /* the policy before, where it passed something without a flow */
	BH_SLOT_MAX,
};

/* ---- A keyed hash -------------------------------------------------------------------------- */

/*
 * SipHash with one round a word and three at the end, as Linux has it for its own tables. Whoever does not know the key cannot
 * tell which of his packets meet in one place, nor learn it for others from those that do.
 */
struct bh_sip {
	__u64 v0;
	__u64 v1;
	__u64 v2;
	__u64 v3;
};

static inline __attribute__((always_inline)) __u64 bh_rotate(__u64 word, __u32 bits)
{
	return word << bits | word >> (64 - bits);
}

static inline __attribute__((always_inline)) void bh_sip_round(struct bh_sip *sip)
{
	sip->v0 += sip->v1;
	sip->v1 = bh_rotate(sip->v1, 13) ^ sip->v0;
	sip->v0 = bh_rotate(sip->v0, 32);
	sip->v2 += sip->v3;
	sip->v3 = bh_rotate(sip->v3, 16) ^ sip->v2;
	sip->v0 += sip->v3;
	sip->v3 = bh_rotate(sip->v3, 21) ^ sip->v0;
	sip->v2 += sip->v1;
	sip->v1 = bh_rotate(sip->v1, 17) ^ sip->v2;
	sip->v2 = bh_rotate(sip->v2, 32);
}

static inline __attribute__((always_inline)) struct bh_sip bh_sip_start(__u64 first_key, __u64 second_key)
{
	struct bh_sip sip = {
		.v0 = first_key ^ 0x736f6d6570736575ull,
		.v1 = second_key ^ 0x646f72616e646f6dull,
		.v2 = first_key ^ 0x6c7967656e657261ull,
		.v3 = second_key ^ 0x7465646279746573ull,
	};

	return sip;
}

static inline __attribute__((always_inline)) void bh_sip_add(struct bh_sip *sip, __u64 word)
{
	sip->v3 ^= word;
	bh_sip_round(sip);
	sip->v0 ^= word;
}

static inline __attribute__((always_inline)) __u64 bh_sip_end(struct bh_sip *sip)
{
	sip->v2 ^= 0xff;
	bh_sip_round(sip);
	bh_sip_round(sip);
	bh_sip_round(sip);
	return sip->v0 ^ sip->v1 ^ sip->v2 ^ sip->v3;
}

/* ---- Words --------------------------------------------------------------------------------- */

enum bh_direction { BH_IN, BH_OUT, BH_DIRECTION_MAX };

enum bh_protects { BH_HOST, BH_WORKLOAD, BH_PROTECTS_MAX };

enum bh_hook { BH_HOOK_XDP, BH_HOOK_TC_INGRESS, BH_HOOK_TC_EGRESS, BH_HOOK_MAX };

enum bh_verdict { BH_DROP, BH_ACCEPT, BH_REJECT, BH_VERDICT_MAX };

enum bh_reason {
	BH_REASON_NONE,
	/* to drop, or by a rule or default to accept as well */
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
	BH_REASON_QUARANTINE,
	BH_REASON_FRAGMENT,              /* to accept as well */
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

/* Indices of `protocols`: 0-255 are IP protocol numbers; ICMP over the other family is no ICMP. */
enum bh_protocol_index {
	BH_PROTOCOL_ETHERTYPE = 256,     /* first key: the ethertype, 0 for LLC */
	BH_PROTOCOL_ICMP_IN_IPV6 = 257,
	BH_PROTOCOL_ICMPV6_IN_IPV4 = 258,
	BH_PROTOCOL_INDEX_MAX = 259,
};

/* ---- The policy image ---------------------------------------------------------------------- */

/*
 * One flat image a generation. All offsets are bytes from its start. Offset >> BH_PAGE_BITS is the
 * page, the rest the place in the page. A table's elements are aligned to their size and start on a
 * 64-byte line. The first page holds the header.
 *
 * A packet is looked up so:
 *   source      -> address class -> (from_coarse, from_fine)
 *   destination -> address class -> (to_coarse, to_fine)
 *   for each of nine partitions: (from class, to class) -> cell -> rule list
 *   rule list, protocol and ports -> first matching rule; the lowest rank of all partitions decides.
 * Where a list needs more than protocol and ports, the joint class of all but the addresses is found first:
 *   protocol, destination port, source port -> service
 *   port record and direction -> scope; scope, VLAN, whether its ends are the host's own -> context; context,
 * service -> joint class
 *   headers between IP and L4 -> header class, which multiplies the contexts
 *   rule list, joint class -> first matching rule.
 * Where the first has a condition which does not hold, the first match behind it is looked for.
 */
#define BH_IMAGE_MAGIC 0x444145484b4c5542ull /* "BULKHEAD" in memory */
enum { BH_IMAGE_FORMAT = 6 };

/* How far an address set reaches. A rule's partition is `from level` * 3 + `to level`. */
enum bh_level { BH_LEVEL_ANY, BH_LEVEL_COARSE, BH_LEVEL_FINE, BH_LEVEL_MAX };
enum { BH_PARTITIONS = 9 };

struct bh_partition {
	__u32 buckets;                   /* offset of bh_bucket[mask + 1]; never 0: an empty bucket where there are no cells */
	__u32 mask;                      /* number of buckets less one; a power of two less one */
};

struct bh_image_header {
	__u64 magic;
	__u32 format;
	__u32 flags;                     /* enum bh_image_flag */
	__u64 size;                      /* bytes of the image, cold sections included */
	/* addresses */
	__u32 v4_root;                   /* offset of u32[65536] by the first sixteen bits: a trie value */
	__u32 v6_root;                   /* a trie value, not an offset */
	__u32 nodes;                     /* offset of bh_node[] */
	__u32 values;                    /* offset of u32[]: trie values */
	__u32 classes;                   /* offset of bh_address_class[]; class 0 is in no set, and what a frame without addresses has */
	__u32 class_count;
	/* services */
	__u32 protocols;                 /* offset of bh_protocol[BH_PROTOCOL_INDEX_MAX] */
	__u32 service_count;
	/* where */
	__u32 vlan_classes;              /* offset of u16[BH_VLANS]; all zero where vlan_count is 1 */
	__u32 vlan_count;
	__u32 contexts;                  /* offset of u32[scope_count * vlan_count * host_states] */
	__u32 scope_count;
	__u32 joints;                    /* offset of u32[header_class_count * context_count * service_count] */
	__u32 context_count;
	__u32 joint_count;
	/* rules */
	__u32 matches;                   /* offset of u64[match_count * match_words]: one bit a joint class */
	__u32 match_words;
	__u32 match_count;
	struct bh_partition partitions[BH_PARTITIONS];
	__u32 lists;                     /* offset of bh_list_entry[]: rule lists */
	__u32 runs;                      /* offset of bh_run[]: rows of long lists */
	__u32 run_values;                /* offset of u32[]: ranks */
	__u32 rules;                     /* offset of bh_rule[rule_count], by rank */
	__u32 rule_count;
	__u32 ports;                     /* offset of bh_port[port_count] */
	__u32 port_count;                /* two an entry: 2 * entry + protects; then two for each entry with `unknown: drop` */
	/* cold: for people */
	__u32 strings;                   /* offset of NUL-terminated UTF-8 */
	__u32 strings_size;
	__u32 files;                     /* offset of bh_file[file_count]: the policy's text; file 0 is the policy itself */
	__u32 file_count;
	__u32 conditions;                /* offset of bh_condition[condition_count] */
	__u32 condition_count;
	__u32 chains;                    /* offset of u32[]: ranks, see BH_CHAIN */
	__u32 groups;                    /* offset of bh_group[group_count]: dynamic groups */
	__u32 group_count;
	__u32 adopt;                     /* seconds after a device is attached in which running TCP connections are adopted */
	__u32 header_class_count;
	__u32 notes;                     /* offset of bh_note[note_count]: what people wrote at rules */
	__u8 header_classes[BH_HEADER_SETS]; /* by a packet's BH_PACKET_HEADERS; 0: no rule names one that it has */
	__u8 sha256[32];                 /* of the image with this field and the host's part zero */
	/* the host's part: filled when the image is loaded, and hashed as zero, the two offsets that the compiler sets too;
	 * so are the two tables, every rule's `counter`, and the `slot` of every condition and group */
	__u32 generation;
	__u32 device_count;              /* records in use at `devices` */
	__u32 device_ports;              /* offset of u16[BH_DEVICES_MAX]: port record + 1, with BH_QUARANTINED where it is cut off; or 0 */
	__u32 devices;                   /* offset of bh_device[BH_DEVICES_MAX] by device id */
	__u64 loaded_at;                 /* seconds since 1970 */
	__u64 wall_offset;               /* nanoseconds from CLOCK_TAI, or a simulation's, to those since 1970; wraps */
	__u64 secret;                    /* of the hash of sources; the same in every generation */
	__u64 boot_offset;               /* nanoseconds from a simulation's to CLOCK_BOOTTIME; 0 where the kernel's is read; wraps */
	__u32 epoch;                     /* changes of dynamic groups while the image is in force; wraps */
	__u32 before;                    /* generation of the policy in BH_SLOT_BEFORE; 0 where it is not to be asked */
	__u32 host_states;               /* BH_HOST_STATES where some rule asks for the host's own addresses, else 1 */
	/*
	 * offset of u8[scope_count]: enum bh_host_question, of which the rules of that scope ask
	 */
	__u32 host_questions;
	__u32 note_count;
	__u8 reserved[132];
};

/*
 * Whether an end of a packet is one of the host's own addresses. Both answers make a number below
 * BH_HOST_NO_ADDRESSES, 0 where neither is, or where
 * nobody asks.
 */
enum bh_host_question {
	BH_HOST_SOURCE = 1,
	BH_HOST_DESTINATION = 2,
};
enum {
	BH_HOST_FOUND = 128,             /* in a packet's scratch: both questions have their answers */
	BH_HOST_NO_ADDRESSES = 4,        /* a frame that has none is neither at the host's end nor at another */
	BH_HOST_STATES = 5,
};

enum bh_image_flag {
	BH_IMAGE_VLAN_SENSITIVE = 1,     /* some rule names a VLAN: XDP, which may not see the tag, must not decide */
	BH_IMAGE_REJECTS = 2,            /* something is rejected: a reset may be an answer on its way, which XDP cannot know */
};

/* A trie value: a node if BH_TRIE_NODE is set, else the index of an address class. */
#define BH_TRIE_NODE 0x80000000u

/*
 * Eight bits of an address, after an optional run of bits that must match (`path`). `changes` has a bit
 * for each of 256 slots whose value differs from the slot before; slot 0's is always set. The value of
 * slot s is values[base + (changes set in slots 0..s) - 1].
 */
struct bh_node {
	__u64 changes[4];
	__u64 path;                      /* the run, left-aligned */
	__u64 path_mask;                 /* its bits; 0 where there is no run */
	__u32 base;                      /* index in `values` */
	__u32 otherwise;                 /* trie value where the run does not match: always a class */
	__u8 before[4];                  /* changes set in earlier words; before[0] is 0 */
	__u8 path_bits;                  /* length of the run: 0, 8, ... 56 */
	__u8 pad[3];
};

/* What a source or destination address is to the rules. Class 0 of a level is in no set of that level. */
struct bh_address_class {
	__u32 from_coarse;
	__u32 from_fine;
	__u32 to_coarse;
	__u32 to_fine;
	__u16 from_partitions;           /* bit p: partition p has a cell for this class as source */
	__u16 to_partitions;             /* likewise as destination */
	__u16 from_joint;                /* of those, where one of the cells has a list that cannot be read without the joint class */
	__u16 to_joint;
	__u32 pad[2];
};

/*
 * Service classes of one protocol. Where `directory` is BH_NONE the class is `service`. Else
 * class = services[first * stride + second], with first = blocks[first_directory[key >> 8]][key & 255]
 * and key the destination port (ICMP: type << 8 | code; ethertype), second likewise by source port;
 * where second_directory is BH_NONE, second is 0.
 */
struct bh_protocol {
	__u32 first_directory;           /* offset of u32[256]: offsets of u16[256] */
	__u32 second_directory;
	__u32 services;                  /* offset of u32[] */
	__u32 stride;
	__u32 service;                   /* where first_directory is BH_NONE */
	__u32 pad[3];
};

/* One pair of classes that some rule of the partition names. `list` 0 marks a free slot. */
struct bh_cell {
	__u32 from;
	__u32 to;
	__u32 list;                      /* index in `lists`; never 0 */
	__u32 rank;                      /* lowest rank in the list; with BH_BUCKET_FULL, see bh_bucket */
};

/*
 * A line of four cells. A pair's first bucket is the low half of its hash, its second the high half
 * (bh_cell_hash); it stands in the second only if the first was full, and then cells[0].rank of the first has
 * BH_BUCKET_FULL set.
 */
#define BH_BUCKET_FULL 0x80000000u
struct bh_bucket {
	struct bh_cell cells[4];
};

static inline __attribute__((always_inline)) __u64 bh_cell_hash(__u32 from, __u32 to)
{
	__u64 hash = ((__u64)from << 32 | to) * 0x9e3779b97f4a7c15ull;

	hash ^= hash >> 29;
	hash *= 0xbf58476d1ce4e5b9ull;
	return hash ^ hash >> 32;
}

/*
 * A rule list is its entries, one behind the other, in order of rank; the last is marked. Index 0 of the table is unused.
 * What a rule asks of a packet besides its addresses is in its entry, where that is a protocol and ranges of ports and nothing else; a rule of
 * several may have an entry for each. Else it is a row of bits over joint classes.
 * A long list is one entry, which names a row of runs.
 */
struct bh_list_entry {
	__u32 rank;                      /* of a long list the lowest */
	__u32 match;                     /* enum bh_match, and in the low bits what it says */
	__u16 destination;               /* first port; ports that a packet does not have are 0 */
	__u16 destination_span;          /* last port less first */
	__u16 source;
	__u16 source_span;
};

enum bh_match {
	/* neither: an index in `matches` of a row of bits */
	BH_MATCH_PORTS = 1 << 28,        /* an IP protocol, or BH_ANY_PROTOCOL; of IP packets only */
	BH_MATCH_RUNS = 1 << 29,         /* an index in `runs`, of a long list's first run */
	BH_MATCH_LAST = 1 << 30,
	BH_MATCH_INDEX = BH_MATCH_PORTS - 1,
};
enum { BH_ANY_PROTOCOL = 256 };

/*
 * Sixty-four joint classes of a long list: the first matching rank of class j is
 * run_values[base + (changes set in bits 0..j & 63) - 1], BH_NONE where no rule matches; bit 0 is always set. Where the first match is a
 * conditional rule, the value is BH_CHAIN and an index in `chains`: of that rule, the conditional ones behind it that match too, ascending, and
 * the first unconditional one or BH_NONE. At most BH_TRIES_MAX and one.
 */
#define BH_CHAIN 0x80000000u
struct bh_run {
	__u64 changes;
	__u32 base;                      /* index in `run_values` */
	__u32 pad;
};

enum bh_rule_flag {
	BH_RULE_LOG = 1,                 /* a match is streamed */
	BH_RULE_STATELESS = 2,
	/* conditions */
	BH_RULE_EXPIRES = 4,
	BH_RULE_LIMITED = 8,
	BH_RULE_MEMBERS = 32,
	BH_RULE_CONDITIONAL = BH_RULE_EXPIRES | BH_RULE_LIMITED | BH_RULE_MEMBERS,
	BH_RULE_BY_SOURCE = 16,          /* the limit is one a source */
};

/* A question about a dynamic group: its index in `groups`, and what is asked. 0 ends a list of them. */
enum bh_literal {
	BH_LITERAL_GROUP = BH_GROUPS_MAX - 1,
	BH_LITERAL_DESTINATION = 1 << 12, /* of the destination, else of the source */
	BH_LITERAL_OUTSIDE = 1 << 13,    /* it must not be a member, else it must be */
	BH_LITERAL_USED = 1 << 15,
};

/*
 * What must hold besides for a conditional rule to match. A limit is a clock that each match moves on by `cost` and that may not run further ahead
 * of the present than `span`; its unit is a sixteenth of a nanosecond, CLOCK_MONOTONIC.
 */
struct bh_condition {
	__u64 expires;                   /* nanoseconds since 1970 */
	__u64 cost;                      /* of one match, rounded up */
	__u64 span;                      /* the burst times `cost` */
	__u32 identity;                  /* of the rule's name and limit; even, never 0 */
	__u32 slot;                      /* the host's part: place in map `limits` */
	__u16 literals[BH_LITERALS_MAX]; /* of BH_RULE_MEMBERS: enum bh_literal */
	__u64 pad[2];
};

/* A dynamic group: its members are changed while the policy is in force. */
struct bh_group {
	__u64 timeout;                   /* nanoseconds that a member stays where no time is given; 0: for ever */
	__u32 maximum;                   /* members */
	__u32 name;                      /* offset in `strings` */
	__u32 slot;                      /* the host's part: place in map `groups` */
	__u32 line;                      /* from 1 */
	__u16 file;                      /* index in `files` */
	__u16 pad[3];
};

/*
 * A rule of the policy whose ends ask of dynamic groups is one here for each combination of them that it asks for, one behind the other: its terms.
 * They have the rule's name and counter in common.
 */
struct bh_rule {
	__u8 verdict;                    /* enum bh_verdict */
	__u8 flags;                      /* enum bh_rule_flag */
	__u16 file;                      /* index in `files` */
	__u32 line;                      /* from 1 */
	__u32 name;                      /* offset in `strings` */
	__u32 counter;                   /* the host's part: slot of its counter */
	__u32 condition;                 /* index in `conditions`, of a conditional rule */
	__u32 number;                    /* of the policy's rule, from 0 */
	__u16 term;                      /* which of its terms this is, from 0 */
	__u16 terms_behind;              /* how many follow */
	__u32 notes;                     /* index of its first in `notes`; BH_NONE: nobody wrote any */
};

/* What people wrote at a rule: its comment, or a value of its `meta`. A rule's stand one after another, the last of them marked. For people alone. */
struct bh_note {
	__u32 key;                       /* offset in `strings`; BH_NONE: the comment */
	__u32 value;                     /* offset in `strings` */
	__u32 is_last;
	__u32 pad;
};

enum bh_port_flag {
	BH_PORT_ESSENTIALS = 1,
	BH_PORT_UNKNOWN_DROP = 2,        /* an unnamed member of a bridge entry with `unknown: drop` */
	BH_PORT_SYMMETRIC = 4,           /* all that is not TCP is accepted both ways, so that it needs no flows */
	BH_PORT_UNTRACKED = 8,           /* something passes without a flow: that, or what a stateless rule accepts */
	BH_PORT_TCP_STRICT = 16,         /* a TCP segment outside its connection's windows is dropped */
	BH_PORT_HAS_ADDRESSES = 32,      /* `v4` and `v6` say what the port's own addresses are; there may be none */
};

/* What a port's record guards against. */
enum bh_guard {
	BH_GUARD_MAC = 1,
	BH_GUARD_IP = 2,                 /* a host's: its addresses are those that nobody may come with */
	BH_GUARD_ARP = 4,
	BH_GUARD_ND = 8,
	BH_GUARD_DHCP_SERVER = 16,
	BH_GUARD_RA = 32,
	BH_GUARD_PROMISCUOUS = 64,
};

/* One policy entry, as host or as workload. */
struct bh_port {
	__u8 protects;                   /* enum bh_protects */
	__u8 vlan_mode;                  /* enum bh_vlan_mode */
	__u8 defaults[BH_DIRECTION_MAX]; /* enum bh_verdict by direction */
	__u32 flags;                     /* enum bh_port_flag */
	__u32 scopes[BH_DIRECTION_MAX];  /* scope by direction: row of `contexts` */
	__u32 vlans;                     /* offset of u64[BH_VLANS / 64], for BH_VLAN_LIST */
	__u32 name;                      /* offset in `strings` */
	__u32 default_lines[BH_DIRECTION_MAX]; /* where the default is written */
	__u16 default_files[BH_DIRECTION_MAX];
	__u32 line;                      /* where the entry is written */
	__u16 file;
	__u16 flow_scope;                /* the host's part: of a host entry, with BH_SCOPE_ENTRY; 0: the device's id */
	__u32 flow_share;                /* flows that one scope may have at a time */
	__u32 guards;                    /* enum bh_guard */
	__u32 macs;                      /* offset of bh_mac_list, or 0 */
	__u32 v4;                        /* trie value: class 1 for an address that is bound, 0 for any other; looked up left-aligned */
	__u32 v6;
};

/* The MAC addresses of a port as numbers, the first byte on the wire the highest; the first one again where there are fewer. */
struct bh_mac_list {
	__u64 macs[BH_MACS_MAX];
};

struct bh_file {
	__u32 name;                      /* offset in `strings`: as the policy was given */
	__u32 text;                      /* offset in the image */
	__u32 size;                      /* bytes of the text */
	__u32 pad;
};

/*
 * Set in a device's element of `device_ports`: nothing passes it. It is what changes in an image that is in force, so that a port is cut off
 * at once and no packet pays for the question. Port records are few enough to leave the bit free.
 */
#define BH_QUARANTINED 0x8000u

/* A device as the loader bound it. All zero where the id is free. */
struct bh_device {
	__u32 ifindex;
	__u16 port;                      /* port record + 1 */
	__u8 mode;                       /* enum bh_mode */
	__u8 flags;
	__u64 namespace_inode;           /* of its network namespace */
	char name[16];                   /* NUL-terminated interface name, as of the apply */
	__u64 attached_at;               /* CLOCK_MONOTONIC nanoseconds: since when TCP connections are adopted; 0: none is any more */
	__u64 untracked_at;              /* likewise: when a policy was replaced that passed something here without a flow; or 0 */
	char namespace_name[208];        /* as the policy gave it; empty for the controller's own */
};

enum bh_mode { BH_MODE_NONE, BH_MODE_TC, BH_MODE_XDP_NATIVE, BH_MODE_XDP_GENERIC, BH_MODE_MAX };

/* ---- A packet while it is judged ----------------------------------------------------------- */

enum bh_packet_flag {
	BH_PACKET_IPV4 = 1,
	BH_PACKET_IPV6 = 2,
	BH_PACKET_L4 = 4,                /* ports, or type and code, were read */
	BH_PACKET_FRAGMENT_FIRST = 8,
	BH_PACKET_FRAGMENT_LATER = 16,
	BH_PACKET_ARP = 32,              /* ARP or RARP, whole */
	BH_PACKET_INNER_TAG = 64,        /* a VLAN tag stands behind the outer one */
	BH_PACKET_FRAGMENT_MORE = 128,   /* others follow: always of a first fragment */
	BH_PACKET_FRAGMENT_UNSOUND = 256, /* no data, a part of eight bytes that is not the last, or beyond 65,535 bytes: refused */
	/* headers that were walked on the way to L4, from BH_PACKET_HEADERS_SHIFT on */
	BH_PACKET_HOP_BY_HOP = 1 << 9,
	BH_PACKET_ROUTING = 1 << 10,
	BH_PACKET_FRAGMENT_HEADER = 1 << 11, /* of an atomic fragment too */
	BH_PACKET_AUTHENTICATION = 1 << 12,
	BH_PACKET_DESTINATION_OPTIONS = 1 << 13,
	BH_PACKET_HEADERS = 31 << 9,
};
enum { BH_PACKET_HEADERS_SHIFT = 9 };

struct bh_packet {
	__u64 source_high;               /* IPv4: 0 */
	__u64 source_low;                /* IPv4: the address */
	__u64 destination_high;
	__u64 destination_low;
	__u32 flags;                     /* enum bh_packet_flag */
	__u32 length;                    /* of the frame on the wire, a super-packet's before it is cut */
	__u32 segments;                  /* wire packets, at least 1 */
	__u32 wire_bytes;                /* all segments' frames together */
	__u16 outer_vlan;                /* of the first tag that is not 0; 0 where there is none */
	__u16 inner_vlan;                /* of the tag behind it */
	__u8 vlan_tags;                  /* 0, 1 or 2, tags of VLAN 0 among them */
	__u8 protocol;                   /* IP protocol after extension headers */
	__u16 ethertype;                 /* after the tags; 0 for LLC */
	__u16 source_port;               /* TCP, UDP, SCTP */
	__u16 destination_port;
	__u8 type;                       /* ICMP, ICMPv6; IGMP, of eight bytes at least */
	__u8 code;
	__u8 tcp_flags;                  /* FIN 1, SYN 2, RST 4, PSH 8, ACK 16, URG 32, ECE 64, CWR 128 */
	__u8 hop_limit;                  /* or TTL */
	__u16 l3_offset;                 /* from the frame's start */
	__u16 l4_offset;
	__u8 source_mac[6];
	__u8 destination_mac[6];
	__u8 refusal;                    /* enum bh_reason: why the parser refused it, or BH_REASON_NONE */
	__u8 fragment_protocol;          /* IPv4: the header's own protocol; the fields of fragments are 0 in all others */
	__u16 fragment_offset;           /* bytes */
	__u32 end;                       /* where the datagram ends, trailing padding left out; 0 where it is not IP */
	__u32 sequence;                  /* TCP */
	__u32 acknowledgement;           /* TCP */
	__u32 payload;                   /* TCP: bytes behind the header */
	__u16 echo;                      /* identifier of an ICMP echo request or reply */
	__u16 records;                   /* the two bytes behind: how many records an IGMP or MLD report has */
	__u32 identification;            /* of the datagram that a fragment is of */
	__u32 fragment_length;           /* bytes behind the IPv4 header, or the fragment header */
	__u16 window;                    /* TCP: as it stands in the header, unscaled */
	__u16 pad[3];
};

/* What ARP, or neighbour discovery, says of its sender beside the headers; for the guards. */
enum bh_claim_state {
	BH_CLAIM_NONE,                   /* nothing was read */
	BH_CLAIM_SOUND,
	BH_CLAIM_UNSOUND,                /* it cannot be read, or contradicts itself */
};

struct bh_claim {
	__u64 target_high;               /* neighbour discovery: the target, where the type has one */
	__u64 target_low;                /* ARP: the target */
	__u64 mac;                       /* of the sender, or of link-layer options, as a number */
	__u32 sender;                    /* ARP */
	__u16 operation;                 /* ARP */
	__u8 state;                      /* enum bh_claim_state */
	__u8 has_mac;
};

struct bh_judgement {
	__u32 verdict;                   /* enum bh_verdict */
	__u32 reason;                    /* enum bh_reason */
	__u32 rule;                      /* rank, of a rule of several terms the first one's; or BH_NONE */
	__u32 counter;                   /* slot of the rule's counter, or BH_NONE */
	__u32 generation;                /* 0 where no image or port record was found: the packet passed unjudged */
	__u32 port;                      /* port record */
	__u32 direction;                 /* enum bh_direction */
	__u32 log;                       /* whether it is to be streamed */
};

/* ---- Flows --------------------------------------------------------------------------------- */

/*
 * The flow table is a set of buckets of eight. A packet's bucket is the low bits of its key's hash. A new flow takes a free or
 * expired place, else that of the bucket's stalest half-open flow; an established flow is never evicted. So a flood of openings costs other
 * openings at most, and no process has to sweep.
 *
 * A flow that finds no place in its bucket goes into its scope's reserve: one bucket that no other scope's flows ever enter. So whatever
 * others do, a scope can open some. Its own bucket counts it in `overflow`, so that the reserve is searched only where it may be.
 */
enum {
	BH_FLOW_WAYS = 8,
	BH_FLOW_BUCKETS = 32768,         /* 262,144 flows */
	BH_FLOW_HINTS = 32,              /* buckets whose hints are one line */
	BH_FLOWS_MAX = BH_FLOW_WAYS * BH_FLOW_BUCKETS,
	BH_SCOPES_MAX = 2 * BH_DEVICES_MAX,
	BH_FLOW_PLACES = BH_FLOW_BUCKETS + BH_SCOPES_MAX, /* the buckets, then each scope's reserve */
	BH_SCOPE_ENTRY = BH_DEVICES_MAX, /* set in the scope of a host entry */
};

/*
 * A connection and its VLAN at one scope, and which way it crosses the port: a host that forwards it from one device of an entry to another
 * has two flows of it. The endpoint that is lower by address, then port, comes first.
 */
struct bh_flow_key {
	__u64 first_high;
	__u64 first_low;
	__u64 second_high;
	__u64 second_low;
	__u16 first_port;                /* ICMP echo: the identifier where requests come from, the next number at the other end */
	__u16 second_port;
	__u16 outer_vlan;
	__u16 inner_vlan;
	__u16 scope;
	__u8 protocol;
	__u8 family;                     /* 4 or 6 */
	__u8 direction;                  /* enum bh_direction: in which the first endpoint's packets cross the port */
	__u8 authenticated;              /* whether its packets come behind an authentication header */
	__u8 pad[2];
};

enum bh_flow_state {
	BH_FLOW_FREE,
	BH_FLOW_OPENING,                 /* seen one way; half-open */
	BH_FLOW_ANSWERED,                /* answered; half-open, for who opened it may have lied about its address */
	BH_FLOW_ESTABLISHED,             /* the opener went on after the answer */
	BH_FLOW_CLOSING,                 /* TCP: a FIN each way */
	BH_FLOW_CLOSED,                  /* TCP: a reset */
	BH_FLOW_BARRED,                  /* a policy or a ban ended it: a mark that it is not to be adopted; admits nothing */
	BH_FLOW_STATE_MAX,
};

enum bh_flow_flag {
	BH_FLOW_ADOPTED = 1,
	BH_FLOW_FIN_OPENER = 2,          /* the opener has sent a FIN */
	BH_FLOW_FIN_ANSWERER = 4,
	BH_FLOW_TCP = 8,
	BH_FLOW_SEEN_OPENER = 16,        /* a segment of the opener was seen */
	BH_FLOW_SEEN_ANSWERER = 32,
	BH_FLOW_LAPSES = 64,             /* to be judged again from `lapses` on */
	BH_FLOW_MEMBERS = 128,           /* to be judged again when a dynamic group has changed since `epoch` */
	BH_FLOW_DOUBTED = 256,           /* a reset came that the other end may have taken; it lives on if that end says more */
	BH_FLOW_CHALLENGED = 512,        /* unanswered, but for an acknowledgement of another connection: sides[1].acknowledged */
	BH_FLOW_BY_ANSWERER = 1024,      /* adopted by a packet of the answerer: a rule that denies such a packet ends it */
};

/*
 * What one end of a TCP connection has said, in sequence numbers. Only its own segments change it, so that CPUs that see one end each do not meet.
 * Until the opener is answered, its `acknowledged` is the number of its SYN.
 */
struct bh_flow_side {
	__u32 end;                       /* behind the last that it has sent */
	__u32 acknowledged;              /* highest acknowledgement it has sent */
	__u32 granted;                   /* behind the last that it has ever permitted the other end to send */
	__u32 window;                    /* bytes of the largest window it has offered, at least 1 */
};

enum bh_attempt_from { BH_ATTEMPT_NONE, BH_ATTEMPT_OPENER, BH_ATTEMPT_ANSWERER };

/* A SYN that the rules accepted while its connection was open: another connection, if it is answered as one. */
struct bh_attempt {
	__u32 start;                     /* its sequence number */
	__u32 end;                       /* behind the last that it carries */
	__u16 window;
	__u8 scale;                      /* of the window, or BH_SCALE_NONE */
	__u8 from;                       /* enum bh_attempt_from */
};

enum {
	BH_SCALE_MAX = 14,
	BH_SCALE_NONE = 0xff,            /* the segment has no such option */
};

/* Two lines: what names a flow and says what accepted it, then what its packets change. */
struct bh_flow {
	struct bh_flow_key key;
	__u32 generation;                /* that accepted it; 0: it is to be judged again */
	__u32 rule;                      /* rank in that generation, or BH_NONE */
	__u32 counter;                   /* slot of the rule's counter, or BH_NONE */
	__u32 epoch;                     /* of that generation, when it was judged */
	__u32 lapses;                    /* jiffies, low half: when what accepted it may no longer hold */
	__u32 seen;                      /* jiffies of its last packet, low half */
	__u32 timeout;                   /* jiffies after which it is gone if no packet comes */
	__u8 state;                      /* enum bh_flow_state */
	__u8 opener_is_first;            /* whether the key's first endpoint opened it */
	__u8 direction;                  /* of the opening packet */
	__u8 headers;                    /* of the opening packet: BH_PACKET_HEADERS, from the lowest bit on */
	__u16 flags;                     /* enum bh_flow_flag */
	__u8 scales[2];                  /* of the windows: the opener, the answerer */
	struct bh_flow_side sides[2];    /* likewise */
	struct bh_attempt attempt;
};

/* What a TCP segment is to the flow that covers it. */
enum bh_segment {
	BH_SEGMENT_OUTSIDE,              /* of the windows: it moves nothing */
	BH_SEGMENT_FITS,
	BH_SEGMENT_ANSWERS,              /* the SYN that opened the flow */
	BH_SEGMENT_ANSWERS_ATTEMPT,      /* a SYN that came over it */
	BH_SEGMENT_CHALLENGES,           /* a SYN, which it takes for one of another connection */
	BH_SEGMENT_RESETS,               /* its receiver takes this reset */
	BH_SEGMENT_DOUBTS,               /* its receiver takes this reset, or answers it with an acknowledgement */
	BH_SEGMENT_STARTS_ANEW,          /* contradicts the end that an adopted flow knows: adopted by this one */
	BH_SEGMENT_PASSES,               /* it changes nothing, but its receiver answers it, or ends another connection by it */
	BH_SEGMENT_IGNORED,              /* a reset that its receiver would not heed */
};

/*
 * Value of map `flow_buckets`: a line that tells nearly always whether the flows themselves need to be read. Map `flow_hints` tells mostly whether
 * that line needs to be: sixteen bits a bucket, of which each of its tags sets one. They are small enough to stay in a CPU's caches.
 */
struct bh_flow_bucket {
	__u32 lock;                      /* struct bpf_spin_lock, of the flows too */
	__u32 overflow;                  /* flows of this bucket that are in their scopes' reserves */
	__u16 scopes[BH_FLOW_WAYS];      /* whose flows they are; 0 in a free place */
	__u32 tags[BH_FLOW_WAYS];        /* the key's hash, 0 in a free place; cleared before a flow is replaced and set after */
	__u64 pad1;
};

/* Value of map `flows`, by bucket. Behind the buckets' stand the scopes' reserves. */
struct bh_flow_ways {
	struct bh_flow flows[BH_FLOW_WAYS];
};

/* Value of map `flow_scopes`, by scope. */
struct bh_flow_scope {
	__u32 flows;                     /* places taken, expired ones that were not reclaimed yet included */
	__u32 swept;                     /* jiffies of the last long search for a flow to give up, when no place was left */
	__u32 hand;                      /* bucket where the next search starts */
	__u32 barren;                    /* jiffies of the last search in vain */
};

/* A search for a place on its way: for a new flow in its bucket, or for a flow that its scope can do without in the whole table. */
struct bh_flow_search {
	__u64 best;                      /* the place's worth, then in the lower bits the place; 0 where none was found */
	__u32 first;                     /* bucket */
	__u32 visited;                   /* buckets */
	__u32 found;                     /* places of any worth */
	__u32 now;                       /* jiffies, low half */
};

/* Value of map `flow_totals`, one, per CPU. */
struct bh_flow_totals {
	__u64 opened;
	__u64 adopted;
	__u64 expired;                   /* reclaimed */
	__u64 evicted;                   /* half-open ones that made room */
	__u64 refused;                   /* flow-table-full */
	__u64 ended;                     /* by a new policy */
	__u32 hand;                      /* next bucket that an insertion tidies */
	__u32 pad;
	__u64 pad1;
};

/* ---- Verdict cache ------------------------------------------------------------------------- */

/* In the lowest byte of `place`, beside enum bh_verdict. */
enum bh_answer_flag {
	BH_ANSWER_VERDICT = 3,
	BH_ANSWER_LOG = 4,
	BH_ANSWER_STATELESS = 8,         /* accepted without a flow */
	BH_ANSWER_BITS = 255,
};

/* What the rules, or a default, said of a packet. All zero where there is none, for no generation is 0. */
struct bh_answer {
	__u64 service;                   /* source port, destination port, VLANs from the outside in; sixteen bits each */
	__u64 place;                     /* generation, port record, direction, protocol, answer: 32, 15, 1, 8 and 8 bits */
	__u32 rule;                      /* as in struct bh_judgement */
	__u32 counter;
};

struct bh_answer_v4 {
	__u64 addresses;                 /* the source in the high half */
	struct bh_answer answer;
};

struct bh_answer_v6 {
	__u64 source_high;
	__u64 source_low;
	__u64 destination_high;
	__u64 destination_low;
	struct bh_answer answer;
	__u64 pad;
};

/*
 * Values of maps `verdicts_v4` and `verdicts_v6`, per CPU, are blocks of sets of answers whose packets have the same hash, the latest one
 * first.
 */
enum {
	BH_ANSWER_WAYS = 4,
	BH_ANSWER_SETS = 64,             /* in a block */
	BH_ANSWER_BLOCKS = 128,          /* 32,768 answers: of IPv4 in a MiB a CPU, of IPv6 in two */
};

/* ---- Fragments ----------------------------------------------------------------------------- */

/*
 * What is known of datagrams whose first fragment was accepted and that are not complete. Each device has a room of its own, a few buckets
 * of eight, and each host entry a larger one, so that nobody crowds out another. Where there are more devices or entries than
 * rooms, two may share one, of whose buckets each can keep half.
 */
enum {
	BH_FRAGMENT_WAYS = 8,
	BH_FRAGMENT_RANGES = 8,          /* parts of a datagram, with gaps between them, that may be there at a time */
	BH_FRAGMENT_SECONDS = 30,        /* from the first fragment on */
	BH_DEVICE_ROOMS = 1024,
	BH_DEVICE_ROOM = 8,              /* buckets */
	BH_ENTRY_ROOMS = 16,
	BH_ENTRY_ROOM = 512,             /* buckets */
	BH_FRAGMENT_BUCKETS = BH_DEVICE_ROOMS * BH_DEVICE_ROOM + BH_ENTRY_ROOMS * BH_ENTRY_ROOM,
};

/* A datagram and its VLAN at one scope, in one direction. */
struct bh_datagram_key {
	__u64 source_high;
	__u64 source_low;
	__u64 destination_high;
	__u64 destination_low;
	__u32 identification;
	__u16 outer_vlan;
	__u16 inner_vlan;
	__u16 scope;
	__u8 protocol;                   /* IPv4; IPv6 does not tell datagrams apart by it */
	__u8 family;                     /* 4 or 6 */
	__u8 direction;                  /* enum bh_direction */
	__u8 pad[3];
};

/* A part of a datagram that was seen, in units of eight bytes. Where `end` is 0 there is none. */
struct bh_range {
	__u16 start;
	__u16 end;                       /* the first unit behind it */
};

struct bh_datagram {
	struct bh_datagram_key key;
	__u32 opened;                    /* jiffies of its first fragment, low half */
	__u32 generation;                /* that accepted it */
	__u32 counter;                   /* slot of the rule's counter, or BH_NONE */
	__u32 end;                       /* bytes of the whole datagram's data, once its last fragment was seen; else BH_NONE */
	struct bh_range ranges[BH_FRAGMENT_RANGES]; /* do not touch each other; the first starts at 0 */
};

/* Value of map `fragments`. A tag is the key's hash, 0 in a free place. */
struct bh_fragment_bucket {
	__u32 lock;                      /* struct bpf_spin_lock */
	__u32 pad[7];
	__u32 tags[BH_FRAGMENT_WAYS];
	struct bh_datagram datagrams[BH_FRAGMENT_WAYS];
};

/* A search of a bucket, or of a datagram's ranges, on its way. Indices are one past the last where nothing was found. */
struct bh_fragment_search {
	struct bh_datagram_key key;
	__u32 hash;                      /* of the key; never 0 */
	__u32 bucket;                    /* in the room of the key's scope */
	__u32 age;                       /* of the oldest datagram */
	__u32 own_age;                   /* of the scope's own oldest */
	__u8 way;
	__u8 own_way;
	__u8 own;                        /* datagrams of the scope's own in the bucket */
	__u8 before;                     /* range that ends where the fragment starts */
	__u8 after;                      /* range that starts where it ends */
	__u8 free;                       /* a free range */
	__u8 refused;
	__u8 pad;
};

/* What the rules are asked, and of which packet. */
enum bh_question {
	BH_ASK_PACKET,                   /* the packet itself, as a new connection's or one of no connection */
	BH_ASK_OPENING,                  /* the opening packet of a flow that an earlier policy accepted */
	BH_ASK_QUOTED,                   /* what an ICMP error quotes: does a stateless rule accept it? */
	BH_ASK_ADOPTED,                  /* what would have opened a connection that was there before us */
	BH_ASK_BEFORE,                   /* the packet itself, of the policy before: did that pass it without a flow? */
	BH_ASK_REPLY,                    /* the other way of an adopted flow: does a rule deny it? */
};

/* A look-up on its way through the image. */
struct bh_lookup {
	__u32 joint;                     /* joint class, where a list could need it */
	__u32 best;                      /* lowest rank so far */
	__u32 floor;                     /* ranks below do not count */
	__u32 partitions;                /* bit by partition, where both ends have a cell */
	__u32 from[BH_LEVEL_MAX];        /* class of the source by level */
	__u32 to[BH_LEVEL_MAX];
};

/* Value of map `scratch`, one a CPU. The entry program sets `device` and `frame_length`. */
struct bh_scratch {
	__u32 device;
	__u32 frame_length;              /* bytes on the wire: what the packet had before a capture cut it */
	struct bh_packet packet;
	struct bh_judgement judgement;
	struct bh_judgement denial;      /* of a packet that may yet be an answer */
	struct bh_packet subject;        /* what the rules are asked about in its stead: a flow's opening packet, an error's quotation */
	struct bh_flow_key key;          /* of the packet, or of what it quotes */
	__u32 hash;                      /* of the key; never 0 */
	__u32 flow;                      /* slot of the flow that covers it, counted from 1; 0 for none */
	__u32 share;                     /* flows its scope may have */
	__u16 scope;                     /* whose flows: a device's id, or a host entry's number with BH_SCOPE_ENTRY */
	__u8 forward;                    /* whether the packet's (the quotation's) source is the key's first endpoint */
	__u8 question;                   /* enum bh_question */
	__u8 asked_direction;            /* in which the rules are asked */
	__u8 opens;                      /* whether the packet was accepted as a new flow's */
	__u8 opener_is_first;            /* of that flow */
	__u8 unsure;                     /* XDP: a limit had a say, which only tc asks */
	__u8 asks;                       /* whether the rules are still to be asked */
	__u8 stateless;                  /* whether they accept without a flow */
	__u8 hidden_matters;             /* whether the verdict could depend on what XDP does not see: a VLAN tag, the mark of an answer */
	__u8 asked_members;              /* whether what the rules said depends on who is in a dynamic group */
	__u32 limited_from;              /* a flow's opening packet: limited rules from this rank on match, those below do not */
	__u32 lapse;                     /* jiffies for which what the rules said holds; 0: until the policy changes */
	__u32 epoch;                     /* of the image, before the rules are asked */
	__u32 bar;                       /* jiffies for which a connection that is ended now is not to be adopted */
	__u8 recalled;                   /* whether the verdict cache knew what the rules say */
	__u8 asked_host;                 /* whether what the rules said depends on which addresses the host has */
	__u8 host_wanted;                /* enum bh_host_question: to be found out before the rules are asked again */
	__u8 host_found;                 /* what was found out, with BH_HOST_FOUND */
	__u8 segment;                    /* enum bh_segment: what a TCP segment is to the flow that covers it */
	__u8 scale;                      /* of a SYN's window, or BH_SCALE_NONE */
	__u8 barred;                     /* whether a flow of the packet's connection was ended: it is not adopted */
	__u8 option;                     /* place of the TCP option being read, in `header` */
	struct bh_lookup lookup;
	struct bh_flow_search search;
	struct bh_fragment_search fragment;
	struct bh_claim claim;
	__u8 header[64];                 /* the header being read */
	__u64 now;                       /* in a simulation, nanoseconds: what stands in for the clocks */
	__u64 frame;                     /* address of the kernel's struct sk_buff or xdp_buff, for probes of it */
};

/* ---- Settings ------------------------------------------------------------------------------ */

/* Read-only data of the programs, set before they are loaded and the same in all of an instance. */
struct bh_settings {
	__u32 ticks_per_second;          /* of the kernel's jiffies */
	__u32 answer_mark;               /* of the answers to rejected packets, from one hook to the other: random, never 0 */
	__u32 answer_cost;               /* nanoseconds an answer: what the rate is limited to; 0 for no limit */
	__u32 answers_all;               /* whether what is another host's is answered too, as where there is no device */
	__u64 flow_secret[2];            /* random: of the hash of flows */
	/*
	 * whether struct bh_scratch says what time it is, and map `own_addresses` what the host's are
	 */
	__u32 simulates;
	/*
	 * whether programs may read the kernel's tables; else `own_addresses` stands in for them too
	 */
	__u32 reads_kernel;
	__u32 casts_context;             /* whether the kernel has bpf_cast_to_kern_ctx(): Linux 6.2 */
	__u32 pad;
};

/* Answers to rejected packets: a thousand a second at a device, and as many at once after a silence. */
enum { BH_ANSWER_COST = 1000000, BH_ANSWER_BURST = 1000 };

/* ---- Limits of rules ----------------------------------------------------------------------- */

/* Value of map `limits`, by a condition's slot. */
struct bh_limit {
	__u32 lock;                      /* struct bpf_spin_lock */
	__u32 identity;                  /* of the condition it counts for; of another, it starts anew */
	__u64 full_at;                   /* when the whole burst is free again, in a condition's units */
};

/*
 * Value of map `sources`: what eight sources of limits a source have used. A source that used nothing of late needs no place. A new one takes
 * the place that is free again first: whoever loses a place gets back what was left to wait for, and no one waits longer for it.
 */
struct bh_source_set {
	__u32 lock;                      /* struct bpf_spin_lock */
	__u32 pad[7];
	__u32 identities[BH_SOURCE_WAYS]; /* of the condition, and 1 for IPv6 */
	__u64 sources[BH_SOURCE_WAYS];   /* the address, of IPv6 its first 64 bits */
	__u64 full_at[BH_SOURCE_WAYS];
};

/* The set of a source. The secret keeps others from aiming at one. */
static inline __attribute__((always_inline)) __u32 bh_source_set_of(__u64 secret, __u64 source, __u32 identity)
{
	struct bh_sip sip = bh_sip_start(secret, ~secret);

	bh_sip_add(&sip, source);
	bh_sip_add(&sip, identity);
	return bh_sip_end(&sip) & (BH_SOURCE_SETS - 1);
}

/* ---- Dynamic groups ------------------------------------------------------------------------ */

/*
 * Key of a dynamic group's members, a BPF_MAP_TYPE_LPM_TRIE in map `groups`. The family's bits always count, so prefix_length is 32 and
 * the prefix's own length. The entry of family 0, of length 32, is the controller's: its `own` is the number of the others, or
 * BH_FOREVER while they are being changed.
 */
struct bh_member_key {
	__u32 prefix_length;
	__u32 family;                    /* 4 or 6 */
	__u8 address[16];                /* network byte order; of IPv4 the first four */
};

#define BH_FOREVER 0xffffffffffffffffull

/*
 * A member: an address is in the group where the longest prefix that covers it has not reached its deadline. So that this one look-up is exact, the controller
 * keeps a prefix's deadline no earlier than that of any shorter one which covers it.
 */
struct bh_member {
	__u64 deadline;                  /* nanoseconds of CLOCK_BOOTTIME, or BH_FOREVER: the latest of its own and of those that cover it */
	__u64 own;                       /* what it was added with */
	__u32 prefix_length;             /* the key's: tells the entry that a look-up has found */
	__u32 pad;
};

/* ---- The host's own addresses -------------------------------------------------------------- */

/*
 * Key of map `own_addresses`: what the host's addresses were when the controller last looked. Its value says
 * nothing.
 */
struct bh_own_address {
	__u64 high;                      /* as in struct bh_packet */
	__u64 low;
	__u32 family;                    /* 4 or 6 */
	__u32 pad;
};

/*
 * Value of map `local_memos`, per CPU, by a hash of address and device: what the kernel's tables said, which
 * holds for the tick that it was said in.
 */
struct bh_local_memo {
	__u64 high;
	__u64 low;
	__u32 device;
	__u32 ticks;                     /* jiffies, low half */
	__u8 family;                     /* 4 or 6; 0: nothing was said */
	__u8 is_own;
	__u8 pad[6];
};

enum {
	BH_OWN_ADDRESSES = 65536,
	BH_LOCAL_MEMOS = 256,
};

/* ---- Counters ------------------------------------------------------------------------------ */

/* Value of map `rule_counters`, mappable, by CPU: one for each slot. */
struct bh_count {
	__u64 packets;
	__u64 bytes;
};

/* Value of map `port_counters`, per CPU, by device * BH_DIRECTION_MAX + direction. */
struct bh_port_counters {
	struct bh_count accepted;
	struct bh_count dropped;         /* rejects are drops */
	__u64 drop_reasons[BH_REASON_MAX];   /* packets */
	__u64 accept_reasons[BH_REASON_MAX]; /* packets */
	__u64 unanswered;                /* rejected packets that got no answer */
	__u64 pad;
};

/* Value of map `event_counters`, one, per CPU. The first three add up to the dropped packets. */
struct bh_event_counters {
	__u64 emitted;                   /* drops that reached at least one ring */
	__u64 suppressed;                /* drops that no reader wanted, or that sampling held back */
	__u64 lost;                      /* drops that were wanted and found no room */
	__u64 accepts_emitted;
	__u64 accepts_suppressed;
	__u64 accepts_lost;
	__u64 unjudged;                  /* packets that found no image or no port record, and passed */
	__u64 pad;
};

/* ---- Events -------------------------------------------------------------------------------- */

enum bh_reader_flag {
	BH_READER_ACTIVE = 1,
	BH_READER_ACCEPTS = 2,           /* logged accepts as well */
	BH_READER_HOST = 4,              /* only packets whose source or destination is `host` */
	BH_READER_RULE = 8,              /* only counter slot `rule` */
	BH_READER_DEVICES = 16,          /* only devices whose bit is set */
};

/* Value of map `readers` (mmapable), by slot. Written by the reader; the program clears BH_READER_ACTIVE of one that
 * stopped renewing. */
struct bh_reader {
	__u64 expires;                   /* CLOCK_MONOTONIC nanoseconds; renewed every second */
	__u64 host_high;
	__u64 host_low;
	__u32 flags;                     /* enum bh_reader_flag */
	__u32 reasons;                   /* bit r: reason r is wanted */
	__u32 rule;                      /* counter slot */
	__u32 host_family;               /* 4 or 6 */
	__u64 devices[BH_DEVICES_MAX / 64];
	__u64 pad[3];
};

/* A record of a reader's ring. */
struct bh_event {
	__u64 time;                      /* CLOCK_MONOTONIC nanoseconds */
	__u32 device;
	__u32 captured;                  /* bytes of `header` that are set */
	struct bh_judgement judgement;
	struct bh_packet packet;
	__u8 header[BH_HEADER_BYTES];    /* the frame's first bytes, VLAN tags in metadata not among them */
};

/*
 * Value of map `buckets`: sampling of one (device, direction, reason, rule), or several that share a slot. A clock that each event
 * moves on by BH_SAMPLE_COST and that may not pass the present; it lags at most a burst behind.
 */
struct bh_bucket_state {
	__u64 clock;                     /* CLOCK_MONOTONIC nanoseconds */
};

/* Sampling: nanoseconds an event (4,096 a second), and how many events may come at once after a silence. */
enum { BH_SAMPLE_COST = 244140, BH_SAMPLE_BURST = 8192 };

/* ---- Sizes --------------------------------------------------------------------------------- */

_Static_assert(sizeof(struct bh_partition) == 8, "bh_partition");
_Static_assert(sizeof(struct bh_image_header) == 512, "bh_image_header");
_Static_assert(sizeof(struct bh_node) == 64, "bh_node");
_Static_assert(sizeof(struct bh_address_class) == 32, "bh_address_class");
_Static_assert(sizeof(struct bh_protocol) == 32, "bh_protocol");
_Static_assert(sizeof(struct bh_cell) == 16, "bh_cell");
_Static_assert(sizeof(struct bh_bucket) == 64, "bh_bucket");
_Static_assert(sizeof(struct bh_list_entry) == 16, "bh_list_entry");
_Static_assert(sizeof(struct bh_run) == 16, "bh_run");
_Static_assert(sizeof(struct bh_rule) == 32, "bh_rule");
_Static_assert(sizeof(struct bh_note) == 16, "bh_note");
_Static_assert(sizeof(struct bh_condition) == 64, "bh_condition");
_Static_assert(sizeof(struct bh_group) == 32, "bh_group");
_Static_assert(sizeof(struct bh_member_key) == 24, "bh_member_key");
_Static_assert(sizeof(struct bh_member) == 24, "bh_member");
_Static_assert(sizeof(struct bh_limit) == 16, "bh_limit");
_Static_assert(sizeof(struct bh_source_set) == 192, "bh_source_set");
_Static_assert(sizeof(struct bh_port) == 64, "bh_port");
_Static_assert(sizeof(struct bh_mac_list) == 128, "bh_mac_list");
_Static_assert(sizeof(struct bh_file) == 16, "bh_file");
_Static_assert(sizeof(struct bh_device) == 256, "bh_device");
_Static_assert(sizeof(struct bh_packet) == 120, "bh_packet");
_Static_assert(sizeof(struct bh_claim) == 32, "bh_claim");
_Static_assert(sizeof(struct bh_judgement) == 32, "bh_judgement");
_Static_assert(sizeof(struct bh_flow_key) == 48, "bh_flow_key");
_Static_assert(sizeof(struct bh_flow_side) == 16, "bh_flow_side");
_Static_assert(sizeof(struct bh_attempt) == 12, "bh_attempt");
_Static_assert(sizeof(struct bh_flow) == 128, "bh_flow");
_Static_assert(sizeof(struct bh_flow_bucket) == 64, "bh_flow_bucket");
_Static_assert(sizeof(struct bh_flow_ways) == BH_FLOW_WAYS * 128, "bh_flow_ways");
_Static_assert(sizeof(struct bh_flow_search) == 24, "bh_flow_search");
_Static_assert(sizeof(struct bh_flow_scope) == 16, "bh_flow_scope");
_Static_assert(sizeof(struct bh_flow_totals) == 64, "bh_flow_totals");
_Static_assert(sizeof(struct bh_answer_v4) == 32, "bh_answer_v4");
_Static_assert(sizeof(struct bh_answer_v6) == 64, "bh_answer_v6");
_Static_assert(sizeof(struct bh_datagram_key) == 48, "bh_datagram_key");
_Static_assert(sizeof(struct bh_datagram) == 96, "bh_datagram");
_Static_assert(sizeof(struct bh_fragment_bucket) == 64 + BH_FRAGMENT_WAYS * 96, "bh_fragment_bucket");
_Static_assert(sizeof(struct bh_fragment_search) == 72, "bh_fragment_search");
_Static_assert(sizeof(struct bh_scratch) == 656, "bh_scratch");
_Static_assert(sizeof(struct bh_settings) == 48, "bh_settings");
_Static_assert(sizeof(struct bh_own_address) == 24, "bh_own_address");
_Static_assert(sizeof(struct bh_local_memo) == 32, "bh_local_memo");
_Static_assert(sizeof(struct bh_count) == 16, "bh_count");
_Static_assert(sizeof(struct bh_port_counters) == 48 + 16 * BH_REASON_MAX, "bh_port_counters");
_Static_assert(sizeof(struct bh_event_counters) == 64, "bh_event_counters");
_Static_assert(sizeof(struct bh_reader) == 576, "bh_reader");
_Static_assert(sizeof(struct bh_event) == 296, "bh_event");
_Static_assert(sizeof(struct bh_bucket_state) == 8, "bh_bucket_state");

#endif
