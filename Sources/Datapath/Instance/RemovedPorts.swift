// SPDX-License-Identifier: Apache-2.0
import CDatapathABI

/// What was counted at ports that are not in force any more. Without it the events, which are the instance's, would not
/// add up with the drops, which are the ports'.
package struct RemovedPorts: BitwiseCopyable {
    package var acceptedPackets: UInt64 = 0
    package var acceptedBytes: UInt64 = 0
    package var droppedPackets: UInt64 = 0
    package var droppedBytes: UInt64 = 0

    package var accepted: Count { Count(packets: acceptedPackets, bytes: acceptedBytes) }
    package var dropped: Count { Count(packets: droppedPackets, bytes: droppedBytes) }

    package mutating func add(_ port: bh_port_counters) {
        acceptedPackets &+= port.accepted.packets
        acceptedBytes &+= port.accepted.bytes
        droppedPackets &+= port.dropped.packets
        droppedBytes &+= port.dropped.bytes
    }
}
