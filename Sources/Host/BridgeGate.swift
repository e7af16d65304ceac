// SPDX-License-Identifier: Apache-2.0
import CNetlink
import Glibc
import SystemPackage

/// A gate in nftables: a table of the bridge family that drops what no admitted port of some bridges sent or may
/// receive. All calls are about the calling thread's network namespace.
package struct BridgeGate: Sendable, Hashable {
    package struct Device: Sendable, Hashable {
        package var name: String
        package var index: UInt32

        package init(name: String, index: UInt32) {
            self.name = name
            self.index = index
        }
    }

    /// The bridges that it is for.
    package var bridges: Set<String>
    /// By name and number: who gets one of them again is not let through.
    package var admitted: Set<Device>
    /// Whether it holds ports of these bridges alone. A kernel without that (before 5.4, or built without
    /// NFT_BRIDGE_META) holds those of all bridges of the namespace.
    package var tellsBridges = true

    package init(bridges: Set<String>, admitted: Set<Device>, tellsBridges: Bool = true) {
        self.bridges = bridges
        self.admitted = admitted
        self.tellsBridges = tellsBridges
    }

    // MARK: Writing

    /// Puts it up, in one step in place of the one before.
    ///
    /// - Returns: false: this kernel cannot do that; only one that holds all bridges, or none at all.
    package func put(_ table: String) throws(HostError) -> Bool {
        let bridges = self.bridges.sorted().map { bulkhead_gate_device(Device(name: $0, index: 0)) }
        let devices = admitted.sorted { $0.index < $1.index }.map(bulkhead_gate_device.init)
        let error = unsafe bulkhead_gate_put(
            table, bridges, bridges.count, devices, devices.count, tellsBridges)
        if error == -EOPNOTSUPP || error == -ENOENT || error == -EPROTONOSUPPORT || error == -EINVAL { return false }
        guard error == 0 else {
            throw HostError(
                "cannot put the gate '\(table)' into nftables: \(Errno(rawValue: -error))",
                advice: error == -EPERM ? "it takes CAP_NET_ADMIN in the network namespace" : nil)
        }
        return true
    }

    package static func remove(_ table: String) throws(HostError) {
        let error = unsafe bulkhead_gate_remove(table)
        let isAbsent = error == -EOPNOTSUPP || error == -EPROTONOSUPPORT || error == -EINVAL
        guard error == 0 || isAbsent else {
            throw HostError("cannot remove the gate '\(table)' from nftables: \(Errno(rawValue: -error))")
        }
    }

    // MARK: Reading

    /// The gate as the kernel has it; nil: there is none, or somebody changed its chains or rules.
    package static func read(_ table: String) throws(HostError) -> BridgeGate? {
        guard let bridges = try elements(table, ofBridges: true), let admitted = try elements(table, ofBridges: false)
        else { return nil }
        let rules = try unsafe listed("rules of nftables") { unsafe bulkhead_gate_read_rules(table, $0, $1) }
        let shapes = Set(rules.map { "\(text(of: $0.chain)): \(text(of: $0.shape))" })
        let tellsBridges = shapes == expected(tellsBridges: true)
        guard rules.count == 2, tellsBridges || shapes == expected(tellsBridges: false) else { return nil }
        let chains = try unsafe listed("chains of nftables", bulkhead_read_chains).filter {
            text(of: $0.table) == table && Int($0.family) == bridgeFamily
        }
        guard Set(chains.map { text(of: $0.name) }) == ["prerouting", "postrouting"],
            chains.allSatisfy({ $0.is_base != 0 && $0.drops == 0 })
        else { return nil }
        return BridgeGate(
            bridges: Set(bridges.map(\.name)), admitted: Set(admitted), tellsBridges: tellsBridges)
    }

    private static let bridgeFamily = 7

    /// The expressions of its rules, by chain.
    private static func expected(tellsBridges: Bool) -> Set<String> {
        let shape = (tellsBridges ? "meta lookup " : "") + "meta meta lookup counter immediate"
        return ["prerouting: \(shape)", "postrouting: \(shape)"]
    }

    /// nil: there is no such table or set.
    private static func elements(_ table: String, ofBridges: Bool) throws(HostError) -> [Device]? {
        var list: UnsafeMutablePointer<bulkhead_gate_device>?
        var count = 0
        defer { unsafe free(list) }
        let error = unsafe bulkhead_gate_read(table, ofBridges, &list, &count)
        switch error {
        case -ENOENT, -EOPNOTSUPP, -EPROTONOSUPPORT, -EINVAL, -EAFNOSUPPORT: return nil
        case 0...: break
        default: throw HostError("cannot read the gate '\(table)' in nftables: \(Errno(rawValue: -error))")
        }
        return unsafe UnsafeBufferPointer(start: list, count: count).map {
            Device(name: text(of: $0.name), index: $0.index)
        }
    }
}

extension bulkhead_gate_device {
    fileprivate init(_ device: BridgeGate.Device) {
        self.init()
        index = device.index
        unsafe withUnsafeMutableBytes(of: &name) { unsafe $0.copyBytes(from: device.name.utf8.prefix(15)) }
    }
}
