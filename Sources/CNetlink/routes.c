// SPDX-License-Identifier: Apache-2.0
/* Which way the kernel would send a packet, and whether it forwards any. */
#define _GNU_SOURCE
#include "cnetlink.h"
#include "netlink.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/netconf.h>
#include <linux/rtnetlink.h>

/* ---- Routes ---- */

/* The answer while it is read. */
struct route {
	uint8_t type;
	uint8_t family;
	struct vector vector;
};

static size_t address_size(uint8_t family)
{
	return family == AF_INET ? 4 : 16;
}

/* RTA_GATEWAY has an address of the route's family, RTA_VIA one of any. */
static int take_gateway(const struct nlattr *gateway, const struct nlattr *via, uint8_t family,
			struct bulkhead_next_hop *hop)
{
	const struct rtvia *other;

	if (gateway) {
		if (mnl_attr_get_payload_len(gateway) != address_size(family))
			return MNL_CB_ERROR;
		hop->family = family;
		memcpy(hop->gateway, mnl_attr_get_payload(gateway), address_size(family));
	} else if (via) {
		other = mnl_attr_get_payload(via);
		if (mnl_attr_get_payload_len(via) < sizeof(*other) + address_size((uint8_t)other->rtvia_family))
			return MNL_CB_ERROR;
		hop->family = (uint8_t)other->rtvia_family;
		memcpy(hop->gateway, other->rtvia_addr, address_size(hop->family));
	}
	return MNL_CB_OK;
}

static int take_next_hop(const struct rtnexthop *next, struct route *route)
{
	enum { GATEWAY, VIA };
	struct field fields[] = {
		[GATEWAY] = { RTA_GATEWAY, MNL_TYPE_BINARY },
		[VIA] = { RTA_VIA, MNL_TYPE_BINARY },
	};
	struct bulkhead_next_hop *hop;
	const char *attributes = (const char *)RTNH_DATA(next);

	/* What is dead or has no carrier is passed over by the kernel. */
	if (next->rtnh_flags & RTNH_F_DEAD)
		return MNL_CB_OK;
	if (netlink_find_fields_in(attributes, next->rtnh_len - sizeof(*next), FIELDS(fields)) < 0)
		return MNL_CB_ERROR;
	hop = netlink_append(&route->vector);
	if (!hop)
		return MNL_CB_ERROR;
	hop->device = (uint32_t)next->rtnh_ifindex;
	return take_gateway(fields[GATEWAY].found, fields[VIA].found, route->family, hop);
}

static int take_next_hops(const struct nlattr *list, struct route *route)
{
	const char *at = mnl_attr_get_payload(list);
	size_t left = mnl_attr_get_payload_len(list);

	while (left >= sizeof(struct rtnexthop)) {
		const struct rtnexthop *next = (const void *)at;
		size_t step = RTNH_ALIGN(next->rtnh_len);

		if (next->rtnh_len < sizeof(*next) || next->rtnh_len > left)
			return MNL_CB_ERROR;
		if (take_next_hop(next, route) < 0)
			return MNL_CB_ERROR;
		at += step;
		left -= step < left ? step : left;
	}
	return MNL_CB_STOP;
}

static int take_route(const struct nlmsghdr *message, void *data)
{
	enum { DEVICE, GATEWAY, VIA, MULTIPLE };
	struct field fields[] = {
		[DEVICE] = { RTA_OIF, MNL_TYPE_U32 },
		[GATEWAY] = { RTA_GATEWAY, MNL_TYPE_BINARY },
		[VIA] = { RTA_VIA, MNL_TYPE_BINARY },
		[MULTIPLE] = { RTA_MULTIPATH, MNL_TYPE_BINARY },
	};
	const struct rtmsg *header = mnl_nlmsg_get_payload(message);
	struct route *route = data;
	struct bulkhead_next_hop *hop;

	if (netlink_find_fields(message, sizeof(*header), FIELDS(fields)) < 0)
		return MNL_CB_ERROR;
	route->type = header->rtm_type;
	route->family = header->rtm_family;
	if (fields[MULTIPLE].found)
		return take_next_hops(fields[MULTIPLE].found, route) < 0 ? MNL_CB_ERROR : MNL_CB_STOP;
	if (!fields[DEVICE].found)
		return MNL_CB_STOP;
	hop = netlink_append(&route->vector);
	if (!hop)
		return MNL_CB_ERROR;
	hop->device = mnl_attr_get_u32(fields[DEVICE].found);
	if (take_gateway(fields[GATEWAY].found, fields[VIA].found, route->family, hop) < 0)
		return MNL_CB_ERROR;
	/* The answer is this one message; nothing follows it. */
	return MNL_CB_STOP;
}

static void put_packet(struct nlmsghdr *request, const void *data)
{
	const struct bulkhead_packet *packet = data;
	size_t size = address_size(packet->family);

	mnl_attr_put(request, RTA_DST, size, packet->destination);
	if (packet->has_source)
		mnl_attr_put(request, RTA_SRC, size, packet->source);
	if (packet->input)
		mnl_attr_put_u32(request, RTA_IIF, packet->input);
	/* The kernel takes no other protocols, and ports only with one. */
	if (packet->protocol != IPPROTO_TCP && packet->protocol != IPPROTO_UDP)
		return;
	mnl_attr_put_u8(request, RTA_IP_PROTO, packet->protocol);
	if (packet->source_port)
		mnl_attr_put_u16(request, RTA_SPORT, htons(packet->source_port));
	if (packet->destination_port)
		mnl_attr_put_u16(request, RTA_DPORT, htons(packet->destination_port));
}

int bulkhead_ask_route(const struct bulkhead_packet *packet, uint8_t *type, struct bulkhead_next_hop **hops,
		       size_t *count)
{
	uint8_t bits = (uint8_t)(8 * address_size(packet->family));
	struct rtmsg header = {
		.rtm_family = packet->family,
		.rtm_dst_len = bits,
		.rtm_src_len = packet->has_source ? bits : 0,
		/* The route itself, with all its next hops, not the one that this packet would get. */
		.rtm_flags = RTM_F_FIB_MATCH,
	};
	struct route route = { .vector = { .size = sizeof(**hops) } };
	int error = netlink_ask_for_one(&(struct question){ .type = RTM_GETROUTE,
							    .answer = RTM_NEWROUTE,
							    .header = &header,
							    .size = sizeof(header),
							    .put = put_packet,
							    .data = packet },
					take_route, &route);

	*type = route.type;
	return netlink_hand_over(&route.vector, error, hops, count);
}

/* ---- Forwarding ---- */

static int take_forwarding(const struct nlmsghdr *message, void *vector)
{
	enum { DEVICE, FORWARDING, REVERSE_PATH, PROXY };
	struct field fields[] = {
		[DEVICE] = { NETCONFA_IFINDEX, MNL_TYPE_U32 },
		[FORWARDING] = { NETCONFA_FORWARDING, MNL_TYPE_U32 },
		[REVERSE_PATH] = { NETCONFA_RP_FILTER, MNL_TYPE_U32 },
		[PROXY] = { NETCONFA_PROXY_NEIGH, MNL_TYPE_U32 },
	};
	const struct netconfmsg *header = mnl_nlmsg_get_payload(message);
	struct bulkhead_forwarding *found;

	if (netlink_find_fields(message, sizeof(*header), FIELDS(fields)) < 0)
		return MNL_CB_ERROR;
	if (!fields[DEVICE].found)
		return MNL_CB_OK;
	found = netlink_append(vector);
	if (!found)
		return MNL_CB_ERROR;
	found->index = (int32_t)mnl_attr_get_u32(fields[DEVICE].found);
	found->family = header->ncm_family;
	found->is_on = fields[FORWARDING].found && mnl_attr_get_u32(fields[FORWARDING].found);
	if (fields[REVERSE_PATH].found)
		found->reverse_path_filter = (uint8_t)mnl_attr_get_u32(fields[REVERSE_PATH].found);
	found->is_proxy = fields[PROXY].found && mnl_attr_get_u32(fields[PROXY].found);
	return MNL_CB_OK;
}

int bulkhead_read_forwarding(uint8_t family, struct bulkhead_forwarding **all, size_t *count)
{
	struct netconfmsg header = { .ncm_family = family };

	return netlink_list(&(struct question){ RTM_GETNETCONF, RTM_NEWNETCONF, &header, sizeof(header) },
			    take_forwarding, sizeof(**all), all, count);
}
