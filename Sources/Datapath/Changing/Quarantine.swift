// SPDX-License-Identifier: Apache-2.0
import Libbpf
import Policy

/// What `quarantine` or `release` did.
public struct QuarantineReport: Sendable, Hashable {
    /// The names under which it is remembered: an entry, or `entry/device`.
    public var names: [String]
    /// The ports of the policy in force that these names mean.
    public var ports: [String]
    /// false: it was already so.
    public var changed: Bool
    /// What people should know, such as that a name has no device now.
    public var warnings: [String] = []
}

extension Instance {
    /// Cuts a port off: from now on nothing passes it in either direction, open connections included. Its name is
    /// remembered as long as the instance exists. An entry's name covers all its ports, also those that appear later.
    ///
    /// - Parameter word: an entry, `entry/device` or a device.
    public func quarantine(_ word: String) throws(DatapathError) -> QuarantineReport {
        try changeQuarantine(word) { (maps, image) throws(DatapathError) in
            let names = image.portNames(word)
            guard !names.isEmpty else { throw image.unknownPort(word, self.name) }
            return try self.quarantine(names, maps, image)
        }
    }

    private func quarantine(
        _ names: [String], _ maps: InstanceMaps, _ image: LiveImage
    ) throws(DatapathError) -> QuarantineReport {
        do throws(BPFError) {
            let held = try maps.quarantine.all()
            for name in names { try maps.quarantine.insert(name) }
            let ports = image.devices().filter { device in names.contains { image.covers($0, device) } }
            return QuarantineReport(
                names: names, ports: ports.map(image.portName), changed: !held.isSuperset(of: names),
                warnings: ports.isEmpty
                    ? ["\(names.joined(separator: ", ")) has no device now; one that comes is cut off"] : [])
        } catch {
            throw DatapathError("cannot quarantine \(names.joined(separator: ", "))", error)
        }
    }

    /// Lets a port's traffic be judged by the policy again.
    ///
    /// - Parameter word: an entry, which releases all its ports, `entry/device`, a device, or a quarantined name that
    ///   the policy does not have.
    public func release(_ word: String) throws(DatapathError) -> QuarantineReport {
        try changeQuarantine(word) { (maps, image) throws(DatapathError) in
            try DatapathError.naming("cannot release '\(word)'") {
                return try self.release(word, maps, image)
            }
        }
    }

    private func release(_ word: String, _ maps: InstanceMaps, _ image: LiveImage) throws -> QuarantineReport {
        let held = try maps.quarantine.all()
        var names = Set(image.portNames(word))
        guard !names.isEmpty || held.contains(word) else { throw image.unknownPort(word, self.name) }
        names.insert(word)
        let freed = held.filter { name in names.contains { name == $0 || name.hasPrefix("\($0)/") } }
        let ports = image.devices().filter { device in names.contains { image.covers($0, device) } }
        let rest = held.subtracting(freed)
        if let device = ports.first(where: { device in rest.contains { image.covers($0, device) } }) {
            let entry = image.entryName(device.record)
            throw DatapathError(
                "\(image.portName(device)) is quarantined with all of '\(entry)'",
                advice: "release them together: bulkhead release \(entry)")
        }
        for name in freed { try maps.quarantine.remove(name) }
        return QuarantineReport(
            names: freed.isEmpty ? names.sorted() : freed.sorted(), ports: ports.map(image.portName),
            changed: !freed.isEmpty)
    }

    /// Ends every quarantine, also of names that the policy does not have.
    public func releaseAll() throws(DatapathError) -> QuarantineReport {
        try changeQuarantine { (maps, image) throws(DatapathError) in
            try DatapathError.naming("cannot release the ports") {
                let held = try maps.quarantine.all()
                for name in held { try maps.quarantine.remove(name) }
                let ports = image.devices().filter { device in held.contains { image.covers($0, device) } }
                return QuarantineReport(
                    names: held.sorted(), ports: ports.map(image.portName), changed: !held.isEmpty)
            }
        }
    }

    /// The names that are in quarantine.
    public func quarantined() throws(DatapathError) -> Set<String> {
        let maps = try openMaps()
        do throws(BPFError) {
            return try maps.quarantine.all()
        } catch {
            throw DatapathError("cannot read the quarantine", error)
        }
    }

    /// Runs `change` on the names, then makes the images agree with them. It is given the image in force; where only
    /// the other one of a trial and its base knows `word`, that one.
    private func changeQuarantine(
        _ word: String? = nil, _ change: (InstanceMaps, LiveImage) throws(DatapathError) -> QuarantineReport
    ) throws(DatapathError) -> QuarantineReport {
        let maps = try openMaps()
        let lock = try lockPublishing()
        let images = try LiveImage.allPublished(in: maps)
        guard
            let image = images.first(where: { image in word.map { !image.portNames($0).isEmpty } ?? true })
                ?? images.first
        else { throw notThere }
        let report = try change(maps, image)
        try enforceQuarantine(maps)
        _ = consume lock
        return report
    }
}

// MARK: In the image

extension Instance {
    /// Makes every image that may judge agree with the names that are in quarantine. The caller holds the publishing
    /// lock.
    private func enforceQuarantine(_ maps: InstanceMaps) throws(DatapathError) {
        try DatapathError.naming("cannot enforce the quarantine") {
            try LiveImage.withAllPublished(in: maps) { map in
                try LiveImage(map).mark(try maps.quarantine.all(), in: Mapping(map, writable: true))
            }
            try Stamp(maps).noteChange()
        }
    }

    /// Completes a `quarantine` or `release` that was killed between its two steps.
    func repairQuarantine(_ maps: InstanceMaps) throws(DatapathError) {
        let lock = try lockPublishing()
        try enforceQuarantine(maps)
        _ = consume lock
    }
}

extension LiveImage {
    /// The names of what `word` means: an entry or a port of that name, else every port of a device of that name.
    fileprivate func portNames(_ word: String) -> [String] {
        let devices = namedDevices()
        if (0..<view.portCount).contains(where: { entryName($0) == word }) { return [word] }
        if let named = devices.first(where: { covers(word, $0) }) { return [portName(named)] }
        return Set(devices.filter { isCalled(word, $0) }.map(portName)).sorted()
    }
}

/// Finds what of the quarantine a policy's ports do not have.
public enum QuarantineCheck {
    /// Warnings about names that mean none of these ports. A name whose entry is there is left out: its device may
    /// still come, unless it is another port's.
    public static func strays(
        _ names: Set<String>, entries: [String], ports: [Port]
    ) -> [String] {
        names.sorted().compactMap { name in
            if entries.contains(name) || ports.contains(where: { name == "\($0.entry)/\($0.interface)" }) {
                return nil
            }
            let parts = name.split(separator: "/", maxSplits: 1).map(String.init)
            guard parts.count == 2, entries.contains(parts[0]) else {
                return "'\(name)' is quarantined and no port of this policy: it stays so for a policy that has it again"
            }
            guard let other = ports.first(where: { $0.interface == parts[1] }) else { return nil }
            return "'\(name)' is quarantined, and in this policy the device is port '\(other.name)', which is not"
        }
    }
}
