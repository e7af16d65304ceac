// SPDX-License-Identifier: Apache-2.0
import Testing

/// Packets through the kernel's own programs by BPF_PROG_TEST_RUN. One test at a time, because they share the programs'
/// scratch space.
@Suite(.serialized) struct PacketTables {}
