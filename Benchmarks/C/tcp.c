// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "cbenchmark.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec + time.tv_nsec * 1e-9;
}

static struct sockaddr_in name_of(const char *address, uint16_t port)
{
	struct sockaddr_in name = { .sin_family = AF_INET, .sin_port = htons(port) };

	inet_pton(AF_INET, address, &name.sin_addr);
	return name;
}

/* A socket that gives up after five seconds and does not wait to fill segments. */
static int make_socket(void)
{
	int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1, window = 128 << 10;
	struct timeval limit = { .tv_sec = 5 };

	if (descriptor < 0)
		return -errno;
	setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	/*
	 * With a window that the kernel tunes, one stream may be three times as fast as the next, depending on the
	 * memory that it got.
	 */
	setsockopt(descriptor, SOL_SOCKET, SO_RCVBUFFORCE, &window, sizeof(window));
	setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	return descriptor;
}

int bench_listen(const char *address, uint16_t port)
{
	struct sockaddr_in name = name_of(address, port);
	int descriptor = make_socket(), error;

	if (descriptor < 0)
		return descriptor;
	if (bind(descriptor, (struct sockaddr *)&name, sizeof(name)) < 0 || listen(descriptor, 4096) < 0) {
		error = -errno;
		close(descriptor);
		return error;
	}
	return descriptor;
}

int bench_connect(const char *address, uint16_t port)
{
	struct sockaddr_in name = name_of(address, port);
	int descriptor = make_socket(), error;

	if (descriptor < 0)
		return descriptor;
	if (connect(descriptor, (struct sockaddr *)&name, sizeof(name)) < 0) {
		error = -errno;
		close(descriptor);
		return error;
	}
	return descriptor;
}

struct service {
	int descriptor;
	int answers;
};

static void *run_thread_of_connection(void *argument)
{
	struct service service = *(struct service *)argument;
	size_t room = service.answers ? 1 : 1 << 18;
	char *buffer = malloc(room);
	ssize_t count;

	free(argument);
	while (buffer) {
		count = recv(service.descriptor, buffer, room, 0);
		if (count == 0 || (count < 0 && errno != EAGAIN))
			break;
		if (count > 0 && service.answers && send(service.descriptor, buffer, 1, MSG_NOSIGNAL) != 1)
			break;
	}
	free(buffer);
	close(service.descriptor);
	return NULL;
}

static int start(void *(*body)(void *), int descriptor, int answers)
{
	struct service *service = malloc(sizeof(*service));
	pthread_attr_t attributes;
	pthread_t thread;
	int error;

	if (!service)
		return -ENOMEM;
	*service = (struct service){ .descriptor = descriptor, .answers = answers };
	pthread_attr_init(&attributes);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attributes, 1 << 18);
	error = pthread_create(&thread, &attributes, body, service);
	pthread_attr_destroy(&attributes);
	if (error)
		free(service);
	return -error;
}

/* The threads of its connections inherit this: they come before all ordinary threads, on the first CPU. */
static void *run_thread_of_listener(void *argument)
{
	struct service service = *(struct service *)argument;
	int one = 1, descriptor;

	free(argument);
	bench_begin_burst(1);
	for (;;) {
		descriptor = accept4(service.descriptor, NULL, NULL, SOCK_CLOEXEC);
		if (descriptor < 0 && (errno == EAGAIN || errno == ECONNABORTED || errno == EINTR))
			continue;
		if (descriptor < 0)
			break;
		setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		if (start(run_thread_of_connection, descriptor, service.answers))
			close(descriptor);
	}
	return NULL;
}

int bench_serve(int listener, int answers)
{
	return start(run_thread_of_listener, listener, answers);
}

static int64_t acknowledged(int connection)
{
	struct tcp_info information = {};
	socklen_t size = sizeof(information);

	getsockopt(connection, IPPROTO_TCP, TCP_INFO, &information, &size);
	return (int64_t)information.tcpi_bytes_acked;
}

int64_t bench_stream(int connection, double seconds)
{
	static char buffer[1 << 17];
	int64_t before = acknowledged(connection);
	double end = now() + seconds;
	int error = 0;

	bench_begin_burst(0);
	while (!error && now() < end)
		if (send(connection, buffer, sizeof(buffer), MSG_NOSIGNAL) < 0)
			error = -errno;
	bench_end_burst();
	return error ? error : acknowledged(connection) - before;
}

static void wait_until(double time)
{
	struct timespec moment = { .tv_sec = (time_t)time };

	moment.tv_nsec = (long)((time - (double)moment.tv_sec) * 1e9);
	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &moment, NULL);
}

int64_t bench_request(int connection, double seconds, double interval, uint32_t *nanoseconds, int64_t room)
{
	double start = now(), end = start + seconds, asked, next = start;
	int64_t answered = 0;
	char byte = 'x';
	int error = 0;

	bench_begin_burst(0);
	for (asked = start; asked < end; asked = now()) {
		if (send(connection, &byte, 1, MSG_NOSIGNAL) != 1 || recv(connection, &byte, 1, 0) != 1) {
			error = -errno;
			break;
		}
		if (answered < room)
			nanoseconds[answered] = (uint32_t)((now() - asked) * 1e9);
		answered++;
		if (interval > 0) {
			next = next + interval > now() ? next + interval : now();
			wait_until(next);
		}
	}
	bench_end_burst();
	return answered ? answered : error;
}

int64_t bench_open_and_close(const char *address, uint16_t port, double seconds)
{
	double end = now() + seconds;
	int64_t done = 0;
	char byte = 'x';
	int descriptor = 0;

	bench_begin_burst(0);
	while (descriptor >= 0 && now() < end) {
		descriptor = bench_connect(address, port);
		if (descriptor < 0)
			break;
		if (send(descriptor, &byte, 1, MSG_NOSIGNAL) == 1 && recv(descriptor, &byte, 1, 0) == 1)
			done++;
		close(descriptor);
	}
	bench_end_burst();
	return done || descriptor >= 0 ? done : descriptor;
}
