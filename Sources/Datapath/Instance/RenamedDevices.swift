// SPDX-License-Identifier: Apache-2.0
import Host
import Policy

/// Devices at which the policy in force is enforced, and which no entry means any more, because they, or their bridge,
/// are called otherwise. Each goes on under the name by which its entry meant it, as long as no other device has that
/// name.
struct RenamedDevices {
    /// What has another name than the policy has for it.
    fileprivate enum Former: Hashable {
        case device(String)
        case bridge(String)
    }

    private let former: [DeviceRecord.Identity: Former]

    /// - Parameter host: Has the namespaces that the policy names.
    init(_ image: LiveImage, _ devices: [DeviceRecord], in host: HostInventory) {
        let selectors = image.view.selectors
        let byEntry = Dictionary(selectors.map { ($0.entry, $0) }) { first, _ in first }
        var meant: Set<DeviceRecord.Identity> = []
        for (entry, found) in DeviceSelector.devices(of: selectors, in: host) {
            let namespace = byEntry[entry]?.namespace
            guard let inode = host.namespaces[namespace]?.inode else { continue }
            meant.formUnion(
                found.map {
                    DeviceRecord.Identity(interface: $0.name, namespace: namespace, inode: inode, index: $0.index)
                })
        }
        var taken: Set<String> = []
        var former: [DeviceRecord.Identity: Former] = [:]
        for device in devices where device.interfaceIndex != 0 {
            guard !meant.contains(device.identity), let namespace = host.namespaces[device.namespace],
                namespace.inode == device.namespaceInode,
                let interface = namespace.interfaces.first(where: { $0.index == device.interfaceIndex }),
                let selector = byEntry[image.entryName(device.record)]?.selector
            else { continue }
            former[device.identity] = Former(device, interface, selector, &taken) { name in
                !namespace.interfaces.contains { $0.isNamed(name) }
            }
        }
        self.former = former
    }

    /// What is to be done about a device that the policy means by a name that there is no more; nil of any other.
    func problem(of device: DeviceRecord) -> String? {
        switch former[device.identity] {
        case .device(let word)?: "no device is called '\(word)' any more: name this one in the policy"
        case .bridge(let word)?: "no bridge is called '\(word)' any more: name this device's bridge in the policy"
        case nil: nil
        }
    }

    /// The host in which these devices, and their bridges, have the names that the policy has for them.
    func named(in host: HostInventory) -> HostInventory {
        var host = host
        for (device, former) in former {
            let interfaces = host.namespaces[device.namespace]?.interfaces ?? []
            guard let number = interfaces.firstIndex(where: { $0.index == device.index }) else { continue }
            var interface = interfaces[number]
            switch former {
            case .bridge(let word): interface.bridge = word
            case .device(let word):
                // Of a pattern any name that it matches will do.
                let name =
                    Glob.isPattern(word)
                    ? Glob(word)?.example { name in !interfaces.contains { $0.isNamed(name) } } : word
                interface.alternativeNames += name.map { [$0] } ?? []
            }
            host.namespaces[device.namespace]?.interfaces[number] = interface
        }
        return host
    }
}

extension RenamedDevices.Former {
    /// nil: what the entry means has not been renamed.
    ///
    /// - Parameters:
    ///   - taken: Names that other devices go on with.
    ///   - isFree: Whether no device has a name.
    fileprivate init?(
        _ device: DeviceRecord, _ interface: HostInterface, _ selector: PortEntry.Selector,
        _ taken: inout Set<String>, isFree: (String) -> Bool
    ) {
        switch selector {
        case .interfaces(let names):
            let free = names.filter { Glob.isPattern($0) || (!taken.contains($0) && isFree($0)) }
            guard let word = free.first(where: { $0 == device.interface }) ?? free.first else { return nil }
            taken.insert(word)
            self = .device(word)
        case .bridge(let name):
            // One that left its bridge, or whose bridge is gone, is let go of.
            guard !Glob.isPattern(name), interface.bridge != nil, isFree(name) else { return nil }
            self = .bridge(name)
        }
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
