// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
import Compiler
import Glibc
import Libbpf
import Policy

/// The image of one generation, as the kernel's map holds it. The map lives as long as this value, even if another
/// image is in force.
package struct LiveImage: Sendable {
    package let view: ImageView
    private let owner: Owner
    /// Kernel memory that the image takes.
    package let memory: Int
    private let mapID: UInt32

    /// Keeps the mapping alive for the view.
    private final class Owner: Sendable {
        let mapping: Mapping

        init(_ mapping: consuming Mapping) { self.mapping = mapping }
    }

    /// The image in a slot, or with nil the one in force; nil if the slot is empty.
    package static func published(in maps: InstanceMaps, slot: UInt32? = nil) throws(DatapathError) -> LiveImage? {
        do {
            guard let map = try open(maps, slot) else { return nil }
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

    /// Opens the map in a slot, or with nil the one in force. An apply may replace the map between the steps; then the
    /// slot is empty, or the kernel no longer knows its id.
    private static func open(_ maps: InstanceMaps, _ slot: UInt32?) throws(BPFError) -> Map? {
        for _ in 0..<16 {
            do throws(BPFError) {
                let number: UInt32
                if let slot { number = slot } else { number = try maps.slotInForce() }
                if let map = try maps.inner(.slots, number, name: "policy image") { return map }
                guard slot == nil, try maps.slotInForce() != number else { return nil }
            } catch {
                guard error.errno == .noSuchFileOrDirectory else { throw error }
            }
        }
        throw BPFError("open", "policy image, which is being replaced again and again", errno: EBUSY)
    }

    /// Runs `body` on the map in force, if there is one.
    package static func withPublished(in maps: InstanceMaps, _ body: (Map) throws -> Void) throws {
        if let map = try open(maps, nil) { try body(map) }
    }

    /// Runs `body` on every map that may judge: those of a trial and its base, or the one in force. The caller holds
    /// the publishing lock.
    package static func withAllPublished(in maps: InstanceMaps, _ body: (Map) throws -> Void) throws {
        for slot in [BH_SLOT_EVEN, BH_SLOT_ODD] {
            if let map = try open(maps, slot.rawValue) { try body(map) }
        }
    }

    /// The images that may judge, that in force first. The other one is a trial's base, or a trial that has ended.
    package static func allPublished(in maps: InstanceMaps) throws(DatapathError) -> [LiveImage] {
        let inForce = try published(in: maps)
        var images = inForce.map { [$0] } ?? []
        for slot in [BH_SLOT_EVEN, BH_SLOT_ODD] {
            guard let image = try published(in: maps, slot: slot.rawValue), image.mapID != inForce?.mapID else {
                continue
            }
            images.append(image)
        }
        return images
    }

    /// Whether this image still is in force.
    package func isPublished(in maps: InstanceMaps) -> Bool {
        guard let slot = try? maps.slotInForce() else { return false }
        return (try? maps[.slots].lookup(slot, as: UInt32.self)) == mapID
    }

    package init(_ map: Map) throws {
        mapID = map.info.id
        memory = map.memory
        owner = Owner(try Mapping(map, writable: false))
        view = try unsafe ImageView(mapping: owner.mapping.buffer, owner: owner)
    }

    package var generation: UInt32 { view.header.generation }
    /// Bytes of the image itself, without the host's tables that follow it.
    package var size: Int { Int(view.header.size) }

    /// A copy of all bytes, the host's part included.
    package var bytes: [UInt8] { owner.mapping.withBytes { $0.copy(at: 0, count: $0.byteCount) } ?? [] }

    // MARK: Rules

    /// Counter slots by rule name, in the policy's order.
    package func counterSlots() -> [(name: String, slot: UInt32)] { view.ruleCounters }

    /// The places of limits by rule name.
    package func limitSlots() -> [(name: String, slot: UInt32)] {
        view.limitedRules.compactMap { rule in view.condition(rule.condition).map { (rule.name, $0.slot) } }
    }

    /// Whether the policy passes anything without a flow at ports of this record.
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
