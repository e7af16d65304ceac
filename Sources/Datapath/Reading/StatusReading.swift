// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
import Host
import Libbpf

extension Instance {
    /// What the kernel enforces now.
    public func status() throws(DatapathError) -> Status {
        let maps = try openMaps(.hooks)
        let image = try imageInForce(maps)
        let (ports, bridges) = try portStatuses(image)
        let view = image.view
        let flows: FlowTotals
        let quarantine: Set<String>
        do throws(BPFError) {
            flows = try maps.flowTotals(scopes: image.allFlowScopes)
            quarantine = try maps.quarantine.all()
        } catch {
            throw DatapathError("cannot read the flow table's figures", error)
        }
        return Status(
            instance: name, generation: image.generation, trial: openTrial(of: image, maps),
            file: view.file(0)?.name ?? "",
            sha256: PolicyText.hash(of: view.files), imageHash: view.sha256, loadedAt: view.header.loaded_at,
            ports: ports, bridges: bridges,
            memoryBytes: maps.memory + image.memory + GenerationHistory(self).memory,
            classifier: view.classifier,
            flows: flows, readers: activeReaders(maps), quarantine: quarantine.sorted(),
            groups: try groups(image.view.groups, maps))
    }

    /// The same of the ports alone.
    public func enforcement() throws(DatapathError) -> Enforcement {
        let maps = try openMaps(.hooks)
        let image = try imageInForce(maps)
        return Enforcement(
            generation: image.generation, file: image.view.file(0)?.name ?? "",
            trial: openTrial(of: image, maps), ports: try portStatuses(image).ports,
            namespaces: Set(image.view.selectors.compactMap(\.namespace)))
    }

    /// What is to be told of a generation's trial; nil if it is not on trial.
    func openTrial(of image: LiveImage, _ maps: InstanceMaps) -> Status.OpenTrial? {
        guard let trial = try? maps.trial(), !trial.hasEnded, trial.generation == image.generation else { return nil }
        let base = (try? maps.otherSlot()).flatMap { try? LiveImage.published(in: maps, slot: $0) }
        return Status.OpenTrial(
            base: base?.generation, until: KernelClock.wall(atBoot: trial.until), left: trial.left,
            passing: base.map { ports(of: $0, without: image) } ?? [])
    }

    /// The names of an image's ports at devices that another one does not have.
    private func ports(of image: LiveImage, without other: LiveImage) -> [String] {
        let known = Set(other.devices().map(\.id))
        return image.devices().filter { !known.contains($0.id) }.map(image.portName).sorted()
    }

    /// The trial that is open, and how many nanoseconds are left of it; nil if there is none.
    public func trialNow() throws(DatapathError) -> (generation: UInt32, left: UInt64)? {
        guard let trial = try openTrial(try openMaps()), !trial.hasEnded else { return nil }
        return (trial.generation, trial.left)
    }

    /// The generation in force; nil: none.
    public func generationInForce() throws(DatapathError) -> UInt32? {
        try LiveImage.published(in: try openMaps())?.generation
    }

    func activeReaders(_ maps: InstanceMaps) -> Int {
        (0..<UInt32(BH_READERS_MAX)).filter { slot in
            let reader = try? maps[.readers].lookup(slot, as: bh_reader.self)
            return (reader?.flags ?? 0) & BH_READER_ACTIVE.rawValue != 0
        }.count
    }

    /// Whether a device has a program of ours on at least one of its hooks.
    func holdsProgram(_ device: DeviceRecord) -> Bool {
        isTrue(of: device) { attachment in device.hooks.contains(where: attachment.holds) }
    }

    /// Whether a program of ours is not on its hook any more, though nobody detached the device: its pins are there.
    func hasLost(_ device: DeviceRecord) -> Bool {
        isTrue(of: device) { attachment in
            !device.hooks.allSatisfy(attachment.holds) && device.hooks.contains(where: attachment.isPinned)
        }
    }

    /// Asks about a device in its network namespace; what is in none is true of nothing.
    private func isTrue(of device: DeviceRecord, _ question: (Attachment) -> Bool) -> Bool {
        let answer = try? NetworkNamespace.with(device.namespace) { () throws(DatapathError) in
            question(Attachment(self, device))
        }
        return answer ?? false
    }

    /// Devices with a hook that should hold a program and does not.
    func brokenHooks(_ devices: [DeviceRecord]) throws(DatapathError) -> [DeviceRecord] {
        var broken: [DeviceRecord] = []
        for (namespace, devices) in Dictionary(grouping: devices, by: \.namespace) {
            let present = devices.filter { $0.mode != nil }
            guard !present.isEmpty else { continue }
            broken += try NetworkNamespace.with(namespace) { () throws(DatapathError) in
                present.filter { !$0.hooks.allSatisfy(Attachment(self, $0).holds) }
            }
        }
        return broken
    }

    /// The policy in force, as the kernel holds it.
    public func policyInForce() throws(DatapathError) -> PolicyInForce {
        let image = try imageInForce(try openMaps())
        return PolicyInForce(
            text: PolicyText(of: image), loadedAt: image.view.header.loaded_at, rules: image.view.rules)
    }

    /// Its text alone, which takes a fraction of the time.
    public func policyTextInForce() throws(DatapathError) -> PolicyText {
        PolicyText(of: try imageInForce(try openMaps()))
    }
}
