import Policy

/// What the kernel calls devices at this moment. A policy's record has the names of the `apply`, and a device may have
/// been renamed since, or have got another name beside its own.
struct DeviceNames: Sendable {
    private struct Place: Hashable {
        var namespaceInode: UInt64
        var index: UInt32
    }

    private var names: [Place: [String]] = [:]

    /// Devices whose namespace cannot be read are left out.
    init(of devices: [DeviceRecord]) {
        for namespace in Set(devices.lazy.filter { $0.interfaceIndex != 0 }.map(\.namespace)) {
            guard let (inode, found) = try? NamespaceInventory.names(in: namespace) else { continue }
            for (index, words) in found { names[Place(namespaceInode: inode, index: index)] = words }
        }
    }

    /// The device's own name first, then its alternative ones; empty where the kernel has no such device.
    subscript(device: DeviceRecord) -> [String] {
        names[Place(namespaceInode: device.namespaceInode, index: device.interfaceIndex)] ?? []
    }
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
