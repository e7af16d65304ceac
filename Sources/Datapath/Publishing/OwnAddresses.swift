// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
import Compiler
import Host
import Libbpf
import Network
import Policy

extension HostInventory {
    /// The host's own addresses, as they are now.
    ///
    /// - Parameter namespace: the name of a network namespace; nil: the controller's own.
    public func ownAddresses(in namespace: String?) -> Set<Prefix> {
        Set((namespaces[namespace]?.interfaces ?? []).flatMap(\.addresses))
    }
}

extension InstanceMaps {
    /// Tells the programs the host's addresses if they cannot ask the kernel: because they are not attached, or may not
    /// read its tables.
    package func setOwn(_ addresses: Set<Prefix>) throws(BPFError) {
        let map = try KeyedMap<bh_own_address, UInt32>(self[.ownAddresses])
        let wanted = Set(addresses.prefix(Int(BH_OWN_ADDRESSES)).map { OwnAddress($0.address) })
        let present = Set(
            try map.entries(after: nil, limit: Int(BH_OWN_ADDRESSES)).map { OwnAddress($0.key) })
        for address in wanted.subtracting(present) { try map.update(address.key, to: 1) }
        for address in present.subtracting(wanted) { try map.delete(address.key) }
    }

    /// Stores the host's addresses if programs need them and may not read the kernel's tables. Returns a warning if so.
    func noteOwnAddresses(for view: ImageView, at bindings: [PortBinding]) throws(DatapathError) -> String? {
        guard let obstacle = KernelReading.obstacle, view.asksHost else { return nil }
        let names = Set(bindings.map(\.port.namespace))
        let inventory = try DatapathError.of { () throws(HostError) in
            try HostInventory.read(namespaces: Set(names.compactMap(\.self)))
        }
        let addresses = names.reduce(into: Set<Prefix>()) { $0.formUnion(inventory.ownAddresses(in: $1)) }
        do throws(BPFError) {
            try setOwn(addresses)
        } catch {
            throw DatapathError("cannot note the host's addresses", error)
        }
        return "the kernel does not let programs read its tables (\(obstacle)): \"host\" means the addresses of "
            + "this apply; apply again when they change"
    }
}

/// A key of map `own_addresses`.
private struct OwnAddress: Hashable {
    var high: UInt64
    var low: UInt64
    var family: UInt32

    init(_ address: IPAddress) {
        high = address.family == .v6 ? UInt64(truncatingIfNeeded: address.value >> 64) : 0
        low = UInt64(truncatingIfNeeded: address.value)
        family = UInt32(address.family.rawValue)
    }

    init(_ key: bh_own_address) { (high, low, family) = (key.high, key.low, key.family) }

    var key: bh_own_address { bh_own_address(high: high, low: low, family: family, pad: 0) }
}
