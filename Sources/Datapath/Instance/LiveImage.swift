// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
import Compiler
import Glibc
import Host
import Libbpf
import Policy

/// A device as an image's host part records it.
package struct DeviceRecord: Sendable, Hashable {
    /// The flag of a port that is called `entry/device` rather than by its entry.
    package static let ofSeveral: UInt8 = 1

    package var id: UInt16
    /// 0: the device was missing at the apply.
    package var interfaceIndex: UInt32
    /// Index of the port record.
    package var record: Int
    package var mode: EnforcementMode?
    package var isOfSeveral: Bool
    package var namespaceInode: UInt64
    package var interface: String
    package var namespace: String?
    /// Nanoseconds of the monotonic clock: since when TCP connections that were there before may be adopted; 0: none
    /// may.
    package var attachedAt: UInt64 = 0
    /// Likewise: since when something may be open here that an earlier policy passed without a flow; 0: nothing is.
    package var untrackedAt: UInt64 = 0

    /// What the kernel calls it now, its own name first; empty where that was not read, see
    /// ``LiveImage/namedDevices()``.
    package var presentNames: [String] = []

    /// What makes it the same device in the next generation.
    package var identity: Identity {
        Identity(
            interface: interface, namespace: namespace, inode: namespaceInode, index: interfaceIndex)
    }

    /// Of a device that is there, the kernel's number for it and its namespace: names may change. Of a missing one,
    /// the name.
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

/// The image of one generation, as the kernel's map holds it. It lives as long as it is held, also when another is in
/// force.
package struct LiveImage: Sendable {
    package let view: ImageView
    private let owner: Owner
    /// Kernel memory that the image takes.
    package let memory: Int
    private let mapID: UInt32

    /// Keeps the mapping for the view.
    private final class Owner: Sendable {
        let mapping: Mapping

        init(_ mapping: consuming Mapping) { self.mapping = mapping }
    }

    /// The image in a slot; nil where the slot is empty.
    package static func published(in slots: Map, slot: UInt32 = 0) throws(DatapathError) -> LiveImage? {
        do {
            guard let map = try open(slots, slot) else { return nil }
            return try LiveImage(map)
        } catch let error as BPFError {
            throw DatapathError("cannot read the policy in force", error)
        } catch {
            throw DatapathError(
                "cannot read the policy in force: \(error)",
                advice:
                    "another version of bulkhead made it: take it out with 'bulkhead detach --all', then apply again")
        }
    }

    /// Opens the map in a slot. An apply may replace it between the two steps, and the kernel then knows its id no
    /// more.
    private static func open(_ slots: Map, _ slot: UInt32) throws(BPFError) -> Map? {
        for _ in 0..<16 {
            guard let id = try slots.lookup(slot, as: UInt32.self) else { return nil }
            do throws(BPFError) {
                return try Map(id: id, name: "policy image")
            } catch {
                guard error.errno == ENOENT else { throw error }
            }
        }
        throw BPFError("open", "policy image, which is being replaced again and again", errno: EBUSY)
    }

    /// Runs `body` on the map in a slot, where there is one.
    package static func withPublished(in slots: Map, slot: UInt32 = 0, _ body: (Map) throws -> Void) throws {
        if let map = try open(slots, slot) { try body(map) }
    }

    /// It is still what the slot holds.
    package func isPublished(in slots: Map, slot: UInt32 = 0) -> Bool {
        (try? slots.lookup(slot, as: UInt32.self)) == mapID
    }

    package init(_ map: Map) throws {
        mapID = map.info.id
        memory = map.memory
        owner = Owner(try Mapping(map, writable: false))
        view = try unsafe ImageView(mapping: owner.mapping.buffer, owner: owner)
    }

    package var generation: UInt32 { view.header.generation }
    /// Bytes of the image itself, without the host's tables behind it.
    package var size: Int { Int(view.header.size) }

    /// A copy of all of it, the host's part included.
    package var bytes: [UInt8] { owner.mapping.withBytes { $0.copy(at: 0, count: $0.byteCount) } ?? [] }

    // MARK: Rules

    /// Counter slots by rule name, in the policy's order.
    package func counterSlots() -> [(name: String, slot: UInt32)] { view.ruleCounters }

    /// The places of limits by rule name.
    package func limitSlots() -> [(name: String, slot: UInt32)] {
        view.limitedRules.compactMap { rule in view.condition(rule.condition).map { (rule.name, $0.slot) } }
    }

    /// Whether something passes a port of this record without a flow.
    package func passesUntracked(_ record: Int) -> Bool { view.port(record)?.passesUntracked == true }

    /// The places of dynamic groups, by name.
    package func groupSlots() -> [(name: String, slot: UInt32)] { view.groups.map { ($0.name, $0.slot) } }

    // MARK: Ports and devices

    /// The flow scopes of host entries, by name.
    package func flowScopes() -> [(name: String, scope: UInt16)] {
        (0..<view.portCount).compactMap { record in
            guard let scope = view.flowScope(record), scope != 0 else { return nil }
            return (entryName(record), scope)
        }
    }

    package func entryName(_ record: Int) -> String { view.port(record)?.name ?? "" }

    package func protects(_ record: Int) -> Protects { view.port(record)?.protects ?? .host }

    package func portName(_ device: DeviceRecord) -> String {
        let entry = entryName(device.record)
        return device.isOfSeveral ? "\(entry)/\(device.interface)" : entry
    }

    package func device(_ id: UInt16) -> DeviceRecord? {
        guard id > 0, Int(id) < Int(BH_DEVICES_MAX),
            let raw = view.load(
                bh_device.self, at: Int(view.header.devices) + Int(id) * MemoryLayout<bh_device>.stride)
        else { return nil }
        return DeviceRecord(id: id, raw)
    }

    /// The devices of this generation, by id.
    package func devices() -> [DeviceRecord] {
        let count = Int(view.header.device_count)
        var result: [DeviceRecord] = []
        for id in 1..<UInt16(BH_DEVICES_MAX) where result.count < count {
            if let device = device(id) { result.append(device) }
        }
        return result
    }
}

extension DeviceRecord {
    fileprivate init?(id: UInt16, _ raw: bh_device) {
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
