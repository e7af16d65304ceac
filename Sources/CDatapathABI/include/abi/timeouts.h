/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* How long things last that time ends. */
#ifndef BULKHEAD_ABI_TIMEOUTS_H
#define BULKHEAD_ABI_TIMEOUTS_H

/* Seconds after which a flow that is not seen is gone. */
enum {
	BH_SECONDS_OPENING = 30,
	BH_SECONDS_ANSWERED_TCP = 60,
	BH_SECONDS_ANSWERED = 120,
	BH_SECONDS_ESTABLISHED_TCP = 7500, /* and SCTP; RFC 5382 asks for 2 h 4 min */
	BH_SECONDS_ESTABLISHED = 180,      /* UDP, ICMP and all else */
	BH_SECONDS_CLOSING = 120,
	BH_SECONDS_CLOSED = 10,  /* after a reset, or one that is in doubt */
	BH_SECONDS_ATTEMPT = 30, /* that a flow stays at least after a SYN came over it */
};

/* Seconds for which what the rules said of a flow is believed, and other times. */
enum {
	BH_LAPSE_SECONDS = 60,     /* where it ends some day: clocks are set, and hosts sleep */
	BH_HOST_LAPSE_SECONDS = 1, /* where it depends on the host's addresses, which may change */
	BH_BAR_SECONDS = 86400,    /* that an ended flow is kept from being adopted, at most */
};

/* Seconds that a datagram's fragments are waited for, from the first that came. */
enum {
	BH_FRAGMENT_SECONDS = 30,
};

#endif
