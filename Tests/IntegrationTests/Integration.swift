// SPDX-License-Identifier: Apache-2.0
import Testing

/// Everything that works on real devices: one test at a time, for they share two processors and some of them count
/// packets.
@Suite(.serialized) struct Integration {}
