/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * The flow table. A packet's bucket is the low bits of its key's hash. A new flow takes a free or expired place, else
 * that of the bucket's stalest half-open flow; an established flow is never evicted. So a flood of openings costs at
 * most other openings, and no process has to sweep.
 *
 * A flow that finds no place in its bucket goes into its scope's reserve, which no other scope's flows ever enter. So
 * whatever others do, a scope can open some flows. The flow's own bucket counts it in `overflow`, so that the reserve
 * is searched only where it may hold the flow.
 */
#ifndef BULKHEAD_ABI_FLOW_H
#define BULKHEAD_ABI_FLOW_H

#include <linux/types.h>
#include "limits.h"
#include "lock.h"

/*
 * A connection and its VLAN at one scope, and which way it crosses the port: a host that forwards it from one device of
 * an entry to another has two flows of it. The endpoint on the port's inner side, which its `out` comes from, is first.
 */
struct bh_flow_key {
	__u64 first_high;
	__u64 first_low;
	__u64 second_high;
	__u64 second_low;
	__u16 first_port; /* ICMP echo: the identifier where requests come from, the next number at the other end */
	__u16 second_port;
	__u16 outer_vlan;
	__u16 inner_vlan;
	__u16 scope;
	__u8 protocol;
	__u8 family;        /* 4 or 6 */
	__u8 direction;     /* BH_OUT: in which the first endpoint's packets cross the port */
	__u8 authenticated; /* whether its packets come behind an authentication header */
	__u8 pad[2];
};

_Static_assert(sizeof(struct bh_flow_key) == 48, "bh_flow_key");

enum bh_flow_state {
	BH_FLOW_FREE,
	BH_FLOW_OPENING,     /* seen one way; half-open */
	BH_FLOW_ANSWERED,    /* answered; half-open, because the opener may have lied about its address */
	BH_FLOW_ESTABLISHED, /* the opener went on after the answer */
	BH_FLOW_CLOSING,     /* TCP: a FIN each way */
	BH_FLOW_CLOSED,      /* TCP: a reset */
	BH_FLOW_BARRED, /* a policy, a ban or a command ended it: a mark that it is not to be adopted; admits nothing */
	BH_FLOW_STATE_MAX,
};

enum bh_flow_flag {
	BH_FLOW_ADOPTED = 1,
	BH_FLOW_FIN_OPENER = 2, /* the opener has sent a FIN */
	BH_FLOW_FIN_ANSWERER = 4,
	BH_FLOW_TCP = 8,
	BH_FLOW_SEEN_OPENER = 16, /* a segment of the opener was seen */
	BH_FLOW_SEEN_ANSWERER = 32,
	BH_FLOW_LAPSES = 64,   /* to be judged again from `lapses` on */
	BH_FLOW_MEMBERS = 128, /* to be judged again when a dynamic group has changed since `epoch` */
	BH_FLOW_DOUBTED = 256, /* a reset came that the other end may have taken; it lives on if that end says more */
	/* unanswered, but for an acknowledgement of another connection: sides[1].acknowledged */
	BH_FLOW_CHALLENGED = 512,
	BH_FLOW_BY_ANSWERER = 1024, /* adopted by a packet of the answerer: a rule that denies such a packet ends it */
};

/*
 * What one end of a TCP connection has said, in sequence numbers. Only its own segments change it, so CPUs that see one
 * end each do not meet. Until the opener is answered, its `acknowledged` is the number of its SYN.
 */
struct bh_flow_side {
	__u32 end;          /* behind the last byte that it has sent */
	__u32 acknowledged; /* highest acknowledgement that it has sent */
	__u32 granted;      /* behind the last byte that it has ever permitted the other end to send */
	__u32 window;       /* bytes of the largest window that it has offered, at least 1 */
};

_Static_assert(sizeof(struct bh_flow_side) == 16, "bh_flow_side");

enum bh_attempt_from { BH_ATTEMPT_NONE, BH_ATTEMPT_OPENER, BH_ATTEMPT_ANSWERER };

/* A SYN that the rules accepted while its connection was open: another connection, if it is answered as one. */
struct bh_attempt {
	__u32 start;  /* its sequence number */
	__u16 length; /* what it takes of the sequence space: one, and its data */
	__u16 window;
	__u8 scale;      /* of the window, or BH_SCALE_NONE */
	__u8 from;       /* enum bh_attempt_from */
	__u16 handshake; /* of the flow's own connection: a mark of the answer to its SYN; 0: it was not seen */
};

_Static_assert(sizeof(struct bh_attempt) == 12, "bh_attempt");

/* Scales of TCP windows. */
enum {
	BH_SCALE_MAX = 14,
	BH_SCALE_NONE = 0xff, /* the segment has no such option */
};

/* Two lines of the cache: what names a flow and says what accepted it, then what its packets change. */
struct bh_flow {
	struct bh_flow_key key;
	__u32 generation;             /* that accepted it */
	__u32 rule;                   /* rank in that generation, or BH_NONE */
	__u32 counter;                /* slot of the rule's counter, or BH_NONE */
	__u32 epoch;                  /* of that generation, when it was judged */
	__u32 lapses;                 /* jiffies, low half: when what accepted it may no longer hold */
	__u32 seen;                   /* jiffies of its last packet, low half */
	__u32 timeout;                /* jiffies after which it is gone if no packet comes */
	__u8 state;                   /* enum bh_flow_state */
	__u8 opener_is_first;         /* whether the key's first endpoint opened it */
	__u8 direction;               /* of the opening packet */
	__u8 headers;                 /* of the opening packet: BH_PACKET_HEADERS, from the lowest bit on */
	__u16 flags;                  /* enum bh_flow_flag */
	__u8 scales[2];               /* of the windows: the opener's, the answerer's */
	struct bh_flow_side sides[2]; /* the opener, the answerer */
	struct bh_attempt attempt;
};

_Static_assert(sizeof(struct bh_flow) == 128, "bh_flow");

/*
 * Value of map `flow_buckets`: a line that nearly always tells whether the flows themselves need to be read. Map
 * `flow_hints` mostly tells whether that line needs to be: sixteen bits per bucket, of which each of its tags sets one.
 * They are small enough to stay in a CPU's caches.
 */
struct bh_flow_bucket {
	BH_LOCK lock;               /* of the flows too */
	__u32 overflow;             /* flows of this bucket that are in their scopes' reserves */
	__u16 scopes[BH_FLOW_WAYS]; /* whose flows they are; 0 in a free place */
	__u32 tags[BH_FLOW_WAYS]; /* the key's hash, 0 in a free place; cleared before a flow is replaced, set after */
	__u64 pad1;
};

_Static_assert(sizeof(struct bh_flow_bucket) == 64, "bh_flow_bucket");

/* Value of map `flows`, by bucket. The scopes' reserves follow the buckets. */
struct bh_flow_ways {
	struct bh_flow flows[BH_FLOW_WAYS];
};

_Static_assert(sizeof(struct bh_flow_ways) == BH_FLOW_WAYS * sizeof(struct bh_flow), "bh_flow_ways");

/* Value of map `flow_scopes`, by scope. */
struct bh_flow_scope {
	__u32 flows;  /* places taken, expired ones that were not reclaimed yet included */
	__u32 swept;  /* jiffies of the last long search for a flow to give up, when no place was left */
	__u32 hand;   /* bucket where the next search starts */
	__u32 barren; /* jiffies of the last search in vain */
};

_Static_assert(sizeof(struct bh_flow_scope) == 16, "bh_flow_scope");

/* Value of map `flow_totals`, one, per CPU. */
struct bh_flow_totals {
	__u64 opened;
	__u64 adopted;
	__u64 expired; /* reclaimed */
	__u64 evicted; /* half-open ones that made room */
	__u64 refused; /* flow-table-full */
	__u64 ended;   /* by a new policy, or a command */
	__u32 hand;    /* next bucket that an insertion tidies */
	__u32 pad;
	__u64 pad1;
};

_Static_assert(sizeof(struct bh_flow_totals) == 64, "bh_flow_totals");

#endif
