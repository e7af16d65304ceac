// SPDX-License-Identifier: Apache-2.0
import Host
import Policy

extension DeviceNames {
    /// Reads the names in the namespaces of these devices.
    init(of devices: [DeviceRecord]) {
        self.init(in: Set(devices.lazy.filter { $0.interfaceIndex != 0 }.map(\.namespace)))
    }

    subscript(device: DeviceRecord) -> [String] { self[device.interfaceIndex, inNamespace: device.namespaceInode] }
}

extension DeviceRecord {
    /// The device's name now, or the recorded one if that was not read.
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

    /// The port of a device, with the device's present names if they were read.
    func port(_ device: DeviceRecord) -> Port {
        Port(
            name: portName(device), entry: entryName(device.record), interface: device.presentName,
            namespace: device.namespace, protects: protects(device.record),
            alternativeNames: Array(device.presentNames.dropFirst()))
    }

    /// Whether a quarantined name means this device: its entry's name, or `entry/device`.
    func covers(_ name: String, _ device: DeviceRecord) -> Bool {
        let entry = entryName(device.record)
        return name == entry || name == "\(entry)/\(device.interface)"
    }

    /// Whether people may call a device by this name: its entry's, `entry/device`, or one of the device's own,
    /// alternative names included.
    func isCalled(_ name: String, _ device: DeviceRecord) -> Bool {
        if covers(name, device) || device.isNamed(name) { return true }
        let entry = entryName(device.record)
        return name.hasPrefix("\(entry)/") && device.isNamed(String(name.dropFirst(entry.count + 1)))
    }

    /// The first of these names that means no device, as an error.
    func unknownPort(among words: Set<String>) -> DatapathError? {
        let devices = namedDevices()
        let unknown = words.sorted().first { word in !devices.contains { isCalled(word, $0) } }
        return unknown.map { word in
            DatapathError(
                "no port is called '\(word)'",
                advice: "'bulkhead status' lists them: "
                    + devices.map { portName($0) }.prefix(20).joined(separator: ", "))
        }
    }

    func unknownPort(_ word: String, _ instance: String) -> DatapathError {
        DatapathError(
            "no port of instance '\(instance)' is called '\(word)'",
            advice: "'bulkhead status' lists them: " + devices().map(portName).prefix(20).joined(separator: ", "))
    }
}
