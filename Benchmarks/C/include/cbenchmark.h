/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the benchmark asks of the system that Swift cannot: network namespaces and the scheduler. Results are 0 or a
 * negative errno.
 */
#ifndef BULKHEAD_CBENCHMARK_H
#define BULKHEAD_CBENCHMARK_H

#include <stdint.h>

/* A descriptor of the calling thread's network namespace, or of the one at `path`. */
int bench_open_namespace(const char *path);
int bench_enter_namespace(int descriptor);

/*
 * Keeps the calling thread on the last CPU (`first`: the first), ahead of all ordinary threads, or gives it back what
 * it had.
 */
int bench_begin_burst(int first);
void bench_end_burst(void);

/* ---- TCP. Sockets belong to the network namespace of the thread that makes them. ---- */

/* A listening socket at an IPv4 address of the calling thread's network namespace. */
int bench_listen(const char *address, uint16_t port);

/*
 * Starts threads that accept on `listener` until it is shut down: each connection is read to its end, and where
 * `answers`, each byte is answered by one.
 */
int bench_serve(int listener, int answers);

/* A connection, within five seconds. */
int bench_connect(const char *address, uint16_t port);

/* Sends as much as it can for a time; returns the bytes that the other end has acknowledged. */
int64_t bench_stream(int connection, double seconds);

/*
 * Sends a byte and awaits the answer, again and again, and notes the nanoseconds of up to `room` answers; returns how
 * many bytes were answered. With `interval` seconds between requests, late ones are not made up for.
 */
int64_t bench_request(int connection, double seconds, double interval, uint32_t *nanoseconds, int64_t room);

/* Connects, sends a byte, awaits the answer and closes, again and again; returns how often that went well. */
int64_t bench_open_and_close(const char *address, uint16_t port, double seconds);

#endif
