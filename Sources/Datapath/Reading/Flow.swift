// SPDX-License-Identifier: Apache-2.0
import Network
import Wire

/// One entry of the kernel's flow table.
public struct Flow: Sendable, Hashable {
    public typealias State = FlowState

    /// A device's id, or a host entry's number with `BH_SCOPE_ENTRY`.
    package var scope: UInt16
    public var ipProtocol: UInt8
    /// Who opened it.
    public var source: IPAddress
    public var destination: IPAddress
    /// TCP, UDP, SCTP; of an ICMP echo the identifier, at both ends; else 0.
    public var sourcePort: UInt16
    public var destinationPort: UInt16
    /// The outer tag; 0 where untagged.
    public var vlan: UInt16
    /// Of the opening packet.
    public var direction: Direction
    public var state: State
    public var isAdopted: Bool
    /// Since its last packet.
    public var idleSeconds: Int
    /// Seconds without a packet after which it is gone.
    public var timeoutSeconds: Int
    /// Slot of its rule's counter; `BH_NONE` where the default accepted it.
    package var counter: UInt32
}
