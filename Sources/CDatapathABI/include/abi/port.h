/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* The image's ports, and the devices that are bound to them. */
#ifndef BULKHEAD_ABI_PORT_H
#define BULKHEAD_ABI_PORT_H

#include <linux/types.h>
#include "limits.h"
#include "words.h"

enum bh_port_flag {
	BH_PORT_ESSENTIALS = 1,
	BH_PORT_NOT_ADMITTED = 2,   /* nothing passes: nobody named the device, or the inventory refuses its guest */
	BH_PORT_SYMMETRIC = 4,      /* all that is not TCP is accepted both ways, so it needs no flows */
	BH_PORT_UNTRACKED = 8,      /* something passes without a flow: symmetric, or by a stateless rule */
	BH_PORT_TCP_STRICT = 16,    /* a TCP segment outside its connection's windows is dropped */
	BH_PORT_HAS_ADDRESSES = 32, /* `v4` and `v6` say what the port's own addresses are; there may be none */
};

/* What a port's record guards against. */
enum bh_guard {
	BH_GUARD_MAC = 1,
	BH_GUARD_IP = 2, /* at a host: its addresses are those that nobody else may claim */
	BH_GUARD_ARP = 4,
	BH_GUARD_ND = 8,
	BH_GUARD_DHCP_SERVER = 16,
	BH_GUARD_RA = 32,
	BH_GUARD_PROMISCUOUS = 64,
	BH_GUARD_DESTINATION = 128,
};

/* One policy entry, as host or as workload. */
struct bh_port {
	__u8 protects;                         /* enum bh_protects */
	__u8 vlan_mode;                        /* enum bh_vlan_mode */
	__u8 defaults[BH_DIRECTION_MAX];       /* enum bh_verdict by direction */
	__u32 flags;                           /* enum bh_port_flag */
	__u32 scopes[BH_DIRECTION_MAX];        /* scope by direction: row of `contexts` */
	__u32 vlans;                           /* offset of u64[BH_VLANS / 64], for BH_VLAN_LIST */
	__u32 name;                            /* offset in `strings` */
	__u32 default_lines[BH_DIRECTION_MAX]; /* where the default is written */
	__u16 default_files[BH_DIRECTION_MAX];
	__u32 line; /* where the entry is written */
	__u16 file;
	__u16 flow_scope; /* the host's part: of a host entry, with BH_SCOPE_ENTRY; 0: the device's id */
	__u32 flow_share; /* flows that one scope may have at a time */
	__u32 guards;     /* enum bh_guard */
	__u32 macs;       /* offset of bh_mac_list, or 0 */
	__u32 v4; /* trie value: class 1 for an address that is bound, 0 for any other; looked up left-aligned */
	__u32 v6;
};

_Static_assert(sizeof(struct bh_port) == 64, "bh_port");

/* What holds a new port of a bridge shut until its packets are judged. */
enum bh_gate {
	BH_GATE_NONE,
	BH_GATE_AUTO, /* whichever this host has */
	BH_GATE_VLAN, /* the port is in no VLAN */
	BH_GATE_NFT,  /* a table of nftables */
	BH_GATE_MAX,
};

/*
 * The devices that a policy entry means, by the names that the policy has. No program reads it: it tells the controller
 * which devices should have programs and have none.
 */
struct bh_selector {
	__u32 entry;          /* offset in `strings`: the entry's name */
	__u32 namespace_name; /* offset in `strings`; the empty text is the controller's own */
	__u32 names;          /* offset in `strings`: names and patterns of devices, or of a bridge, one per line */
	__u16 is_bridge;      /* the members of a bridge are meant */
	__u16 gate;           /* enum bh_gate: what holds new members of the bridge */
};

_Static_assert(sizeof(struct bh_selector) == 16, "bh_selector");

/*
 * The MAC addresses of a port as numbers, the first byte on the wire the highest. Where there are fewer, the first
 * address fills the rest.
 */
struct bh_mac_list {
	__u64 macs[BH_MACS_MAX];
};

_Static_assert(sizeof(struct bh_mac_list) == 128, "bh_mac_list");

/*
 * Set in a device's element of `device_ports`: nothing passes the device. This is changed in an image that is in force,
 * so a port is cut off at once and no packet pays for the question. Port records are few enough to leave the bit free.
 */
#define BH_QUARANTINED 0x8000u

/*
 * What a trial does at a device is noted in its base before it begins. The base heeds it when it is in force again, and
 * only the base of the trial that has ended: struct bh_stamp names it.
 */
enum bh_device_flag {
	BH_DEVICE_OF_SEVERAL = 1,
	BH_DEVICE_SPARED = 2,    /* the trial does not have it: everything passes */
	BH_DEVICE_UNTRACKED = 4, /* the trial passes something here without a flow */
};

/* A device as the loader bound it. All zero where the id is free. */
struct bh_device {
	__u32 ifindex;
	__u16 port;            /* port record + 1 */
	__u8 mode;             /* enum bh_mode */
	__u8 flags;            /* enum bh_device_flag */
	__u64 namespace_inode; /* of its network namespace */
	char name[16];         /* NUL-terminated interface name at the time of the apply */
	/* CLOCK_MONOTONIC nanoseconds since when TCP connections are adopted; 0: none is any more */
	__u64 attached_at;
	/* the same, since a policy was replaced that passed something here without a flow; or 0 */
	__u64 untracked_at;
	char namespace_name[208]; /* as the policy gave it; empty for the controller's own */
};

_Static_assert(sizeof(struct bh_device) == 256, "bh_device");

#endif
