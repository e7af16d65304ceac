// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
import Compiler
import Policy

/// Which device ids a new generation uses. Pure, so that it can be tested without a kernel.
package struct DeviceAllotment {
    /// What is to be enforced at one port.
    package struct Request: Hashable {
        package var identity: DeviceRecord.Identity
        package var record: Int
        package var isOfSeveral: Bool
        package var mode: PortEntry.Mode
        package var port: Port
        /// The kernel's name for the kind of device; empty for a NIC.
        package var kernelKind = ""
    }

    /// Every request with its id, and with its record in the old generation if that had the same device.
    package private(set) var devices: [(request: Request, id: UInt16, old: DeviceRecord?)] = []

    /// A device of the old generation keeps its id, and no other device gets it: the old programs still run while the
    /// new generation is published.
    ///
    /// - Parameter replaced: ids of devices that are gone, and whose kernel number another device has got.
    package init(_ requests: [Request], old: [DeviceRecord], replaced: Set<UInt16> = []) throws(DatapathError) {
        let kept = old.filter { !replaced.contains($0.id) }
        var known = Dictionary(kept.map { ($0.identity, $0) }) { first, _ in first }
        let used = Set(old.map(\.id))
        var next: UInt16 = 1
        for request in requests {
            if let device = known.removeValue(forKey: request.identity) {
                devices.append((request, device.id, device))
                continue
            }
            while used.contains(next) { next += 1 }
            guard next < UInt16(BH_DEVICES_MAX) else {
                throw DatapathError(
                    "this policy has \(requests.count) ports, \(used.count) are in force, and an instance holds "
                        + "\(BH_DEVICES_MAX - 1) of both together",
                    advice: "detach ports that are not needed any more, or split the policy over two instances")
            }
            devices.append((request, next, nil))
            next += 1
        }
    }
}

extension DeviceAllotment.Request {
    init(_ binding: PortBinding, image: Image) {
        self.init(
            binding,
            record: image.portRecord(
                entry: binding.entry, protects: binding.port.protects, unknownToDrop: binding.isUnknownToDrop))
    }

    /// - Parameter record: Of the image that is to judge there.
    init(_ binding: PortBinding, record: Int) {
        self.init(
            identity: DeviceRecord.Identity(
                interface: DeviceRecord.cut(binding.port.interface),
                namespace: binding.port.namespace,
                inode: binding.interface == nil ? 0 : binding.namespaceInode ?? 0,
                index: binding.interface?.index ?? 0),
            record: record, isOfSeveral: binding.port.name != binding.port.entry, mode: binding.mode,
            port: binding.port, kernelKind: binding.interface?.kernelKind ?? "")
    }
}

extension DeviceRecord {
    init(_ request: DeviceAllotment.Request, id: UInt16, mode: EnforcementMode?) {
        self.init(
            id: id, interfaceIndex: request.identity.index, record: request.record, mode: mode,
            isOfSeveral: request.isOfSeveral, namespaceInode: request.identity.inode,
            interface: request.identity.interface, namespace: request.identity.namespace)
    }
}
