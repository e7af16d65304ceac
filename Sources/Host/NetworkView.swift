// SPDX-License-Identifier: Apache-2.0
import Network

/// A packet, as far as routes depend on it.
package struct RoutedPacket: Sendable, Hashable {
    /// nil: whichever the sender takes.
    package var source: IPAddress?
    package var destination: IPAddress
    /// By its number in IPv4.
    package var protocolNumber: UInt8
    package var sourcePort: UInt16?
    package var destinationPort: UInt16?

    package init(
        source: IPAddress?, destination: IPAddress, protocolNumber: UInt8 = 0, sourcePort: UInt16? = nil,
        destinationPort: UInt16? = nil
    ) {
        self.source = source
        self.destination = destination
        self.protocolNumber = protocolNumber
        self.sourcePort = sourcePort
        self.destinationPort = destinationPort
    }
}

/// What the kernel does with a packet by its routes.
package enum RouteAnswer: Sendable, Hashable {
    /// It is the host's own.
    case here
    /// One of these, for a reason that cannot be told beforehand where there are several.
    case onward([NextHop])
    /// Nowhere; the kernel's own word for it.
    case nowhere(String)

    package struct NextHop: Sendable, Hashable {
        package var device: UInt32
        /// nil: the destination itself is on the link.
        package var gateway: IPAddress?

        package init(device: UInt32, gateway: IPAddress?) {
            self.device = device
            self.gateway = gateway
        }
    }
}

/// What can be seen of the network that this host is, and is a part of: its namespaces, by their inodes. A plain value
/// can take the kernel's place.
package protocol NetworkView {
    /// The controller's own namespace.
    var own: UInt64 { get }

    /// The inode of a namespace by its name; nil: the own one.
    func inode(of name: String?) -> UInt64?

    /// All that can be seen.
    var namespaces: [UInt64] { get }

    /// nil: the namespace is out of sight.
    func tables(_ namespace: UInt64) -> NetworkTables?

    /// - Parameter device: That the packet comes in by; nil: the namespace sends it.
    func route(_ packet: RoutedPacket, from device: UInt32?, in namespace: UInt64) -> RouteAnswer
}

extension NetworkView {
    package func device(_ id: DeviceID) -> NetworkDevice? { tables(id.namespace)?.devices[id.index] }
}
