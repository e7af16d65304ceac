// SPDX-License-Identifier: Apache-2.0
/* Asking rtnetlink a question by libmnl, and taking its answer apart. */
#define _GNU_SOURCE
#include "netlink.h"

#include "cnetlink.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/if_ether.h>
#include <linux/netlink.h>

enum {
	/* Larger than any message of rtnetlink: the kernel makes those of a dump at most 32 KiB long. */
	ROOM = 256 * 1024,
	/* A socket is asked one question, so any number will do. */
	SEQUENCE = 1,
	ATTEMPTS = 8,
};

/* ---- Asking ---- */

/* Who takes the answers to a question, and what they become. */
struct taker {
	const struct question *question;
	mnl_cb_t take;
	void *result;
	size_t answers; /* so far */
};

/* Passes an answer on if it is of the kind that was asked for, and has its header. */
static int check_answer(const struct nlmsghdr *message, void *data)
{
	struct taker *taker = data;

	if (message->nlmsg_type != taker->question->answer ||
	    mnl_nlmsg_get_payload_len(message) < taker->question->size) {
		errno = EBADMSG;
		return MNL_CB_ERROR;
	}
	if (taker->answers++ == (taker->question->most ? taker->question->most : BULKHEAD_LIST_MAX)) {
		errno = E2BIG;
		return MNL_CB_ERROR;
	}
	return taker->take(message, taker->result);
}

static int ask(const struct mnl_socket *socket, char *buffer, const struct question *question, uint16_t flags)
{
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);

	request->nlmsg_type = question->type;
	request->nlmsg_flags = NLM_F_REQUEST | flags;
	request->nlmsg_seq = SEQUENCE;
	memcpy(mnl_nlmsg_put_extra_header(request, question->size), question->header, question->size);
	if (question->put)
		question->put(request, question->data);
	return mnl_socket_sendto(socket, request, request->nlmsg_len) < 0 ? -errno : 0;
}

/* Reads one batch of the answer: MNL_CB_OK where more is to come, MNL_CB_STOP at its end, or a negative errno. */
static int receive(const struct mnl_socket *socket, char *buffer, struct taker *taker)
{
	ssize_t length = mnl_socket_recvfrom(socket, buffer, ROOM);
	int state;

	if (length < 0)
		return errno == EINTR ? MNL_CB_OK : -errno;
	state = mnl_cb_run(buffer, length, SEQUENCE, mnl_socket_get_portid(socket), check_answer, taker);
	if (state != MNL_CB_ERROR)
		return state;
	/* So libmnl reports NLM_F_DUMP_INTR: the kernel's state changed during the dump. */
	return errno == EINTR ? -EAGAIN : -errno;
}

static int converse(uint16_t flags, struct taker *taker)
{
	struct mnl_socket *socket = mnl_socket_open2(taker->question->bus, SOCK_CLOEXEC);
	char *buffer;
	int state;

	if (!socket)
		return -errno;
	buffer = malloc(ROOM);
	if (!buffer)
		state = -ENOMEM;
	else if (mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID))
		state = -errno;
	else
		state = ask(socket, buffer, taker->question, flags);
	if (state == 0) {
		do
			state = receive(socket, buffer, taker);
		while (state == MNL_CB_OK);
	}
	free(buffer);
	mnl_socket_close(socket);
	return state;
}

int netlink_ask_for_one(const struct question *question, mnl_cb_t take, void *result)
{
	return converse(0, &(struct taker){ question, take, result, 0 });
}

static int take_nothing(const struct nlmsghdr *message, void *result)
{
	(void)message;
	(void)result;
	return MNL_CB_OK;
}

int netlink_change(const struct question *question)
{
	int state = converse(NLM_F_ACK, &(struct taker){ question, take_nothing, NULL, 0 });

	return state < 0 ? state : 0;
}

void *netlink_append(struct vector *vector)
{
	if (vector->count == BULKHEAD_LIST_MAX) {
		errno = E2BIG;
		return NULL;
	}
	if (vector->count == vector->room) {
		size_t room = vector->room ? 2 * vector->room : 64;
		char *bytes = reallocarray(vector->bytes, room, vector->size);

		if (!bytes)
			return NULL;
		vector->bytes = bytes;
		vector->room = room;
	}
	return memset(vector->bytes + vector->size * vector->count++, 0, vector->size);
}

int netlink_hand_over(struct vector *vector, int error, void *list, size_t *count)
{
	if (error < 0) {
		free(vector->bytes);
		vector->bytes = NULL;
		vector->count = 0;
	}
	memcpy(list, &vector->bytes, sizeof(vector->bytes));
	*count = vector->count;
	return error;
}

int netlink_list(const struct question *question, mnl_cb_t take, size_t size, void *list, size_t *count)
{
	struct vector vector = { .size = size };
	int error = -EAGAIN;

	for (int attempt = 0; attempt < ATTEMPTS && error == -EAGAIN; attempt++) {
		vector.count = 0;
		error = converse(NLM_F_DUMP, &(struct taker){ question, take, &vector, 0 });
	}
	return netlink_hand_over(&vector, error == -E2BIG ? BULKHEAD_CUT : error, list, count);
}

/* ---- Attributes ---- */

static int find(const struct nlattr *attribute, void *data)
{
	const struct fields *fields = data;

	for (size_t i = 0; i < fields->count; i++) {
		struct field *field = &fields->first[i];

		if (mnl_attr_get_type(attribute) != field->type)
			continue;
		if (field->size ? mnl_attr_validate2(attribute, field->kind, field->size) :
				  mnl_attr_validate(attribute, field->kind))
			return MNL_CB_ERROR;
		field->found = attribute;
	}
	return MNL_CB_OK;
}

int netlink_find_fields(const struct nlmsghdr *message, size_t size, struct fields *fields)
{
	return mnl_attr_parse(message, size, find, fields);
}

int netlink_find_nested_fields(const struct nlattr *nest, struct fields *fields)
{
	return nest ? mnl_attr_parse_nested(nest, find, fields) : MNL_CB_OK;
}

int netlink_find_fields_in(const void *attributes, size_t size, struct fields *fields)
{
	return mnl_attr_parse_payload(attributes, size, find, fields);
}

void netlink_copy_text(char *to, size_t room, const struct nlattr *text)
{
	if (text)
		strncat(to, mnl_attr_get_str(text), room - 1);
}

int netlink_copy_mac(uint8_t *mac, const struct nlattr *address)
{
	if (!address || mnl_attr_get_payload_len(address) != ETH_ALEN)
		return 0;
	memcpy(mac, mnl_attr_get_payload(address), ETH_ALEN);
	return 1;
}
