// SPDX-License-Identifier: Apache-2.0
/* Changes which VLANs a bridge and its members are in. */
#define _GNU_SOURCE
#include "cnetlink.h"
#include "netlink.h"

#include <errno.h>
#include <sys/socket.h>

#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>

/* ---- The bridge ---- */

struct setting {
	uint16_t type;
	uint16_t size; /* 1 or 2 */
	uint16_t value;
};

static void put_setting(struct nlmsghdr *message, const void *data)
{
	const struct setting *setting = data;
	struct nlattr *info = mnl_attr_nest_start(message, IFLA_LINKINFO);
	struct nlattr *nest;

	mnl_attr_put_str(message, IFLA_INFO_KIND, "bridge");
	nest = mnl_attr_nest_start(message, IFLA_INFO_DATA);
	if (setting->size == 1)
		mnl_attr_put_u8(message, setting->type, (uint8_t)setting->value);
	else
		mnl_attr_put_u16(message, setting->type, setting->value);
	mnl_attr_nest_end(message, nest);
	mnl_attr_nest_end(message, info);
}

static int set(uint32_t bridge, const struct setting *setting)
{
	struct ifinfomsg link = { .ifi_family = AF_UNSPEC, .ifi_index = (int)bridge };

	return netlink_change(&(struct question){
		.type = RTM_NEWLINK, .header = &link, .size = sizeof(link), .put = put_setting, .data = setting });
}

int bulkhead_set_vlan_filtering(uint32_t bridge, bool is_on)
{
	return set(bridge, &(struct setting){ IFLA_BR_VLAN_FILTERING, 1, is_on });
}

int bulkhead_set_default_vlan(uint32_t bridge, uint16_t tag)
{
	return set(bridge, &(struct setting){ IFLA_BR_VLAN_DEFAULT_PVID, 2, tag });
}

/* ---- Members ---- */

static void put_vlans(struct nlmsghdr *message, const void *data)
{
	const struct bulkhead_vlan_change *change = data;
	struct nlattr *nest = mnl_attr_nest_start(message, IFLA_AF_SPEC);
	struct bridge_vlan_info vlan = { 0 };

	/* Without a flag it is about a member's VLANs at its bridge. */
	if (change->is_bridge)
		mnl_attr_put_u16(message, IFLA_BRIDGE_FLAGS, BRIDGE_FLAGS_SELF);
	if (change->is_default)
		vlan.flags = BRIDGE_VLAN_INFO_PVID | BRIDGE_VLAN_INFO_UNTAGGED;
	vlan.vid = change->first;
	if (change->last > change->first) {
		vlan.flags |= BRIDGE_VLAN_INFO_RANGE_BEGIN;
		mnl_attr_put(message, IFLA_BRIDGE_VLAN_INFO, sizeof(vlan), &vlan);
		vlan.flags ^= BRIDGE_VLAN_INFO_RANGE_BEGIN | BRIDGE_VLAN_INFO_RANGE_END;
		vlan.vid = change->last;
	}
	mnl_attr_put(message, IFLA_BRIDGE_VLAN_INFO, sizeof(vlan), &vlan);
	mnl_attr_nest_end(message, nest);
}

int bulkhead_change_vlans(const struct bulkhead_vlan_change *change)
{
	struct ifinfomsg link = { .ifi_family = AF_BRIDGE, .ifi_index = (int)change->index };

	return netlink_change(&(struct question){ .type = change->removes ? RTM_DELLINK : RTM_SETLINK,
						  .header = &link,
						  .size = sizeof(link),
						  .put = put_vlans,
						  .data = change });
}
