// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
import Libbpf

extension InstanceMaps {
    /// Adds what these devices have counted to the total of removed ports, and zeroes their counters.
    package func retire(_ devices: [UInt16], _ state: inout InstanceState) throws(BPFError) {
        guard !devices.isEmpty else { return }
        let counters = try PortCounters(self)
        for device in devices {
            for total in try counters.totals(device) { state.removed.add(total) }
        }
        try self[.instance].update(0, to: state)
        for device in devices { try counters.zero(device) }
    }
}
