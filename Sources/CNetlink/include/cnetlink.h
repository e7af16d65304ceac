/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What rtnetlink says of the calling thread's network namespace: its devices, their addresses, how they are joined,
 * the way that a packet takes, and the programs and filters on them.
 *
 * A call returns 0, or a negative errno. It returns -EAGAIN where the answer changed while it was read, time and again.
 * An array that a call returns belongs to the caller, who releases it with free(3). On an error it is NULL. Where there
 * is more than an array may hold, it has what came first, and the call returns BULKHEAD_CUT: who rules a namespace may
 * fill it, and must not use up the memory of who looks into it. Numbers are in host byte order. MAC and IP addresses
 * are bytes in network order. A text ends with a NUL; one that is longer than its room is cut.
 */
#ifndef BULKHEAD_CNETLINK_H
#define BULKHEAD_CNETLINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	BULKHEAD_LIST_MAX = 1 << 18, /* elements of an array, and answers that are read for it */
	/*
	 * The same of nftables: for each batch of answers the kernel walks its list of rules from the first one on, and
	 * 262,144 rules take it half a minute.
	 */
	BULKHEAD_NFTABLES_LIST_MAX = 1 << 16,
	BULKHEAD_CUT = 1,
};

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
	uint32_t xdp_program;   /* its id; 0: none */
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

/* ---- How devices are joined ---- */

enum { BULKHEAD_SAME_NAMESPACE = -1 };

struct bulkhead_link {
	uint32_t index;
	uint32_t master;         /* the bridge or bond that it is a member of; 0: none */
	uint32_t lower;          /* the device below, or the other end of a veth; 0: none */
	int32_t lower_namespace; /* the id of the namespace that it is in, or BULKHEAD_SAME_NAMESPACE */
	uint32_t active_member;  /* of a bond; 0: none */
	uint16_t vlan;           /* the tag of a VLAN device */
	uint8_t has_mac;
	uint8_t mac[6];
	uint8_t is_up;
	uint8_t is_loopback;
	uint8_t filters_vlans; /* a bridge that does */
	uint16_t default_vlan; /* of a bridge: what its new members get; 0: none */
	uint8_t calls_v4;      /* a bridge that hands IPv4 packets to the chains of the IP layer */
	uint8_t calls_v6;
	uint8_t bond_mode;     /* BOND_MODE_* */
	uint8_t is_forwarding; /* a member of a bridge, as are the next two */
	uint8_t is_hairpin;
	uint8_t is_isolated;
	char name[16];
	char kind[32];
};

int bulkhead_read_links(struct bulkhead_link **links, size_t *count);

/* A VLAN that a member of a bridge, or the bridge itself, is in. */
struct bulkhead_bridge_vlan {
	uint32_t index;
	uint16_t tag;
	uint8_t is_default;  /* of frames without a tag */
	uint8_t is_untagged; /* frames leave without the tag */
};

int bulkhead_read_bridge_vlans(struct bulkhead_bridge_vlan **vlans, size_t *count);

/* What the calling thread's namespace calls the one that `fd` is open on; BULKHEAD_SAME_NAMESPACE: it has no id. */
int bulkhead_namespace_id(int fd, int32_t *id);

/* ---- Who is where ---- */

struct bulkhead_neighbour {
	uint32_t index;
	uint8_t family;
	uint8_t address[16];
	uint8_t mac[6];
};

/* The neighbours whose MAC address is known. */
int bulkhead_read_neighbours(struct bulkhead_neighbour **neighbours, size_t *count);

/* What a bridge knows of a MAC address. */
struct bulkhead_station {
	uint32_t bridge;
	uint32_t index; /* the member that it is behind */
	uint16_t vlan;  /* 0: none */
	uint8_t mac[6];
	uint8_t is_local; /* frames for it go to the host itself */
};

int bulkhead_read_stations(struct bulkhead_station **stations, size_t *count);

/* ---- Routes ---- */

struct bulkhead_packet {
	uint8_t family;
	uint8_t protocol;
	uint8_t has_source;
	uint8_t source[16];
	uint8_t destination[16];
	uint16_t source_port; /* 0: none, as the other */
	uint16_t destination_port;
	uint32_t input; /* the device that it comes in by; 0: this host sends it */
};

struct bulkhead_next_hop {
	uint32_t device;
	uint8_t family; /* of the gateway; 0: the destination is on the link */
	uint8_t gateway[16];
};

/*
 * The route that the kernel takes for a packet, by its rules and tables: the route's type (RTN_*) and its next hops.
 * The errors are the kernel's, such as -ENETUNREACH where there is none.
 */
int bulkhead_ask_route(const struct bulkhead_packet *packet, uint8_t *type, struct bulkhead_next_hop **hops,
		       size_t *count);

enum { BULKHEAD_ALL_DEVICES = -1 };

/* Whether what comes in by a device is forwarded. */
struct bulkhead_forwarding {
	int32_t index; /* or BULKHEAD_ALL_DEVICES */
	uint8_t family;
	uint8_t is_on;
	uint8_t reverse_path_filter; /* 0: none, 1: strict, 2: loose */
	uint8_t is_proxy;            /* answers for the addresses of others */
};

int bulkhead_read_forwarding(uint8_t family, struct bulkhead_forwarding **all, size_t *count);

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

/* ---- nftables ---- */

/* A chain. Names that are longer than their room are cut. */
struct bulkhead_chain {
	uint8_t family; /* NFPROTO_* */
	uint8_t is_base;
	uint8_t drops; /* what no rule of it decides */
	uint32_t hook; /* of a base chain, as are the next two */
	int32_t priority;
	char device[16];
	char table[128];
	char name[128];
};

int bulkhead_read_chains(struct bulkhead_chain **chains, size_t *count);

/* A rule that may drop, or that goes to another chain. */
struct bulkhead_chain_rule {
	uint8_t family;
	uint8_t drops; /* or may, as a map of verdicts does */
	char table[128];
	char chain[128];
	char target[128]; /* the chain that it goes to, or empty */
};

int bulkhead_read_chain_rules(struct bulkhead_chain_rule **rules, size_t *count);

/* ---- The older iptables ---- */

enum bulkhead_older_drop {
	BULKHEAD_OLDER_NONE,   /* the table has no such chain, or nothing of it drops */
	BULKHEAD_OLDER_RULE,   /* a rule of it may drop, or of a chain that it goes to */
	BULKHEAD_OLDER_POLICY, /* what no rule decides is dropped */
};

/*
 * What the base chains of a table of iptables (AF_INET) or ip6tables (AF_INET6) may do to a packet: one enum
 * bulkhead_older_drop for each of the five hooks, NF_INET_*. The kernel makes a table that it knows, if it was not
 * there. -E2BIG: the table is too large to be read.
 */
int bulkhead_read_older_table(uint8_t family, const char *table, uint8_t drops[5]);

/* ---- The gate of a bridge, in nftables ---- */

/* A device as nftables knows it at a hook: a key of a set, so nothing may stand between the two. */
struct bulkhead_gate_device {
	char name[16];  /* filled up with NULs */
	uint32_t index; /* not used for a bridge */
};
_Static_assert(sizeof(struct bulkhead_gate_device) == 20, "bulkhead_gate_device");

/*
 * Makes a table of the bridge family, in one step in place of one of the same name: what a device receives that is not
 * among `devices`, and what would be sent by it, is dropped, if it is a member of one of the bridges. Where
 * `tells_bridges` is false, members of all bridges of the namespace are held.
 * -EOPNOTSUPP: this kernel cannot tell the bridge of a packet; or it has no nftables for bridges.
 */
int bulkhead_gate_put(const char *table, const struct bulkhead_gate_device *bridges, size_t bridge_count,
		      const struct bulkhead_gate_device *devices, size_t device_count, bool tells_bridges);

/* Removes it; it need not be there. */
int bulkhead_gate_remove(const char *table);

/* The devices, or the bridges, of a table. -ENOENT: there is no such table, or not this set in it. */
int bulkhead_gate_read(const char *table, bool of_bridges, struct bulkhead_gate_device **devices, size_t *count);

/* A rule of a table: its chain, and the names of its expressions. */
struct bulkhead_gate_rule {
	char chain[32];
	char shape[128];
};

int bulkhead_gate_read_rules(const char *table, struct bulkhead_gate_rule **rules, size_t *count);

/* ---- The VLANs of a bridge ---- */

int bulkhead_set_vlan_filtering(uint32_t bridge, bool is_on);

/* The VLAN that a new member gets; 0: none. The kernel refuses it while the bridge filters. */
int bulkhead_set_default_vlan(uint32_t bridge, uint16_t tag);

struct bulkhead_vlan_change {
	uint32_t index;
	uint16_t first;
	uint16_t last;     /* of a range */
	uint8_t is_bridge; /* the bridge itself; else a member of one */
	uint8_t removes;
	uint8_t is_default; /* frames without a tag are in it, and leave without one */
};

int bulkhead_change_vlans(const struct bulkhead_vlan_change *change);

/* ---- Events ---- */

enum bulkhead_event_source {
	BULKHEAD_LINK_EVENTS,
	BULKHEAD_NFTABLES_EVENTS,
};

/*
 * A socket that gets what happens in the calling thread's namespace from now on, also when the thread is elsewhere
 * later: a descriptor for poll(2), which the caller closes, or a negative errno. It never blocks.
 */
int bulkhead_open_events(enum bulkhead_event_source source);

/* What a device is after something happened to it. */
struct bulkhead_device_event {
	uint32_t index;
	uint32_t master;
	uint8_t is_gone;
	char name[16];
};

/*
 * Takes the events that wait. More may wait afterwards. Returns BULKHEAD_CUT where some are missing, because the
 * kernel had no room for them: what they told must be read anew.
 */
int bulkhead_read_device_events(int fd, struct bulkhead_device_event **events, size_t *count);

/* The same of nftables: whether something happened to a table of this name, in whatever family. */
int bulkhead_read_table_events(int fd, const char *table, bool *is_touched);

#endif
