// SPDX-License-Identifier: Apache-2.0
import Policy

/// What the kernel calls the devices of some namespaces at this moment. A policy's records have the names at the time
/// of the `apply`. A device may have been renamed since, or have got another name next to its own.
package struct DeviceNames: Sendable {
    private struct Place: Hashable {
        var namespaceInode: UInt64
        var index: UInt32
    }

    private var names: [Place: [String]] = [:]

    /// Reads them all. A namespace that cannot be read is left out.
    package init(in namespaces: Set<String?>) {
        for namespace in namespaces {
            guard let (inode, found) = try? NamespaceInventory.names(in: namespace) else { continue }
            for (index, words) in found { names[Place(namespaceInode: inode, index: index)] = words }
        }
    }

    /// The device's own name first, then its alternative ones; empty if the kernel has no such device.
    package subscript(index: UInt32, inNamespace inode: UInt64) -> [String] {
        names[Place(namespaceInode: inode, index: index)] ?? []
    }
}
