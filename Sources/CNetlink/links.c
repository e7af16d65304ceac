// SPDX-License-Identifier: Apache-2.0
/* How the devices of a network namespace are joined: what is below, above and at the other end of each. */
#define _GNU_SOURCE
#include "cnetlink.h"
#include "netlink.h"

#include <net/if.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/net_namespace.h>
#include <linux/rtnetlink.h>

/* ---- What a kind of device says of itself ---- */

static int take_vlan(const struct nlattr *data, struct bulkhead_link *link)
{
	struct field tag[] = { { IFLA_VLAN_ID, MNL_TYPE_U16 } };

	if (netlink_find_nested_fields(data, FIELDS(tag)) < 0)
		return MNL_CB_ERROR;
	if (tag->found)
		link->vlan = mnl_attr_get_u16(tag->found);
	return MNL_CB_OK;
}

static int take_bridge(const struct nlattr *data, struct bulkhead_link *link)
{
	enum { FILTERING, DEFAULT, IPV4, IPV6 };
	struct field fields[] = {
		[DEFAULT] = { IFLA_BR_VLAN_DEFAULT_PVID, MNL_TYPE_U16 },
		[FILTERING] = { IFLA_BR_VLAN_FILTERING, MNL_TYPE_U8 },
		[IPV4] = { IFLA_BR_NF_CALL_IPTABLES, MNL_TYPE_U8 },
		[IPV6] = { IFLA_BR_NF_CALL_IP6TABLES, MNL_TYPE_U8 },
	};

	if (netlink_find_nested_fields(data, FIELDS(fields)) < 0)
		return MNL_CB_ERROR;
	link->filters_vlans = fields[FILTERING].found && mnl_attr_get_u8(fields[FILTERING].found);
	if (fields[DEFAULT].found)
		link->default_vlan = mnl_attr_get_u16(fields[DEFAULT].found);
	link->calls_v4 = fields[IPV4].found && mnl_attr_get_u8(fields[IPV4].found);
	link->calls_v6 = fields[IPV6].found && mnl_attr_get_u8(fields[IPV6].found);
	return MNL_CB_OK;
}

static int take_bond(const struct nlattr *data, struct bulkhead_link *link)
{
	enum { MODE, ACTIVE };
	struct field fields[] = {
		[MODE] = { IFLA_BOND_MODE, MNL_TYPE_U8 },
		[ACTIVE] = { IFLA_BOND_ACTIVE_SLAVE, MNL_TYPE_U32 },
	};

	if (netlink_find_nested_fields(data, FIELDS(fields)) < 0)
		return MNL_CB_ERROR;
	if (fields[MODE].found)
		link->bond_mode = mnl_attr_get_u8(fields[MODE].found);
	if (fields[ACTIVE].found)
		link->active_member = mnl_attr_get_u32(fields[ACTIVE].found);
	return MNL_CB_OK;
}

/* A member of a bridge. */
static int take_member(const struct nlattr *data, struct bulkhead_link *link)
{
	enum { STATE, HAIRPIN, ISOLATED };
	struct field fields[] = {
		[STATE] = { IFLA_BRPORT_STATE, MNL_TYPE_U8 },
		[HAIRPIN] = { IFLA_BRPORT_MODE, MNL_TYPE_U8 },
		[ISOLATED] = { IFLA_BRPORT_ISOLATED, MNL_TYPE_U8 },
	};

	if (netlink_find_nested_fields(data, FIELDS(fields)) < 0)
		return MNL_CB_ERROR;
	link->is_forwarding = fields[STATE].found && mnl_attr_get_u8(fields[STATE].found) == BR_STATE_FORWARDING;
	link->is_hairpin = fields[HAIRPIN].found && mnl_attr_get_u8(fields[HAIRPIN].found);
	link->is_isolated = fields[ISOLATED].found && mnl_attr_get_u8(fields[ISOLATED].found);
	return MNL_CB_OK;
}

static int take_kind(const struct nlattr *info, struct bulkhead_link *link)
{
	enum { KIND, DATA, MEMBER_KIND, MEMBER_DATA };
	struct field fields[] = {
		[KIND] = { IFLA_INFO_KIND, MNL_TYPE_NUL_STRING },
		[DATA] = { IFLA_INFO_DATA, MNL_TYPE_NESTED },
		[MEMBER_KIND] = { IFLA_INFO_SLAVE_KIND, MNL_TYPE_STRING },
		[MEMBER_DATA] = { IFLA_INFO_SLAVE_DATA, MNL_TYPE_NESTED },
	};
	const struct nlattr *data;

	if (netlink_find_nested_fields(info, FIELDS(fields)) < 0)
		return MNL_CB_ERROR;
	netlink_copy_text(link->kind, sizeof(link->kind), fields[KIND].found);
	data = fields[MEMBER_DATA].found;
	if (fields[MEMBER_KIND].found && !strncmp(mnl_attr_get_str(fields[MEMBER_KIND].found), "bridge", 6) &&
	    take_member(data, link) < 0)
		return MNL_CB_ERROR;
	data = fields[DATA].found;
	if (!strcmp(link->kind, "vlan"))
		return take_vlan(data, link);
	if (!strcmp(link->kind, "bridge"))
		return take_bridge(data, link);
	return strcmp(link->kind, "bond") ? MNL_CB_OK : take_bond(data, link);
}

/* ---- Links ---- */

static void take_lower(const struct nlattr *lower, const struct nlattr *namespace, struct bulkhead_link *link)
{
	link->lower_namespace = BULKHEAD_SAME_NAMESPACE;
	if (lower)
		link->lower = mnl_attr_get_u32(lower);
	if (namespace)
		link->lower_namespace = (int32_t)mnl_attr_get_u32(namespace);
	/* Some devices are their own lower device. */
	if (link->lower == link->index && link->lower_namespace == BULKHEAD_SAME_NAMESPACE)
		link->lower = 0;
}

static int take_link(const struct nlmsghdr *message, void *vector)
{
	enum { NAME, MASTER, ADDRESS, INFO, LOWER, LOWER_NAMESPACE };
	struct field fields[] = {
		[NAME] = { IFLA_IFNAME, MNL_TYPE_NUL_STRING }, [MASTER] = { IFLA_MASTER, MNL_TYPE_U32 },
		[ADDRESS] = { IFLA_ADDRESS, MNL_TYPE_BINARY }, [INFO] = { IFLA_LINKINFO, MNL_TYPE_NESTED },
		[LOWER] = { IFLA_LINK, MNL_TYPE_U32 },         [LOWER_NAMESPACE] = { IFLA_LINK_NETNSID, MNL_TYPE_U32 },
	};
	const struct ifinfomsg *header = mnl_nlmsg_get_payload(message);
	struct bulkhead_link *link;

	if (netlink_find_fields(message, sizeof(*header), FIELDS(fields)) < 0)
		return MNL_CB_ERROR;
	link = netlink_append(vector);
	if (!link)
		return MNL_CB_ERROR;
	link->index = (uint32_t)header->ifi_index;
	link->is_up = !!(header->ifi_flags & IFF_UP);
	link->is_loopback = !!(header->ifi_flags & IFF_LOOPBACK);
	netlink_copy_text(link->name, sizeof(link->name), fields[NAME].found);
	if (fields[MASTER].found)
		link->master = mnl_attr_get_u32(fields[MASTER].found);
	link->has_mac = netlink_copy_mac(link->mac, fields[ADDRESS].found);
	take_lower(fields[LOWER].found, fields[LOWER_NAMESPACE].found, link);
	return take_kind(fields[INFO].found, link);
}

int bulkhead_read_links(struct bulkhead_link **links, size_t *count)
{
	struct ifinfomsg all = { 0 };

	return netlink_list(&(struct question){ RTM_GETLINK, RTM_NEWLINK, &all, sizeof(all) }, take_link,
			    sizeof(**links), links, count);
}

/* ---- VLANs of bridges ---- */

/* The member, or the bridge itself, whose VLANs are read, and where they go. */
struct vlans {
	uint32_t index;
	struct vector *vector;
};

static int take_bridge_vlan(const struct nlattr *attribute, void *data)
{
	const struct vlans *vlans = data;
	const struct bridge_vlan_info *info;
	struct bulkhead_bridge_vlan *vlan;

	if (mnl_attr_get_type(attribute) != IFLA_BRIDGE_VLAN_INFO)
		return MNL_CB_OK;
	if (mnl_attr_validate2(attribute, MNL_TYPE_BINARY, sizeof(*info)))
		return MNL_CB_ERROR;
	info = mnl_attr_get_payload(attribute);
	vlan = netlink_append(vlans->vector);
	if (!vlan)
		return MNL_CB_ERROR;
	vlan->index = vlans->index;
	vlan->tag = info->vid;
	vlan->is_default = !!(info->flags & BRIDGE_VLAN_INFO_PVID);
	vlan->is_untagged = !!(info->flags & BRIDGE_VLAN_INFO_UNTAGGED);
	return MNL_CB_OK;
}

static int take_bridge_vlans(const struct nlmsghdr *message, void *vector)
{
	struct field family[] = { { IFLA_AF_SPEC, MNL_TYPE_NESTED } };
	const struct ifinfomsg *header = mnl_nlmsg_get_payload(message);
	struct vlans vlans = { .index = (uint32_t)header->ifi_index, .vector = vector };

	if (netlink_find_fields(message, sizeof(*header), FIELDS(family)) < 0)
		return MNL_CB_ERROR;
	return family->found ? mnl_attr_parse_nested(family->found, take_bridge_vlan, &vlans) : MNL_CB_OK;
}

static void ask_for_vlans(struct nlmsghdr *request, const void *unused)
{
	(void)unused;
	mnl_attr_put_u32(request, IFLA_EXT_MASK, RTEXT_FILTER_BRVLAN);
}

int bulkhead_read_bridge_vlans(struct bulkhead_bridge_vlan **vlans, size_t *count)
{
	struct ifinfomsg all = { .ifi_family = AF_BRIDGE };

	return netlink_list(&(struct question){ .type = RTM_GETLINK,
						.answer = RTM_NEWLINK,
						.header = &all,
						.size = sizeof(all),
						.put = ask_for_vlans },
			    take_bridge_vlans, sizeof(**vlans), vlans, count);
}

/* ---- Other namespaces ---- */

static int take_namespace(const struct nlmsghdr *message, void *id)
{
	struct field number[] = { { NETNSA_NSID, MNL_TYPE_U32 } };

	if (netlink_find_fields(message, sizeof(struct rtgenmsg), FIELDS(number)) < 0)
		return MNL_CB_ERROR;
	if (number->found)
		*(int32_t *)id = (int32_t)mnl_attr_get_u32(number->found);
	return MNL_CB_STOP;
}

static void put_descriptor(struct nlmsghdr *request, const void *fd)
{
	mnl_attr_put_u32(request, NETNSA_FD, (uint32_t) * (const int *)fd);
}

int bulkhead_namespace_id(int fd, int32_t *id)
{
	struct rtgenmsg any = { .rtgen_family = AF_UNSPEC };

	*id = BULKHEAD_SAME_NAMESPACE;
	return netlink_ask_for_one(&(struct question){ .type = RTM_GETNSID,
						       .answer = RTM_NEWNSID,
						       .header = &any,
						       .size = sizeof(any),
						       .put = put_descriptor,
						       .data = &fd },
				   take_namespace, id);
}
