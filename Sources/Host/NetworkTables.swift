// SPDX-License-Identifier: Apache-2.0
import Network

/// A device of this host, in whichever network namespace.
package struct DeviceID: Sendable, Hashable {
    /// The namespace's inode.
    package var namespace: UInt64
    package var index: UInt32

    package init(namespace: UInt64, index: UInt32) {
        self.namespace = namespace
        self.index = index
    }
}

/// A device as far as packets find their way by it.
package struct NetworkDevice: Sendable, Hashable {
    /// An address, and the network that it is in.
    package struct Address: Sendable, Hashable {
        package var address: IPAddress
        package var length: Int

        package init(_ address: IPAddress, length: Int) {
            self.address = address
            self.length = length
        }

        package var network: Prefix { Prefix(address, length: length) }
    }

    /// What a bridge holds of a member.
    package struct Membership: Sendable, Hashable {
        package var isForwarding = true
        /// Whether what comes in by it may go out by it.
        package var isHairpin = false
        /// Whether it talks to no other isolated member.
        package var isIsolated = false

        package init() {}
    }

    package var id: DeviceID
    package var name: String
    /// The kernel's name for the kind of device, such as `bridge`; empty for a NIC.
    package var kind: String
    package var isUp = true
    package var mac: MACAddress?
    /// The bridge, bond or VRF that it is a member of.
    package var master: UInt32?
    /// The device below, or the other end of a veth; nil: there is none, or it is out of sight.
    package var lower: DeviceID?
    /// Of a VLAN device.
    package var vlan: UInt16?
    package var addresses: [Address] = []
    package var membership = Membership()
    /// Of a bridge: whether its members' VLANs count.
    package var filtersVLANs = false
    /// Of a bridge: the IP versions whose packets it hands to the packet filter of the IP layer (br_netfilter).
    package var callsPacketFilter: Set<AddressFamily> = []
    /// Of a bond in mode active-backup: the one member that carries packets.
    package var activeMember: UInt32?
    package var isActiveBackup = false

    package init(id: DeviceID, name: String, kind: String) {
        self.id = id
        self.name = name
        self.kind = kind
    }

    /// The networks that it has an address in. Every device is in the link-local one, which leads nowhere.
    package func networks(_ family: AddressFamily) -> [Prefix] {
        addresses.filter {
            $0.address.family == family && !($0.address.family == .v6 && $0.address.value >> 118 == 0x3fa)
        }
        .map(\.network)
    }
}

/// What the kernel knows in one network namespace of who is where.
package struct NetworkTables: Sendable {
    /// What a bridge knows of a MAC address.
    package enum Place: Sendable, Hashable {
        /// Frames for it go to the host itself.
        case here
        case behind(UInt32)
    }

    package struct Station: Sendable, Hashable {
        package var bridge: UInt32
        package var mac: MACAddress
        /// nil: in no VLAN.
        package var vlan: UInt16?

        package init(bridge: UInt32, mac: MACAddress, vlan: UInt16?) {
            self.bridge = bridge
            self.mac = mac
            self.vlan = vlan
        }
    }

    package struct Neighbour: Sendable, Hashable {
        package var device: UInt32
        package var address: IPAddress

        package init(device: UInt32, address: IPAddress) {
            self.device = device
            self.address = address
        }
    }

    /// A VLAN of a member of a bridge, or of the bridge itself.
    package struct BridgeVLAN: Sendable, Hashable {
        package var tag: UInt16
        /// Whether frames without a tag belong to it.
        package var isDefault: Bool
        /// Whether its frames leave without the tag.
        package var isUntagged: Bool

        package init(tag: UInt16, isDefault: Bool, isUntagged: Bool) {
            self.tag = tag
            self.isDefault = isDefault
            self.isUntagged = isUntagged
        }
    }

    package struct Forwarding: Sendable, Hashable {
        package var isOn = false
        /// Whether a source must be routed back: `rp_filter`.
        package var checksReversePath = false
        /// Whether the device answers for others' addresses.
        package var isProxy = false

        package init(isOn: Bool = false, checksReversePath: Bool = false, isProxy: Bool = false) {
            self.isOn = isOn
            self.checksReversePath = checksReversePath
            self.isProxy = isProxy
        }
    }

    /// As `ip netns` calls it; nil for the own one.
    package var name: String?
    package var devices: [UInt32: NetworkDevice] = [:]
    package var neighbours: [Neighbour: MACAddress] = [:]
    package var stations: [Station: Place] = [:]
    package var bridgeVLANs: [UInt32: [BridgeVLAN]] = [:]
    package var forwarding: [AddressFamily: [UInt32: Forwarding]] = [:]
    /// What holds for all devices.
    package var forwardingOfAll: [AddressFamily: Forwarding] = [:]

    /// What was too long to be read whole, such as `neighbours`.
    package var cut: [String] = []

    package init(name: String?) { self.name = name }

    /// The members of a bridge or bond, by name.
    package func members(of master: UInt32) -> [NetworkDevice] {
        devices.values.filter { $0.master == master }.sorted { $0.name < $1.name }
    }

    /// The devices that have an address.
    package func owners(of address: IPAddress) -> [NetworkDevice] {
        devices.values.filter { $0.addresses.contains { $0.address == address } }
    }
}
