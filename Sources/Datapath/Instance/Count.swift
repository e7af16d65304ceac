// SPDX-License-Identifier: Apache-2.0
import CDatapathABI

/// A number of packets, and of the bytes of their frames.
public struct Count: Sendable, Hashable {
    public var packets: UInt64
    public var bytes: UInt64

    public init(packets: UInt64 = 0, bytes: UInt64 = 0) {
        self.packets = packets
        self.bytes = bytes
    }

    static func + (left: Count, right: Count) -> Count {
        Count(packets: left.packets &+ right.packets, bytes: left.bytes &+ right.bytes)
    }
}

extension Count {
    init(_ value: bh_count) { self.init(packets: value.packets, bytes: value.bytes) }
}
