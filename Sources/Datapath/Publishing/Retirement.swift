// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
import Libbpf

extension InstanceMaps {
    /// Adds what these devices have counted to the total of removed ports, and zeroes their counters.
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
