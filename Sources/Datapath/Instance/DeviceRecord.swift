// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
import Host

/// A device as an image's host part records it.
package struct DeviceRecord: Sendable, Hashable {
    /// The flag of a port that is called `entry/device`, not by its entry.
    package static let ofSeveral = UInt8(BH_DEVICE_OF_SEVERAL.rawValue)

    package var id: UInt16
    /// The kernel's number for the device; 0: the device was missing at the apply.
    package var interfaceIndex: UInt32
    /// Index of the port record.
    package var record: Int
    package var mode: EnforcementMode?
    package var isOfSeveral: Bool
    package var namespaceInode: UInt64
    package var interface: String
    package var namespace: String?
    /// CLOCK_MONOTONIC nanoseconds from which on older TCP connections may be adopted; 0: none may.
    package var attachedAt: UInt64 = 0
    /// On the same clock, when a policy was replaced that passed something here without a flow; 0: none was.
    package var untrackedAt: UInt64 = 0

    /// The device's names now, its own first; empty if they were not read, see ``LiveImage/namedDevices()``.
    package var presentNames: [String] = []

    /// A name as far as a record has room for it.
    package static func cut(_ name: String) -> String { String(decoding: name.utf8.prefix(15), as: UTF8.self) }

    /// By this it is known as the same device in the next generation.
    package var identity: Identity {
        Identity(
            interface: interface, namespace: namespace, inode: namespaceInode, index: interfaceIndex)
    }

    /// A present device is identified by its kernel number and namespace, because names may change; a missing one by
    /// its name.
    package struct Identity: Hashable {
        package var interface: String
        package var namespace: String?
        package var inode: UInt64
        package var index: UInt32

        package static func == (left: Identity, right: Identity) -> Bool {
            guard left.index == right.index, left.inode == right.inode else { return false }
            return left.index != 0 || (left.interface == right.interface && left.namespace == right.namespace)
        }

        package func hash(into hasher: inout Hasher) {
            hasher.combine(index)
            hasher.combine(inode)
            if index == 0 { hasher.combine(interface) }
        }
    }

    /// Hooks that must hold a program.
    package var hooks: [HookName] {
        switch mode {
        case nil: []
        case .tc: [.tcIngress, .tcEgress]
        case .xdpNative, .xdpGeneric: [.xdp, .tcIngress, .tcEgress]
        }
    }
}

extension DeviceRecord {
    init?(id: UInt16, _ raw: bh_device) {
        guard raw.port > 0 else { return nil }
        let mode: EnforcementMode? =
            switch UInt32(raw.mode) {
            case BH_MODE_TC.rawValue: .tc
            case BH_MODE_XDP_NATIVE.rawValue: .xdpNative
            case BH_MODE_XDP_GENERIC.rawValue: .xdpGeneric
            default: nil
            }
        let namespace = text(of: raw.namespace_name)
        self.init(
            id: id, interfaceIndex: raw.ifindex, record: Int(raw.port) - 1, mode: mode,
            isOfSeveral: raw.flags & DeviceRecord.ofSeveral != 0, namespaceInode: raw.namespace_inode,
            interface: text(of: raw.name), namespace: namespace.isEmpty ? nil : namespace,
            attachedAt: raw.attached_at, untrackedAt: raw.untracked_at)
    }

    package var raw: bh_device {
        var raw = bh_device()
        raw.ifindex = interfaceIndex
        raw.port = UInt16(record + 1)
        let number =
            switch mode {
            case nil: BH_MODE_NONE
            case .tc: BH_MODE_TC
            case .xdpNative: BH_MODE_XDP_NATIVE
            case .xdpGeneric: BH_MODE_XDP_GENERIC
            }
        raw.mode = UInt8(number.rawValue)
        raw.flags = isOfSeveral ? DeviceRecord.ofSeveral : 0
        raw.namespace_inode = namespaceInode
        raw.attached_at = attachedAt
        raw.untracked_at = untrackedAt
        copy(interface, into: &raw.name)
        copy(namespace ?? "", into: &raw.namespace_name)
        return raw
    }
}

/// Copies text into a C array of characters, cut so that a NUL ends it.
private func copy<Tuple: BitwiseCopyable>(_ text: String, into tuple: inout Tuple) {
    unsafe withUnsafeMutableBytes(of: &tuple) { bytes in
        let utf8 = Array(text.utf8.prefix(bytes.count - 1))
        unsafe bytes.copyBytes(from: utf8)
    }
}
