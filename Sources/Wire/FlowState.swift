// SPDX-License-Identifier: Apache-2.0

/// How far a flow has come.
public enum FlowState: String, Sendable, Hashable, CaseIterable {
    /// Seen one way.
    case opening
    /// Answered, and not gone on with: who opened it may have lied about its address.
    case answered
    case established
    /// TCP: a FIN each way.
    case closing
    /// TCP: a reset.
    case closed

    /// Reads a value of `enum bh_flow_state`; nil for a free place.
    public init?(_ number: UInt8) {
        guard number > 0, Int(number) <= FlowState.allCases.count else { return nil }
        self = FlowState.allCases[Int(number) - 1]
    }

    /// Seconds without a packet after which a flow is gone.
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
