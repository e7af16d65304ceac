// SPDX-License-Identifier: Apache-2.0
import CNetlink
import Glibc
import Network
import Policy

extension HostInventory {
    /// Reads from the kernel the devices of this network namespace and of these named ones. Only entering another
    /// namespace needs privilege. A named one that does not exist, or that the user may not enter, is left out.
    ///
    /// - Throws: ``HostError`` also where a namespace was entered and cannot be read. To leave that one out would take
    ///   its devices for gone, and whoever is root inside can make it unreadable.
    package static func read(namespaces: Set<String> = []) throws(HostError) -> HostInventory {
        var inventory = HostInventory(now: Timestamp(nanoseconds: KernelClock.nanoseconds(CLOCK_REALTIME)))
        inventory.namespaces[nil] = try NamespaceInventory.read(nil)
        for name in namespaces.sorted() {
            var isEntered = false
            do throws(HostError) {
                inventory.namespaces[name] = try NamespaceInventory.read(name, &isEntered)
            } catch {
                guard isEntered else { continue }
                throw HostError(
                    "network namespace \"\(name)\" cannot be read: \(error.message)",
                    advice: error.advice ?? "see what changes it all the time, and try again")
            }
        }
        return inventory
    }
}

extension NamespaceInventory {
    static func read(_ name: String?) throws(HostError) -> NamespaceInventory {
        var isEntered = false
        return try read(name, &isEntered)
    }

    /// - Parameter isEntered: Gets true when the namespace has been entered; what fails then is reading it.
    fileprivate static func read(_ name: String?, _ isEntered: inout Bool) throws(HostError) -> NamespaceInventory {
        try NetworkNamespace.with(name) { () throws(HostError) in
            isEntered = true
            return NamespaceInventory(
                inode: NetworkNamespace.inode(nil) ?? 0, interfaces: try readInterfaces())
        }
    }

    /// The names of a namespace's devices by index, the device's own first; and the namespace's inode.
    static func names(in namespace: String?) throws(HostError) -> (inode: UInt64, names: [UInt32: [String]]) {
        try NetworkNamespace.with(namespace) { () throws(HostError) in
            let others = try readAlternativeNames()
            let names = try readLinks().map { ($0.index, [text(of: $0.name)] + (others[$0.index] ?? [])) }
            return (NetworkNamespace.inode(nil) ?? 0, Dictionary(names) { first, _ in first })
        }
    }

    private static func readLinks() throws(HostError) -> [bulkhead_interface] {
        try unsafe listed("network devices", bulkhead_read_interfaces)
    }

    /// The beginning where there are too many: only the list of devices has to be whole.
    private static func readAlternativeNames() throws(HostError) -> [UInt32: [String]] {
        var result: [UInt32: [String]] = [:]
        var cut: [String] = []
        let names = try unsafe listed("names of network devices", notingIn: &cut, bulkhead_read_alternative_names)
        for name in names {
            if isText(name.name) { result[name.index, default: []].append(text(of: name.name)) }
        }
        return result
    }

    private static func readInterfaces() throws(HostError) -> [HostInterface] {
        let all = try readLinks()
        let alternatives = try readAlternativeNames()
        var prefixes: [UInt32: [Prefix]] = [:]
        var cut: [String] = []
        for address in try unsafe listed("addresses", notingIn: &cut, bulkhead_read_addresses) {
            prefixes[address.index, default: []].append(Prefix(address))
        }
        let names = Dictionary(all.map { ($0.index, text(of: $0.name)) }) { first, _ in first }
        let bridges = Set(all.filter { text(of: $0.kind) == "bridge" }.map(\.index))
        return all.map { link in
            HostInterface(
                link, bridge: bridges.contains(link.master) ? names[link.master] : nil,
                addresses: prefixes[link.index] ?? [], alternativeNames: alternatives[link.index] ?? [])
        }
    }
}

extension HostInterface {
    fileprivate init(_ link: bulkhead_interface, bridge: String?, addresses: [Prefix], alternativeNames: [String]) {
        let kind: Kind =
            switch text(of: link.kind) {
            case "tun": .tap
            case "veth": .veth
            case "bridge": .bridge
            default: link.hardware_type == UInt16(BULKHEAD_ARPHRD_LOOPBACK) ? .loopback : .other
            }
        let kernelKind = text(of: link.kind)
        let (a, b, c, d, e, f) = link.mac
        let mac = MACAddress([a, b, c, d, e, f].reduce(0) { $0 << 8 | UInt64($1) })
        self.init(
            name: text(of: link.name), index: link.index, kind: kind, bridge: bridge,
            isEthernet: link.hardware_type == UInt16(BULKHEAD_ARPHRD_ETHER), mac: link.has_mac != 0 ? mac : nil,
            addresses: addresses, kernelKind: kernelKind,
            facing: Facing(kind: kernelKind, isRouted: link.is_routed != 0), alternativeNames: alternativeNames,
            isNameText: isText(link.name), xdpProgram: link.xdp_program == 0 ? nil : link.xdp_program)
    }
}

extension Prefix {
    /// An interface's own address, as a prefix of one address.
    fileprivate init(_ address: bulkhead_address) {
        let bytes = unsafe withUnsafeBytes(of: address.bytes) { unsafe Array($0) }
        let isV4 = Int32(address.family) == AF_INET
        let value = bytes.prefix(isV4 ? 4 : 16).reduce(UInt128(0)) { $0 << 8 | UInt128($1) }
        self.init(IPAddress(family: isV4 ? .v4 : .v6, value: value))
    }
}

/// Whether the C array of characters, up to its NUL, is UTF-8; a device's name can be any bytes.
private func isText<Tuple: BitwiseCopyable>(_ tuple: Tuple) -> Bool {
    unsafe withUnsafeBytes(of: tuple) { bytes in
        unsafe String(validating: bytes.prefix { $0 != 0 }, as: UTF8.self) != nil
    }
}
