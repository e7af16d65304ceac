// SPDX-License-Identifier: Apache-2.0
import Policy

/// Where a packet came from that the host sends.
public enum ReferenceOrigin: Sendable, Hashable {
    /// A device that has no port.
    case elsewhere
    /// The host itself.
    case host
    /// A device of this entry.
    case entry(Int)

    /// Whether a rule asks for such packets.
    public func isOne(of via: Rule.Via) -> Bool {
        switch self {
        case .elsewhere: false
        case .host: via.host
        case .entry(let entry): via.entries.contains(entry)
        }
    }
}
