/* SPDX-License-Identifier: GPL-2.0-only */
/* What service a packet carries, as rules and readers of events ask for it. */
#ifndef BULKHEAD_SERVICE_H
#define BULKHEAD_SERVICE_H

#include <linux/in.h>
#include "packet.h"

/* Which table of services a packet is looked up in, and by which first key. */
static __always_inline __u32 service_key(const struct bh_packet *packet, __u16 *key)
{
	*key = packet->destination_port;
	if (!(packet->flags & (BH_PACKET_IPV4 | BH_PACKET_IPV6))) {
		*key = packet->ethertype;
		return BH_PROTOCOL_ETHERTYPE;
	}
	if (packet->protocol == IPPROTO_ICMP || packet->protocol == IPPROTO_ICMPV6) {
		*key = (__u16)packet->type << 8 | packet->code;
		if (packet->protocol == IPPROTO_ICMP && packet->flags & BH_PACKET_IPV6)
			return BH_PROTOCOL_ICMP_IN_IPV6;
		if (packet->protocol == IPPROTO_ICMPV6 && packet->flags & BH_PACKET_IPV4)
			return BH_PROTOCOL_ICMPV6_IN_IPV4;
	}
	return packet->protocol;
}

#endif
