/* SPDX-License-Identifier: GPL-2.0-only */
/* The port that a packet is at: its record in an image, and which way the packet crosses it. */
#ifndef BULKHEAD_PORT_H
#define BULKHEAD_PORT_H

#include "image.h"

struct found_port {
	const struct bh_port *port;
	__u32 record; /* its number */
	bool is_quarantined;
};

/*
 * Finds the record of the packet's port in an image; false where it has none. The answer is not a null pointer, because
 * the verifier would then follow more paths.
 */
static __always_inline bool find_port(const struct image *image, const struct bh_scratch *here,
				      struct found_port *found)
{
	__u16 entry = *IMAGE_ELEMENT(image, image->header->device_ports, here->device & (BH_DEVICES_MAX - 1), __u16);

	if (!entry)
		return false;
	found->is_quarantined = entry & BH_QUARANTINED;
	found->record = (entry & ~BH_QUARANTINED) - 1;
	found->port = IMAGE_ELEMENT(image, image->header->ports, found->record, struct bh_port);
	return true;
}

/* The device's record in an image. */
static __always_inline const struct bh_device *device_record(const struct image *image, const struct bh_scratch *here)
{
	return IMAGE_ELEMENT(image, image->header->devices, here->device & (BH_DEVICES_MAX - 1), struct bh_device);
}

/* Whether a packet in this direction says who sends it, as guards ask: what comes to a host, or from a guest. */
static __always_inline bool is_claiming(const struct bh_port *port, enum bh_direction direction)
{
	return direction == (port->protects == BH_HOST ? BH_IN : BH_OUT);
}

/* Ingress of a host's device is `in`; ingress of a workload's device is what the guest sends, `out`. */
static __always_inline enum bh_direction direction_of(enum bh_hook hook, __u8 protects)
{
	bool egress = hook == BH_HOOK_TC_EGRESS;

	return egress == (protects == BH_WORKLOAD) ? BH_IN : BH_OUT;
}

#endif
