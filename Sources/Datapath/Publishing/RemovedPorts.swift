// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
import Libbpf

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

extension InstanceMaps {
    /// Adds what these devices have counted to the total of removed ports, and makes their counters zero.
    package func retire(_ devices: [UInt16], _ state: inout InstanceState) throws(BPFError) {
        let indices = devices.flatMap { device in
            (0..<BH_DIRECTION_MAX.rawValue).map { UInt32(device) * BH_DIRECTION_MAX.rawValue + $0 }
        }
        for index in indices {
            for value in try self[.portCounters].lookupPerCPU(index, as: bh_port_counters.self) {
                state.removed.add(value)
            }
        }
        try self[.instance].update(0, to: state)
        try self[.portCounters].zeroPerCPU(indices)
    }
}
