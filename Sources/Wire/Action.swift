// SPDX-License-Identifier: Apache-2.0
import CDatapathABI

/// What a rule says of a packet.
public enum Action: String, Sendable, Hashable, CaseIterable {
    case accept
    case drop
    case reject
    /// Counts and streams the packet, and goes on with the next rule.
    case log
    /// Goes on with the next layer.
    case pass

    /// Those that a packet can come to; the others leave it to later rules.
    public static let verdicts: [Action] = [.accept, .drop, .reject]

    /// Whether it is what becomes of a packet.
    public var isVerdict: Bool { Action.verdicts.contains(self) }
}

extension Action {
    /// Reads a value of `enum bh_verdict`.
    public init?(_ number: UInt32) {
        switch number {
        case BH_ACCEPT.rawValue: self = .accept
        case BH_DROP.rawValue: self = .drop
        case BH_REJECT.rawValue: self = .reject
        case BH_LOG.rawValue: self = .log
        case BH_PASS.rawValue: self = .pass
        default: return nil
        }
    }

    /// The value of `enum bh_verdict`.
    public var number: UInt32 {
        switch self {
        case .accept: BH_ACCEPT.rawValue
        case .drop: BH_DROP.rawValue
        case .reject: BH_REJECT.rawValue
        case .log: BH_LOG.rawValue
        case .pass: BH_PASS.rawValue
        }
    }
}
