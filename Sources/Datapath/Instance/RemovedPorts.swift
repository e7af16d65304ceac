// SPDX-License-Identifier: Apache-2.0

/// What was counted at ports that are no longer in force. Events are counted per instance and drops per port; without
/// these totals they would not add up.
package struct RemovedPorts: BitwiseCopyable {
    package var acceptedPackets: UInt64 = 0
    package var acceptedBytes: UInt64 = 0
    package var droppedPackets: UInt64 = 0
    package var droppedBytes: UInt64 = 0

    package var accepted: Count { Count(packets: acceptedPackets, bytes: acceptedBytes) }
    package var dropped: Count { Count(packets: droppedPackets, bytes: droppedBytes) }

    mutating func add(_ port: PortTotal) {
        acceptedPackets &+= port.accepted.packets
        acceptedBytes &+= port.accepted.bytes
        droppedPackets &+= port.dropped.packets
        droppedBytes &+= port.dropped.bytes
    }
}
