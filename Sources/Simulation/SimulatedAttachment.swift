// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
import Datapath
import Host

extension Simulator {
    /// Which connections the programs adopt that were open before a port was filtered.
    package enum Adopting: Sendable, Hashable {
        case none
        /// Those that the policy adopts at a port that is filtered from now on.
        case asWritten
    }

    /// Makes every made-up device one that is filtered from now on, or only one of them.
    package func attachAnew(_ adopting: Adopting, only one: UInt16? = nil) {
        mapping.store(adopting == .asWritten ? view.tables.adopt : 0, in: \bh_image_header.adopt)
        guard let field = MemoryLayout<bh_device>.offset(of: \.attached_at),
            let table = mapping.load(\bh_image_header.devices)
        else { return }
        let now = KernelClock.nanoseconds()
        for device in 1..<Simulator.devices where one == nil || device == Int(one ?? 0) {
            mapping.store(now, at: Int(table) + device * MemoryLayout<bh_device>.stride + field)
        }
    }
}
