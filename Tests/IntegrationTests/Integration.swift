// SPDX-License-Identifier: Apache-2.0
import Testing

/// All tests on real devices. One test at a time, because they share two processors and some count packets.
@Suite(.serialized) struct Integration {}
