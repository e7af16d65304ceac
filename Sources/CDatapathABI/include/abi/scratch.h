/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * What a CPU knows of the packet that it judges. It lives in a map because the stack is small, and because the verifier
 * does not follow what is written there. A simulation writes it before a program runs and reads it afterwards.
 */
#ifndef BULKHEAD_ABI_SCRATCH_H
#define BULKHEAD_ABI_SCRATCH_H

#include <linux/types.h>
#include "connections.h"
#include "flow.h"
#include "fragment.h"
#include "packet.h"
#include "words.h"

/* A look-up on its way through the image. */
struct bh_lookup {
	__u32 joint;              /* joint class, where a list could need it */
	__u32 best;               /* lowest rank so far */
	__u32 floor;              /* ranks below do not count */
	__u32 partitions;         /* as bh_address_class has them, of both ends */
	__u32 from[BH_LEVEL_MAX]; /* class of the source by level */
	__u32 to[BH_LEVEL_MAX];
	__u32 source_bitmap; /* as bh_address_class has them */
	__u32 destination_bitmap;
	__u32 first_to;    /* index of the first word of the destination's bitmap */
	__u32 first_joint; /* of the joint class's */
	__u32 next_word;   /* of the source's bitmap, index of the word to read next */
	__u32 word;        /* that was read last; perhaps with BH_BITMAP_LAST */
	__u64 bits;        /* of that word, in all three bitmaps, that were not looked at yet */
};

_Static_assert(sizeof(struct bh_lookup) == 72, "bh_lookup");

/* A search for a place: for a new flow in its bucket, or in the whole table for a flow that its scope can give up. */
struct bh_flow_search {
	__u64 best;    /* the place's worth, then in the lower bits the place; 0 where none was found */
	__u32 first;   /* bucket */
	__u32 visited; /* buckets */
	__u32 found;   /* places of any worth */
	__u32 now;     /* jiffies, low half */
};

_Static_assert(sizeof(struct bh_flow_search) == 24, "bh_flow_search");

/* A search of a bucket, or of a datagram's ranges. Indices are one past the last where nothing was found. */
struct bh_fragment_search {
	struct bh_datagram_key key;
	__u32 hash;    /* of the key; never 0 */
	__u32 bucket;  /* in the room of the key's scope */
	__u32 age;     /* of the oldest datagram */
	__u32 own_age; /* of the scope's own oldest */
	__u8 way;
	__u8 own_way;
	__u8 own;    /* datagrams of the scope's own in the bucket */
	__u8 before; /* range that ends where the fragment starts */
	__u8 after;  /* range that starts where it ends */
	__u8 free;   /* a free range */
	__u8 refused;
	__u8 pad;
};

_Static_assert(sizeof(struct bh_fragment_search) == 72, "bh_fragment_search");

/* Above the twelve bits of a VLAN. */
#define BH_FRONT_TAGGED 4096

/* What names a packet of a plain shape for the answers that a CPU keeps, see BPF/front.h. */
struct bh_front_key {
	__u64 addresses[4]; /* as they stand in the packet, source first; IPv4: both in the first */
	__u64 link;    /* a MAC address as it stands in the frame, then device, hook and shape; 0: of no plain shape */
	__u32 ports;   /* as they stand in the packet */
	__u32 version; /* of the stamp, before the packet is judged */
	__u32 hash;
	__u32 answered; /* the kind of the answer that the packet was judged by, counted from 1; 0: none */
	__u32 kinds;    /* kinds of answers that it was asked for, a bit for each; the others are not learnt */
	__u32 tag;      /* its VLAN and BH_FRONT_TAGGED, if it has a tag; else 0 */
};

_Static_assert(sizeof(struct bh_front_key) == 64, "bh_front_key");

/* All that rules tell apart of a packet of a plain shape, see BPF/front_class.h. */
struct bh_front_class {
	__u64 link; /* that of bh_front_key, with the MAC address only where a guard asks for it */
	__u32 source;
	__u32 destination;
	__u32 joint;
	__u32 hash; /* 0: the classes do not tell the verdict */
};

_Static_assert(sizeof(struct bh_front_class) == 24, "bh_front_class");

/* Kinds of answers that the front keeps. */
enum bh_answer_kind {
	BH_ANSWER_EXACT, /* to the very packet */
	BH_ANSWER_CLASS, /* to all packets that rules do not tell apart */
	BH_ANSWER_KINDS,
};

/* How often the front was asked for a kind of answer in vain of late, and packets for which it was not asked since. */
struct bh_front_score {
	__u16 misses;
	__u16 skipped;
};

/* A count of the flows of a rule and an address, and the place that the packet holds among them. */
struct bh_holding {
	__u64 high; /* the address, of which only the bits in the masks count */
	__u64 low;
	__u64 high_mask;
	__u64 low_mask;
	__u64 holder; /* the packet's own, as far as it is known */
	__u32 counter;
	__u32 maximum;
	__u32 home;  /* bucket */
	__u32 first; /* bucket where a search for room begins; of a count, what was elsewhere when it began */
	__u32 at;    /* where the packet's holder is until its flow has a place, counted from 1; 0: it has none */
	__u32 rule;  /* rank of the rule, of several terms the first one's, counted from 1 */
	__u32 found; /* flows that count */
	__u32 seen;  /* holders that have the same home and are elsewhere */
	__u32 now;   /* jiffies, low half */
	__u8 family; /* 4 or 6; 0: both, because the rule counts all its flows together */
	__u8 destination;
	__u8 checks;   /* of a count: whether each holder's flow is looked at */
	__u8 has_twin; /* whether another holder has the same tag: perhaps one of an earlier flow of the connection */
};

_Static_assert(sizeof(struct bh_holding) == 80, "bh_holding");

/* Value of map `scratch`, one, per CPU. The entry program sets `device` and `frame_length`. */
struct bh_scratch {
	__u32 device;
	__u32 frame_length; /* bytes on the wire: what the packet had before a capture cut it */
	struct bh_packet packet;
	struct bh_judgement judgement;
	struct bh_judgement denial; /* of a packet that may yet be an answer */
	/* what the rules are asked about in place of the packet: a flow's opening packet, an error's quotation */
	struct bh_packet subject;
	struct bh_flow_key key; /* of the packet, or of what it quotes */
	__u32 hash;             /* of the key; never 0 */
	__u32 flow;             /* slot of the flow that covers it, counted from 1; 0 for none */
	__u32 share;            /* flows that its scope may have */
	__u16 scope;            /* whose flows: a device's id, or a host entry's number with BH_SCOPE_ENTRY */
	__u8 forward;           /* whether the packet's (the quotation's) source is the key's first endpoint */
	__u8 question;          /* enum question of BPF/ */
	__u8 asked_direction;   /* in which the rules are asked */
	__u8 opens;             /* whether the packet was accepted as a new flow's */
	__u8 opener_is_first;   /* of that flow */
	__u8 unsure;            /* XDP: a limit had a say, and only tc asks limits */
	__u8 asks;              /* whether the rules are still to be asked */
	__u8 stateless;         /* whether they accept without a flow */
	/* whether the verdict could depend on what XDP does not see: a VLAN tag, the mark of an answer */
	__u8 hidden_matters;
	__u8 asked_members; /* whether what the rules said depends on who is in a dynamic group */
	__u32 limited_from; /* a flow's opening packet: limited rules from this rank on match, those below do not */
	__u32 lapse;        /* jiffies for which what the rules said holds; 0: until the policy changes */
	__u32 epoch;        /* of the image, before the rules are asked */
	__u32 bar;          /* jiffies for which a connection that is ended now is not to be adopted */
	__u8 lasts;         /* whether what the rules said depends on the packet and the version alone */
	__u8 asked_host;    /* whether what the rules said depends on which addresses the host has */
	__u8 wanted;        /* enum bh_host_question and enum bh_wanted: to be done before the rules are asked again */
	__u8 host_found;    /* what was found out, with BH_HOST_FOUND and BH_FOUND_FIELDS */
	__u8 segment;       /* enum segment of BPF/: what a TCP segment is to the flow that covers it */
	__u8 scale;         /* of a SYN's window, or BH_SCALE_NONE */
	__u8 barred;        /* whether a flow of the packet's connection was ended: it is not adopted */
	__u8 option;        /* place of the TCP option being read, in `header` */
	struct bh_lookup lookup;
	struct bh_flow_search search;
	struct bh_fragment_search fragment;
	struct bh_claim claim;
	__u8 header[64]; /* the header being read */
	__u64 now;       /* in a simulation, nanoseconds: what stands in for the clocks */
	__u64 frame;     /* address of the kernel's struct sk_buff or xdp_buff, for probes of it */
	__u32 matched;   /* rank of the rule that logs the packet, of several terms the first one's */
	__u32 counter;   /* slot of that rule's counter */
	__u32 tries;     /* rules of the packet that did not decide, since a simulation set it to 0 */
	__u8 dscp;       /* of the packet itself, if BH_FOUND_FIELDS */
	__u8 pcp;        /* priority in its outermost tag; BH_PCP_NONE where it has no tag */
	__u8 asked_via;  /* whether what the rules said depends on where the packet came from */
	__u8 via_open;   /* whether that was asked of a packet of which nobody knows it */
	/*
	 * Index of the device on which the kernel received the packet last, 0 where the host made it; BH_NONE where the
	 * host does not send it. In a simulation enum bh_via.
	 */
	__u32 came_from;
	__u8 adds;        /* how many of `additions` rules of the packet ask for */
	__u8 add_decides; /* whether the last of them is that of the rule that decides */
	__u16 pad;
	__u32 metered_rule; /* of the flow that covers it: rank of the rule whose limit it takes of */
	__u8 metered;       /* enum metered of BPF/: whether the packet's flow takes of a limit for what it carries */
	__u8 passed_before; /* of a shadow: whether the policy in force passed the packet without a flow */
	__u16 other_scope;  /* of a shadow: whose flow it is in the policy in force */
	__u8 additions[BH_TRIES_MAX]; /* counted from 1 */
	/* Those rules, in turn: their ranks, and from BH_TRY_SHIFT on enum bh_try. For a simulation to tell. */
	__u32 tried[BH_TRIES_MAX];
	struct bh_front_key front;
	struct bh_holding holding;
	__u32 counted;    /* rule for which the packet's flow counts, as in bh_holding; 0: none */
	__u32 asked_room; /* rule of which it was asked whether it has room for the flow: its rank, counted from 1 */
	__u32 has_room;   /* the answer */
	__u32 opened;     /* slot of the flow that the packet opened, counted from 1 */
	/* at XDP, then at tc, by enum bh_answer_kind */
	struct bh_front_score scores[2 * BH_ANSWER_KINDS];
	struct bh_front_class class;
};

_Static_assert(sizeof(struct bh_scratch) == 1000, "bh_scratch");

/* Why a rule that a packet matches did not decide. */
enum bh_try {
	BH_TRY_NONE,
	BH_TRY_TIME,    /* it is not its time */
	BH_TRY_MEMBERS, /* an end is not in the dynamic groups that it asks for */
	BH_TRY_LIMIT,
	BH_TRY_FIELDS, /* the packet's fields are others */
	BH_TRY_LOGGED,
	BH_TRY_PASSED,
	BH_TRY_CONNECTIONS, /* as many of its flows are open as it lets */
	BH_TRY_MAX,
};
enum { BH_TRY_SHIFT = 24 };

enum { BH_PCP_NONE = 8 };

/* What a packet's rules want besides the questions of enum bh_host_question. */
enum bh_wanted {
	BH_WANTED_LOG = 16,    /* count and stream the match of a rule that logs: `matched`, `counter` */
	BH_WANTED_FIELDS = 32, /* read `dscp` and `pcp` */
	BH_WANTED_ROOM = 128,  /* find out whether a rule has room for the packet's flow: `asked_room` */
};

/* In `found` */
enum { BH_FOUND_FIELDS = 64 };

#endif
