// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
import Compiler
import Glibc
import Host
import Libbpf
import Policy

/// Devices that come while a policy is on trial. Nothing is published, no generation begins, and the trial's time
/// stays: the records of the devices are added to both images, so that the trial judges them now, and its base
/// afterwards.
extension Instance {
    /// Enforces devices that came at the ports of a trial and of its base.
    ///
    /// - Parameters:
    ///   - generation: That which must be on trial until then.
    ///   - trial: The trial's entries, bound to the devices that there are now.
    ///   - base: Those of its base; empty where it has none.
    public func takeDevices(
        onTrial generation: UInt32, _ trial: [PortBinding], base: [PortBinding]
    ) throws(DatapathError) -> ApplyReport {
        let clock = ContinuousClock()
        let start = clock.now
        try Preflight.check()
        let lock = try lock(make: false)
        var report = try lock.instance.takeLocked(onTrial: generation, trial, base: base)
        _ = consume lock
        report.loadMilliseconds = (clock.now - start) / .milliseconds(1)
        return report
    }

    private func takeLocked(
        onTrial generation: UInt32, _ trial: [PortBinding], base: [PortBinding]
    ) throws(DatapathError) -> ApplyReport {
        let maps = try openMaps()
        guard let open = try openTrial(maps), !open.hasEnded, open.generation == generation else {
            throw busy("the trial of generation \(generation) ended meanwhile")
        }
        return try DatapathError.naming("cannot take the devices that came") {
            guard try maps.state().programs == Programs.hash else {
                throw DatapathError(
                    "generation \(generation) is on trial, and another build of bulkhead put it there",
                    advice: "keep it with 'bulkhead confirm', or end it with 'bulkhead rollback'")
            }
            gracePeriods.recover()
            var step = try TrialDevices(instance: try holdingHooks(), maps: maps, open, trial: trial, base: base)
            var report = try step.run()
            report.trial = ApplyReport.TrialStart(
                base: open.base == 0 ? nil : open.base, until: KernelClock.wall(atBoot: open.until))
            return report
        }
    }
}

/// Devices that are taken into the images of a trial and its base.
private struct TrialDevices {
    /// An image that may judge, and what its policy asks for at devices that it does not know.
    private struct Side {
        let map: Map
        let image: LiveImage
        var requests: [DeviceAllotment.Request] = []
        var records: [DeviceRecord] = []
    }

    private let instance: Instance
    private let maps: InstanceMaps
    private let bindings: [PortBinding]
    /// The trial's, then that of its base, if there is one.
    private var sides: [Side] = []
    private var attached = AttachedHooks()
    /// Devices that went while they were taken.
    private var vanished: Set<DeviceRecord.Identity> = []
    private var warnings: [String] = []

    /// - Parameter open: The trial. It may end at any time, so its image is known by its generation, not by its slot.
    init(
        instance: Instance, maps: InstanceMaps, _ open: Trial, trial: [PortBinding], base: [PortBinding]
    ) throws {
        (self.instance, self.maps, bindings) = (instance, maps, trial)
        let slots = try [BH_SLOT_EVEN, BH_SLOT_ODD].compactMap { slot in
            try maps.inner(.slots, slot.rawValue, name: "policy image").map { Side(map: $0, image: try LiveImage($0)) }
        }
        for (generation, bindings) in [(open.generation, trial), (open.base, base)] where generation != 0 {
            guard var side = slots.first(where: { $0.image.generation == generation }) else { continue }
            ask(for: bindings, of: &side)
            sides.append(side)
        }
        guard let tried = sides.first, tried.image.generation == open.generation else {
            throw instance.busy("the trial of generation \(open.generation) ended meanwhile")
        }
        // What the base alone means is not judged by the trial. Its gate must not open now.
        let judged = tried.image.devices().filter { $0.mode != nil }.map(\.identity)
        let known = Set(tried.requests.map(\.identity) + judged)
        if sides.count > 1 { sides[1].requests.removeAll { !known.contains($0.identity) } }
    }

    /// Notes what is asked for at devices that an image does not know. What it has no port for waits for the end of the
    /// trial.
    private mutating func ask(for bindings: [PortBinding], of side: inout Side) {
        let known = Dictionary(side.image.devices().map { ($0.identity, $0) }) { first, _ in first }
        for binding in bindings {
            guard let interface = binding.interface else { continue }
            guard let record = side.image.record(of: binding) else {
                warnings.append(
                    "device '\(interface.name)' of '\(binding.port.entry)' has to wait: the image of generation "
                        + "\(side.image.generation) has no such port")
                continue
            }
            let request = DeviceAllotment.Request(binding, record: record)
            if let device = known[request.identity], device.mode != nil, !isReplaced(device, by: request),
                !instance.hasLost(device)
            {
                continue
            }
            side.requests.append(request)
        }
    }

    /// Whether a device is gone, and another one has its kernel number.
    private func isReplaced(_ device: DeviceRecord, by request: DeviceAllotment.Request) -> Bool {
        device.interface != request.identity.interface && !instance.holdsProgram(device)
    }

    mutating func run() throws -> ApplyReport {
        guard sides.contains(where: { !$0.requests.isEmpty }) else { return report(changed: false) }
        do {
            // What a killed attempt left would be in the way.
            try instance.removeOrphans(keeping: sides.flatMap { $0.image.devices() })
            let places = try allot()
            let fresh = places.values.filter { $0.judged == nil }.map(\.id).sorted()
            var state = try maps.state()
            try maps.retire(fresh, &state)
            try PortCounters.provide(fresh, in: maps)
            try unbind(places)
            try maps.clear(fresh)
            try instance.gracePeriods.expedited(for: 2 * places.count) { try attach(places) }
            try publish()
            try instance.removeOrphans(keeping: sides.flatMap { $0.image.devices() })
        } catch {
            attached.takeOff()
            throw error
        }
        // A gate is that of the base, and opened last.
        warnings += instance.settleGates(
            sides.count > 1 ? sides[1].image.view.selectors : [], sides.reversed().flatMap(\.image.judgedDevices))
        return report(changed: true)
    }

    // MARK: Numbers

    /// A device's number, and its record in the image that judges it already, if one does.
    private struct Place {
        var id: UInt16
        var judged: DeviceRecord?
    }

    /// A number for each device that is asked for: the one that it has, that of one that is gone, of its name or its
    /// kernel number, or one that no image uses.
    private func allot() throws(DatapathError) -> [DeviceRecord.Identity: Place] {
        let all = sides.flatMap { side in side.image.devices() }
        var used = Set(all.map(\.id))
        var taken: Set<UInt16> = []
        var places: [DeviceRecord.Identity: Place] = [:]
        for request in sides.flatMap(\.requests) where places[request.identity] == nil {
            let same = all.filter { $0.identity == request.identity && $0.mode != nil }
            if let judged = same.first(where: { !isReplaced($0, by: request) }) {
                places[request.identity] = Place(id: judged.id, judged: judged)
                continue
            }
            let former = all.first { device in
                (isNamesake(device, of: request) || device.identity == request.identity)
                    && !taken.contains(device.id) && !instance.holdsProgram(device)
            }
            let free = former?.id ?? (1..<UInt16(BH_DEVICES_MAX)).first { !used.contains($0) }
            // Others are asked only where there is no other number.
            let left = { all.first { $0.mode != nil && !taken.contains($0.id) && !instance.holdsProgram($0) }?.id }
            guard let id = free ?? left() else {
                throw DatapathError(
                    "an instance holds \(BH_DEVICES_MAX - 1) ports, those of a trial and its base together",
                    advice: "keep the trial with 'bulkhead confirm', or end it with 'bulkhead rollback'")
            }
            used.insert(id)
            taken.insert(id)
            places[request.identity] = Place(id: id)
        }
        return places
    }

    private func isNamesake(_ device: DeviceRecord, of request: DeviceAllotment.Request) -> Bool {
        device.interface == request.identity.interface && device.namespace == request.identity.namespace
    }

    /// Leads no packet by a number to the port that it had, unless that is the device's own: the programs of a device
    /// that comes carry the number before its record is there, and what it opened meanwhile would stay open.
    private func unbind(_ places: [DeviceRecord.Identity: Place]) throws {
        let lock = try instance.lockPublishing()
        for side in sides {
            let mapping = try Mapping(side.map, writable: true)
            for (identity, place) in places where place.judged == nil {
                let asked = side.requests.first { $0.identity == identity }
                side.image.unbind(place.id, unless: asked, in: mapping)
            }
        }
        try Stamp(maps).noteChange()
        _ = consume lock
    }

    // MARK: Hooks

    /// Puts programs on every device, at the hooks that either policy asks for.
    private mutating func attach(_ places: [DeviceRecord.Identity: Place]) throws {
        let generic = try GenericXDP(maps, isNew: false)
        let now = KernelClock.nanoseconds()
        var known = places.compactMapValues(\.judged)
        for side in sides.indices {
            for request in sides[side].requests {
                guard let id = places[request.identity]?.id, !vanished.contains(request.identity) else { continue }
                let namespace = request.identity.namespace
                let attachment = Attachment(instance, request.identity, device: id)
                let attacher = DeviceAttacher(attachment: attachment, request: request, old: known[request.identity])
                let outcome = try NetworkNamespace.with(namespace) { () throws(DatapathError) in
                    guard NetworkNamespace.inode(nil) == request.identity.inode else {
                        throw instance.busy("network namespace '\(namespace ?? "")' was made anew meanwhile")
                    }
                    return try attacher.run(replacing: false, maps, generic)
                }
                attached.add(outcome, at: attachment, in: namespace)
                warnings += outcome.warnings
                // Whoever has a device come and go must not keep others' devices from being taken.
                if let failure = outcome.failure, request.port.protects == .workload,
                    failure.bpf?.errno == .operationNotSupportedByDevice
                {
                    vanished.insert(request.identity)
                    warnings.append(failure.message)
                    continue
                }
                if let failure = outcome.failure { throw failure }
                var record = DeviceRecord(request, id: id, mode: outcome.mode)
                record.attachedAt = now
                sides[side].records.append(record)
                if known[request.identity] == nil { known[request.identity] = record }
            }
        }
        for side in sides.indices { sides[side].records.removeAll { vanished.contains($0.identity) } }
    }

    // MARK: Images

    /// Leads packets of the devices to their ports, cut off where they are in quarantine.
    private func publish() throws {
        let gone = sides.map { side in
            Set(side.image.devices().filter { !instance.holdsProgram($0) }.map(\.id))
        }
        let lock = try instance.lockPublishing()
        let held = try maps.quarantine.all()
        for (side, gone) in zip(sides, gone) {
            let mapping = try Mapping(side.map, writable: true)
            for record in side.records { side.image.add(record, forgetting: gone, cutOff: held, in: mapping) }
        }
        if sides.count > 1 {
            sides[1].image.prepare(for: sides[0].image, in: try Mapping(sides[1].map, writable: true))
        }
        try Stamp(maps).noteChange()
        _ = consume lock
    }

    private func report(changed: Bool) -> ApplyReport {
        let image = sides.first?.image
        let modes = Dictionary(image?.devices().map { ($0.identity, $0.mode) } ?? []) { first, _ in first }
        return ApplyReport(
            generation: image?.generation ?? 0, changed: changed, rules: image?.view.ruleCount ?? 0,
            ports: bindings.map { binding in
                let identity = DeviceAllotment.Request(binding, record: 0).identity
                return ApplyReport.PortReport(
                    port: binding.port, mode: modes[identity] ?? nil, isMissing: binding.interface == nil)
            }, memoryBytes: maps.memory + (image?.memory ?? 0) + GenerationHistory(instance).memory,
            warnings: warnings)
    }
}

extension LiveImage {
    /// The port record of a binding; nil: this policy was compiled without one.
    fileprivate func record(of binding: PortBinding) -> Int? {
        (0..<view.portCount).first { number in
            view.port(number).map {
                $0.name == binding.port.entry && $0.protects == binding.port.protects
                    && $0.isUnknownToDrop == binding.isUnknownToDrop
            } ?? false
        }
    }
}
