/* SPDX-License-Identifier: Apache-2.0 */
/* Asking rtnetlink a question by libmnl, and taking its answer apart. For the files of this folder alone. */
#ifndef BULKHEAD_NETLINK_H
#define BULKHEAD_NETLINK_H

#include <stddef.h>
#include <stdint.h>

#include <libmnl/libmnl.h>

/* ---- Asking ---- */

/*
 * A kind of object, and the header of its family, which says of which device or parent. An answer starts with a header
 * of the same kind.
 */
struct question {
	uint16_t type;   /* RTM_GET* */
	uint16_t answer; /* RTM_NEW* */
	const void *header;
	size_t size; /* of the header */
	/* Puts attributes after the header, given `data`; NULL: there are none. */
	void (*put)(struct nlmsghdr *request, const void *data);
	const void *data;
	int bus;     /* NETLINK_*; 0 is NETLINK_ROUTE */
	size_t most; /* answers that are read; 0: BULKHEAD_LIST_MAX */
};

/* Asks for one object; `take` gets the answer and `result`. */
int netlink_ask_for_one(const struct question *question, mnl_cb_t take, void *result);

/* Asks for a change; 0 where it was made. */
int netlink_change(const struct question *question);

/* A growing array of elements of one size, at most BULKHEAD_LIST_MAX of them. */
struct vector {
	char *bytes;
	size_t size;
	size_t count;
	size_t room;
};

/* A new element, all zero; NULL with errno where there is no memory, or no room. */
void *netlink_append(struct vector *vector);

/*
 * Asks for all objects of a kind, and makes an array of elements of `size` bytes of them: `take` gets each answer and
 * a vector. A dump that the kernel's state changed under is asked for again. `list` is the address of the pointer that
 * the array goes to. Returns what cnetlink.h says of such arrays.
 */
int netlink_list(const struct question *question, mnl_cb_t take, size_t size, void *list, size_t *count);

/* Hands a vector's elements over to who asked for a list. After an error they are freed, and the list is empty. */
int netlink_hand_over(struct vector *vector, int error, void *list, size_t *count);

/* ---- Attributes ---- */

/* An attribute to look for, what it must be, and where it was found. */
struct field {
	uint16_t type;
	enum mnl_attr_data_type kind;
	size_t size;                /* of the payload; 0: as its kind says */
	const struct nlattr *found; /* the last one of the type; NULL: there is none */
};

struct fields {
	struct field *first;
	size_t count;
};

#define FIELDS(array) (&(struct fields){ array, MNL_ARRAY_SIZE(array) })

/*
 * Finds fields after a header of `size` bytes, or in a nested attribute (NULL: there is none to find). A field of a
 * wrong length or form is an error. Returns MNL_CB_OK, or MNL_CB_ERROR with errno.
 */
int netlink_find_fields(const struct nlmsghdr *message, size_t size, struct fields *fields);
int netlink_find_nested_fields(const struct nlattr *nest, struct fields *fields);
int netlink_find_fields_in(const void *attributes, size_t size, struct fields *fields);

/* Copies a text that was found to `to`, which is all zero. */
void netlink_copy_text(char *to, size_t room, const struct nlattr *text);

/* The id of the program on the XDP hook of the device that a link's message is about; 0: none. */
int netlink_take_xdp_program(const struct nlmsghdr *message, uint32_t *id);

/*
 * Copies an Ethernet address to `mac`, of 6 bytes. Returns whether there is one: those of other links have other
 * lengths.
 */
int netlink_copy_mac(uint8_t *mac, const struct nlattr *address);

#endif
