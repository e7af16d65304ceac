// SPDX-License-Identifier: Apache-2.0
import Testing

/// Packets through the kernel's own programs by BPF_PROG_TEST_RUN. One at a time: they share the programs' scratch
/// space.
@Suite(.serialized) struct PacketTables {}
