// SPDX-License-Identifier: Apache-2.0
/* What happens to the devices and to a table of nftables of a network namespace, as the kernel tells it. */
#define _GNU_SOURCE
#include "cnetlink.h"
#include "netlink.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/if_link.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

enum {
	EVENT_ROOM = 64 * 1024,
	/* The kernel's own account of it; some thousand events of links. */
	QUEUE = 4 << 20,
	/* Batches that one call reads, so that who makes events does not keep it busy for ever. */
	BATCHES = 4096,
};

int bulkhead_open_events(enum bulkhead_event_source source)
{
	int bus = source == BULKHEAD_LINK_EVENTS ? NETLINK_ROUTE : NETLINK_NETFILTER;
	int group = source == BULKHEAD_LINK_EVENTS ? RTNLGRP_LINK : NFNLGRP_NFTABLES;
	struct sockaddr_nl address = { .nl_family = AF_NETLINK };
	int size = QUEUE;
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, bus);

	if (fd < 0)
		return -errno;
	/* Without the privilege the limit of the host holds. */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)))
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) ||
	    setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group))) {
		int error = -errno;

		close(fd);
		return error;
	}
	return fd;
}

/*
 * Hands the messages that wait on a socket to `take`; more may wait afterwards. Returns 0, or BULKHEAD_CUT where the
 * kernel had no room for some.
 */
static int drain(int fd, mnl_cb_t take, void *result)
{
	char *buffer = malloc(EVENT_ROOM);
	int state = 0;

	if (!buffer)
		return -ENOMEM;
	for (int batch = 0; batch < BATCHES; batch++) {
		struct sockaddr_nl from = { 0 };
		struct iovec part = { buffer, EVENT_ROOM };
		struct msghdr header = {
			.msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = &part, .msg_iovlen = 1
		};
		ssize_t length = recvmsg(fd, &header, 0);

		if (length < 0 && errno == EAGAIN) {
			free(buffer);
			return state;
		}
		if (length < 0 && errno == EINTR)
			continue;
		if (length < 0 && errno != ENOBUFS) {
			state = -errno;
			break;
		}
		if (length < 0 || header.msg_flags & MSG_TRUNC) {
			state = BULKHEAD_CUT;
			continue;
		}
		/* Any process may send to a socket; only the kernel has no number. */
		if (from.nl_pid)
			continue;
		if (mnl_cb_run(buffer, length, 0, 0, take, result) == MNL_CB_ERROR)
			state = BULKHEAD_CUT;
	}
	free(buffer);
	return state;
}

/* ---- Devices ---- */

static int take_device_event(const struct nlmsghdr *message, void *vector)
{
	enum { NAME, MASTER };
	struct field fields[] = {
		[NAME] = { IFLA_IFNAME, MNL_TYPE_NUL_STRING },
		[MASTER] = { IFLA_MASTER, MNL_TYPE_U32 },
	};
	const struct ifinfomsg *link = mnl_nlmsg_get_payload(message);
	struct bulkhead_device_event *event;

	if ((message->nlmsg_type != RTM_NEWLINK && message->nlmsg_type != RTM_DELLINK) ||
	    mnl_nlmsg_get_payload_len(message) < sizeof(*link))
		return MNL_CB_OK;
	/* A bridge tells of its members in messages of its own. */
	if (link->ifi_family != AF_UNSPEC)
		return MNL_CB_OK;
	if (netlink_find_fields(message, sizeof(*link), FIELDS(fields)) < 0)
		return MNL_CB_ERROR;
	event = netlink_append(vector);
	if (!event)
		return MNL_CB_ERROR;
	event->index = (uint32_t)link->ifi_index;
	event->is_gone = message->nlmsg_type == RTM_DELLINK;
	netlink_copy_text(event->name, sizeof(event->name), fields[NAME].found);
	if (fields[MASTER].found)
		event->master = mnl_attr_get_u32(fields[MASTER].found);
	return MNL_CB_OK;
}

int bulkhead_read_device_events(int fd, struct bulkhead_device_event **events, size_t *count)
{
	struct vector vector = { .size = sizeof(**events) };

	return netlink_hand_over(&vector, drain(fd, take_device_event, &vector), events, count);
}

/* ---- A table of nftables ---- */

struct touched {
	const char *table;
	bool is;
};

static int take_table_event(const struct nlmsghdr *message, void *data)
{
	/* Of tables, chains, rules, sets and elements alike the first attribute is the table's name. */
	struct touched *touched = data;
	const struct nlattr *attribute;
	size_t length;

	if (NFNL_SUBSYS_ID(message->nlmsg_type) != NFNL_SUBSYS_NFTABLES ||
	    NFNL_MSG_TYPE(message->nlmsg_type) == NFT_MSG_NEWGEN)
		return MNL_CB_OK;
	length = strlen(touched->table);
	mnl_attr_for_each(attribute, message, sizeof(struct nfgenmsg))
	{
		if (mnl_attr_get_type(attribute) != NFTA_TABLE_NAME)
			continue;
		if (strnlen(mnl_attr_get_payload(attribute), mnl_attr_get_payload_len(attribute)) == length &&
		    !memcmp(mnl_attr_get_payload(attribute), touched->table, length))
			touched->is = true;
	}
	return MNL_CB_OK;
}

int bulkhead_read_table_events(int fd, const char *table, bool *is_touched)
{
	struct touched touched = { .table = table };
	int error = drain(fd, take_table_event, &touched);

	*is_touched = touched.is;
	return error;
}
