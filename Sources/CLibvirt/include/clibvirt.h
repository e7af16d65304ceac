/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is asked of libvirt, through its own library, which is loaded when it is asked first: Bulkhead does not depend
 * on it. A call that fails returns NULL, or a negative number; then `error` has a text, which is the caller's to free.
 * Everything that a call returns is the caller's to free too, by the function that is named beside it.
 */
#ifndef BULKHEAD_CLIBVIRT_H
#define BULKHEAD_CLIBVIRT_H

#include <stddef.h>
#include <stdint.h>

/* A connection to a daemon, and how often something has happened there. */
struct bulkhead_libvirt;

/* Opens a connection that can only read. */
struct bulkhead_libvirt *bulkhead_libvirt_open(const char *uri, char **error);
void bulkhead_libvirt_close(struct bulkhead_libvirt *libvirt);

/* How often something has happened to a guest. */
uint64_t bulkhead_libvirt_events(struct bulkhead_libvirt *libvirt);

/* Waits until something has happened since then. Returns 1 where it has, 0 where not, -1 where the daemon is gone. */
int bulkhead_libvirt_wait(struct bulkhead_libvirt *libvirt, uint64_t events, int milliseconds);

/* The XML of each guest that runs, at most `most` of them. The array ends with NULL. */
char **bulkhead_libvirt_guests(struct bulkhead_libvirt *libvirt, size_t most, char **error);

/* What a network has lent: MAC address, space, address, in an array that ends with NULL. */
char **bulkhead_libvirt_leases(struct bulkhead_libvirt *libvirt, const char *network, char **error);

void bulkhead_libvirt_free_texts(char **texts);

#endif
