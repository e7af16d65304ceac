// SPDX-License-Identifier: Apache-2.0
import Host
import Policy

/// Devices at which the policy in force is enforced, and which no entry means any more by a name that they have. Each
/// goes on under the word by which its entry meant it, as long as no other device has that name.
struct RenamedDevices {
    private struct Place: Hashable {
        var namespace: String?
        var index: UInt32
    }

    private let words: [Place: String]

    /// - Parameter host: Has the namespaces that the policy names.
    init(_ image: LiveImage, _ devices: [DeviceRecord], in host: HostInventory) {
        let selectors = image.view.selectors
        let byEntry = Dictionary(selectors.map { ($0.entry, $0) }) { first, _ in first }
        var meant: Set<Place> = []
        for (entry, found) in DeviceSelector.devices(of: selectors, in: host) {
            meant.formUnion(found.map { Place(namespace: byEntry[entry]?.namespace, index: $0.index) })
        }
        var taken: Set<String> = []
        var words: [Place: String] = [:]
        for device in devices where device.interfaceIndex != 0 {
            let place = Place(namespace: device.namespace, index: device.interfaceIndex)
            guard !meant.contains(place), let namespace = host.namespaces[device.namespace],
                namespace.inode == device.namespaceInode,
                namespace.interfaces.contains(where: { $0.index == device.interfaceIndex }),
                case .interfaces(let names)? = byEntry[image.entryName(device.record)]?.selector
            else { continue }
            let free = names.filter { name in
                Glob.isPattern(name) || (!taken.contains(name) && !namespace.interfaces.contains { $0.isNamed(name) })
            }
            guard let word = free.first(where: { $0 == device.interface }) ?? free.first else { continue }
            taken.insert(word)
            words[place] = word
        }
        self.words = words
    }

    /// By what word the policy means a device that has no such name; nil of any other device.
    func word(of device: DeviceRecord) -> String? {
        words[Place(namespace: device.namespace, index: device.interfaceIndex)]
    }

    /// The host with these words among the names of the devices.
    func named(in host: HostInventory) -> HostInventory {
        var host = host
        for (place, word) in words {
            let interfaces = host.namespaces[place.namespace]?.interfaces ?? []
            guard let number = interfaces.firstIndex(where: { $0.index == place.index }) else { continue }
            // Of a pattern any name that it matches will do.
            let name =
                Glob.isPattern(word)
                ? Glob(word)?.example { name in !interfaces.contains { $0.isNamed(name) } } : word
            guard let name else { continue }
            host.namespaces[place.namespace]?.interfaces[number].alternativeNames.append(name)
        }
        return host
    }
}

extension Instance {
    /// The host as the policy in force goes on with it: whoever renames a device does not take it out of the policy.
    /// The host itself where none is in force.
    package func knowingRenamed(_ host: HostInventory) -> HostInventory {
        guard let maps = try? openMaps(), let image = try? imageInForce(maps) else { return host }
        return RenamedDevices(image, image.devices(), in: host).named(in: host)
    }
}
