// SPDX-License-Identifier: Apache-2.0

/// The state of a flow.
public enum FlowState: String, Sendable, Hashable, CaseIterable {
    /// Packets were seen in one direction only.
    case opening
    /// Answered, but the opener has not sent again: its source address may be forged.
    case answered
    case established
    /// TCP: a FIN in each direction.
    case closing
    /// TCP: ended by a reset.
    case closed

    /// Reads a value of `enum bh_flow_state`; nil for a free slot.
    public init?(_ number: UInt8) {
        guard number > 0, Int(number) <= FlowState.allCases.count else { return nil }
        self = FlowState.allCases[Int(number) - 1]
    }

    /// The idle time in seconds after which the flow is gone.
    public func timeout(ipProtocol: UInt8) -> Int {
        switch self {
        case .opening: 30
        case .answered: ipProtocol == 6 ? 60 : 120
        case .established: [6, 132].contains(ipProtocol) ? 7500 : 180
        case .closing: 120
        case .closed: 10
        }
    }
}
