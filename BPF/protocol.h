/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The numbers of protocols by name. <linux/icmp.h> and its like are not for BPF: they include the C library's headers,
 * which are another machine's.
 */
#ifndef BULKHEAD_PROTOCOL_H
#define BULKHEAD_PROTOCOL_H

#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/ip.h>
#include <linux/ipv6.h>

#ifndef IPPROTO_SCTP
#define IPPROTO_SCTP 132
#endif
#ifndef IPPROTO_MPLS
#define IPPROTO_MPLS 137
#endif

/* IP versions, as the first four bits of a header have them. */
enum {
	IPV4 = 4,
	IPV6 = 6,
};

/* Bytes of headers without options. */
enum {
	ETHERNET_HEADER = 2 * ETH_ALEN + 2,
	VLAN_HEADER = 4,
	IPV4_HEADER = sizeof(struct iphdr),
	IPV6_HEADER = sizeof(struct ipv6hdr),
	TCP_HEADER = 20,
	UDP_HEADER = 8,
	SCTP_HEADER = 12,
	ICMP_HEADER = 8,
	IGMP_HEADER = 8,
	DATAGRAM_MAX = 0xffff, /* the largest that an IP header can state */
};

/* IPv4's field of flags and offset. The offset counts units of eight bytes. */
enum {
	IPV4_FRAGMENT_OFFSET = 0x1fff,
	IPV4_MORE_FRAGMENTS = 0x2000,
	IPV4_DONT_FRAGMENT = 0x4000,
	IPV4_IS_FRAGMENT = IPV4_MORE_FRAGMENTS | IPV4_FRAGMENT_OFFSET,
};

/* The fragment header's field of offset and flags of IPv6. The offset is in bytes as it stands. */
enum {
	IPV6_MORE_FRAGMENTS = 1,
	IPV6_FRAGMENT_OFFSET = 0xfff8,
	IPV6_IS_FRAGMENT = IPV6_FRAGMENT_OFFSET | IPV6_MORE_FRAGMENTS,
};

/* IPv4 options. */
enum {
	IPV4_OPTIONS_MAX = 40, /* bytes */
	IPV4_OPTION_END = 0,
	IPV4_OPTION_NONE = 1,
	IPV4_LOOSE_SOURCE_ROUTE = 131,
	IPV4_STRICT_SOURCE_ROUTE = 137,
};

/* TCP flags and options. */
enum {
	TCP_FIN = 1,
	TCP_SYN = 2,
	TCP_RST = 4,
	TCP_ACK = 16,
	TCP_OPTIONS_MAX = 40, /* bytes */
	TCP_OPTION_END = 0,
	TCP_OPTION_NONE = 1,
	TCP_OPTION_SCALE = 3,
	TCP_OPTION_SCALE_SIZE = 3,
};

/* ICMP types. */
enum {
	ICMP_ECHO_REPLY = 0,
	ICMP_UNREACHABLE = 3,
	ICMP_REDIRECT = 5,
	ICMP_ECHO_REQUEST = 8,
	ICMP_ROUTER_ADVERTISEMENT = 9,
	ICMP_TIME_EXCEEDED = 11,
	ICMP_PARAMETER_PROBLEM = 12,
	ICMP_TIMESTAMP = 13,  /* the first of six kinds of questions and answers */
	ICMP_MASK_REPLY = 18, /* the last of them */
	ICMP_EXTENDED_ECHO_REQUEST = 42,
	ICMP_EXTENDED_ECHO_REPLY = 43,
	/* a code of ICMP_UNREACHABLE: communication administratively prohibited */
	ICMP_CODE_PROHIBITED = 13,
};

/* ICMPv6 types: errors, echo, multicast listener discovery, neighbour discovery. */
enum {
	ICMPV6_UNREACHABLE = 1,
	ICMPV6_TOO_BIG = 2,
	ICMPV6_TIME_EXCEEDED = 3,
	ICMPV6_PARAMETER_PROBLEM = 4,
	ICMPV6_ECHO_REQUEST = 128, /* messages from here on, errors below */
	ICMPV6_ECHO_REPLY = 129,
	MLD_QUERY = 130,
	MLD_OLD_REPORT = 131,
	MLD_DONE = 132,
	ND_ROUTER_SOLICITATION = 133,
	ND_ROUTER_ADVERTISEMENT = 134,
	ND_NEIGHBOUR_SOLICITATION = 135,
	ND_NEIGHBOUR_ADVERTISEMENT = 136,
	ND_REDIRECT = 137,
	MLD_REPORT = 143,
	MULTICAST_ROUTER_ADVERTISEMENT = 151,
	/* a code of ICMPV6_UNREACHABLE */
	ICMPV6_CODE_PROHIBITED = 1,
};

/* Options of neighbour discovery. Lengths count units of eight bytes. */
enum {
	ND_SOURCE_LINK_ADDRESS = 1,
	ND_TARGET_LINK_ADDRESS = 2,
	ND_OPTION_UNIT = 8,
};

/* IGMP types. */
enum {
	IGMP_QUERY = 0x11,
	IGMP_DVMRP = 0x13, /* a multicast router asks for others */
	IGMP_REPORT = 0x22,
	IGMP_ROUTER_ADVERTISEMENT = 0x30,
};

/* Hop limits by which a receiver knows that a message did not cross a router, or will not. */
enum {
	HOP_LIMIT_MAX = 255,
	HOP_LIMIT_LINK = 1,
};

/* ARP. */
enum {
	ARP_ETHERNET = 1,
	ARP_REQUEST = 1,
	RARP_REQUEST = 3,
};

/* UDP ports of DHCP and DHCPv6. */
enum {
	DHCP_SERVER_PORT = 67,
	DHCP_CLIENT_PORT = 68,
	DHCPV6_CLIENT_PORT = 546,
	DHCPV6_SERVER_PORT = 547,
};

/* Ports from here on are what Linux and others choose for clients; below, the lower of two ports is the server's. */
enum { CLIENT_PORTS = 32768 };

#endif
