// SPDX-License-Identifier: Apache-2.0
/* What filters on a device: the XDP program and the filters of a clsact hook, by rtnetlink. */
#include "cnetlink.h"
#include "netlink.h"

#include <string.h>
#include <sys/socket.h>

#include <linux/if_link.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>

int netlink_take_xdp_program(const struct nlmsghdr *message, uint32_t *id)
{
	struct field xdp[] = { { IFLA_XDP, MNL_TYPE_NESTED } };
	struct field program[] = { { IFLA_XDP_PROG_ID, MNL_TYPE_U32 } };

	if (netlink_find_fields(message, sizeof(struct ifinfomsg), FIELDS(xdp)) < 0 ||
	    netlink_find_nested_fields(xdp->found, FIELDS(program)) < 0)
		return MNL_CB_ERROR;
	*id = program->found ? mnl_attr_get_u32(program->found) : 0;
	return MNL_CB_OK;
}

static int take_xdp_program(const struct nlmsghdr *message, void *id)
{
	/* The answer is this one message; nothing follows it. */
	return netlink_take_xdp_program(message, id) < 0 ? MNL_CB_ERROR : MNL_CB_STOP;
}

int bulkhead_xdp_program(int ifindex, uint32_t *id)
{
	struct ifinfomsg link = { .ifi_index = ifindex };

	*id = 0;
	return netlink_ask_for_one(&(struct question){ RTM_GETLINK, RTM_NEWLINK, &link, sizeof(link) },
				   take_xdp_program, id);
}

static int take_program(const struct nlattr *options, struct bulkhead_filter_entry *filter)
{
	struct field id[] = { { TCA_BPF_ID, MNL_TYPE_U32 } };

	if (netlink_find_nested_fields(options, FIELDS(id)) < 0)
		return MNL_CB_ERROR;
	if (id->found)
		filter->program_id = mnl_attr_get_u32(id->found);
	return MNL_CB_OK;
}

static int take_filter(const struct nlmsghdr *message, void *vector)
{
	enum { KIND, OPTIONS };
	struct field fields[] = {
		[KIND] = { TCA_KIND, MNL_TYPE_NUL_STRING },
		[OPTIONS] = { TCA_OPTIONS, MNL_TYPE_NESTED },
	};
	const struct tcmsg *traffic = mnl_nlmsg_get_payload(message);
	struct bulkhead_filter_entry *filter;

	/* A priority announces itself with handle 0 before its filters. */
	if (!traffic->tcm_handle)
		return MNL_CB_OK;
	if (netlink_find_fields(message, sizeof(*traffic), FIELDS(fields)) < 0)
		return MNL_CB_ERROR;
	filter = netlink_append(vector);
	if (!filter)
		return MNL_CB_ERROR;
	filter->priority = TC_H_MAJ(traffic->tcm_info) >> 16;
	netlink_copy_text(filter->kind, sizeof(filter->kind), fields[KIND].found);
	return strcmp(filter->kind, "bpf") ? MNL_CB_OK : take_program(fields[OPTIONS].found, filter);
}

int bulkhead_read_filters(int ifindex, bool egress, struct bulkhead_filter_entry **filters, size_t *count)
{
	struct tcmsg hook = {
		.tcm_family = AF_UNSPEC,
		.tcm_ifindex = ifindex,
		.tcm_parent = TC_H_MAKE(TC_H_CLSACT, egress ? TC_H_MIN_EGRESS : TC_H_MIN_INGRESS),
	};

	return netlink_list(&(struct question){ RTM_GETTFILTER, RTM_NEWTFILTER, &hook, sizeof(hook) }, take_filter,
			    sizeof(**filters), filters, count);
}
