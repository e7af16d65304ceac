/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* A packet as the programs read it, what it claims of its sender, and the judgement on it. */
#ifndef BULKHEAD_ABI_PACKET_H
#define BULKHEAD_ABI_PACKET_H

#include <linux/types.h>

enum bh_packet_flag {
	BH_PACKET_IPV4 = 1,
	BH_PACKET_IPV6 = 2,
	BH_PACKET_L4 = 4, /* ports, or type and code, were read */
	BH_PACKET_FRAGMENT_FIRST = 8,
	BH_PACKET_FRAGMENT_LATER = 16,
	BH_PACKET_ARP = 32,            /* ARP or RARP, whole */
	BH_PACKET_INNER_TAG = 64,      /* a VLAN tag stands behind the outer one */
	BH_PACKET_FRAGMENT_MORE = 128, /* others follow: always set on a first fragment */
	/* refused: no data, a part that is not the last and no multiple of eight bytes, or beyond 65,535 bytes */
	BH_PACKET_FRAGMENT_UNSOUND = 256,
	/* headers that were walked on the way to the transport header, from BH_PACKET_HEADERS_SHIFT on */
	BH_PACKET_HOP_BY_HOP = 1 << 9,
	BH_PACKET_ROUTING = 1 << 10,
	BH_PACKET_FRAGMENT_HEADER = 1 << 11, /* of an atomic fragment too */
	BH_PACKET_AUTHENTICATION = 1 << 12,
	BH_PACKET_DESTINATION_OPTIONS = 1 << 13,
	BH_PACKET_HEADERS = 31 << 9,
	BH_PACKET_ROUTED = 1 << 14, /* it came from a device and is sent on by the host's IP layer */
};
enum { BH_PACKET_HEADERS_SHIFT = 9 };

struct bh_packet {
	__u64 source_high; /* IPv4: 0 */
	__u64 source_low;  /* IPv4: the address */
	__u64 destination_high;
	__u64 destination_low;
	__u32 flags;       /* enum bh_packet_flag */
	__u32 length;      /* of the frame on the wire, of a super-packet before it is cut */
	__u32 segments;    /* wire packets, at least 1 */
	__u32 wire_bytes;  /* all segments' frames together */
	__u16 outer_vlan;  /* of the first tag that is not 0; 0 where there is none */
	__u16 inner_vlan;  /* of the tag behind it */
	__u8 vlan_tags;    /* 0, 1 or 2; tags of VLAN 0 count */
	__u8 protocol;     /* IP protocol after extension headers */
	__u16 ethertype;   /* after the tags; 0 for LLC */
	__u16 source_port; /* TCP, UDP, SCTP */
	__u16 destination_port;
	__u8 type; /* ICMP, ICMPv6; IGMP of at least eight bytes */
	__u8 code;
	__u8 tcp_flags;  /* FIN 1, SYN 2, RST 4, PSH 8, ACK 16, URG 32, ECE 64, CWR 128 */
	__u8 hop_limit;  /* or TTL */
	__u16 l3_offset; /* from the frame's start */
	__u16 l4_offset;
	__u8 source_mac[6];
	__u8 destination_mac[6];
	__u8 refusal;           /* enum bh_reason: why the parser refused it, or BH_REASON_NONE */
	__u8 fragment_protocol; /* IPv4: the header's own protocol; like all fields of fragments 0 in other packets */
	__u16 fragment_offset;  /* bytes */
	__u32 end;              /* where the datagram ends, trailing padding left out; 0 where it is not IP */
	__u32 sequence;         /* TCP */
	__u32 acknowledgement;  /* TCP */
	__u32 payload;          /* TCP: bytes behind the header */
	__u16 echo;             /* identifier of an ICMP echo request or reply */
	__u16 records;          /* the two bytes behind it: how many records an IGMP or MLD report has */
	__u32 identification;   /* of the datagram that a fragment belongs to */
	__u32 fragment_length;  /* bytes behind the IPv4 header, or the fragment header */
	__u16 window;           /* TCP: as it stands in the header, unscaled */
	__u16 pad[3];
};

_Static_assert(sizeof(struct bh_packet) == 120, "bh_packet");

enum bh_claim_state {
	BH_CLAIM_NONE, /* nothing was read */
	BH_CLAIM_SOUND,
	BH_CLAIM_UNSOUND, /* it cannot be read, or contradicts itself */
};

/* What ARP or neighbour discovery says of its sender in its payload; for the guards. */
struct bh_claim {
	__u64 target_high; /* neighbour discovery: the target, where the type has one */
	__u64 target_low;  /* ARP: the target */
	__u64 mac;         /* of the sender, or of link-layer options, as a number */
	__u32 sender;      /* ARP */
	__u16 operation;   /* ARP */
	__u8 state;        /* enum bh_claim_state */
	__u8 has_mac;
};

_Static_assert(sizeof(struct bh_claim) == 32, "bh_claim");

struct bh_judgement {
	__u32 verdict;    /* enum bh_verdict */
	__u32 reason;     /* enum bh_reason */
	__u32 rule;       /* rank, of a rule of several terms the first one's; or BH_NONE */
	__u32 counter;    /* slot of the rule's counter, or BH_NONE */
	__u32 generation; /* 0 where no image or port record was found: the packet passed unjudged */
	__u32 port;       /* port record */
	__u32 direction;  /* enum bh_direction */
	__u32 log;        /* whether it is to be streamed */
};

_Static_assert(sizeof(struct bh_judgement) == 32, "bh_judgement");

#endif
