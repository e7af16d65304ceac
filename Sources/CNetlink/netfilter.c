// SPDX-License-Identifier: Apache-2.0
/* The chains of nftables, which iptables-nft fills too, and what their rules may do to a packet. */
#include "cnetlink.h"
#include "netlink.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#define NFT_TYPE(message) (NFNL_SUBSYS_NFTABLES << 8 | (message))

static int list_of_nftables(const uint16_t types[2], mnl_cb_t take, size_t size, void *list, size_t *count)
{
	struct nfgenmsg all = { .nfgen_family = AF_UNSPEC, .version = NFNETLINK_V0 };
	int error = netlink_list(&(struct question){ .type = NFT_TYPE(types[0]),
						     .answer = NFT_TYPE(types[1]),
						     .header = &all,
						     .size = sizeof(all),
						     .bus = NETLINK_NETFILTER,
						     .most = BULKHEAD_NFTABLES_LIST_MAX },
				 take, size, list, count);

	/* A kernel without nftables has none of its chains. */
	return error == -EINVAL || error == -EPROTONOSUPPORT || error == -EOPNOTSUPP ? 0 : error;
}

/* ---- Chains ---- */

static int take_hook(const struct nlattr *hook, struct bulkhead_chain *chain)
{
	enum { NUMBER, PRIORITY, DEVICE };
	struct field fields[] = {
		[NUMBER] = { NFTA_HOOK_HOOKNUM, MNL_TYPE_U32 },
		[PRIORITY] = { NFTA_HOOK_PRIORITY, MNL_TYPE_U32 },
		[DEVICE] = { NFTA_HOOK_DEV, MNL_TYPE_STRING },
	};

	if (netlink_find_nested_fields(hook, FIELDS(fields)) < 0)
		return MNL_CB_ERROR;
	if (!fields[NUMBER].found)
		return MNL_CB_OK;
	chain->is_base = 1;
	chain->hook = ntohl(mnl_attr_get_u32(fields[NUMBER].found));
	if (fields[PRIORITY].found)
		chain->priority = (int32_t)ntohl(mnl_attr_get_u32(fields[PRIORITY].found));
	netlink_copy_text(chain->device, sizeof(chain->device), fields[DEVICE].found);
	return MNL_CB_OK;
}

static int take_chain(const struct nlmsghdr *message, void *vector)
{
	enum { TABLE, NAME, HOOK, POLICY };
	struct field fields[] = {
		[TABLE] = { NFTA_CHAIN_TABLE, MNL_TYPE_STRING },
		[NAME] = { NFTA_CHAIN_NAME, MNL_TYPE_STRING },
		[HOOK] = { NFTA_CHAIN_HOOK, MNL_TYPE_NESTED },
		[POLICY] = { NFTA_CHAIN_POLICY, MNL_TYPE_U32 },
	};
	const struct nfgenmsg *header = mnl_nlmsg_get_payload(message);
	struct bulkhead_chain *chain;

	if (netlink_find_fields(message, sizeof(*header), FIELDS(fields)) < 0)
		return MNL_CB_ERROR;
	chain = netlink_append(vector);
	if (!chain)
		return MNL_CB_ERROR;
	chain->family = header->nfgen_family;
	netlink_copy_text(chain->table, sizeof(chain->table), fields[TABLE].found);
	netlink_copy_text(chain->name, sizeof(chain->name), fields[NAME].found);
	chain->drops = fields[POLICY].found && ntohl(mnl_attr_get_u32(fields[POLICY].found)) == NF_DROP;
	return take_hook(fields[HOOK].found, chain);
}

int bulkhead_read_chains(struct bulkhead_chain **chains, size_t *count)
{
	static const uint16_t types[] = { NFT_MSG_GETCHAIN, NFT_MSG_NEWCHAIN };

	return list_of_nftables(types, take_chain, sizeof(**chains), chains, count);
}

/* ---- Rules ---- */

/* The verdict of an immediate value, where it is one. */
static int take_immediate(const struct nlattr *data, struct bulkhead_chain_rule *rule)
{
	enum { CODE, CHAIN };
	struct field value[] = { { NFTA_IMMEDIATE_DATA, MNL_TYPE_NESTED } };
	struct field verdict[] = { { NFTA_DATA_VERDICT, MNL_TYPE_NESTED } };
	struct field fields[] = {
		[CODE] = { NFTA_VERDICT_CODE, MNL_TYPE_U32 },
		[CHAIN] = { NFTA_VERDICT_CHAIN, MNL_TYPE_STRING },
	};
	int32_t code;

	if (netlink_find_nested_fields(data, FIELDS(value)) < 0 ||
	    netlink_find_nested_fields(value->found, FIELDS(verdict)) < 0 ||
	    netlink_find_nested_fields(verdict->found, FIELDS(fields)) < 0)
		return MNL_CB_ERROR;
	if (!fields[CODE].found)
		return MNL_CB_OK;
	code = (int32_t)ntohl(mnl_attr_get_u32(fields[CODE].found));
	if (code == NFT_JUMP || code == NFT_GOTO)
		netlink_copy_text(rule->target, sizeof(rule->target), fields[CHAIN].found);
	else if (code >= 0 && ((code & NF_VERDICT_MASK) == NF_DROP || (code & NF_VERDICT_MASK) == NF_QUEUE))
		rule->drops = 1;
	return MNL_CB_OK;
}

/* A map of verdicts may hold any of them. */
static int take_lookup(const struct nlattr *data, struct bulkhead_chain_rule *rule)
{
	struct field target[] = { { NFTA_LOOKUP_DREG, MNL_TYPE_U32 } };

	if (netlink_find_nested_fields(data, FIELDS(target)) < 0)
		return MNL_CB_ERROR;
	if (target->found && ntohl(mnl_attr_get_u32(target->found)) == NFT_REG_VERDICT)
		rule->drops = 1;
	return MNL_CB_OK;
}

static int take_expression(const struct nlattr *expression, void *data)
{
	enum { NAME, DATA };
	struct field fields[] = {
		[NAME] = { NFTA_EXPR_NAME, MNL_TYPE_STRING },
		[DATA] = { NFTA_EXPR_DATA, MNL_TYPE_NESTED },
	};
	struct bulkhead_chain_rule *rule = data;
	char name[32] = "";

	if (mnl_attr_get_type(expression) != NFTA_LIST_ELEM)
		return MNL_CB_OK;
	if (netlink_find_nested_fields(expression, FIELDS(fields)) < 0)
		return MNL_CB_ERROR;
	netlink_copy_text(name, sizeof(name), fields[NAME].found);
	if (!strcmp(name, "reject") || !strcmp(name, "queue") || !strcmp(name, "target") || !strcmp(name, "synproxy") ||
	    !strcmp(name, "fwd"))
		rule->drops = 1;
	if (!strcmp(name, "immediate"))
		return take_immediate(fields[DATA].found, rule);
	return strcmp(name, "lookup") ? MNL_CB_OK : take_lookup(fields[DATA].found, rule);
}

static int take_rule(const struct nlmsghdr *message, void *vector)
{
	enum { TABLE, CHAIN, EXPRESSIONS };
	struct field fields[] = {
		[TABLE] = { NFTA_RULE_TABLE, MNL_TYPE_STRING },
		[CHAIN] = { NFTA_RULE_CHAIN, MNL_TYPE_STRING },
		[EXPRESSIONS] = { NFTA_RULE_EXPRESSIONS, MNL_TYPE_NESTED },
	};
	const struct nfgenmsg *header = mnl_nlmsg_get_payload(message);
	struct bulkhead_chain_rule rule = { .family = header->nfgen_family };
	struct bulkhead_chain_rule *place;

	if (netlink_find_fields(message, sizeof(*header), FIELDS(fields)) < 0)
		return MNL_CB_ERROR;
	if (!fields[EXPRESSIONS].found)
		return MNL_CB_OK;
	if (mnl_attr_parse_nested(fields[EXPRESSIONS].found, take_expression, &rule) < 0)
		return MNL_CB_ERROR;
	/* Most rules accept or count. */
	if (!rule.drops && !rule.target[0])
		return MNL_CB_OK;
	netlink_copy_text(rule.table, sizeof(rule.table), fields[TABLE].found);
	netlink_copy_text(rule.chain, sizeof(rule.chain), fields[CHAIN].found);
	place = netlink_append(vector);
	if (!place)
		return MNL_CB_ERROR;
	*place = rule;
	return MNL_CB_OK;
}

int bulkhead_read_chain_rules(struct bulkhead_chain_rule **rules, size_t *count)
{
	static const uint16_t types[] = { NFT_MSG_GETRULE, NFT_MSG_NEWRULE };

	return list_of_nftables(types, take_rule, sizeof(**rules), rules, count);
}
