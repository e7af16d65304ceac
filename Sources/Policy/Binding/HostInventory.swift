// SPDX-License-Identifier: Apache-2.0
import Network

/// A network device as the kernel describes it.
public struct HostInterface: Sendable, Hashable {
    public enum Kind: String, Sendable, Hashable {
        case tap
        case veth
        case bridge
        case loopback
        case other
    }

    public var name: String
    /// Whether the device's name is valid UTF-8. If not, `name` may not be unique.
    public var isNameText: Bool
    public var index: UInt32
    public var kind: Kind
    /// The bridge that the device is a member of.
    public var bridge: String?
    /// Whether its link layer is Ethernet (ARPHRD_ETHER).
    public var isEthernet: Bool
    public var mac: MACAddress?
    /// The device's own addresses as prefixes of full length, not its networks.
    public var addresses: [Prefix]
    /// The kernel's name for the kind of device, such as `macvtap`; empty for a NIC.
    public var kernelKind: String
    public var facing: Facing
    /// Further names (`ip link property add altname`), as good as `name`.
    public var alternativeNames: [String]
    /// The kernel's number of the program on the XDP hook; nil: there is none.
    public var xdpProgram: UInt32?

    public init(
        name: String, index: UInt32, kind: Kind, bridge: String? = nil, isEthernet: Bool = true,
        mac: MACAddress? = nil, addresses: [Prefix] = [], kernelKind: String = "", facing: Facing = .beyond,
        alternativeNames: [String] = [], isNameText: Bool = true, xdpProgram: UInt32? = nil
    ) {
        self.xdpProgram = xdpProgram
        self.alternativeNames = alternativeNames
        self.isNameText = isNameText
        self.kernelKind = kernelKind
        self.facing = facing
        self.name = name
        self.index = index
        self.kind = kind
        self.bridge = bridge
        self.isEthernet = isEthernet
        self.mac = mac
        self.addresses = addresses
    }

    /// Whether `isMeant` is true of one of the device's names.
    public func isNamed(_ isMeant: (String) -> Bool) -> Bool {
        isMeant(name) || alternativeNames.contains(where: isMeant)
    }

    /// Whether this is one of the device's names.
    public func isNamed(_ word: String) -> Bool { isNamed { $0 == word } }
}

/// The devices of one network namespace at one moment.
public struct NamespaceInventory: Sendable {
    /// The namespace's inode, which identifies it.
    public var inode: UInt64
    public var interfaces: [HostInterface]

    public init(inode: UInt64, interfaces: [HostInterface]) {
        self.inode = inode
        self.interfaces = interfaces
    }
}

/// What the resolver needs to know about the host. A plain value, so that tests can make one up.
public struct HostInventory: Sendable {
    /// By the namespace's name; nil is the controller's own. A namespace that does not exist or cannot be entered is
    /// absent.
    public var namespaces: [String?: NamespaceInventory]
    /// The guests of this host, the oldest first; nil: there is no inventory of them.
    public var workloads: [Workload]?
    /// The host's clock; nil if unknown.
    public var now: Timestamp?
    /// Whether the host starts, so that devices that are missing come later, and none of them is an error.
    public var isStarting = false

    public init(namespaces: [String?: NamespaceInventory] = [:], now: Timestamp? = nil) {
        self.namespaces = namespaces
        self.now = now
    }

    public static let empty = HostInventory()
}

/// One device bound to one entry: what a policy asks for at a port.
public struct PortBinding: Sendable, Hashable {
    /// What it protects is as written, or: `workload` if an identity is bound or the device is a tap or veth that is a
    /// bridge member, else `host`.
    public var port: Port
    /// Index in ``Ruleset/entries``.
    public var entry: Int
    public var mode: PortEntry.Mode
    /// nil: the device is missing; it will be bound by a later apply.
    public var interface: HostInterface?
    public var namespaceInode: UInt64?
    /// Whether it is not admitted, so that everything is dropped: only a bridge entry with `unknown: drop` names the
    /// device, or its guest is refused.
    public var isUnknownToDrop: Bool
    /// Whether `protects` was not written and the default was taken.
    public var protectsIsDefault: Bool

    public init(
        entry: Int, of definition: PortEntry, name: String, protects: Protects, interface: HostInterface?,
        interfaceName: String, namespaceInode: UInt64?, isUnknownToDrop: Bool = false,
        protectsIsDefault: Bool = false
    ) {
        port = Port(
            name: name, entry: definition.name, interface: interfaceName, namespace: definition.namespace,
            protects: protects, alternativeNames: interface?.alternativeNames ?? [])
        self.entry = entry
        mode = definition.mode
        self.interface = interface
        self.namespaceInode = namespaceInode
        self.isUnknownToDrop = isUnknownToDrop
        self.protectsIsDefault = protectsIsDefault
    }
}
