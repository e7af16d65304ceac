/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Whether a frame is for a station of this host though not for the MAC address of its port's own device: for a macvlan
 * on it (with which VRRP makes its virtual address), a VLAN device with its own address, or a bridge above it. The
 * kernel keeps in each device's `uc` the addresses that devices above it want to receive. The list is read as local.h
 * reads routes.
 */
#ifndef BULKHEAD_STATION_H
#define BULKHEAD_STATION_H

#include "local.h"

/* Addresses of a device that are looked at, at most. */
#define STATIONS_MAX 256

struct station_search {
	struct local_search room;
	void *head; /* of the list, where it ends */
	__u64 mac;
	__u64 wanted;
	__u32 found;
	__u32 pad;
};

_Static_assert(sizeof(struct station_search) <= sizeof(struct local_search_room), "station_search");

static __always_inline bool is_wanted(struct station_search *search, void *address)
{
	search->mac = 0;
	return !bpf_probe_read_kernel(&search->mac, ETH_ALEN, address) && search->mac == search->wanted;
}

static long next_station(__u32 step, struct station_search **context)
{
	struct station_search *search = *context;
	struct netdev_hw_addr___bh *entry;

	(void)step;
	if (!search->room.next || search->room.next == search->head)
		return LOCAL_END;
	entry = search->room.next - bpf_core_field_offset(struct netdev_hw_addr___bh, list);
	search->found = is_wanted(search, (void *)entry + bpf_core_field_offset(struct netdev_hw_addr___bh, addr));
	if (search->found)
		return LOCAL_END;
	return READ(search->room.next, entry->list.next) ? 0 : LOCAL_END;
}

/* Whether a device receives for the wanted address besides its own. */
static __always_inline bool receives(struct station_search *search, struct net_device___bh *device)
{
	search->found = 0;
	search->head = (void *)device + bpf_core_field_offset(struct net_device___bh, uc.list);
	if (device && READ(search->room.next, device->uc.list.next))
		bpf_loop(STATIONS_MAX, next_station, &search, 0);
	return search->found;
}

/* Whether the wanted address is a device's own. */
static __always_inline bool is_address_of(struct station_search *search, struct net_device___bh *device)
{
	return device && READ(search->room.next, device->dev_addr) && is_wanted(search, search->room.next);
}

static __always_inline bool knows_stations(void)
{
	return settings.reads_kernel && bpf_core_field_exists(struct net_device___bh, uc.list) &&
	       bpf_core_field_exists(struct net_device___bh, dev_addr) &&
	       bpf_core_field_exists(struct net_device___bh, adj_list.upper) &&
	       bpf_core_field_exists(struct netdev_adjacent___bh, master) &&
	       bpf_core_field_exists(struct netdev_hw_addr___bh, addr);
}

/* A global function: verified once. */
__noinline int is_station(const struct bh_scratch *here)
{
	struct station_search *search;
	struct net_device___bh *device;
	__u32 slot = 0;

	search = bpf_map_lookup_elem(&local_searches, &slot);
	if (!here || !search || !knows_stations())
		return 0;
	search->wanted = 0;
	__builtin_memcpy(&search->wanted, here->packet.destination_mac, ETH_ALEN);
	device = device_of(&search->room, here->frame);
	if (receives(search, device))
		return 1;
#pragma unroll
	for (int i = 1; i < STACKED_MAX; i++) {
		device = master_of(&search->room, device);
		if (is_address_of(search, device) || receives(search, device))
			return 1;
		JOIN_PATHS();
	}
	return 0;
}

#endif
