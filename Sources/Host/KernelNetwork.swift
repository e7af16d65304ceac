// SPDX-License-Identifier: Apache-2.0
import CNetlink
import Glibc
import Network
import Policy
import SystemPackage

/// What the kernel says of the network of this host. Each namespace's tables are read once; routes are asked for one by
/// one, because rules, tables and sources take part in them.
///
/// Not for use by several threads at once.
package final class KernelNetwork: NetworkView {
    package let own: UInt64
    /// Names of the namespaces that may be looked into, by their inodes.
    private let names: [UInt64: String]
    private var known: [UInt64: NetworkTables?] = [:]
    private let descriptor: FileDescriptor?

    /// - Parameter names: Of the namespaces that are looked into besides the own one.
    package init(seeing names: some Sequence<String> = NetworkNamespace.names) {
        own = NetworkNamespace.inode(nil) ?? 0
        descriptor = try? NetworkNamespace.openOwn()
        let inodes = names.compactMap { name in NetworkNamespace.inode(name).map { ($0, name) } }
        self.names = Dictionary(inodes) { first, _ in first }
    }

    deinit { try? descriptor?.close() }

    package func inode(of name: String?) -> UInt64? { name == nil ? own : NetworkNamespace.inode(name) }

    package var namespaces: [UInt64] { [own] + names.keys.filter { $0 != own }.sorted() }

    package func tables(_ namespace: UInt64) -> NetworkTables? {
        if let found = known[namespace] { return found }
        let found = read(namespace)
        known[namespace] = .some(found)
        return found
    }

    package func route(_ packet: RoutedPacket, from device: UInt32?, in namespace: UInt64) -> RouteAnswer {
        guard namespace == own || names[namespace] != nil else { return .nowhere("out of sight") }
        let answer = try? NetworkNamespace.with(name(of: namespace)) { () throws(HostError) in
            RouteAnswer(to: packet, from: device)
        }
        return answer ?? .nowhere("the namespace cannot be entered")
    }

    private func name(of namespace: UInt64) -> String? { namespace == own ? nil : names[namespace] }

    private func read(_ namespace: UInt64) -> NetworkTables? {
        guard namespace == own || names[namespace] != nil else { return nil }
        let name = name(of: namespace)
        return try? NetworkNamespace.with(name) { () throws(HostError) -> NetworkTables in
            try NetworkTables(name: name, inode: namespace, namespaces: namespaceIDs)
        }
    }

    /// All that may be looked into, by what the calling thread's namespace calls them.
    private func namespaceIDs() -> [Int32: UInt64] {
        var result: [Int32: UInt64] = [:]
        for (inode, name) in names {
            if let id = NetworkNamespace.id(of: name) { result[id] = inode }
        }
        if let id = descriptor.flatMap({ NetworkNamespace.id($0) }) { result[id] = own }
        return result
    }
}

extension RouteAnswer {
    /// Asks in the calling thread's namespace.
    fileprivate init(to packet: RoutedPacket, from device: UInt32?) {
        var question = bulkhead_packet()
        question.family = UInt8(packet.destination.family == .v4 ? AF_INET : AF_INET6)
        question.protocol = packet.protocolNumber
        question.has_source = packet.source == nil ? 0 : 1
        question.input = device ?? 0
        question.source_port = packet.sourcePort ?? 0
        question.destination_port = packet.destinationPort ?? 0
        packet.source?.copy(to: &question.source)
        packet.destination.copy(to: &question.destination)
        var hops: UnsafeMutablePointer<bulkhead_next_hop>?
        var count = 0
        var type: UInt8 = 0
        defer { unsafe free(hops) }
        let error = unsafe bulkhead_ask_route(&question, &type, &hops, &count)
        guard error >= 0 else {
            self = .nowhere("\(Errno(rawValue: -error))")
            return
        }
        let all = unsafe UnsafeBufferPointer(start: hops, count: count)
        switch Int32(type) {
        case 2, 3, 4: self = .here
        case 1 where count > 0: self = .onward(unsafe all.map { NextHop($0) })
        default: self = .nowhere("no unicast route")
        }
    }
}

extension RouteAnswer.NextHop {
    fileprivate init(_ hop: bulkhead_next_hop) {
        self.init(
            device: hop.device, gateway: hop.family == 0 ? nil : IPAddress(family: hop.family, bytes: hop.gateway))
    }
}

extension IPAddress {
    typealias CBytes = (
        UInt8, UInt8, UInt8, UInt8, UInt8, UInt8, UInt8, UInt8, UInt8, UInt8, UInt8, UInt8, UInt8, UInt8, UInt8, UInt8
    )

    /// - Parameters:
    ///   - family: AF_INET, or else AF_INET6.
    ///   - bytes: In network order; of IPv4 the first four.
    init(family: UInt8, bytes: CBytes) {
        let isV4 = Int32(family) == AF_INET
        let value = unsafe withUnsafeBytes(of: bytes) { bytes in
            unsafe bytes.prefix(isV4 ? 4 : 16).reduce(UInt128(0)) { $0 << 8 | UInt128($1) }
        }
        self.init(family: isV4 ? .v4 : .v6, value: value)
    }

    fileprivate func copy(to bytes: inout CBytes) {
        let count = family.bits / 8
        let value = value
        unsafe withUnsafeMutableBytes(of: &bytes) { bytes in
            for place in 0..<count {
                unsafe bytes[place] = UInt8(truncatingIfNeeded: value >> UInt128(8 * (count - 1 - place)))
            }
        }
    }
}
