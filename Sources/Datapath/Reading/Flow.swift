// SPDX-License-Identifier: Apache-2.0
import Network
import Wire

/// One entry of the kernel's flow table.
public struct Flow: Sendable, Hashable {
    public typealias State = FlowState

    /// A device's id, or a host entry's number with `BH_SCOPE_ENTRY`.
    package var scope: UInt16
    public var ipProtocol: UInt8
    /// The opener's address.
    public var source: IPAddress
    public var destination: IPAddress
    /// The port of TCP, UDP or SCTP; of an ICMP echo the identifier, at both ends; else 0.
    public var sourcePort: UInt16
    public var destinationPort: UInt16
    /// The VLAN of the outer tag; 0: untagged.
    public var vlan: UInt16
    /// The direction of the opening packet.
    public var direction: Direction
    public var state: State
    public var isAdopted: Bool
    /// Seconds since its last packet.
    public var idleSeconds: Int
    /// Seconds without a packet after which it expires.
    public var timeoutSeconds: Int
    /// Slot of its rule's counter; `BH_NONE` if the default accepted it.
    package var counter: UInt32
    /// The protocol numbers of the headers between IP and L4 that its opening packet had.
    package var headers: Set<UInt8> = []
}

/// A flow as it is shown.
public struct ListedFlow: Sendable, Hashable {
    /// Of a workload; of a host, the entry.
    public var port: String
    /// nil if the default accepted it.
    public var rule: String?
    public var flow: Flow

    public init(port: String, rule: String?, flow: Flow) {
        self.port = port
        self.rule = rule
        self.flow = flow
    }
}

extension ListedFlow: Comparable {
    /// By port, then by who opened it to whom.
    public static func < (left: ListedFlow, right: ListedFlow) -> Bool {
        if left.port != right.port { return left.port < right.port }
        let (left, right) = (left.flow, right.flow)
        if left.source != right.source { return left.source < right.source }
        if left.destination != right.destination { return left.destination < right.destination }
        return left.numbers.lexicographicallyPrecedes(right.numbers)
    }
}

extension Flow {
    /// What tells flows between two addresses apart.
    fileprivate var numbers: [UInt16] {
        [UInt16(ipProtocol), destinationPort, sourcePort, vlan, direction == .in ? 0 : 1]
    }
}
