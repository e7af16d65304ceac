/* The devices and addresses of a network namespace, asked of rtnetlink: /sys shows those of its mount, not of the thread. */
#include "clibbpf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>

/* A growing array of elements of one size. */
struct vector {
	char *bytes;
	size_t size;
	size_t count;
	size_t room;
};

static void *append(struct vector *vector)
{
	if (vector->count == vector->room) {
		size_t room = vector->room ? 2 * vector->room : 64;
		char *bytes = realloc(vector->bytes, room * vector->size);

		if (!bytes)
			return NULL;
		vector->bytes = bytes;
		vector->room = room;
	}
	return memset(vector->bytes + vector->size * vector->count++, 0, vector->size);
}

typedef int (*take_message)(const struct nlmsghdr *message, struct vector *vector);

/* What is asked for: a kind of object, of which device or parent, in the message's own header. */
struct question {
	uint16_t type;
	bool all;
	size_t size;                     /* of the header in use */
	union {
		struct ifinfomsg link;
		struct ifaddrmsg address;
		struct tcmsg traffic;
	};
};

static int ask(int fd, const struct question *question)
{
	struct {
		struct nlmsghdr header;
		union {
			struct ifinfomsg link;
			struct ifaddrmsg address;
			struct tcmsg traffic;
		};
	} request = {
		.header = {
			.nlmsg_len = NLMSG_LENGTH(question->size),
			.nlmsg_type = question->type,
			.nlmsg_flags = NLM_F_REQUEST | (question->all ? NLM_F_DUMP : 0),
			.nlmsg_seq = 1,
		},
	};

	memcpy(&request.traffic, &question->traffic, question->size);
	return send(fd, &request, request.header.nlmsg_len, 0) < 0 ? -errno : 0;
}

/* Reads one batch of a dump: 1 where more is to come, 0 at its end. */
static int receive(int fd, char *buffer, size_t room, take_message take, struct vector *vector)
{
	ssize_t length = recv(fd, buffer, room, MSG_TRUNC);
	const struct nlmsghdr *message = (const struct nlmsghdr *)buffer;

	if (length < 0)
		return errno == EINTR ? 1 : -errno;
	if ((size_t)length > room)
		return -EMSGSIZE;
	for (; NLMSG_OK(message, length); message = NLMSG_NEXT(message, length)) {
		int error;

		if (message->nlmsg_type == NLMSG_DONE)
			return 0;
		if (message->nlmsg_type == NLMSG_ERROR)
			return ((const struct nlmsgerr *)NLMSG_DATA(message))->error;
		if (message->nlmsg_flags & NLM_F_DUMP_INTR)
			return -EAGAIN;
		error = take(message, vector);
		if (error)
			return error;
	}
	return 1;
}

static int dump_once(const struct question *question, take_message take, struct vector *vector)
{
	const size_t room = 256 * 1024;
	char *buffer = malloc(room);
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	int result = -ENOMEM;

	if (fd < 0)
		result = -errno;
	else if (buffer)
		result = ask(fd, question);
	while (fd >= 0 && buffer && result >= 0) {
		result = receive(fd, buffer, room, take, vector);
		if (result == 0)
			break;
	}
	if (fd >= 0)
		close(fd);
	free(buffer);
	return result;
}

/* A dump that the kernel's state changed under is asked for again. */
static int dump(const struct question *question, take_message take, struct vector *vector)
{
	int error = -EAGAIN;

	for (int attempt = 0; attempt < 8 && error == -EAGAIN; attempt++) {
		vector->count = 0;
		error = dump_once(question, take, vector);
	}
	if (error) {
		free(vector->bytes);
		vector->bytes = NULL;
		vector->count = 0;
	}
	return error;
}

static void copy_text(char *to, size_t room, const struct rtattr *attribute)
{
	size_t length = RTA_PAYLOAD(attribute);

	if (length >= room)
		length = room - 1;
	memcpy(to, RTA_DATA(attribute), length);
	to[length] = '\0';
}

static void take_ipvlan_data(const struct rtattr *data, struct bulkhead_interface *interface)
{
	int length = RTA_PAYLOAD(data);
	const struct rtattr *attribute = RTA_DATA(data);
	uint16_t mode;

	for (; RTA_OK(attribute, length); attribute = RTA_NEXT(attribute, length)) {
		if (attribute->rta_type != IFLA_IPVLAN_MODE || RTA_PAYLOAD(attribute) < sizeof(mode))
			continue;
		memcpy(&mode, RTA_DATA(attribute), sizeof(mode));
		interface->is_routed = mode == IPVLAN_MODE_L3S;
	}
}

static void take_link_info(const struct rtattr *info, struct bulkhead_interface *interface)
{
	int length = RTA_PAYLOAD(info);
	const struct rtattr *attribute = RTA_DATA(info);

	/* The kernel puts the kind before its data. */
	for (; RTA_OK(attribute, length); attribute = RTA_NEXT(attribute, length)) {
		if (attribute->rta_type == IFLA_INFO_KIND)
			copy_text(interface->kind, sizeof(interface->kind), attribute);
		if (attribute->rta_type == IFLA_INFO_DATA && !strncmp(interface->kind, "ipv", 3))
			take_ipvlan_data(attribute, interface);
	}
}

static int take_interface(const struct nlmsghdr *message, struct vector *vector)
{
	const struct ifinfomsg *link = NLMSG_DATA(message);
	const struct rtattr *attribute = IFLA_RTA(link);
	int length = IFLA_PAYLOAD(message);
	struct bulkhead_interface *interface;

	if (message->nlmsg_type != RTM_NEWLINK)
		return 0;
	interface = append(vector);
	if (!interface)
		return -ENOMEM;
	interface->index = (uint32_t)link->ifi_index;
	interface->hardware_type = link->ifi_type;
	for (; RTA_OK(attribute, length); attribute = RTA_NEXT(attribute, length)) {
		switch (attribute->rta_type & NLA_TYPE_MASK) {
		case IFLA_IFNAME:
			copy_text(interface->name, sizeof(interface->name), attribute);
			break;
		case IFLA_MASTER:
			memcpy(&interface->master, RTA_DATA(attribute), sizeof(interface->master));
			break;
		case IFLA_ADDRESS:
			if (RTA_PAYLOAD(attribute) == sizeof(interface->mac)) {
				memcpy(interface->mac, RTA_DATA(attribute), sizeof(interface->mac));
				interface->has_mac = 1;
			}
			break;
		case IFLA_LINKINFO:
			take_link_info(attribute, interface);
			break;
		}
	}
	return 0;
}

static int take_alternative_names(const struct nlmsghdr *message, struct vector *vector)
{
	const struct ifinfomsg *link = NLMSG_DATA(message);
	const struct rtattr *attribute = IFLA_RTA(link);
	int length = IFLA_PAYLOAD(message);

	if (message->nlmsg_type != RTM_NEWLINK)
		return 0;
	for (; RTA_OK(attribute, length); attribute = RTA_NEXT(attribute, length)) {
		const struct rtattr *inner = RTA_DATA(attribute);
		int inner_length = RTA_PAYLOAD(attribute);

		if ((attribute->rta_type & NLA_TYPE_MASK) != IFLA_PROP_LIST)
			continue;
		for (; RTA_OK(inner, inner_length); inner = RTA_NEXT(inner, inner_length)) {
			struct bulkhead_alternative_name *name;

			if (inner->rta_type != IFLA_ALT_IFNAME)
				continue;
			name = append(vector);
			if (!name)
				return -ENOMEM;
			name->index = (uint32_t)link->ifi_index;
			copy_text(name->name, sizeof(name->name), inner);
		}
	}
	return 0;
}

/* The program of whatever mode. libbpf's own query lists all devices for each answer. */
static uint32_t xdp_program(const struct nlmsghdr *message)
{
	const struct rtattr *attribute = IFLA_RTA(NLMSG_DATA(message));
	int length = IFLA_PAYLOAD(message);
	uint32_t id = 0;

	for (; RTA_OK(attribute, length); attribute = RTA_NEXT(attribute, length)) {
		const struct rtattr *inner = RTA_DATA(attribute);
		int inner_length = RTA_PAYLOAD(attribute);

		if ((attribute->rta_type & NLA_TYPE_MASK) != IFLA_XDP)
			continue;
		for (; RTA_OK(inner, inner_length); inner = RTA_NEXT(inner, inner_length))
			if (inner->rta_type == IFLA_XDP_PROG_ID)
				memcpy(&id, RTA_DATA(inner), sizeof(id));
	}
	return id;
}

int bulkhead_xdp_program(int ifindex, uint32_t *id)
{
	struct question question = {
		.type = RTM_GETLINK, .size = sizeof(question.link), .link = { .ifi_index = ifindex },
	};
	char buffer[32 * 1024] __attribute__((aligned(NLMSG_ALIGNTO)));
	const struct nlmsghdr *message = (const struct nlmsghdr *)buffer;
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	ssize_t length;
	int error;

	if (fd < 0)
		return -errno;
	error = ask(fd, &question);
	length = error ? 0 : recv(fd, buffer, sizeof(buffer), 0);
	if (!error && length < 0)
		error = -errno;
	close(fd);
	if (error)
		return error;
	if (!NLMSG_OK(message, length))
		return -EBADMSG;
	if (message->nlmsg_type == NLMSG_ERROR)
		return ((const struct nlmsgerr *)NLMSG_DATA(message))->error;
	*id = xdp_program(message);
	return 0;
}

static int take_address(const struct nlmsghdr *message, struct vector *vector)
{
	const struct ifaddrmsg *header = NLMSG_DATA(message);
	const struct rtattr *attribute = IFA_RTA(header);
	int length = IFA_PAYLOAD(message);
	size_t size = header->ifa_family == AF_INET ? 4 : 16;
	bool local = false;
	struct bulkhead_address *address;

	if (message->nlmsg_type != RTM_NEWADDR || (header->ifa_family != AF_INET && header->ifa_family != AF_INET6))
		return 0;
	address = append(vector);
	if (!address)
		return -ENOMEM;
	address->index = header->ifa_index;
	address->family = header->ifa_family;
	address->prefix_length = header->ifa_prefixlen;
	/* On a point-to-point link IFA_ADDRESS is the peer's and IFA_LOCAL the own. */
	for (; RTA_OK(attribute, length); attribute = RTA_NEXT(attribute, length)) {
		bool own = attribute->rta_type == IFA_LOCAL;

		if ((own || (attribute->rta_type == IFA_ADDRESS && !local)) && RTA_PAYLOAD(attribute) >= size) {
			memcpy(address->bytes, RTA_DATA(attribute), size);
			local = own;
		}
	}
	return 0;
}

int bulkhead_read_interfaces(struct bulkhead_interface **interfaces, size_t *count)
{
	struct vector vector = { .size = sizeof(**interfaces) };
	struct question question = { .type = RTM_GETLINK, .all = true, .size = sizeof(question.link) };
	int error = dump(&question, take_interface, &vector);

	*interfaces = (struct bulkhead_interface *)vector.bytes;
	*count = vector.count;
	return error;
}

int bulkhead_read_alternative_names(struct bulkhead_alternative_name **names, size_t *count)
{
	struct vector vector = { .size = sizeof(**names) };
	struct question question = { .type = RTM_GETLINK, .all = true, .size = sizeof(question.link) };
	int error = dump(&question, take_alternative_names, &vector);

	*names = (struct bulkhead_alternative_name *)vector.bytes;
	*count = vector.count;
	return error;
}

int bulkhead_read_addresses(struct bulkhead_address **addresses, size_t *count)
{
	struct vector vector = { .size = sizeof(**addresses) };
	struct question question = { .type = RTM_GETADDR, .all = true, .size = sizeof(question.address) };
	int error = dump(&question, take_address, &vector);

	*addresses = (struct bulkhead_address *)vector.bytes;
	*count = vector.count;
	return error;
}

static int take_filter(const struct nlmsghdr *message, struct vector *vector)
{
	const struct tcmsg *traffic = NLMSG_DATA(message);
	const struct rtattr *attribute = TCA_RTA(traffic), *inner;
	int length = TCA_PAYLOAD(message), inner_length;
	struct bulkhead_filter_entry *filter;

	/* A priority announces itself with handle 0 before its filters. */
	if (message->nlmsg_type != RTM_NEWTFILTER || !traffic->tcm_handle)
		return 0;
	filter = append(vector);
	if (!filter)
		return -ENOMEM;
	filter->priority = TC_H_MAJ(traffic->tcm_info) >> 16;
	for (; RTA_OK(attribute, length); attribute = RTA_NEXT(attribute, length)) {
		if (attribute->rta_type == TCA_KIND)
			copy_text(filter->kind, sizeof(filter->kind), attribute);
		if ((attribute->rta_type & NLA_TYPE_MASK) != TCA_OPTIONS)
			continue;
		inner = RTA_DATA(attribute);
		inner_length = RTA_PAYLOAD(attribute);
		for (; RTA_OK(inner, inner_length); inner = RTA_NEXT(inner, inner_length))
			if (inner->rta_type == TCA_BPF_ID && !strcmp(filter->kind, "bpf"))
				memcpy(&filter->program_id, RTA_DATA(inner), sizeof(filter->program_id));
	}
	return 0;
}

int bulkhead_read_filters(int ifindex, bool egress, struct bulkhead_filter_entry **filters, size_t *count)
{
	struct vector vector = { .size = sizeof(**filters) };
	struct question question = {
		.type = RTM_GETTFILTER, .all = true, .size = sizeof(question.traffic),
		.traffic = {
			.tcm_family = AF_UNSPEC,
			.tcm_ifindex = ifindex,
			.tcm_parent = TC_H_MAKE(TC_H_CLSACT, egress ? TC_H_MIN_EGRESS : TC_H_MIN_INGRESS),
		},
	};
	int error = dump(&question, take_filter, &vector);

	*filters = (struct bulkhead_filter_entry *)vector.bytes;
	*count = vector.count;
	return error;
}
