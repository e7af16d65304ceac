// SPDX-License-Identifier: Apache-2.0
import Host
import Libbpf

/// What a detach took out of the kernel.
public struct DetachReport: Sendable {
    /// Names of the ports that are not enforced any more.
    public var ports: [String]
    /// What could not be done as asked for; for people.
    public var warnings: [String]
}

extension Instance {
    /// Takes the programs off these ports; the policy stays in force at the others. Each name is an entry,
    /// `entry/device` or a device. The next apply enforces the ports again if its policy names them.
    public func detach(ports names: [String]) throws(DatapathError) -> DetachReport {
        try Preflight.check(.hooks)
        let lock = try lock(make: false)
        let report = try lock.instance.detachLocked(ports: names)
        _ = consume lock
        return report
    }

    private func detachLocked(ports names: [String]) throws(DatapathError) -> DetachReport {
        let images = try LiveImage.allPublished(in: try openMaps())
        guard let first = images.first else { throw notThere }
        let devices = images.map { ($0, $0.namedDevices()) }
        var chosen: [DeviceRecord] = []
        var (ports, cut): ([String], [String]) = ([], [])
        for name in names {
            // Of a trial and its base, the one in force first.
            let found = devices.lazy.map { image, all in (image, all.filter { image.isCalled(name, $0) }) }
                .first { !$0.1.isEmpty }
            guard let (image, found) = found else { throw first.unknownPort(name, self.name) }
            for device in found where !chosen.contains(where: { $0.id == device.id }) {
                chosen.append(device)
                ports.append(image.portName(device))
                if image.isQuarantined(device) { cut.append(image.portName(device)) }
            }
        }
        gracePeriods.recover()
        let hooks = chosen.reduce(0) { $0 + $1.hooks.count }
        try gracePeriods.expedited(for: hooks) { () throws(DatapathError) in
            for device in chosen {
                for hook in HookName.allCases { try detach(device, hook) }
            }
        }
        return DetachReport(
            ports: ports,
            warnings: cut.map { "\($0) was quarantined: detached it passes all traffic, until the next apply" })
    }

    /// Takes everything of this instance out of the kernel: programs, filters, maps, pins. Other tools' programs on the
    /// same hooks stay.
    public func detachAll() throws(DatapathError) -> DetachReport {
        try Preflight.check(.hooks)
        let lock = try lock(make: false)
        var report = try lock.instance.detachLocked()
        if let rest = try lock.instance.removeFolders(from: folder) { report.warnings.append(rest) }
        _ = consume lock
        return report
    }

    /// Takes off all programs, and leaves the pins of everything else.
    func detachLocked() throws(DatapathError) -> DetachReport {
        var report = DetachReport(ports: [], warnings: [])
        var known: [UInt16: DeviceRecord] = [:]
        do throws(DatapathError) {
            let maps = try InstanceMaps.open(mapFolder, inner: innerFolder)
            for image in try maps.map({ maps throws(DatapathError) in try LiveImage.allPublished(in: maps) }) ?? [] {
                for device in image.devices() where known[device.id] == nil {
                    known[device.id] = device
                    report.ports.append(image.portName(device))
                }
                report.warnings += settleGates([], [], former: image.view.selectors)
            }
        } catch {
            // Another version's image: its links can still be taken off.
            report.warnings.append("\(error.message)")
        }
        gracePeriods.recover()
        try gracePeriods.expedited(for: try linkFolder.names.count) { () throws(DatapathError) in
            for device in known.values.sorted(by: { $0.id < $1.id }) {
                for hook in HookName.allCases { try detach(device, hook) }
            }
            try removeOrphans(keeping: [])
        }
        return report
    }

    /// Removes the pins and folders of an instance that is held open, and last its own folder, `place`. Returns a
    /// warning if something is left because it is not ours.
    func removeFolders(from place: PinFolder) throws(DatapathError) -> String? {
        // The history first: without its maps it would be that of the next installation.
        for pins in [historyFolder, textFolder, filterFolder, linkFolder, mapFolder, innerFolder] {
            for name in try pins.names { try pins.unpin(name) }
            try pins.remove()
        }
        for reader in try readerFolder.names { try readerFolder.folder(reader).remove() }
        try readerFolder.remove()
        try folder.folder(GracePeriods.markName).remove()
        let rest = try folder.names.filter { $0 != InstanceMark.name }
        guard rest.isEmpty else {
            return "left in \(folder.path), because it is not Bulkhead's: \(rest.joined(separator: ", "))"
        }
        try folder.unpin(InstanceMark.name)
        // If somebody renamed the folder, it stays under its new name, empty.
        if let open = try folder.open(), place.isStill(open) { try place.remove() }
        return nil
    }

    /// Takes a device's program off one hook. If the device or its namespace is gone, so is the program.
    func detach(_ device: DeviceRecord, _ hook: HookName) throws(DatapathError) {
        let inside = NetworkNamespace.inode(device.namespace) == device.namespaceInode
        let attachment = Attachment(self, device)
        // Only a filter is found through its namespace; a link is found by its pin alone.
        if inside, !usesTCX {
            try NetworkNamespace.with(device.namespace) { () throws(DatapathError) in try attachment.detach(hook) }
        } else {
            try attachment.detach(hook)
        }
    }

    /// Takes off what a killed apply left: programs on hooks that the generation in force does not use.
    func removeOrphans(keeping devices: [DeviceRecord]) throws(DatapathError) {
        let kept = Set(devices.flatMap { device in device.hooks.map { HookPin(device: device.id, hook: $0) } })
        for name in try linkFolder.names {
            guard let pin = HookPin(name), !kept.contains(pin) else { continue }
            do throws(BPFError) {
                try Link(pinnedAt: linkFolder / name).detach()
            } catch {
                throw DatapathError("cannot detach what an interrupted apply left", error)
            }
            try linkFolder.unpin(name)
        }
        for name in try filterFolder.names {
            guard let pin = HookPin(name), let place = pin.place else { continue }
            let isKept = kept.contains(HookPin(device: pin.device, hook: pin.hook)) && !pin.isNew
            if !isKept { try removeFilter(pin, at: place) }
        }
    }

    /// Takes off a filter that only its pin tells of. If its namespace has no name any more, the filter is out of
    /// reach, and only the pin is removed.
    private func removeFilter(_ pin: HookPin, at place: HookPin.Place) throws(DatapathError) {
        let namespaces = [nil] + NetworkNamespace.names
        if let namespace = namespaces.first(where: { NetworkNamespace.inode($0) == place.namespaceInode }) {
            let attachment = Attachment(
                instance: self, device: pin.device, interface: place.interface, namespaceInode: place.namespaceInode,
                name: "interface \(place.interface)")
            try NetworkNamespace.with(namespace) { () throws(DatapathError) in try attachment.detach(pin.hook) }
        }
        try filterFolder.unpin(pin.name)
    }
}
