/* SPDX-License-Identifier: GPL-2.0-only */
/* Which kind of ICMP message a packet is. ICMP over IPv6, and ICMPv6 over IPv4, are not ICMP. */
#ifndef BULKHEAD_ICMP_H
#define BULKHEAD_ICMP_H

#include <stdbool.h>
#include "datapath_abi.h"
#include "protocol.h"

static __always_inline bool is_icmp(const struct bh_packet *packet)
{
	return packet->protocol == (packet->flags & BH_PACKET_IPV4 ? IPPROTO_ICMP : IPPROTO_ICMPV6);
}

static __always_inline bool is_echo_request(const struct bh_packet *packet)
{
	return (packet->protocol == IPPROTO_ICMP && packet->type == ICMP_ECHO_REQUEST) ||
	       (packet->protocol == IPPROTO_ICMPV6 && packet->type == ICMPV6_ECHO_REQUEST);
}

static __always_inline bool is_echo(const struct bh_packet *packet)
{
	return is_echo_request(packet) || (packet->protocol == IPPROTO_ICMP && packet->type == ICMP_ECHO_REPLY) ||
	       (packet->protocol == IPPROTO_ICMPV6 && packet->type == ICMPV6_ECHO_REPLY);
}

/* An ICMP error of a kind that may be related to a flow: never a redirect. */
static __always_inline bool is_error(const struct bh_packet *packet)
{
	if (!(packet->flags & BH_PACKET_L4) || !is_icmp(packet))
		return false;
	if (packet->flags & BH_PACKET_IPV4)
		return packet->type == ICMP_UNREACHABLE || packet->type == ICMP_TIME_EXCEEDED ||
		       packet->type == ICMP_PARAMETER_PROBLEM;
	return packet->type >= ICMPV6_UNREACHABLE && packet->type <= ICMPV6_PARAMETER_PROBLEM;
}

/* A question or an answer of a known kind: never an error or a redirect. */
static __always_inline bool is_query(const struct bh_packet *packet)
{
	__u8 type = packet->type;

	if (packet->flags & BH_PACKET_IPV6)
		return type >= ICMPV6_ECHO_REQUEST && type != ND_REDIRECT;
	return type == ICMP_ECHO_REPLY || type == ICMP_ECHO_REQUEST ||
	       (type >= ICMP_TIMESTAMP && type <= ICMP_MASK_REPLY) || type == ICMP_EXTENDED_ECHO_REQUEST ||
	       type == ICMP_EXTENDED_ECHO_REPLY;
}

#endif
