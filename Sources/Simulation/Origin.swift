// SPDX-License-Identifier: Apache-2.0
import CDatapathABI

extension Simulator {
    /// Where a packet came from that the host sends.
    public enum Origin: Sendable, Hashable {
        /// A device that has no port.
        case elsewhere
        /// The host itself.
        case host
        /// A device of this port record.
        case port(record: Int)

        /// The value of `enum bh_via`.
        var number: UInt32 {
            switch self {
            case .elsewhere: BH_VIA_NOWHERE.rawValue
            case .host: BH_VIA_HOST.rawValue
            case .port(let record): BH_VIA_RECORD.rawValue + UInt32(record)
            }
        }
    }
}
