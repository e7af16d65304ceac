// SPDX-License-Identifier: Apache-2.0
import CDatapathABI

/// What happens to a packet.
public enum Action: String, Sendable, Hashable, CaseIterable {
    case accept
    case drop
    case reject
}

extension Action {
    /// Reads a value of `enum bh_verdict`.
    public init?(_ number: UInt32) {
        switch number {
        case BH_ACCEPT.rawValue: self = .accept
        case BH_DROP.rawValue: self = .drop
        case BH_REJECT.rawValue: self = .reject
        default: return nil
        }
    }

    /// The value of `enum bh_verdict`.
    public var number: UInt32 {
        switch self {
        case .accept: BH_ACCEPT.rawValue
        case .drop: BH_DROP.rawValue
        case .reject: BH_REJECT.rawValue
        }
    }
}
