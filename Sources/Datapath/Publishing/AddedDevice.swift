// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
import Libbpf
import Synchronization

extension LiveImage {
    /// Adds a device, in the place of one of its name that is gone. No packet is led to it before its record is whole.
    ///
    /// - Parameters:
    ///   - gone: The devices that no program of ours is on.
    ///   - names: Those in quarantine.
    ///   - mapping: This image's own.
    func add(
        _ device: DeviceRecord, forgetting gone: Set<UInt16>, cutOff names: Set<String>, in mapping: borrowing Mapping
    ) {
        for other in devices() where other.id != device.id && gone.contains(other.id) && isNamesake(other, of: device) {
            remove(other.id, in: mapping)
        }
        // Should this process be killed on the way, the device counts as unknown, and is added anew. A count of more
        // than there are is no harm then; fewer would hide one. A device that has its port already keeps it meanwhile.
        storeCount(recorded + 1, in: mapping)
        var raw = device.raw
        if self.device(device.id)?.identity != device.identity || self.device(device.id)?.record != device.record {
            mapping.store(0 as UInt16, at: devicePortOffset(device.id))
            raw.port = 0
        }
        mapping.store(raw, at: place(device.id))
        if view.header.via_count > 1 { link(device, in: mapping) }
        atomicMemoryFence(ordering: .releasing)
        let isCut = names.contains { covers($0, device) }
        let port = UInt16(device.record + 1) | (isCut ? UInt16(BH_QUARANTINED) : 0)
        mapping.store(port, at: devicePortOffset(device.id))
        mapping.store(device.raw.port, in: \bh_device.port, at: place(device.id))
        storeCount(recorded, in: mapping)
    }

    /// Leads no packet by a number to a port any more, unless it is the one that is asked for, at a device of the same
    /// name. The record of another device is forgotten.
    func unbind(_ id: UInt16, unless asked: DeviceAllotment.Request?, in mapping: borrowing Mapping) {
        let old = device(id)
        if let asked, let old, old.interface == asked.identity.interface, old.namespace == asked.identity.namespace,
            old.record == asked.record
        {
            return
        }
        remove(id, in: mapping)
        storeCount(recorded, in: mapping)
    }

    /// Whether another device has the name, or was missing under it.
    private func isNamesake(_ other: DeviceRecord, of device: DeviceRecord) -> Bool {
        other.interface == device.interface && other.namespace == device.namespace
            && other.isOfSeveral == device.isOfSeveral && entryName(other.record) == entryName(device.record)
    }

    private func remove(_ id: UInt16, in mapping: borrowing Mapping) {
        mapping.store(0 as UInt16, at: devicePortOffset(id))
        mapping.store(bh_device(), at: place(id))
    }

    /// How many devices the table has, whatever the header says.
    private var recorded: Int { (1..<UInt16(BH_DEVICES_MAX)).count { device($0) != nil } }

    private func storeCount(_ count: Int, in mapping: borrowing Mapping) {
        mapping.store(UInt32(count), in: \bh_image_header.device_count)
    }

    private func place(_ id: UInt16) -> Int {
        Int(view.header.devices) + Int(id) * MemoryLayout<bh_device>.stride
    }

    /// Lets the programs find a device by its index, see ``Generation``.
    private func link(_ device: DeviceRecord, in mapping: borrowing Mapping) {
        let first = Int(bh_link_place(device.interfaceIndex, device.namespaceInode))
        for step in 0..<Int(BH_LINK_TRIES) {
            let place = Int(view.header.links) + (first + step) % Int(BH_LINKS) * MemoryLayout<UInt16>.stride
            guard let other = view.load(UInt16.self, at: place) else { continue }
            guard other == 0 || other == device.id || self.device(other) == nil else { continue }
            return mapping.store(device.id, at: place)
        }
    }
}
