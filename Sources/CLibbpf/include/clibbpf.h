/* What Swift sees of libbpf. */
#ifndef BULKHEAD_CLIBBPF_H
#define BULKHEAD_CLIBBPF_H

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#endif
