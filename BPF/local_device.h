/* SPDX-License-Identifier: GPL-2.0-only */
/* The device that a frame is at, and the devices that belong to it. */
#ifndef BULKHEAD_LOCAL_DEVICE_H
#define BULKHEAD_LOCAL_DEVICE_H

#include <bpf/bpf_endian.h>
#include "local_search.h"

/* "vrf", as the kernel names the kind of a device. */
enum { VRF_KIND = 0x76726600 };

/* The device that the frame is at. */
static __always_inline struct net_device___bh *device_of(struct local_search *search, __u64 address)
{
#ifdef FRAME_IS_XDP
	struct xdp_buff___bh *frame = (void *)address;
	struct xdp_rxq_info___bh *queue;

	if (!READ(search->next, frame->rxq))
		return 0;
	queue = search->next;
	return READ(search->next, queue->dev) ? search->next : 0;
#else
	struct sk_buff___bh *frame = (void *)address;

	return READ(search->next, frame->dev) ? search->next : 0;
#endif
}

/* The device that another one is a part of. */
static __always_inline struct net_device___bh *master_of(struct local_search *search, struct net_device___bh *device)
{
	struct netdev_adjacent___bh *upper;
	__u32 list = bpf_core_field_offset(struct net_device___bh, adj_list.upper);

	if (!device || !READ(search->next, device->adj_list.upper.next) || search->next == (void *)device + list)
		return 0;
	upper = search->next - bpf_core_field_offset(struct netdev_adjacent___bh, list);
	if (!READ(search->type, upper->master) || !search->type || !READ(search->next, upper->dev))
		return 0;
	return search->next;
}

/* The device that another one is made of, a VLAN device for instance. */
static __always_inline struct net_device___bh *lower_of(struct local_search *search, struct net_device___bh *device)
{
	struct netdev_adjacent___bh *lower;
	__u32 list = bpf_core_field_offset(struct net_device___bh, adj_list.lower);

	if (!device || !READ(search->next, device->adj_list.lower.next) || search->next == (void *)device + list)
		return 0;
	lower = search->next - bpf_core_field_offset(struct netdev_adjacent___bh, list);
	return READ(search->next, lower->dev) ? search->next : 0;
}

/* The number of a VRF's table of routes; 0 where the device is not a VRF. */
static __always_inline __u32 vrf_table(struct local_search *search, struct net_device___bh *device)
{
	struct rtnl_link_ops___bh *ops;
	__u32 size, offset;

	if (!device || !READ(search->next, device->rtnl_link_ops) || !search->next)
		return 0;
	ops = search->next;
	if (!READ(search->next, ops->kind) || bpf_probe_read_kernel(&search->number, 4, search->next) ||
	    search->number != bpf_htonl(VRF_KIND))
		return 0;
	/* A device's private data follows struct net_device, at the next multiple of 32 bytes. */
	size = (bpf_core_type_size(struct net_device___bh) + 31) & ~31;
	/*
	 * Where the VRF driver was not there when the program was loaded: behind three pointers, where it has been ever
	 * since there are VRFs of IPv6.
	 */
	offset = 3 * sizeof(void *);
	if (bpf_core_field_exists(struct net_vrf___bh, tb_id))
		offset = bpf_core_field_offset(struct net_vrf___bh, tb_id);
	if (bpf_probe_read_kernel(&search->number, 4, (void *)device + size + offset))
		return 0;
	return search->number;
}

/*
 * Whether the owner of a link-local address is the port's device, or one that this is a part of, or one that is made of
 * either.
 */
static __always_inline bool is_on_link(struct local_search *search)
{
	struct net_device___bh *owner = search->owner, *lower = lower_of(search, owner);

	for (int i = 0; i < STACKED_MAX; i++) {
		if (search->devices[i] && (search->devices[i] == owner || search->devices[i] == lower))
			return true;
	}
	return false;
}

#endif
