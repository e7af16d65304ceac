/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * The policy image: one flat image per generation. All offsets are bytes from its start. Offset >> BH_PAGE_BITS is the
 * page, the rest the place in the page. A table's elements are aligned to their size and start on a 64-byte line. The
 * first page holds the header.
 *
 * A packet is looked up so:
 *   source      -> address class -> (from_coarse, from_fine)
 *   destination -> address class -> (to_coarse, to_fine)
 *   for each of nine partitions: (from class, to class) -> cell -> rule list
 *   rule list, protocol and ports -> first matching rule; the lowest rank of all partitions decides.
 * Where a list needs more than protocol and ports, the joint class of all but the addresses is found first:
 *   protocol, destination port, source port -> service
 *   port record and direction -> scope
 *   scope, VLAN, whether an end is the host's own, where the packet came from -> context
 *   headers between IP and the transport header -> header class, which multiplies the contexts
 *   context, service -> joint class
 *   rule list, joint class -> first matching rule.
 * Rules that would need too many cells are bits of bitmaps instead:
 *   source class, destination class, joint class -> a bitmap each; what is set in all three matches.
 * Where the first match has a condition that does not hold, the look-up goes on with the next match.
 */
#ifndef BULKHEAD_ABI_IMAGE_H
#define BULKHEAD_ABI_IMAGE_H

#include <linux/types.h>
#include "limits.h"
#include "words.h"

#define BH_IMAGE_MAGIC 0x444145484b4c5542ull /* "BULKHEAD" in memory */
enum { BH_IMAGE_FORMAT = 10 };

struct bh_partition {
	__u32 buckets; /* offset of bh_bucket[count]; never 0: an empty bucket where there are no cells */
	__u32 count;
};

_Static_assert(sizeof(struct bh_partition) == 8, "bh_partition");

enum bh_image_flag {
	/* Some rule names a VLAN: XDP, which may not see the tag, must not decide. */
	BH_IMAGE_VLAN_SENSITIVE = 1,
	/* Something is rejected: a reset may be an answer on its way, which XDP cannot know. */
	BH_IMAGE_REJECTS = 2,
};

struct bh_image_header {
	__u64 magic;
	__u32 format;
	__u32 flags; /* enum bh_image_flag */
	__u64 size;  /* bytes of the image, sections for people included */
	/* addresses */
	__u32 v4_root; /* offset of u32[65536] by the first sixteen bits: a trie value */
	__u32 v6_root; /* a trie value, not an offset */
	__u32 nodes;   /* offset of bh_node[] */
	__u32 values;  /* offset of u32[]: trie values */
	__u32 classes; /* offset of bh_address_class[]; class 0 is in no set, and that of a frame without addresses */
	__u32 class_count;
	/* services */
	__u32 protocols; /* offset of bh_protocol[BH_PROTOCOL_INDEX_MAX] */
	__u32 service_count;
	/* where */
	__u32 vlan_classes; /* offset of u16[BH_VLANS]; all zero where vlan_count is 1 */
	__u32 vlan_count;
	__u32 contexts; /* offset of u32[scope_count * vlan_count * place_states] */
	__u32 scope_count;
	__u32 joints; /* offset of u32[header_class_count * context_count * service_count] */
	__u32 context_count;
	__u32 joint_count;
	/* rules */
	__u32 matches; /* offset of u64[match_count * match_words]: one bit per joint class */
	__u32 match_words;
	__u32 match_count;
	struct bh_partition partitions[BH_PARTITIONS];
	__u32 lists;      /* offset of bh_list_entry[]: rule lists */
	__u32 runs;       /* offset of bh_run[]: pages of the rows of long lists */
	__u32 run_values; /* offset of u32[]: ranks */
	__u32 rules;      /* offset of bh_rule[rule_count], by rank */
	__u32 rule_count;
	__u32 ports;      /* offset of bh_port[port_count] */
	__u32 port_count; /* two per entry: 2 * entry + protects; two more per entry with ports not admitted */
	/* for people */
	__u32 strings; /* offset of NUL-terminated UTF-8 */
	__u32 strings_size;
	__u32 files; /* offset of bh_file[file_count]: the policy's text; file 0 is the policy itself */
	__u32 file_count;
	/* conditions and groups */
	__u32 conditions; /* offset of bh_condition[condition_count] */
	__u32 condition_count;
	__u32 chains; /* offset of u32[]: ranks, see BH_CHAIN */
	__u32 groups; /* offset of bh_group[group_count]: dynamic groups */
	__u32 group_count;
	__u32 adopt; /* seconds after a device is attached in which running TCP connections are adopted */
	__u32 header_class_count;
	__u32 notes;                         /* offset of bh_note[note_count]: what people wrote at rules */
	__u8 header_classes[BH_HEADER_SETS]; /* by a packet's BH_PACKET_HEADERS; 0: no rule names one that it has */
	__u8 sha256[32];                     /* of the image with this field and the host's part zero */
	/*
	 * The host's part: written when the image is loaded, and hashed as zero. So are the tables `device_ports` and
	 * `devices`, the `counter` of each rule, and the `slot` of each condition and group. The compiler sets the
	 * offsets of the two tables.
	 */
	__u32 generation;
	__u32 device_count;   /* records in use at `devices` */
	__u32 device_ports;   /* offset of u16[BH_DEVICES_MAX]: port record + 1, perhaps with BH_QUARANTINED; or 0 */
	__u32 devices;        /* offset of bh_device[BH_DEVICES_MAX] by device id */
	__u64 loaded_at;      /* seconds since 1970 */
	__u64 wall_offset;    /* nanoseconds from CLOCK_TAI, or a simulation's clock, to those since 1970; wraps */
	__u64 secret;         /* of the hash of sources; the same in every generation */
	__u64 boot_offset;    /* nanoseconds from a simulation's clock to CLOCK_BOOTTIME; else 0; wraps */
	__u32 epoch;          /* changes of dynamic groups while the image is in force; wraps */
	__u32 before;         /* generation of the policy in BH_SLOT_BEFORE; 0 where it is not to be asked */
	__u32 host_states;    /* BH_HOST_STATES where some rule asks for the host's own addresses, else 1 */
	__u32 host_questions; /* offset of u8[scope_count]: enum bh_host_question, what the scope's rules ask */
	__u32 note_count;
	/* bitmaps over items: rules between sets of addresses that overlap too much for cells; see bh_bitmap_word */
	__u32 bitmap_width;      /* words of a whole bitmap, 64 items each; 0 where there are none */
	__u32 item_ranks;        /* offset of u32[64 * bitmap_width], BH_NONE after the last item */
	__u32 source_words;      /* offset of bh_bitmap_word[] */
	__u32 destination_words; /* offset of u64[]: bitmaps, one after the other */
	__u32 joint_bitmaps;     /* offset of u32[joint_count]: the number of a bitmap in `joint_words` */
	__u32 joint_words;       /* offset of u64[]: bitmaps, one after the other */
	__u32 selectors;         /* offset of bh_selector[selector_count]; for the controller */
	__u32 selector_count;
	__u32 run_pages; /* offset of u32[]: of each long list, the index in `runs` of each of its pages */
	/*
	 * What lets the next apply take this image over where only what rules do or are called has changed. The range
	 * is set if each rule has a line of its own in the policy's own file; else both ends are 0.
	 */
	__u32 rules_text;     /* offset in the text of file 0: the lines of its `rules` */
	__u32 rules_text_end; /* where they end */
	__u32 covered;        /* offset of bh_covered[covered_count] */
	__u32 covered_count;
	__u64 compiler; /* the host's part: which executable compiled the image; 0: unknown */
	__u32 layers;   /* offset of bh_layer[layer_count]; none where the policy names none */
	__u32 layer_count;
	__u32 place_states; /* host_states * via_count */
	__u32 via_count;    /* classes of where packets came from; 1 where no rule asks */
	__u32 via_classes;  /* offset of u16[BH_VIA_RECORD + port_count], where via_count is above 1 */
	__u32 links;        /* the host's part: offset of u16[BH_LINKS], where via_count is above 1 */
	__u32 additions;    /* offset of bh_addition[], by a condition's `addition` - 1 */
	__u32 connections;  /* offset of bh_connections[], by a condition's `connections` - 1 */
	__u8 reserved[40];
};

_Static_assert(sizeof(struct bh_image_header) == 512, "bh_image_header");

/*
 * Whether an end of a packet is one of the host's own addresses. Both answers together are a number below
 * BH_HOST_NO_ADDRESSES: 0 where neither end is the host's, or where no rule asks.
 */
enum bh_host_question {
	BH_HOST_SOURCE = 1,
	BH_HOST_DESTINATION = 2,
	BH_HOST_VIA = 4, /* no question about an end: rules of the scope ask where the packet came from */
};
enum {
	BH_HOST_FOUND = 128,      /* in a packet's scratch: both questions have their answers */
	BH_HOST_NO_ADDRESSES = 4, /* a frame without addresses has neither the host nor another at its ends */
	BH_HOST_STATES = 5,
};

/*
 * Where a packet came from that the host sends: an index of `via_classes`. Of a packet that is only asked about, and of
 * which nobody knows it, either rules that ask and deny match, or rules that ask and do not deny.
 */
enum bh_via {
	BH_VIA_NOWHERE, /* the host does not send it, or it came from a device that has no port */
	BH_VIA_HOST,    /* the host made it */
	BH_VIA_DENIED,
	BH_VIA_GRANTED,
	BH_VIA_RECORD, /* and on: the port record of the device on which the kernel received it last */
};

/*
 * Device ids by index and network namespace, 0 in a free place: a device is at one of BH_LINK_TRIES places from
 * bh_link_place() on.
 */
enum { BH_LINKS = 4 * BH_DEVICES_MAX, BH_LINK_TRIES = 8 };

static inline __attribute__((always_inline)) __u32 bh_link_place(__u32 ifindex, __u64 namespace_inode)
{
	return ((__u32)namespace_inode ^ ifindex * 0x9e3779b1u) >> 8;
}

/* A trie value: a node if BH_TRIE_NODE is set, else the index of an address class. */
#define BH_TRIE_NODE 0x80000000u

/*
 * Eight bits of an address, after an optional run of bits that must match (`path`). `changes` has a bit for each of 256
 * slots whose value differs from the slot before; the bit of slot 0 is always set. The value of slot s is
 * values[base + (changes set in slots 0..s) - 1].
 */
struct bh_node {
	__u64 changes[4];
	__u64 path;      /* the run, left-aligned */
	__u64 path_mask; /* its bits; 0 where there is no run */
	__u32 base;      /* index in `values` */
	__u32 otherwise; /* trie value where the run does not match: always a class */
	__u8 before[4];  /* changes set in earlier words; before[0] is 0 */
	__u8 path_bits;  /* length of the run: 0, 8, ... 56 */
	__u8 pad[3];
};

_Static_assert(sizeof(struct bh_node) == 64, "bh_node");

/* What a source or destination address is to the rules. Class 0 of a level is in no set of that level. */
struct bh_address_class {
	__u32 from_coarse;
	__u32 from_fine;
	__u32 to_coarse;
	__u32 to_fine;
	/* bit p: partition p has a cell for this class as source; bit BH_PARTITIONS: it has a source bitmap */
	__u16 from_partitions;
	__u16 to_partitions; /* the same as destination */
	__u16 from_joint;    /* of those, where the list of some cell cannot be read without the joint class */
	__u16 to_joint;
	__u32 source_bitmap;      /* index of its first word in `source_words`; 0: it has none */
	__u32 destination_bitmap; /* number of its bitmap in `destination_words`; 0: it has none */
};

_Static_assert(sizeof(struct bh_address_class) == 32, "bh_address_class");

/*
 * Service classes of one protocol. Where `first_directory` is BH_NONE the class is `service`. Else
 * class = services[first * stride + second], with first = blocks[first_directory[key >> 8]][key & 255]
 * and key the destination port (ICMP: type << 8 | code; ethertype). `second` is found in the same way by source port;
 * where second_directory is BH_NONE, it is 0.
 */
struct bh_protocol {
	__u32 first_directory; /* offset of u32[256]: offsets of u16[256] */
	__u32 second_directory;
	__u32 services; /* offset of u32[] */
	__u32 stride;
	__u32 service; /* where first_directory is BH_NONE */
	__u32 pad[3];
};

_Static_assert(sizeof(struct bh_protocol) == 32, "bh_protocol");

struct bh_file {
	__u32 name; /* offset in `strings`: as the policy was given */
	__u32 text; /* offset in the image */
	__u32 size; /* bytes of the text */
	__u32 pad;
};

_Static_assert(sizeof(struct bh_file) == 16, "bh_file");

/* A rule that can never match. Only the controller reads it, to warn again. */
struct bh_covered {
	__u32 rule;  /* number of the rule in the policy */
	__u32 cover; /* of the earlier rule that matches all that it would; BH_NONE: a group that it names is empty */
};

_Static_assert(sizeof(struct bh_covered) == 8, "bh_covered");

#endif
