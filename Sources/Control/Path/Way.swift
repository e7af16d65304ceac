// SPDX-License-Identifier: Apache-2.0
import Host
import Network

/// One way that a packet may take through what can be seen of the network.
package struct Way: Sendable, Hashable {
    /// A hook of a device that it passes, and the frame there.
    package struct Passage: Sendable, Hashable {
        package var device: DeviceID
        /// Whether the kernel hands it to the device, or gets it from there.
        package var isEgress: Bool
        package var vlan: UInt16?
        package var sourceMAC: MACAddress?
        package var destinationMAC: MACAddress?
    }

    package enum Step: Sendable, Hashable {
        case passage(Passage)
        /// Routed in a namespace. Without `from` the namespace sends it, without `to` it receives it.
        case routed(namespace: UInt64, from: UInt32?, to: UInt32?)
        /// By a bridge. Without `from` its own device sends it, without `to` its own device gets it.
        case bridged(DeviceID, from: UInt32?, to: UInt32?)
    }

    /// Why the kernel itself does not carry it on.
    package enum Stop: Sendable, Hashable {
        /// With the kernel's own word.
        case noRoute(namespace: UInt64, String)
        case forwardingIsOff(DeviceID)
        /// The route back leads elsewhere (`rp_filter`), or no host may have the source.
        case sourceIsRefused(DeviceID)
        case deviceIsDown(DeviceID)
        /// Nobody on the link has the address.
        case nobodyAnswers(IPAddress, DeviceID)
        /// The frame is for another MAC address.
        case isForAnother(DeviceID)
        /// No VLAN device takes the tag.
        case tagIsNotTaken(DeviceID, UInt16)
        case memberIsNotForwarding(DeviceID)
        case membersAreIsolated(DeviceID, DeviceID)
        /// It would leave by the member that it came by.
        case turnsBack(DeviceID)
        case memberIsNotInVLAN(DeviceID, UInt16?)
        /// It is sent round in a circle, until its hop limit ends.
        case circle
    }

    package enum End: Sendable, Hashable {
        /// The namespace takes it for its own.
        case delivered(UInt64)
        /// It goes on beyond the device, out of sight.
        case leaves(DeviceID)
        case stopped(Stop)
        /// Both ends are beyond this device, and have a way of their own to each other.
        case passesBy(DeviceID)
        /// What becomes of it cannot be told, for this reason.
        case unknown(String)
    }

    package var steps: [Step]
    package var end: End
    /// What was taken to be so on this way, because nothing says for certain.
    package var assumptions: [Assumption]

    package enum Assumption: Sendable, Hashable {
        /// The kernel chooses among several next hops by a hash.
        case nextHop(of: Int, DeviceID)
        /// Any member of a bond may carry it.
        case bondMember(DeviceID)
        /// No table says which member the address is behind; the bridge would flood.
        case member(IPAddress, DeviceID)
        /// The policy binds the address to the port.
        case bound(IPAddress, DeviceID)
        /// Its sender is out of sight, and may use this gateway; nil: this host.
        case gateway(IPAddress?)
        /// A router beyond the device, out of sight, may send it back to this host, which leads to the address.
        case returned(IPAddress, DeviceID)
        /// It is taken to come in where the route back to it leads.
        case entrance(IPAddress, DeviceID)
        /// It may come in by the device whose address it is sent to, though the route back leads elsewhere.
        case addressed(IPAddress)
        /// Nothing says for certain where it comes in.
        case anyEntrance(IPAddress, DeviceID)
        /// Another namespace than the host's own has the address. Whoever rules there may give it any.
        case claimed(IPAddress, by: UInt64)
        /// Something in the namespace was too long to be read whole, so that the packet may go elsewhere.
        case cut(String, in: UInt64)
    }

    /// Whether not all was read that this way depends on.
    package var isCut: Bool { assumptions.contains { if case .cut = $0 { true } else { false } } }

    package var passages: [Passage] {
        steps.compactMap { if case .passage(let passage) = $0 { passage } else { nil } }
    }

    /// Those that it leads through.
    package var namespaces: [UInt64] {
        steps.map { step in
            switch step {
            case .passage(let passage): passage.device.namespace
            case .routed(let namespace, _, _): namespace
            case .bridged(let bridge, _, _): bridge.namespace
            }
        } + (steps.isEmpty ? end.namespaces : [])
    }
}

extension Way.End {
    fileprivate var namespaces: [UInt64] {
        switch self {
        case .stopped(.noRoute(let namespace, _)), .delivered(let namespace): [namespace]
        case .passesBy(let device): [device.namespace]
        case .stopped, .leaves, .unknown: []
        }
    }
}
