/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What Swift sees of libbpf, and the few shims that it needs: options that libbpf takes through macros, its printing,
 * and what a newer kernel has than the distribution's headers.
 *
 * A shim returns what libbpf returns: a descriptor or 0, or a negative errno.
 */
#ifndef BULKHEAD_CLIBBPF_H
#define BULKHEAD_CLIBBPF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

/* ---- Printing ---- */

/* From now on libbpf's warnings are kept per thread instead of printed. */
void bulkhead_capture_messages(void);
/*
 * What libbpf said on this thread since the last call; empty if nothing. Valid until the next libbpf call on the
 * thread.
 */
const char *bulkhead_take_messages(void);

/* ---- Objects ---- */

struct bpf_object *bulkhead_object_open(const void *bytes, size_t size, const char *name);

/* An array map of maps is made with an inner map as its model. `inner_fd` is -1 where there is none. */
int bulkhead_map_create(enum bpf_map_type type, const char *name, uint32_t key_size, uint32_t value_size,
			uint32_t max_entries, uint32_t flags, int inner_fd);

/* Replaces a word that the kernel shares if it still is `*expected`; else writes to there what it is. */
bool bulkhead_replace(uint64_t *word, uint64_t *expected, uint64_t desired);

int bulkhead_map_update_batch(int map_fd, const void *keys, const void *values, uint32_t count);
/* Looks up `count` keys from `first` on; `count` is then the number found. */
int bulkhead_map_lookup_batch(int map_fd, uint32_t first, void *keys, void *values, uint32_t *count);
/*
 * Looks up `count` keys that follow the key `after`, or the first ones where that is NULL; `count` is then the number
 * found. `position` has room for a key.
 */
int bulkhead_map_read_batch(int map_fd, void *after, void *position, void *keys, void *values, uint32_t *count);

/* ---- Links ---- */

/* Attach types and flags of kernels from 6.6 on, which the headers of an older distribution lack. */
enum {
	BULKHEAD_TCX_INGRESS = 46,
	BULKHEAD_TCX_EGRESS = 47,
	BULKHEAD_F_BEFORE = 1 << 3,
	BULKHEAD_XDP_NATIVE = 1 << 2,
	BULKHEAD_XDP_GENERIC = 1 << 1,
};

int bulkhead_link_create(int program_fd, int ifindex, int attach_type, uint32_t flags);

struct bulkhead_link_info {
	uint32_t type;
	uint32_t id;
	uint32_t program_id;
	uint32_t ifindex;     /* XDP and TCX: 0 where the device is gone */
	uint32_t attach_type; /* TCX */
};

int bulkhead_link_info(int link_fd, struct bulkhead_link_info *info);

struct bulkhead_program_info {
	uint32_t type;
	uint32_t id;
	uint32_t instructions; /* as the verifier left them */
	uint32_t verified;     /* instructions that the verifier walked */
	uint8_t tag[8];
	char name[16];
};

int bulkhead_program_info(int program_fd, struct bulkhead_program_info *info);
/* Ids of the maps that a program uses. `count` is the room, then the number. */
int bulkhead_program_maps(int program_fd, uint32_t *ids, uint32_t *count);
int bulkhead_map_info(int map_fd, struct bpf_map_info *info);

/* Ids of the programs on a hook, first to run first. `count` is the room, then the number. */
int bulkhead_program_query(int ifindex, int attach_type, uint32_t *ids, uint32_t *count);

/* ---- clsact ---- */

struct bulkhead_filter {
	int ifindex;
	int egress;
	uint32_t handle;
	uint32_t priority;
	uint32_t program_id;
};

/* Attaches a direct-action filter, making the clsact qdisc where it is missing. */
int bulkhead_filter_attach(struct bulkhead_filter *filter, int program_fd, bool replace);
int bulkhead_filter_query(struct bulkhead_filter *filter);
int bulkhead_filter_detach(const struct bulkhead_filter *filter);

/* ---- Test runs ---- */

/*
 * Runs a program on a frame; `context` may be NULL. What it made of the frame goes to `output`, which has room for
 * `output_size` bytes. `result` is what it returned, `duration` nanoseconds per run.
 */
int bulkhead_test_run(int program_fd, const void *frame, uint32_t frame_size, const void *context,
		      uint32_t context_size, uint32_t repeat, void *output, uint32_t *output_size, uint32_t *result,
		      uint32_t *duration);

/*
 * Runs an XDP program on `count` copies of a frame and does with each what it says: one that it redirects is sent.
 * Linux 5.18.
 */
int bulkhead_send_frames(int program_fd, const void *frame, uint32_t frame_size, uint32_t count, uint32_t batch,
			 uint32_t *duration);

/* ---- Folders ---- */

bool bulkhead_is_bpf_file_system(const char *path);

/*
 * Opens a folder without following a symbolic link anywhere on the way. With a parent (else -1) `name` is found below
 * it, and neither leaves it nor crosses into another file system. `by_path`: only as the parent of others, which asks
 * for no right to read it.
 */
int bulkhead_open_folder(int parent, const char *name, bool by_path);

struct bulkhead_folder {
	uint64_t inode;
	uint32_t owner;
	uint32_t mode; /* the permissions and the sticky bit */
	bool is_bpf;   /* it lies in a BPF file system */
};

int bulkhead_folder(int fd, struct bulkhead_folder *folder);

#endif
