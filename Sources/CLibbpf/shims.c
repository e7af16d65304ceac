// SPDX-License-Identifier: Apache-2.0
/* Calls that libbpf takes through option macros, flattened. */
#define _GNU_SOURCE
#include "clibbpf.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <linux/magic.h>
#include <linux/openat2.h>

struct bpf_object *bulkhead_object_open(const void *bytes, size_t size, const char *name)
{
	LIBBPF_OPTS(bpf_object_open_opts, options, .object_name = name);
	__u32 id = 0;

	/*
	 * A type that the kernel itself does not have is looked for in its modules. Without the right to list these
	 * libbpf gives up, unless it is told where the types are.
	 */
	if (bpf_btf_get_next_id(0, &id) && errno == EPERM)
		options.btf_custom_path = "/sys/kernel/btf/vmlinux";
	return bpf_object__open_mem(bytes, size, &options);
}

int bulkhead_map_create(enum bpf_map_type type, const char *name, uint32_t key_size, uint32_t value_size,
			uint32_t max_entries, uint32_t flags, int inner_fd)
{
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = flags);

	if (inner_fd >= 0)
		options.inner_map_fd = inner_fd;
	return bpf_map_create(type, name, key_size, value_size, max_entries, &options);
}

bool bulkhead_replace(uint64_t *word, uint64_t *expected, uint64_t desired)
{
	return __atomic_compare_exchange_n(word, expected, desired, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

int bulkhead_map_update_batch(int map_fd, const void *keys, const void *values, uint32_t count)
{
	LIBBPF_OPTS(bpf_map_batch_opts, options);

	return bpf_map_update_batch(map_fd, keys, values, &count, &options);
}

int bulkhead_map_lookup_batch(int map_fd, uint32_t first, void *keys, void *values, uint32_t *count)
{
	/* A batch goes on after the key that it is given. */
	uint32_t previous = first - 1;
	uint32_t position;

	return bulkhead_map_read_batch(map_fd, first ? &previous : NULL, &position, keys, values, count);
}

int bulkhead_map_read_batch(int map_fd, void *after, void *position, void *keys, void *values, uint32_t *count)
{
	LIBBPF_OPTS(bpf_map_batch_opts, options);

	return bpf_map_lookup_batch(map_fd, after, position, keys, values, count, &options);
}

int bulkhead_link_create(int program_fd, int ifindex, int attach_type, uint32_t flags)
{
	LIBBPF_OPTS(bpf_link_create_opts, options, .flags = flags);

	return bpf_link_create(program_fd, ifindex, attach_type, &options);
}

int bulkhead_link_info(int link_fd, struct bulkhead_link_info *result)
{
	/* XDP's and TCX's parts both start with the ifindex; TCX's attach type follows, as in `netns`. */
	struct bpf_link_info info = {};
	uint32_t size = sizeof(info);
	int error = bpf_obj_get_info_by_fd(link_fd, &info, &size);

	if (error)
		return error;
	*result = (struct bulkhead_link_info){
		.type = info.type,
		.id = info.id,
		.program_id = info.prog_id,
		.ifindex = info.xdp.ifindex,
		.attach_type = info.netns.attach_type,
	};
	return 0;
}

int bulkhead_program_info(int program_fd, struct bulkhead_program_info *result)
{
	struct bpf_prog_info info = {};
	uint32_t size = sizeof(info);
	int error = bpf_obj_get_info_by_fd(program_fd, &info, &size);

	if (error)
		return error;
	*result = (struct bulkhead_program_info){
		.type = info.type,
		.id = info.id,
		.instructions = info.xlated_prog_len / sizeof(struct bpf_insn),
		.verified = info.verified_insns,
	};
	memcpy(result->tag, info.tag, sizeof(result->tag));
	memcpy(result->name, info.name, sizeof(result->name));
	return 0;
}

int bulkhead_program_maps(int program_fd, uint32_t *ids, uint32_t *count)
{
	struct bpf_prog_info info = { .map_ids = (uintptr_t)ids, .nr_map_ids = *count };
	uint32_t size = sizeof(info);
	int error = bpf_obj_get_info_by_fd(program_fd, &info, &size);

	*count = info.nr_map_ids < *count ? info.nr_map_ids : *count;
	return error;
}

int bulkhead_map_info(int map_fd, struct bpf_map_info *info)
{
	uint32_t size = sizeof(*info);

	memset(info, 0, sizeof(*info));
	return bpf_obj_get_info_by_fd(map_fd, info, &size);
}

int bulkhead_program_query(int ifindex, int attach_type, uint32_t *ids, uint32_t *count)
{
	LIBBPF_OPTS(bpf_prog_query_opts, options, .prog_ids = ids, .prog_cnt = *count);
	int error = bpf_prog_query_opts(ifindex, attach_type, &options);

	*count = options.prog_cnt;
	return error;
}

static enum bpf_tc_attach_point attach_point(const struct bulkhead_filter *filter)
{
	return filter->egress ? BPF_TC_EGRESS : BPF_TC_INGRESS;
}

int bulkhead_filter_attach(struct bulkhead_filter *filter, int program_fd, bool replace)
{
	LIBBPF_OPTS(bpf_tc_hook, both, .ifindex = filter->ifindex, .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = filter->ifindex, .attach_point = attach_point(filter));
	LIBBPF_OPTS(bpf_tc_opts, options, .prog_fd = program_fd, .handle = filter->handle, .priority = filter->priority,
		    .flags = replace ? BPF_TC_F_REPLACE : 0);
	int error = bpf_tc_hook_create(&both);

	if (error && error != -EEXIST)
		return error;
	error = bpf_tc_attach(&hook, &options);
	if (error)
		return error;
	filter->program_id = options.prog_id;
	return 0;
}

int bulkhead_filter_query(struct bulkhead_filter *filter)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = filter->ifindex, .attach_point = attach_point(filter));
	LIBBPF_OPTS(bpf_tc_opts, options, .handle = filter->handle, .priority = filter->priority);
	int error = bpf_tc_query(&hook, &options);

	filter->program_id = error ? 0 : options.prog_id;
	return error;
}

int bulkhead_filter_detach(const struct bulkhead_filter *filter)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = filter->ifindex, .attach_point = attach_point(filter));
	LIBBPF_OPTS(bpf_tc_opts, options, .handle = filter->handle, .priority = filter->priority);

	return bpf_tc_detach(&hook, &options);
}

int bulkhead_test_run(int program_fd, const void *frame, uint32_t frame_size, const void *context,
		      uint32_t context_size, uint32_t repeat, void *output, uint32_t *output_size, uint32_t *result,
		      uint32_t *duration)
{
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame, .data_size_in = frame_size, .data_out = output,
		    .data_size_out = *output_size, .ctx_in = context, .ctx_size_in = context_size,
		    .repeat = (int)repeat);
	int error = bpf_prog_test_run_opts(program_fd, &options);

	*output_size = options.data_size_out;
	*result = options.retval;
	*duration = options.duration;
	return error;
}

int bulkhead_send_frames(int program_fd, const void *frame, uint32_t frame_size, uint32_t count, uint32_t batch,
			 uint32_t *duration)
{
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame, .data_size_in = frame_size, .repeat = (int)count,
		    .flags = BPF_F_TEST_XDP_LIVE_FRAMES, .batch_size = batch);
	int error = bpf_prog_test_run_opts(program_fd, &options);

	*duration = options.duration;
	return error;
}

bool bulkhead_is_bpf_file_system(const char *path)
{
	struct statfs information;

	return statfs(path, &information) == 0 && information.f_type == BPF_FS_MAGIC;
}

int bulkhead_open_folder(int parent, const char *name, bool by_path)
{
	struct open_how how = {
		.flags = O_DIRECTORY | O_CLOEXEC | (by_path ? O_PATH : O_RDONLY),
		.resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};
	int fd;

	if (parent >= 0)
		how.resolve |= RESOLVE_BENEATH | RESOLVE_NO_XDEV;
	fd = syscall(SYS_openat2, parent >= 0 ? parent : AT_FDCWD, name, &how, sizeof(how));
	return fd < 0 ? -errno : fd;
}

int bulkhead_folder(int fd, struct bulkhead_folder *folder)
{
	struct statfs system;
	struct stat status;

	if (fstat(fd, &status) || fstatfs(fd, &system))
		return -errno;
	*folder = (struct bulkhead_folder){
		.inode = status.st_ino,
		.owner = status.st_uid,
		.mode = status.st_mode & 07777,
		.is_bpf = system.f_type == BPF_FS_MAGIC,
	};
	return 0;
}
