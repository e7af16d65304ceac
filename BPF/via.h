/* SPDX-License-Identifier: GPL-2.0-only */
/* Where a packet came from that the host sends on: what `via` asks. */
#ifndef BULKHEAD_VIA_H
#define BULKHEAD_VIA_H

#include "port.h"
#include "question.h"

/* The place in `via_classes` of a device of the namespace that the packet is in. */
static __noinline __u32 via_device(const struct image *image, const struct bh_scratch *here)
{
	__u64 inode = device_record(image, here)->namespace_inode;
	__u32 first = bh_link_place(here->came_from, inode);

	for (__u32 i = 0; i < BH_LINK_TRIES; i++) {
		__u16 id = *IMAGE_ELEMENT(image, image->header->links, (first + i) & (BH_LINKS - 1), __u16) &
			   (BH_DEVICES_MAX - 1);
		const struct bh_device *device = IMAGE_ELEMENT(image, image->header->devices, id, struct bh_device);
		__u16 port;

		if (!id)
			break;
		if (device->ifindex == here->came_from && device->namespace_inode == inode) {
			port = *IMAGE_ELEMENT(image, image->header->device_ports, id, __u16) & ~BH_QUARANTINED;
			return port ? BH_VIA_RECORD + port - 1 : BH_VIA_NOWHERE;
		}
		JOIN_PATHS();
	}
	return BH_VIA_NOWHERE;
}

/* Where the packet itself came from. */
static __always_inline __u32 via_of_packet(const struct image *image, const struct bh_scratch *here)
{
	if (settings.simulates)
		return here->came_from;
	return here->came_from ? via_device(image, here) : BH_VIA_HOST;
}

/*
 * Where what the rules are asked about came from. Of the opening packet of a flow it is known while the packet goes the
 * same way. Else a flow is not ended for it; and nothing new is let pass.
 */
static __always_inline __u32 via_of_subject(const struct image *image, struct bh_scratch *here)
{
	bool sends = here->came_from != BH_NONE;
	bool same_way = here->asked_direction == here->judgement.direction;

	/* The host sends in one of a port's directions alone. */
	if (sends != same_way)
		return BH_VIA_NOWHERE;
	/* An error comes from elsewhere than what it is about. */
	if (sends && (here->question == ASK_PACKET || here->question == ASK_BEFORE ||
		      (here->question == ASK_OPENING && !is_error(&here->packet))))
		return via_of_packet(image, here);
	here->via_open = 1;
	return here->question == ASK_ADOPTED || here->question == ASK_QUOTED ? BH_VIA_DENIED : BH_VIA_GRANTED;
}

static __always_inline __u32 via_class(const struct image *image, struct bh_scratch *here)
{
	here->asked_via = 1;
	return *IMAGE_ELEMENT(image, image->header->via_classes, via_of_subject(image, here), __u16);
}

#endif
