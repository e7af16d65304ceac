// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "lab.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

int lab_spawn(char *const words[], char *const environment[], const char *input, const char *output, const char *errors)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t all, none;
	int result;
	pid_t pid;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 0, input, O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&actions, 1, output, O_WRONLY | O_APPEND, 0);
	posix_spawn_file_actions_addopen(&actions, 2, errors, O_WRONLY | O_APPEND, 0);
	posix_spawn_file_actions_addclosefrom_np(&actions, 3);
	posix_spawnattr_init(&attributes);
	sigfillset(&all);
	sigemptyset(&none);
	posix_spawnattr_setsigdefault(&attributes, &all);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
	result = posix_spawnp(&pid, words[0], &actions, &attributes, words, environment);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	return result ? -result : pid;
}

int lab_reap(int pid, int *status)
{
	int raw;

	if (waitpid(pid, &raw, WNOHANG) != pid)
		return 0;
	*status = WIFSIGNALED(raw) ? 128 + WTERMSIG(raw) : WEXITSTATUS(raw);
	return 1;
}

struct visit {
	int home;
};

static int enter(struct visit *visit, const char *ns)
{
	int target;

	visit->home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	if (visit->home < 0)
		return -errno;
	target = open(ns, O_RDONLY | O_CLOEXEC);
	if (target < 0 || setns(target, CLONE_NEWNET) < 0) {
		int error = errno;

		if (target >= 0)
			close(target);
		close(visit->home);
		return -error;
	}
	close(target);
	return 0;
}

static int leave(struct visit *visit)
{
	int result = setns(visit->home, CLONE_NEWNET) < 0 ? -errno : 0;

	close(visit->home);
	return result;
}

int lab_socket(const char *ns, int domain, int type, int protocol)
{
	struct visit visit;
	int result = enter(&visit, ns), left, one = 1, room = 8 << 20;

	if (result < 0)
		return result;
	result = socket(domain, type | SOCK_CLOEXEC, protocol);
	if (result < 0)
		result = -errno;
	left = leave(&visit);
	if (left < 0)
		return left;
	if (result >= 0)
		setsockopt(result, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	/* Room for some twenty thousand small datagrams, so that what is not read at once is not lost. */
	if (result >= 0 && type == SOCK_DGRAM)
		setsockopt(result, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room));
	return result;
}

int lab_packet_open(const char *ns, const char *interface)
{
	struct sockaddr_ll address = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL) };
	int one = 1, room = 8 << 20, result, fd;
	struct visit visit;

	result = enter(&visit, ns);
	if (result < 0)
		return result;
	/* No protocol until it is bound: frames of other interfaces are not queued. */
	fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	result = fd < 0 ? -errno : 0;
	address.sll_ifindex = if_nametoindex(interface);
	if (!result && !address.sll_ifindex)
		result = -ENODEV;
	if (leave(&visit) < 0)
		result = -ENOTSUP;
	if (!result)
		result = setsockopt(fd, SOL_PACKET, PACKET_AUXDATA, &one, sizeof(one)) ||
					 setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one)) ||
					 setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)) ||
					 bind(fd, (struct sockaddr *)&address, sizeof(address)) ?
				 -errno :
				 0;
	if (result < 0 && fd >= 0)
		close(fd);
	return result < 0 ? result : fd;
}

int lab_packet_offload(int fd)
{
	int one = 1;

	return setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &one, sizeof(one)) < 0 ? -errno : 0;
}

enum {
	RING_SLOTS = 64,
	RING_SLOT_SIZE = 2048,
	RING_DATA = TPACKET2_HDRLEN - sizeof(struct sockaddr_ll),
};

struct race {
	uint8_t *ring;
	size_t place;
	uint16_t values[2];
	atomic_int over;
};

static struct tpacket2_hdr *ring_slot(const struct race *race, unsigned index)
{
	return (struct tpacket2_hdr *)(race->ring + index % RING_SLOTS * RING_SLOT_SIZE);
}

/* Writes one value after the other to all frames of the ring, until the race is over. */
static void *keep_writing(void *argument)
{
	struct race *race = argument;

	for (unsigned turn = 0; !atomic_load(&race->over); turn++) {
		for (unsigned index = 0; index < RING_SLOTS; index++)
			memcpy((uint8_t *)ring_slot(race, index) + RING_DATA + race->place, &race->values[turn & 1], 2);
	}
	return NULL;
}

/* Each turn goes through the ring up to a frame that is dropped, which stays there. */
static int send_ring(int fd, const struct race *race, size_t size, unsigned turns)
{
	for (unsigned turn = 0; turn < turns; turn++) {
		for (unsigned index = 0; index < RING_SLOTS; index++) {
			struct tpacket2_hdr *slot = ring_slot(race, index);

			if (__atomic_load_n(&slot->tp_status, __ATOMIC_ACQUIRE) != TP_STATUS_AVAILABLE)
				continue;
			slot->tp_len = size;
			__atomic_store_n(&slot->tp_status, TP_STATUS_SEND_REQUEST, __ATOMIC_RELEASE);
		}
		if (send(fd, NULL, 0, MSG_DONTWAIT) < 0 && errno != ENOBUFS && errno != EAGAIN)
			return -errno;
	}
	return 0;
}

int lab_packet_race(const char *ns, const char *interface, const void *frame, size_t size, size_t place, uint16_t other,
		    unsigned turns)
{
	struct tpacket_req request = { .tp_block_size = RING_SLOTS * RING_SLOT_SIZE,
				       .tp_block_nr = 1,
				       .tp_frame_size = RING_SLOT_SIZE,
				       .tp_frame_nr = RING_SLOTS };
	struct race race = { .place = place, .values = { 0, htons(other) } };
	int fd = lab_packet_open(ns, interface), version = TPACKET_V2, result;
	pthread_t writer;

	if (fd < 0)
		return fd;
	if (setsockopt(fd, SOL_PACKET, PACKET_VERSION, &version, sizeof(version)) < 0 ||
	    setsockopt(fd, SOL_PACKET, PACKET_TX_RING, &request, sizeof(request)) < 0)
		goto failed;
	race.ring = mmap(NULL, request.tp_block_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (race.ring == MAP_FAILED)
		goto failed;
	memcpy(&race.values[0], (const uint8_t *)frame + place, 2);
	for (unsigned index = 0; index < RING_SLOTS; index++)
		memcpy((uint8_t *)ring_slot(&race, index) + RING_DATA, frame, size);
	result = -pthread_create(&writer, NULL, keep_writing, &race);
	if (!result) {
		result = send_ring(fd, &race, size, turns);
		atomic_store(&race.over, 1);
		pthread_join(writer, NULL);
	}
	munmap(race.ring, request.tp_block_size);
	close(fd);
	return result;
failed:
	result = -errno;
	close(fd);
	return result;
}

int lab_tap_open(const char *ns, const char *interface, int offloads)
{
	struct ifreq request = { .ifr_flags = IFF_TAP | IFF_NO_PI | (offloads ? IFF_VNET_HDR : 0) };
	struct visit visit;
	int result = enter(&visit, ns), fd;

	if (result < 0)
		return result;
	strncpy(request.ifr_name, interface, IFNAMSIZ - 1);
	/* The device belongs to the namespace in which this is opened. */
	fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	result = fd < 0 || ioctl(fd, TUNSETIFF, &request) < 0 ? -errno : fd;
	if (leave(&visit) < 0)
		result = -ENOTSUP;
	if (result < 0 && fd >= 0)
		close(fd);
	return result;
}

/* Headers of kernels before 6.2 do not have them. */
#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

int lab_tap_knows_datagrams(int fd)
{
	int knows = ioctl(fd, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_USO4 | TUN_F_USO6) == 0;

	if (!knows && errno != EINVAL)
		return -errno;
	return ioctl(fd, TUNSETOFFLOAD, 0) < 0 ? -errno : knows;
}

int lab_udp_segment(int fd, int size)
{
	return setsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &size, sizeof(size)) < 0 ? -errno : 0;
}

static int wait_for(int fd, short events, int timeout_ms)
{
	struct pollfd wait = { .fd = fd, .events = events };
	int ready;

	do
		ready = poll(&wait, 1, timeout_ms);
	while (ready < 0 && errno == EINTR);
	return ready < 0 ? -errno : ready;
}

ssize_t lab_packet_receive(int fd, void *buffer, size_t size, int timeout_ms)
{
	char control[CMSG_SPACE(sizeof(struct tpacket_auxdata))];
	struct iovec vector = { .iov_base = buffer, .iov_len = size - 4 };
	struct msghdr message = {
		.msg_iov = &vector, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)
	};
	struct cmsghdr *header;
	ssize_t count;
	int ready = wait_for(fd, POLLIN, timeout_ms);

	if (ready <= 0)
		return ready;
	count = recvmsg(fd, &message, MSG_DONTWAIT);
	if (count < 0)
		return errno == EAGAIN ? 0 : -errno;
	for (header = CMSG_FIRSTHDR(&message); header && count >= 12; header = CMSG_NXTHDR(&message, header)) {
		struct tpacket_auxdata data;
		uint8_t *bytes = buffer;
		uint16_t type;

		if (header->cmsg_level != SOL_PACKET || header->cmsg_type != PACKET_AUXDATA)
			continue;
		memcpy(&data, CMSG_DATA(header), sizeof(data));
		if (!(data.tp_status & TP_STATUS_VLAN_VALID))
			continue;
		type = data.tp_status & TP_STATUS_VLAN_TPID_VALID ? data.tp_vlan_tpid : ETH_P_8021Q;
		memmove(bytes + 16, bytes + 12, count - 12);
		bytes[12] = type >> 8;
		bytes[13] = type;
		bytes[14] = data.tp_vlan_tci >> 8;
		bytes[15] = data.tp_vlan_tci;
		count += 4;
	}
	return count;
}

static socklen_t parse(struct sockaddr_storage *result, const char *address, uint16_t port)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)result;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)result;

	memset(result, 0, sizeof(*result));
	if (inet_pton(AF_INET, address, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(port);
		return sizeof(*v4);
	}
	if (inet_pton(AF_INET6, address, &v6->sin6_addr) == 1) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons(port);
		return sizeof(*v6);
	}
	return 0;
}

int lab_bind(int fd, const char *address, uint16_t port)
{
	struct sockaddr_storage name;
	socklen_t length = parse(&name, address, port);

	if (!length)
		return -EINVAL;
	return bind(fd, (struct sockaddr *)&name, length) < 0 ? -errno : 0;
}

int lab_connect(int fd, const char *address, uint16_t port, int timeout_ms)
{
	struct sockaddr_storage name;
	socklen_t length = parse(&name, address, port), size = sizeof(int);
	int flags = fcntl(fd, F_GETFL), error = 0, ready;

	if (!length)
		return -EINVAL;
	fcntl(fd, F_SETFL, flags | O_NONBLOCK);
	if (connect(fd, (struct sockaddr *)&name, length) == 0)
		return 0;
	if (errno != EINPROGRESS)
		return -errno;
	ready = wait_for(fd, POLLOUT, timeout_ms);
	if (ready <= 0)
		return ready < 0 ? ready : -ETIMEDOUT;
	getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
	return -error;
}

int lab_join(int fd, const char *group, const char *interface)
{
	struct group_req request = { 0 };
	struct ifreq device = { 0 };
	socklen_t length = parse(&request.gr_group, group, 0);

	strncpy(device.ifr_name, interface, sizeof(device.ifr_name) - 1);
	if (!length || ioctl(fd, SIOCGIFINDEX, &device) < 0)
		return length ? -errno : -EINVAL;
	request.gr_interface = device.ifr_ifindex;
	return setsockopt(fd, request.gr_group.ss_family == AF_INET ? IPPROTO_IP : IPPROTO_IPV6, MCAST_JOIN_GROUP,
			  &request, sizeof(request)) < 0 ?
		       -errno :
		       0;
}

int lab_accept(int fd, int timeout_ms)
{
	int ready = wait_for(fd, POLLIN, timeout_ms), result;

	if (ready <= 0)
		return ready < 0 ? ready : -ETIMEDOUT;
	result = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	return result < 0 ? -errno : result;
}

ssize_t lab_receive(int fd, void *buffer, size_t size, int timeout_ms)
{
	int ready = wait_for(fd, POLLIN, timeout_ms);
	ssize_t count;

	if (ready <= 0)
		return ready < 0 ? ready : -EAGAIN;
	count = recv(fd, buffer, size, MSG_DONTWAIT);
	return count < 0 ? -errno : count;
}

ssize_t lab_send(int fd, const void *buffer, size_t size, int timeout_ms)
{
	size_t done = 0;

	while (done < size) {
		ssize_t count = send(fd, (const char *)buffer + done, size - done, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (count >= 0) {
			done += count;
		} else if (errno == EAGAIN || errno == ENOBUFS) {
			int ready = wait_for(fd, POLLOUT, timeout_ms);

			if (ready <= 0)
				return ready < 0 ? ready : -EAGAIN;
		} else {
			return -errno;
		}
	}
	return (ssize_t)done;
}

int64_t lab_tcp_sent(int fd)
{
	struct tcp_info info;
	socklen_t size = sizeof(info);

	memset(&info, 0, sizeof(info));
	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) < 0)
		return -errno;
	return info.tcpi_bytes_sent;
}
