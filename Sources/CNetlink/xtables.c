// SPDX-License-Identifier: Apache-2.0
/*
 * The tables of the older iptables and ip6tables. They are asked of a socket, any of the family, and come as one piece:
 * entries of IPv4 or IPv6, one after the other, and where each base chain starts and ends.
 */
#include "cnetlink.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <netinet/in.h>

#include <linux/netfilter.h>
#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netfilter_ipv6/ip6_tables.h>

enum {
	SIZE_MAX_READ = 64 * 1024 * 1024,
	ATTEMPTS = 8,
};

/* Both families ask for the same, by the same numbers and in the same structures, but for the entries themselves. */
_Static_assert(sizeof(struct ipt_getinfo) == sizeof(struct ip6t_getinfo), "struct ipt_getinfo");
_Static_assert(offsetof(struct ipt_get_entries, entrytable) == offsetof(struct ip6t_get_entries, entrytable),
	       "struct ipt_get_entries");
_Static_assert(IPT_SO_GET_INFO == IP6T_SO_GET_INFO && IPT_SO_GET_ENTRIES == IP6T_SO_GET_ENTRIES, "IPT_SO_GET_*");

struct table {
	const char *entries;
	uint32_t size;
	bool is_v4;
	bool *seen; /* by the offset of an entry */
};

/* What an entry says that matters here. */
struct entry {
	uint32_t next;      /* the offset of the entry behind it */
	const char *target; /* the target's name; empty: a verdict */
	int32_t verdict;    /* where it is empty */
};

/* False where the entry does not lie within the table. */
static bool read_entry(const struct table *table, uint32_t offset, struct entry *entry)
{
	size_t head = table->is_v4 ? sizeof(struct ipt_entry) : sizeof(struct ip6t_entry);
	const struct xt_standard_target *target;
	uint16_t target_offset, next_offset;

	if (offset > table->size || table->size - offset < head)
		return false;
	if (table->is_v4) {
		const struct ipt_entry *found = (const void *)(table->entries + offset);

		target_offset = found->target_offset;
		next_offset = found->next_offset;
	} else {
		const struct ip6t_entry *found = (const void *)(table->entries + offset);

		target_offset = found->target_offset;
		next_offset = found->next_offset;
	}
	if (target_offset < head || next_offset > table->size - offset ||
	    target_offset + sizeof(target->target) > next_offset)
		return false;
	target = (const void *)(table->entries + offset + target_offset);
	entry->next = offset + next_offset;
	entry->target = target->target.u.user.name;
	if (entry->target[0])
		return strnlen(entry->target, sizeof(target->target.u.user.name)) < sizeof(target->target.u.user.name);
	if (target_offset + sizeof(*target) > next_offset)
		return false;
	entry->verdict = target->verdict;
	return true;
}

static bool may_drop(const struct entry *entry)
{
	if (!entry->target[0])
		return entry->verdict == -NF_DROP - 1 || entry->verdict == -NF_QUEUE - 1;
	return !strcmp(entry->target, "REJECT") || !strcmp(entry->target, "NFQUEUE") ||
	       !strcmp(entry->target, "SYNPROXY");
}

/*
 * Whether a rule from an offset on may drop, or one of the chains that it goes to. A chain ends where the next one's
 * head stands, and a base chain before `end`. Each entry is looked at once.
 */
static bool chain_may_drop(const struct table *table, uint32_t offset, uint32_t end, uint32_t *open, size_t room)
{
	struct entry entry;
	size_t count = 0;

	for (;;) {
		while (offset < end && !table->seen[offset] && read_entry(table, offset, &entry)) {
			if (!strcmp(entry.target, XT_ERROR_TARGET))
				break;
			table->seen[offset] = true;
			if (may_drop(&entry))
				return true;
			if (!entry.target[0] && entry.verdict >= 0 && count < room)
				open[count++] = (uint32_t)entry.verdict;
			offset = entry.next;
		}
		if (!count)
			return false;
		offset = open[--count];
		end = table->size;
	}
}

static int judge_chains(struct table *table, const struct ipt_getinfo *info, uint8_t *drops)
{
	/* There are no more jumps than entries. */
	uint32_t *open = calloc(info->num_entries + 1, sizeof(*open));
	struct entry policy;

	table->seen = calloc(table->size + 1, sizeof(*table->seen));
	if (!open || !table->seen) {
		free(open);
		free(table->seen);
		return -ENOMEM;
	}
	for (int hook = 0; hook < NF_INET_NUMHOOKS; hook++) {
		if (!(info->valid_hooks >> hook & 1))
			continue;
		memset(table->seen, 0, table->size);
		if (read_entry(table, info->underflow[hook], &policy) && may_drop(&policy))
			drops[hook] = BULKHEAD_OLDER_POLICY;
		else if (chain_may_drop(table, info->hook_entry[hook], info->underflow[hook], open, info->num_entries))
			drops[hook] = BULKHEAD_OLDER_RULE;
	}
	free(open);
	free(table->seen);
	return 0;
}

/* Reads the table once. -EAGAIN: it changed meanwhile. */
static int read_table(int fd, int level, const struct ipt_getinfo *info, uint8_t *drops)
{
	socklen_t size = (socklen_t)(sizeof(struct ipt_get_entries) + info->size);
	struct ipt_get_entries *request = calloc(1, size);
	struct table table = { .size = info->size, .is_v4 = level == IPPROTO_IP };
	int error = 0;

	if (!request)
		return -ENOMEM;
	memcpy(request->name, info->name, sizeof(request->name));
	request->size = info->size;
	if (getsockopt(fd, level, IPT_SO_GET_ENTRIES, request, &size))
		error = -errno;
	table.entries = (const char *)request->entrytable;
	if (!error)
		error = judge_chains(&table, info, drops);
	free(request);
	return error;
}

int bulkhead_read_older_table(uint8_t family, const char *table, uint8_t drops[5])
{
	int level = family == AF_INET ? IPPROTO_IP : IPPROTO_IPV6;
	int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ipt_getinfo info = { 0 };
	socklen_t size = sizeof(info);
	int error = -EAGAIN;

	if (fd < 0)
		return -errno;
	for (int attempt = 0; attempt < ATTEMPTS && error == -EAGAIN; attempt++) {
		memset(drops, BULKHEAD_OLDER_NONE, NF_INET_NUMHOOKS);
		memset(&info, 0, sizeof(info));
		strncat(info.name, table, sizeof(info.name) - 1);
		if (getsockopt(fd, level, IPT_SO_GET_INFO, &info, &size))
			error = -errno;
		else if (info.size > SIZE_MAX_READ)
			error = -E2BIG;
		else
			error = read_table(fd, level, &info, drops);
	}
	close(fd);
	return error;
}
