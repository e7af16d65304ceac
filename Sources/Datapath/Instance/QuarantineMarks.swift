// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
import Libbpf

extension LiveImage {
    /// Marks the devices that these names cover as quarantined, and no others.
    func mark(_ names: Set<String>, in mapping: borrowing Mapping) {
        for device in devices() {
            guard let old = devicePort(device.id), old != 0 else { continue }
            let isCut = names.contains { covers($0, device) }
            let new = isCut ? old | UInt16(BH_QUARANTINED) : old & ~UInt16(BH_QUARANTINED)
            if new != old { mapping.store(new, at: devicePortOffset(device.id)) }
        }
    }

    /// Whether a device is quarantined: nothing passes it.
    func isQuarantined(_ device: DeviceRecord) -> Bool { (devicePort(device.id) ?? 0) & UInt16(BH_QUARANTINED) != 0 }

    /// Where an image has the port of a device, with the mark of quarantine.
    func devicePortOffset(_ id: UInt16) -> Int {
        Int(view.header.device_ports) + Int(id) * MemoryLayout<UInt16>.stride
    }

    private func devicePort(_ id: UInt16) -> UInt16? { view.load(UInt16.self, at: devicePortOffset(id)) }
}
