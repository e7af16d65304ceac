/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What rtnetlink says of the calling thread's network namespace: its devices, their addresses, and the programs and
 * filters on them.
 *
 * A call returns 0, or a negative errno. It returns -EAGAIN where the answer changed while it was read, time and again.
 * An array that a call returns belongs to the caller, who releases it with free(3). On an error it is NULL. Numbers are
 * in host byte order. MAC and IP addresses are bytes in network order. A text ends with a NUL; one that is longer than
 * its room is cut.
 */
#ifndef BULKHEAD_CNETLINK_H
#define BULKHEAD_CNETLINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- Namespaces ---- */

/* setns(2) with the network namespace that `fd` is open on, for the calling thread alone. `fd` stays the caller's. */
int bulkhead_enter_network_namespace(int fd);

/* ---- Devices ---- */

enum {
	BULKHEAD_ARPHRD_ETHER = 1,
	BULKHEAD_ARPHRD_LOOPBACK = 772,
};

struct bulkhead_interface {
	uint32_t index;
	uint32_t master;        /* 0: none */
	uint16_t hardware_type; /* ARPHRD_* */
	uint8_t has_mac;
	uint8_t mac[6];
	uint8_t is_routed; /* an ipvlan in mode l3s */
	char name[16];
	char kind[32]; /* IFLA_INFO_KIND: "veth", "tun", "bridge", ... or empty */
};

struct bulkhead_address {
	uint32_t index;
	uint8_t family; /* AF_INET, AF_INET6 */
	uint8_t prefix_length;
	uint8_t bytes[16]; /* network byte order; the first 4 for AF_INET */
};

/* A further name of a device: as good as its own, and up to 127 bytes long. */
struct bulkhead_alternative_name {
	uint32_t index;
	char name[128];
};

int bulkhead_read_interfaces(struct bulkhead_interface **interfaces, size_t *count);
int bulkhead_read_alternative_names(struct bulkhead_alternative_name **names, size_t *count);
int bulkhead_read_addresses(struct bulkhead_address **addresses, size_t *count);

/* ---- Programs and filters ---- */

/* Id of the program on the XDP hook, whatever its mode; 0: there is none. libbpf's own query lists all devices. */
int bulkhead_xdp_program(int ifindex, uint32_t *id);

struct bulkhead_filter_entry {
	uint32_t priority;
	uint32_t program_id; /* 0: the filter is not a BPF program */
	char kind[32];       /* "bpf", "flower", ... */
};

/* The filters of a clsact hook, first to run first. There are none where there is no qdisc. */
int bulkhead_read_filters(int ifindex, bool egress, struct bulkhead_filter_entry **filters, size_t *count);

#endif
