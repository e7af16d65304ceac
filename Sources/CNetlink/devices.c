// SPDX-License-Identifier: Apache-2.0
/*
 * The devices of a network namespace and their addresses. They are asked of rtnetlink, because /sys shows those of the
 * namespace that it was mounted in, not of the thread's.
 */
#define _GNU_SOURCE
#include "cnetlink.h"
#include "netlink.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>

int bulkhead_enter_network_namespace(int fd)
{
	return setns(fd, CLONE_NEWNET) ? -errno : 0;
}

/* Traffic's statistics are most of what there is to say of a link. */
static void skip_statistics(struct nlmsghdr *request, const void *data)
{
	mnl_attr_put_u32(request, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
}

static int list_links(mnl_cb_t take, size_t size, void *list, size_t *count)
{
	struct ifinfomsg all = { 0 };
	struct question question = { RTM_GETLINK, RTM_NEWLINK, &all, sizeof(all), skip_statistics };

	return netlink_list(&question, take, size, list, count);
}

/* ---- Devices ---- */

static int take_ipvlan(const struct nlattr *data, struct bulkhead_interface *interface)
{
	struct field mode[] = { { IFLA_IPVLAN_MODE, MNL_TYPE_U16 } };

	if (netlink_find_nested_fields(data, FIELDS(mode)) < 0)
		return MNL_CB_ERROR;
	interface->is_routed = mode->found && mnl_attr_get_u16(mode->found) == IPVLAN_MODE_L3S;
	return MNL_CB_OK;
}

static int take_link_info(const struct nlattr *info, struct bulkhead_interface *interface)
{
	enum { KIND, DATA };
	struct field fields[] = {
		[KIND] = { IFLA_INFO_KIND, MNL_TYPE_NUL_STRING },
		[DATA] = { IFLA_INFO_DATA, MNL_TYPE_NESTED },
	};

	if (netlink_find_nested_fields(info, FIELDS(fields)) < 0)
		return MNL_CB_ERROR;
	netlink_copy_text(interface->kind, sizeof(interface->kind), fields[KIND].found);
	/* ipvlan and ipvtap have the same attributes. */
	return strncmp(interface->kind, "ipv", 3) ? MNL_CB_OK : take_ipvlan(fields[DATA].found, interface);
}

static int take_interface(const struct nlmsghdr *message, void *vector)
{
	enum { NAME, MASTER, ADDRESS, INFO };
	struct field fields[] = {
		[NAME] = { IFLA_IFNAME, MNL_TYPE_NUL_STRING },
		[MASTER] = { IFLA_MASTER, MNL_TYPE_U32 },
		[ADDRESS] = { IFLA_ADDRESS, MNL_TYPE_BINARY },
		[INFO] = { IFLA_LINKINFO, MNL_TYPE_NESTED },
	};
	const struct ifinfomsg *link = mnl_nlmsg_get_payload(message);
	struct bulkhead_interface *interface;

	if (netlink_find_fields(message, sizeof(*link), FIELDS(fields)) < 0)
		return MNL_CB_ERROR;
	interface = netlink_append(vector);
	if (!interface)
		return MNL_CB_ERROR;
	interface->index = (uint32_t)link->ifi_index;
	interface->hardware_type = link->ifi_type;
	netlink_copy_text(interface->name, sizeof(interface->name), fields[NAME].found);
	if (fields[MASTER].found)
		interface->master = mnl_attr_get_u32(fields[MASTER].found);
	interface->has_mac = netlink_copy_mac(interface->mac, fields[ADDRESS].found);
	if (netlink_take_xdp_program(message, &interface->xdp_program) < 0)
		return MNL_CB_ERROR;
	return take_link_info(fields[INFO].found, interface);
}

int bulkhead_read_interfaces(struct bulkhead_interface **interfaces, size_t *count)
{
	return list_links(take_interface, sizeof(**interfaces), interfaces, count);
}

/* ---- Alternative names ---- */

/* The device whose names are read, and where they go. */
struct names {
	uint32_t index;
	struct vector *vector;
};

static int take_alternative_name(const struct nlattr *attribute, void *data)
{
	const struct names *names = data;
	struct bulkhead_alternative_name *name;

	if (mnl_attr_get_type(attribute) != IFLA_ALT_IFNAME)
		return MNL_CB_OK;
	if (mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING))
		return MNL_CB_ERROR;
	name = netlink_append(names->vector);
	if (!name)
		return MNL_CB_ERROR;
	name->index = names->index;
	netlink_copy_text(name->name, sizeof(name->name), attribute);
	return MNL_CB_OK;
}

static int take_alternative_names(const struct nlmsghdr *message, void *vector)
{
	struct field list[] = { { IFLA_PROP_LIST, MNL_TYPE_NESTED } };
	const struct ifinfomsg *link = mnl_nlmsg_get_payload(message);
	struct names names = { .index = (uint32_t)link->ifi_index, .vector = vector };

	if (netlink_find_fields(message, sizeof(*link), FIELDS(list)) < 0)
		return MNL_CB_ERROR;
	return list->found ? mnl_attr_parse_nested(list->found, take_alternative_name, &names) : MNL_CB_OK;
}

int bulkhead_read_alternative_names(struct bulkhead_alternative_name **names, size_t *count)
{
	return list_links(take_alternative_names, sizeof(**names), names, count);
}

/* ---- Addresses ---- */

static int take_address(const struct nlmsghdr *message, void *vector)
{
	const struct ifaddrmsg *header = mnl_nlmsg_get_payload(message);
	size_t size = header->ifa_family == AF_INET ? 4 : 16;
	enum { OWN, OTHER };
	struct field fields[] = {
		[OWN] = { IFA_LOCAL, MNL_TYPE_BINARY, size },
		[OTHER] = { IFA_ADDRESS, MNL_TYPE_BINARY, size },
	};
	struct bulkhead_address *address;
	const struct nlattr *own;

	if (header->ifa_family != AF_INET && header->ifa_family != AF_INET6)
		return MNL_CB_OK;
	if (netlink_find_fields(message, sizeof(*header), FIELDS(fields)) < 0)
		return MNL_CB_ERROR;
	address = netlink_append(vector);
	if (!address)
		return MNL_CB_ERROR;
	address->index = header->ifa_index;
	address->family = header->ifa_family;
	address->prefix_length = header->ifa_prefixlen;
	/* On a point-to-point link IFA_ADDRESS is the peer's and IFA_LOCAL the own. */
	own = fields[OWN].found ? fields[OWN].found : fields[OTHER].found;
	if (own)
		memcpy(address->bytes, mnl_attr_get_payload(own), size);
	return MNL_CB_OK;
}

int bulkhead_read_addresses(struct bulkhead_address **addresses, size_t *count)
{
	struct ifaddrmsg all = { 0 };

	return netlink_list(&(struct question){ RTM_GETADDR, RTM_NEWADDR, &all, sizeof(all) }, take_address,
			    sizeof(**addresses), addresses, count);
}
