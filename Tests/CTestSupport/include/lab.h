/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sockets inside network namespaces, for tests. A socket belongs to the namespace it was made in, so the calling thread
 * enters the namespace, makes the socket and leaves again. Results below zero are negated error numbers.
 */
#ifndef BULKHEAD_LAB_H
#define BULKHEAD_LAB_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * Starts a program, looked up in PATH, with default signals, none blocked, and descriptors of its own for its three
 * streams. Returns the process id, or a negated error number.
 */
int lab_spawn(char *const words[], char *const environment[], const char *input, const char *output,
	      const char *errors);

/*
 * 0 while it runs; once it has ended 1, with its status, or 128 and the signal, in `status`. After a 1 it must not be
 * asked again.
 */
int lab_reap(int pid, int *status);

/* `ns` is a path such as /run/netns/NAME. */
int lab_socket(const char *ns, int domain, int type, int protocol);

/* Raw frames of one interface; what the interface itself sends is not received. */
int lab_packet_open(const char *ns, const char *interface);

/*
 * One frame, with the VLAN tag that the kernel moved into metadata put back. 0: none came in time. `size` is at least
 * 64.
 */
ssize_t lab_packet_receive(int fd, void *buffer, size_t size, int timeout_ms);

/* What it sends begins with virtio's header from now on. */
int lab_packet_offload(int fd);

/*
 * Sends copies of a frame, at least one each turn, from memory that it goes on writing to while they are on their way
 * (PACKET_TX_RING): the two bytes at `place` are those of the frame, or `other`. 0, or a negated error number.
 */
int lab_packet_race(const char *ns, const char *interface, const void *frame, size_t size, size_t place, uint16_t other,
		    unsigned turns);

/*
 * A tap, which goes with its descriptor. `offloads`: all that is read and written begins with virtio's header of ten
 * bytes.
 */
int lab_tap_open(const char *ns, const char *interface, int offloads);

/*
 * 1 where the kernel knows super-packets of UDP datagrams in virtio's header (from 6.2 on), 0 where it does not. Leaves
 * the tap's reader without offloads.
 */
int lab_tap_knows_datagrams(int fd);

/* Each send on a UDP socket becomes datagrams of so many bytes (UDP_SEGMENT). */
int lab_udp_segment(int fd, int size);

/* `address` is numeric. */
int lab_bind(int fd, const char *address, uint16_t port);
int lab_connect(int fd, const char *address, uint16_t port, int timeout_ms);
int lab_accept(int fd, int timeout_ms);

/* Makes an interface of the socket's namespace a member of a multicast group, as long as the socket is open. */
int lab_join(int fd, const char *group, const char *interface);

/* The bytes that came, 0 at the end of a stream, -EAGAIN where nothing came in time. */
ssize_t lab_receive(int fd, void *buffer, size_t size, int timeout_ms);

/* All of it, or an error; -EAGAIN where the stream did not take it in time. */
ssize_t lab_send(int fd, const void *buffer, size_t size, int timeout_ms);

/* Bytes of payload that a TCP socket has sent, those sent again included; or -errno. */
int64_t lab_tcp_sent(int fd);

#endif
