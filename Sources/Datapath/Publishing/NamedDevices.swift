// SPDX-License-Identifier: Apache-2.0
import Host

extension DeviceNames {
    /// Reads the names in the namespaces of these devices.
    init(of devices: [DeviceRecord]) {
        self.init(in: Set(devices.lazy.filter { $0.interfaceIndex != 0 }.map(\.namespace)))
    }

    subscript(device: DeviceRecord) -> [String] { self[device.interfaceIndex, inNamespace: device.namespaceInode] }
}

extension DeviceRecord {
    /// As the kernel calls it now, as far as that was read.
    var presentName: String { presentNames.first ?? interface }

    func isNamed(_ word: String) -> Bool {
        presentNames.isEmpty ? word == interface : presentNames.contains(word)
    }
}

extension LiveImage {
    /// The devices of this generation, with the names that they have now.
    func namedDevices() -> [DeviceRecord] {
        let devices = devices()
        let names = DeviceNames(of: devices)
        return devices.map { device in
            var device = device
            device.presentNames = names[device]
            return device
        }
    }
}
