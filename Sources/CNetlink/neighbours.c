// SPDX-License-Identifier: Apache-2.0
/* Who is where on a link: the tables of neighbours and the forwarding databases of bridges. */
#include "cnetlink.h"
#include "netlink.h"

#include <string.h>
#include <sys/socket.h>

#include <linux/neighbour.h>
#include <linux/rtnetlink.h>

static int take_neighbour(const struct nlmsghdr *message, void *vector)
{
	enum { ADDRESS, MAC };
	const struct ndmsg *header = mnl_nlmsg_get_payload(message);
	struct field fields[] = {
		[ADDRESS] = { NDA_DST, MNL_TYPE_BINARY },
		[MAC] = { NDA_LLADDR, MNL_TYPE_BINARY },
	};
	size_t size = header->ndm_family == AF_INET ? 4 : 16;
	const uint16_t invalid = NUD_FAILED | NUD_INCOMPLETE | NUD_NONE;
	struct bulkhead_neighbour *neighbour;

	if (header->ndm_family != AF_INET && header->ndm_family != AF_INET6)
		return MNL_CB_OK;
	if (netlink_find_fields(message, sizeof(*header), FIELDS(fields)) < 0)
		return MNL_CB_ERROR;
	if (!fields[ADDRESS].found || mnl_attr_get_payload_len(fields[ADDRESS].found) != size || !fields[MAC].found ||
	    mnl_attr_get_payload_len(fields[MAC].found) != sizeof(neighbour->mac) || (header->ndm_state & invalid))
		return MNL_CB_OK;
	neighbour = netlink_append(vector);
	if (!neighbour)
		return MNL_CB_ERROR;
	neighbour->index = (uint32_t)header->ndm_ifindex;
	neighbour->family = header->ndm_family;
	memcpy(neighbour->address, mnl_attr_get_payload(fields[ADDRESS].found), size);
	memcpy(neighbour->mac, mnl_attr_get_payload(fields[MAC].found), sizeof(neighbour->mac));
	return MNL_CB_OK;
}

int bulkhead_read_neighbours(struct bulkhead_neighbour **neighbours, size_t *count)
{
	struct ndmsg all = { .ndm_family = AF_UNSPEC };

	return netlink_list(&(struct question){ RTM_GETNEIGH, RTM_NEWNEIGH, &all, sizeof(all) }, take_neighbour,
			    sizeof(**neighbours), neighbours, count);
}

static int take_station(const struct nlmsghdr *message, void *vector)
{
	enum { MAC, BRIDGE, VLAN };
	struct field fields[] = {
		[MAC] = { NDA_LLADDR, MNL_TYPE_BINARY },
		[BRIDGE] = { NDA_MASTER, MNL_TYPE_U32 },
		[VLAN] = { NDA_VLAN, MNL_TYPE_U16 },
	};
	const struct ndmsg *header = mnl_nlmsg_get_payload(message);
	struct bulkhead_station *station;

	if (netlink_find_fields(message, sizeof(*header), FIELDS(fields)) < 0)
		return MNL_CB_ERROR;
	/* Without a bridge it is an address that the device itself takes. */
	if (!fields[BRIDGE].found || !fields[MAC].found ||
	    mnl_attr_get_payload_len(fields[MAC].found) != sizeof(station->mac))
		return MNL_CB_OK;
	station = netlink_append(vector);
	if (!station)
		return MNL_CB_ERROR;
	station->index = (uint32_t)header->ndm_ifindex;
	station->bridge = mnl_attr_get_u32(fields[BRIDGE].found);
	station->is_local = !!(header->ndm_state & NUD_PERMANENT);
	if (fields[VLAN].found)
		station->vlan = mnl_attr_get_u16(fields[VLAN].found);
	memcpy(station->mac, mnl_attr_get_payload(fields[MAC].found), sizeof(station->mac));
	return MNL_CB_OK;
}

int bulkhead_read_stations(struct bulkhead_station **stations, size_t *count)
{
	struct ndmsg all = { .ndm_family = AF_BRIDGE };

	return netlink_list(&(struct question){ RTM_GETNEIGH, RTM_NEWNEIGH, &all, sizeof(all) }, take_station,
			    sizeof(**stations), stations, count);
}
