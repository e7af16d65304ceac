// SPDX-License-Identifier: Apache-2.0
/*
 * A table of nftables of the bridge family that lets only devices of a set through the ports of some bridges: what was
 * received by another port, or would be sent by it, is dropped.
 */
#include "cnetlink.h"
#include "netlink.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter_bridge.h>

#define NFT_TYPE(message) (NFNL_SUBSYS_NFTABLES << 8 | (message))

enum {
	NAME_SIZE = 16,
	/* What nft(8) calls these types when it lists the table. */
	TYPE_INDEX = 20,
	TYPE_NAME = 41,
	TYPE_BITS = 6,
	/* Before everything else at these hooks, also before chains that accept. */
	PRIORITY = -500,
	ELEMENTS_AT_A_TIME = 512,
	BATCH_ROOM = 64 * 1024,
	ANSWER_ROOM = 64 * 1024,
};

static const char bridges_set[] = "bridges";
static const char admitted_set[] = "admitted";

/* ---- A batch of requests, which come into force together or not at all ---- */

struct batch {
	struct mnl_socket *socket;
	char *bytes;
	size_t length, room;
	uint32_t requests;
	struct nlmsghdr *last;
	int error;
};

/* Makes room for a message of at most BATCH_ROOM bytes, and begins it. */
static struct nlmsghdr *begin(struct batch *batch, uint16_t type, uint16_t flags, uint8_t family, uint16_t resource)
{
	struct nlmsghdr *message;
	struct nfgenmsg *header;

	if (batch->room - batch->length < BATCH_ROOM) {
		size_t room = 2 * batch->room + 2 * BATCH_ROOM;
		char *bytes = realloc(batch->bytes, room);

		if (!bytes) {
			batch->error = -ENOMEM;
			return NULL;
		}
		batch->bytes = bytes;
		batch->room = room;
	}
	message = mnl_nlmsg_put_header(batch->bytes + batch->length);
	message->nlmsg_type = type;
	message->nlmsg_flags = NLM_F_REQUEST | flags;
	message->nlmsg_seq = ++batch->requests;
	header = mnl_nlmsg_put_extra_header(message, sizeof(*header));
	header->nfgen_family = family;
	header->version = NFNETLINK_V0;
	header->res_id = htons(resource);
	return message;
}

static void end(struct batch *batch, const struct nlmsghdr *message)
{
	batch->length += MNL_ALIGN(message->nlmsg_len);
}

static struct nlmsghdr *request(struct batch *batch, uint16_t type, uint16_t flags)
{
	return batch->error ? NULL : begin(batch, NFT_TYPE(type), flags | NLM_F_ACK, NFPROTO_BRIDGE, 0);
}

static void begin_batch(struct batch *batch)
{
	struct nlmsghdr *message = begin(batch, NFNL_MSG_BATCH_BEGIN, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES);

	if (message)
		end(batch, message);
}

/* Reads the answers: one for each request, and the first error counts. */
static int read_answers(struct batch *batch, uint32_t last)
{
	char *buffer = malloc(ANSWER_ROOM);
	int error = 0;
	bool is_done = false;

	if (!buffer)
		return -ENOMEM;
	while (!is_done && !error) {
		ssize_t length = mnl_socket_recvfrom(batch->socket, buffer, ANSWER_ROOM);
		const struct nlmsghdr *message = (const struct nlmsghdr *)buffer;
		int rest = (int)length;

		if (length < 0) {
			if (errno == EINTR)
				continue;
			error = -errno;
			break;
		}
		for (; mnl_nlmsg_ok(message, rest); message = mnl_nlmsg_next(message, &rest)) {
			const struct nlmsgerr *answer = mnl_nlmsg_get_payload(message);

			if (message->nlmsg_type != NLMSG_ERROR || mnl_nlmsg_get_payload_len(message) < sizeof(*answer))
				continue;
			if (answer->error && !error)
				error = answer->error;
			if (message->nlmsg_seq == last)
				is_done = true;
		}
	}
	free(buffer);
	return error;
}

/* Sends what was put together, and waits until it is in force. */
static int commit(struct batch *batch)
{
	struct timeval patience = { .tv_sec = 10 };
	uint32_t last = batch->requests;
	struct nlmsghdr *message;
	int size;

	if (batch->error)
		return batch->error;
	message = begin(batch, NFNL_MSG_BATCH_END, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES);
	if (!message)
		return batch->error;
	end(batch, message);
	batch->socket = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
	if (!batch->socket)
		return -errno;
	size = (int)batch->length + ANSWER_ROOM;
	setsockopt(mnl_socket_get_fd(batch->socket), SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
	setsockopt(mnl_socket_get_fd(batch->socket), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (mnl_socket_bind(batch->socket, 0, MNL_SOCKET_AUTOPID) ||
	    mnl_socket_sendto(batch->socket, batch->bytes, batch->length) < 0)
		return -errno;
	return read_answers(batch, last);
}

static int finish(struct batch *batch, int error)
{
	if (batch->socket)
		mnl_socket_close(batch->socket);
	free(batch->bytes);
	return error;
}

/* ---- Expressions ---- */

static struct nlattr *put_expression(struct nlmsghdr *message, const char *name, struct nlattr **data)
{
	struct nlattr *element = mnl_attr_nest_start(message, NFTA_LIST_ELEM);

	mnl_attr_put_strz(message, NFTA_EXPR_NAME, name);
	*data = mnl_attr_nest_start(message, NFTA_EXPR_DATA);
	return element;
}

static void end_expression(struct nlmsghdr *message, struct nlattr *element, struct nlattr *data)
{
	mnl_attr_nest_end(message, data);
	mnl_attr_nest_end(message, element);
}

/* Loads what the kernel knows of the packet's device into a register. */
static void put_meta(struct nlmsghdr *message, uint32_t key, uint32_t to)
{
	struct nlattr *data, *element = put_expression(message, "meta", &data);

	mnl_attr_put_u32(message, NFTA_META_DREG, htonl(to));
	mnl_attr_put_u32(message, NFTA_META_KEY, htonl(key));
	end_expression(message, element, data);
}

/* Goes on if what the registers hold is in a set, or if it is not. */
static void put_lookup(struct nlmsghdr *message, const char *set, uint32_t id, bool is_inverted)
{
	struct nlattr *data, *element = put_expression(message, "lookup", &data);

	mnl_attr_put_strz(message, NFTA_LOOKUP_SET, set);
	mnl_attr_put_u32(message, NFTA_LOOKUP_SREG, htonl(NFT_REG32_00));
	mnl_attr_put_u32(message, NFTA_LOOKUP_SET_ID, htonl(id));
	if (is_inverted)
		mnl_attr_put_u32(message, NFTA_LOOKUP_FLAGS, htonl(NFT_LOOKUP_F_INV));
	end_expression(message, element, data);
}

static void put_drop(struct nlmsghdr *message)
{
	struct nlattr *data, *element = put_expression(message, "immediate", &data);
	struct nlattr *value, *verdict;

	mnl_attr_put_u32(message, NFTA_IMMEDIATE_DREG, htonl(NFT_REG_VERDICT));
	value = mnl_attr_nest_start(message, NFTA_IMMEDIATE_DATA);
	verdict = mnl_attr_nest_start(message, NFTA_DATA_VERDICT);
	mnl_attr_put_u32(message, NFTA_VERDICT_CODE, htonl(NF_DROP));
	mnl_attr_nest_end(message, verdict);
	mnl_attr_nest_end(message, value);
	end_expression(message, element, data);
}

/* ---- The table ---- */

enum { BRIDGES_ID = 1, ADMITTED_ID };

static void put_table(struct batch *batch, uint16_t type, const char *table)
{
	struct nlmsghdr *message = request(batch, type, type == NFT_MSG_NEWTABLE ? NLM_F_CREATE : 0);

	if (!message)
		return;
	mnl_attr_put_strz(message, NFTA_TABLE_NAME, table);
	end(batch, message);
}

static void put_set(struct batch *batch, const char *table, const char *name, uint32_t id, uint32_t type, uint32_t size)
{
	struct nlmsghdr *message = request(batch, NFT_MSG_NEWSET, NLM_F_CREATE);

	if (!message)
		return;
	mnl_attr_put_strz(message, NFTA_SET_TABLE, table);
	mnl_attr_put_strz(message, NFTA_SET_NAME, name);
	mnl_attr_put_u32(message, NFTA_SET_ID, htonl(id));
	mnl_attr_put_u32(message, NFTA_SET_KEY_TYPE, htonl(type));
	mnl_attr_put_u32(message, NFTA_SET_KEY_LEN, htonl(size));
	end(batch, message);
}

static void put_chain(struct batch *batch, const char *table, const char *name, uint32_t hook)
{
	struct nlmsghdr *message = request(batch, NFT_MSG_NEWCHAIN, NLM_F_CREATE);
	struct nlattr *nest;

	if (!message)
		return;
	mnl_attr_put_strz(message, NFTA_CHAIN_TABLE, table);
	mnl_attr_put_strz(message, NFTA_CHAIN_NAME, name);
	nest = mnl_attr_nest_start(message, NFTA_CHAIN_HOOK);
	mnl_attr_put_u32(message, NFTA_HOOK_HOOKNUM, htonl(hook));
	mnl_attr_put_u32(message, NFTA_HOOK_PRIORITY, htonl((uint32_t)PRIORITY));
	mnl_attr_nest_end(message, nest);
	mnl_attr_put_u32(message, NFTA_CHAIN_POLICY, htonl(NF_ACCEPT));
	mnl_attr_put_strz(message, NFTA_CHAIN_TYPE, "filter");
	end(batch, message);
}

/* Drops what comes in by, or goes out of, a port that is not admitted. */
static void put_rule(struct batch *batch, const char *table, const char *chain, bool is_out, bool tells_bridges)
{
	struct nlmsghdr *message = request(batch, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND);
	struct nlattr *list, *data, *element;

	if (!message)
		return;
	mnl_attr_put_strz(message, NFTA_RULE_TABLE, table);
	mnl_attr_put_strz(message, NFTA_RULE_CHAIN, chain);
	list = mnl_attr_nest_start(message, NFTA_RULE_EXPRESSIONS);
	if (tells_bridges) {
		put_meta(message, is_out ? NFT_META_BRI_OIFNAME : NFT_META_BRI_IIFNAME, NFT_REG32_00);
		put_lookup(message, bridges_set, BRIDGES_ID, false);
	}
	put_meta(message, is_out ? NFT_META_OIFNAME : NFT_META_IIFNAME, NFT_REG32_00);
	put_meta(message, is_out ? NFT_META_OIF : NFT_META_IIF, NFT_REG32_04);
	put_lookup(message, admitted_set, ADMITTED_ID, true);
	element = put_expression(message, "counter", &data);
	end_expression(message, element, data);
	put_drop(message);
	mnl_attr_nest_end(message, list);
	end(batch, message);
}

static void put_element(struct nlmsghdr *message, const void *key, size_t size)
{
	struct nlattr *element = mnl_attr_nest_start(message, NFTA_LIST_ELEM);
	struct nlattr *nest = mnl_attr_nest_start(message, NFTA_SET_ELEM_KEY);

	mnl_attr_put(message, NFTA_DATA_VALUE, size, key);
	mnl_attr_nest_end(message, nest);
	mnl_attr_nest_end(message, element);
}

/* The keys are what the kernel puts into the registers: the name, and then the number as this machine has numbers. */
static void put_elements(struct batch *batch, const char *table, const char *set, uint32_t id,
			 const struct bulkhead_gate_device *devices, size_t count, size_t size)
{
	for (size_t first = 0; first < count; first += ELEMENTS_AT_A_TIME) {
		struct nlmsghdr *message = request(batch, NFT_MSG_NEWSETELEM, NLM_F_CREATE);
		struct nlattr *list;

		if (!message)
			return;
		mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_TABLE, table);
		mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_SET, set);
		mnl_attr_put_u32(message, NFTA_SET_ELEM_LIST_SET_ID, htonl(id));
		list = mnl_attr_nest_start(message, NFTA_SET_ELEM_LIST_ELEMENTS);
		for (size_t at = first; at < count && at < first + ELEMENTS_AT_A_TIME; at++)
			put_element(message, &devices[at], size);
		mnl_attr_nest_end(message, list);
		end(batch, message);
	}
}

int bulkhead_gate_put(const char *table, const struct bulkhead_gate_device *bridges, size_t bridge_count,
		      const struct bulkhead_gate_device *devices, size_t device_count, bool tells_bridges)
{
	struct batch batch = { 0 };
	const size_t whole = sizeof(struct bulkhead_gate_device);

	begin_batch(&batch);
	/* Removing one that is not there would be an error. */
	put_table(&batch, NFT_MSG_NEWTABLE, table);
	put_table(&batch, NFT_MSG_DELTABLE, table);
	put_table(&batch, NFT_MSG_NEWTABLE, table);
	put_set(&batch, table, bridges_set, BRIDGES_ID, TYPE_NAME, NAME_SIZE);
	put_set(&batch, table, admitted_set, ADMITTED_ID, TYPE_NAME << TYPE_BITS | TYPE_INDEX, whole);
	put_elements(&batch, table, bridges_set, BRIDGES_ID, bridges, bridge_count, NAME_SIZE);
	put_elements(&batch, table, admitted_set, ADMITTED_ID, devices, device_count, whole);
	put_chain(&batch, table, "prerouting", NF_BR_PRE_ROUTING);
	put_chain(&batch, table, "postrouting", NF_BR_POST_ROUTING);
	put_rule(&batch, table, "prerouting", false, tells_bridges);
	put_rule(&batch, table, "postrouting", true, tells_bridges);
	return finish(&batch, commit(&batch));
}

int bulkhead_gate_remove(const char *table)
{
	struct batch batch = { 0 };
	int error;

	begin_batch(&batch);
	put_table(&batch, NFT_MSG_DELTABLE, table);
	error = finish(&batch, commit(&batch));
	return error == -ENOENT ? 0 : error;
}

/* ---- Reading ---- */

struct asked {
	const char *table;
	const char *set;
};

static void put_asked_set(struct nlmsghdr *message, const void *data)
{
	const struct asked *asked = data;

	mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_TABLE, asked->table);
	mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_SET, asked->set);
}

static void put_asked_table(struct nlmsghdr *message, const void *data)
{
	const struct asked *asked = data;

	mnl_attr_put_strz(message, NFTA_RULE_TABLE, asked->table);
}

static int take_element(const struct nlattr *element, void *vector)
{
	struct field key[] = { { NFTA_SET_ELEM_KEY, MNL_TYPE_NESTED } };
	struct field value[] = { { NFTA_DATA_VALUE, MNL_TYPE_UNSPEC } };
	struct bulkhead_gate_device *device;
	size_t size;

	if (netlink_find_nested_fields(element, FIELDS(key)) < 0 ||
	    netlink_find_nested_fields(key->found, FIELDS(value)) < 0)
		return MNL_CB_ERROR;
	if (!value->found)
		return MNL_CB_OK;
	device = netlink_append(vector);
	if (!device)
		return MNL_CB_ERROR;
	size = mnl_attr_get_payload_len(value->found);
	memcpy(device, mnl_attr_get_payload(value->found), size < sizeof(*device) ? size : sizeof(*device));
	return MNL_CB_OK;
}

static int take_elements(const struct nlmsghdr *message, void *vector)
{
	struct field list[] = { { NFTA_SET_ELEM_LIST_ELEMENTS, MNL_TYPE_NESTED } };

	if (netlink_find_fields(message, sizeof(struct nfgenmsg), FIELDS(list)) < 0)
		return MNL_CB_ERROR;
	return list->found ? mnl_attr_parse_nested(list->found, take_element, vector) : MNL_CB_OK;
}

int bulkhead_gate_read(const char *table, bool of_bridges, struct bulkhead_gate_device **devices, size_t *count)
{
	struct nfgenmsg bridge = { .nfgen_family = NFPROTO_BRIDGE, .version = NFNETLINK_V0 };
	struct asked asked = { table, of_bridges ? bridges_set : admitted_set };

	return netlink_list(&(struct question){ .type = NFT_TYPE(NFT_MSG_GETSETELEM),
						.answer = NFT_TYPE(NFT_MSG_NEWSETELEM),
						.header = &bridge,
						.size = sizeof(bridge),
						.put = put_asked_set,
						.data = &asked,
						.bus = NETLINK_NETFILTER,
						.most = BULKHEAD_NFTABLES_LIST_MAX },
			    take_elements, sizeof(**devices), devices, count);
}

static int take_shape(const struct nlattr *expression, void *data)
{
	struct field name[] = { { NFTA_EXPR_NAME, MNL_TYPE_STRING } };
	struct bulkhead_gate_rule *rule = data;
	char text[32] = "";

	if (netlink_find_nested_fields(expression, FIELDS(name)) < 0)
		return MNL_CB_ERROR;
	netlink_copy_text(text, sizeof(text), name->found);
	if (rule->shape[0])
		strncat(rule->shape, " ", sizeof(rule->shape) - strlen(rule->shape) - 1);
	strncat(rule->shape, text, sizeof(rule->shape) - strlen(rule->shape) - 1);
	return MNL_CB_OK;
}

static int take_gate_rule(const struct nlmsghdr *message, void *vector)
{
	enum { CHAIN, EXPRESSIONS };
	struct field fields[] = {
		[CHAIN] = { NFTA_RULE_CHAIN, MNL_TYPE_STRING },
		[EXPRESSIONS] = { NFTA_RULE_EXPRESSIONS, MNL_TYPE_NESTED },
	};
	struct bulkhead_gate_rule *rule;

	if (netlink_find_fields(message, sizeof(struct nfgenmsg), FIELDS(fields)) < 0)
		return MNL_CB_ERROR;
	rule = netlink_append(vector);
	if (!rule)
		return MNL_CB_ERROR;
	netlink_copy_text(rule->chain, sizeof(rule->chain), fields[CHAIN].found);
	return fields[EXPRESSIONS].found ? mnl_attr_parse_nested(fields[EXPRESSIONS].found, take_shape, rule) :
					   MNL_CB_OK;
}

int bulkhead_gate_read_rules(const char *table, struct bulkhead_gate_rule **rules, size_t *count)
{
	struct nfgenmsg bridge = { .nfgen_family = NFPROTO_BRIDGE, .version = NFNETLINK_V0 };
	struct asked asked = { table, NULL };

	return netlink_list(&(struct question){ .type = NFT_TYPE(NFT_MSG_GETRULE),
						.answer = NFT_TYPE(NFT_MSG_NEWRULE),
						.header = &bridge,
						.size = sizeof(bridge),
						.put = put_asked_table,
						.data = &asked,
						.bus = NETLINK_NETFILTER,
						.most = BULKHEAD_NFTABLES_LIST_MAX },
			    take_gate_rule, sizeof(**rules), rules, count);
}
