// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
import Compiler
import Glibc
import Host
import Libbpf
import Policy

/// One apply in progress.
struct ApplyStep {
    let instance: Instance
    let image: Image
    let bindings: [PortBinding]
    /// What is remembered of the policy; nil: nothing.
    let origin: PolicyOrigin?
    /// The same image, for reading.
    let view: ImageView
    /// Whether the flow table existed before this apply.
    let hadFlows: Bool
    /// Nanoseconds for which the policy is on trial; nil: it stays in force.
    let trial: UInt64?
    var warnings: [String] = []
    /// What this apply attached; it is taken off again if the apply fails.
    private var attached = AttachedHooks()

    init(
        instance: Instance, image: Image, bindings: [PortBinding], origin: PolicyOrigin?, hadFlows: Bool,
        trial: UInt64? = nil
    ) throws(DatapathError) {
        self.instance = instance
        self.origin = origin
        self.hadFlows = hadFlows
        self.trial = trial
        self.image = image
        self.bindings = bindings
        view = try ImageView(ofPolicy: image.bytes)
    }

    mutating func run(_ maps: InstanceMaps) throws(DatapathError) -> ApplyReport {
        try DatapathError.naming("cannot apply the policy") {
            let old = try LiveImage.published(in: maps)
            let state = try maps.state()
            let samePrograms = state.programs == Programs.hash
            let requests = bindings.map { DeviceAllotment.Request($0, image: image) }
            instance.gracePeriods.recover()
            try instance.removeOrphans(keeping: old?.devices() ?? [])
            bringHistoryUpToDate(inForce: old?.generation, maps)
            if let old, samePrograms, let report = try unchanged(old, requests, maps) { return report }
            return try change(from: old, state: state, requests: requests, maps: maps)
        }
    }

    // MARK: Nothing to do

    /// The report of an apply that finds everything as it should be; nil if there is something to do.
    private func unchanged(
        _ old: LiveImage, _ requests: [DeviceAllotment.Request], _ maps: InstanceMaps
    ) throws(DatapathError) -> ApplyReport? {
        let devices = old.devices()
        let present = Dictionary(devices.map { ($0.identity, $0) }) { first, _ in first }
        guard old.view.sha256 == image.sha256, devices.count == requests.count else { return nil }
        for request in requests {
            guard let device = present[request.identity], device.record == request.record,
                device.isOfSeveral == request.isOfSeveral, device.interface == request.identity.interface,
                device.namespace == request.identity.namespace
            else { return nil }
        }
        guard try instance.brokenHooks(devices).isEmpty else { return nil }
        try instance.repairQuarantine(maps)
        let warnings = instance.settleGates(view.selectors, old.judgedDevices)
        return report(generation: old.generation, changed: false, devices: devices, live: old, maps, more: warnings)
    }

    // MARK: A new generation

    private mutating func change(
        from old: LiveImage?, state: InstanceState, requests: [DeviceAllotment.Request],
        maps: InstanceMaps
    ) throws -> ApplyReport {
        let allotment = try DeviceAllotment(
            requests, old: old?.devices() ?? [], replaced: replaced(old?.devices() ?? [], by: requests))
        var state = state
        state.generation += 1
        guard let number = UInt32(exactly: state.generation) else {
            throw DatapathError("this instance has used up its generation numbers", advice: "bulkhead detach --all")
        }
        // The number is stored before anything is published under it, so it is never used twice.
        try maps[.instance].update(0, to: state)
        let time = KernelClock.nanoseconds(CLOCK_REALTIME)
        var generation = Generation(image.bytes, view, number: number, loadedAt: time / 1_000_000_000)
        generation.setCompiler(CompilerIdentity.own)
        generation.setCounters(try allotCounters(old, maps))
        generation.setClock(secret: old?.view.header.secret ?? .random(in: 1 ... .max))
        if let warning = try maps.noteOwnAddresses(for: view, at: bindings) { warnings.append(warning) }
        try allotLimits(old, maps, of: &generation)
        let groups = try allotGroups(old, maps, of: &generation)
        // An image that does not fit into the kernel's memory is refused before any device is touched.
        let map = try generation.allocate()
        let fresh = allotment.devices.filter { $0.old == nil }.map(\.id)
        try maps.retire(fresh, &state)
        try PortCounters.provide(allotment.devices.map(\.id), in: maps)
        let scopes = FlowScopeAllotment(
            entries: bindings.hostEntries, old: old?.flowScopes() ?? [], keepsAll: trial != nil)
        generation.setFlowScopes(scopes.scopes, view)
        // New tables are empty.
        if hadFlows { try maps.clear(scopes.fresh + fresh) }
        let before: Instance.Before
        let until: UInt64?
        do {
            var devices = try instance.gracePeriods.expedited(for: 2 * fresh.count) {
                try attach(allotment, replacing: state.programs != Programs.hash, maps)
            }
            before = noteAttachment(&devices, old)
            switch before {
            case .kept: generation.setBefore(old?.generation ?? 0)
            case .same: generation.setBefore(old?.view.header.before ?? 0)
            case .gone: break
            }
            generation.setDevices(devices)
            try generation.fill(map)
            remember(number, time)
            until = trial.map { KernelClock.nanoseconds(CLOCK_BOOTTIME) + $0 }
            try instance.publish(map, before: before, trial: until, renamed: renamed(allotment, old), maps)
        } catch {
            attached.takeOff()
            bringHistoryUpToDate(inForce: (try? LiveImage.published(in: maps))?.generation, maps)
            throw error
        }
        state.programs = Programs.hash
        try maps[.instance].update(0, to: state)
        let new = try LiveImage(map)
        let devices = new.devices()
        if let until {
            // What the base has stays until the trial is settled: its gates, which also let the trial's devices in.
            warnings += instance.settleGates(
                old?.view.selectors ?? [], (old?.judgedDevices ?? []) + new.judgedDevices)
            try instance.removeStaleInner(maps)
            var result = report(generation: number, changed: true, devices: devices, live: new, maps)
            result.trial = ApplyReport.TrialStart(base: old?.generation, until: KernelClock.wall(atBoot: until))
            return result
        }
        // Attached and published; a gate is opened last, and shut before the programs go.
        warnings += instance.settleGates(
            view.selectors, new.judgedDevices, former: old?.view.selectors ?? [])
        let kept = Set(devices.map(\.id))
        try maps.retire((old?.devices() ?? []).map(\.id).filter { !kept.contains($0) }, &state)
        settleHistory(number, maps)
        for slot in groups.gone(before) { try maps[.groups].delete(slot) }
        try instance.removeStaleInner(maps)
        let gone = (old?.devices() ?? []).count { !kept.contains($0.id) }
        instance.gracePeriods.expedited(for: 2 * gone) { detachGone(old?.devices() ?? [], keeping: devices) }
        return report(generation: number, changed: true, devices: devices, live: new, maps)
    }

    /// Ids of devices that are gone, and whose kernel number another device has got: a request has the same number and
    /// namespace but another name, and our programs are not there any more.
    private func replaced(_ devices: [DeviceRecord], by requests: [DeviceAllotment.Request]) -> Set<UInt16> {
        let names = Dictionary(requests.map { ($0.identity, $0.identity.interface) }) { first, _ in first }
        let doubtful = devices.filter { device in
            names[device.identity].map { $0 != device.interface } ?? false && device.mode != nil
        }
        return Set(doubtful.filter { !instance.holdsProgram($0) }.map(\.id))
    }

    /// The ports whose device was renamed since the last apply, by their old and new names.
    private func renamed(_ allotment: DeviceAllotment, _ old: LiveImage?) -> [(from: String, to: String)] {
        guard let old else { return [] }
        return allotment.devices.compactMap { request, _, before in
            guard let before, request.isOfSeveral, before.interface != request.identity.interface else { return nil }
            return (old.portName(before), request.port.name)
        }
    }

    private func allotCounters(_ old: LiveImage?, _ maps: InstanceMaps) throws -> [UInt32] {
        let counters = SlotAllotment(
            names: view.ruleCounters.map(\.name), old: old?.counterSlots() ?? [],
            capacity: Int(BH_RULES_MAX), keepsAll: trial != nil)
        if trial != nil, counters.isShort { throw noRoom("rules", Int(BH_RULES_MAX)) }
        if !counters.fresh.isEmpty {
            try RuleCounters.provide(counters.fresh, in: maps)
            let values = try RuleCounters(maps, writable: true)
            for slot in counters.fresh { values.zero(slot) }
        }
        return counters.slots
    }

    /// A limit keeps its state as long as its rule keeps its name.
    private func allotLimits(_ old: LiveImage?, _ maps: InstanceMaps, of generation: inout Generation) throws {
        let allotment = LimitAllotment(view.limitedRules, old: old?.limitSlots() ?? [], keepsAll: trial != nil)
        if trial != nil, allotment.named.contains(where: { $0.slot == BH_NONE }) {
            throw noRoom("limits", Int(BH_LIMITS_MAX))
        }
        for slot in allotment.fresh { try maps[.limits].update(slot, to: bh_limit()) }
        generation.setLimitSlots(allotment.slots)
    }

    /// A dynamic group keeps its members as long as it keeps its name; a new one has none. The groups of the policy
    /// before stay as long as that policy is asked: without them, it would seem to have passed those it banned.
    private func allotGroups(
        _ old: LiveImage?, _ maps: InstanceMaps, of generation: inout Generation
    ) throws -> GroupAllotment {
        let before = try LiveImage.published(in: maps, slot: BH_SLOT_BEFORE.rawValue)
        let allotment = GroupAllotment(
            view.groups.map(\.name), old: old?.groupSlots() ?? [],
            before: before?.groupSlots().map(\.slot) ?? [], keepsAll: trial != nil)
        if trial != nil, allotment.slots.contains(BH_NONE) { throw noRoom("groups", Int(BH_GROUP_SLOTS)) }
        for slot in allotment.fresh { try maps.setInner(.groups, slot, to: try MemberTrie.make()) }
        generation.setGroupSlots(allotment.slots)
        return allotment
    }

    /// Why a policy cannot be tried: it and its base are in the kernel together.
    private func noRoom(_ what: String, _ count: Int) -> DatapathError {
        DatapathError(
            "this policy and the one in force have more than \(count) \(what) together: it cannot be tried",
            advice: "apply it without --trial")
    }

    /// Notes from which time on older connections may be adopted. TCP: from when the device was attached or the flow
    /// table made, until another policy comes. What a policy passed without a flow: from when that policy was replaced.
    ///
    /// - Returns: what becomes of the replaced policy.
    private func noteAttachment(_ devices: inout [DeviceRecord], _ old: LiveImage?) -> Instance.Before {
        let now = KernelClock.nanoseconds()
        let known = Dictionary((old?.devices() ?? []).map { ($0.identity, $0) }) { first, _ in first }
        let isSame = old?.view.sha256 == image.sha256
        var isAsked = false
        for index in devices.indices {
            guard hadFlows, let old, let before = known[devices[index].identity], before.id == devices[index].id
            else {
                devices[index].attachedAt = now
                continue
            }
            devices[index].attachedAt = isSame ? before.attachedAt : 0
            devices[index].untrackedAt =
                isSame ? before.untrackedAt : old.passesUntracked(before.record) ? now : 0
            isAsked = isAsked || devices[index].untrackedAt != 0
        }
        return isSame ? .same : isAsked ? .kept : .gone
    }

    /// Puts programs on every device that lacks one. Returns all devices, with how each is enforced.
    private mutating func attach(
        _ allotment: DeviceAllotment, replacing: Bool, _ maps: InstanceMaps
    ) throws -> [DeviceRecord] {
        var result: [DeviceRecord] = []
        let generic = try GenericXDP(maps, isNew: replacing)
        let instance = try instance.holdingHooks()
        let byNamespace = Dictionary(grouping: allotment.devices) { $0.request.identity.namespace }
        for (namespace, devices) in byNamespace.sorted(by: { ($0.key ?? "") < ($1.key ?? "") }) {
            let present = devices.filter { $0.request.identity.index != 0 }
            for device in devices where device.request.identity.index == 0 {
                result.append(DeviceRecord(device.request, id: device.id, mode: nil))
            }
            guard !present.isEmpty else { continue }
            try NetworkNamespace.with(namespace) { () throws(DatapathError) in
                guard NetworkNamespace.inode(nil) == present[0].request.identity.inode else {
                    throw DatapathError(
                        "network namespace '\(namespace ?? "")' was made anew meanwhile", advice: "apply again")
                }
                for (request, id, old) in present {
                    let attachment = Attachment(instance, request.identity, device: id)
                    let attacher = DeviceAttacher(attachment: attachment, request: request, old: old)
                    let outcome = try attacher.run(replacing: replacing, maps, generic)
                    attached.add(outcome, at: attachment, in: namespace)
                    warnings += outcome.warnings
                    if let failure = outcome.failure { throw failure }
                    result.append(DeviceRecord(request, id: id, mode: outcome.mode))
                }
            }
        }
        return result
    }

    /// Takes the programs off devices that the new policy does not name, and off hooks that a device no longer uses.
    private mutating func detachGone(_ old: [DeviceRecord], keeping new: [DeviceRecord]) {
        let kept = Dictionary(new.map { ($0.id, Set($0.hooks)) }) { first, _ in first }
        for device in old {
            for hook in HookName.allCases where !(kept[device.id]?.contains(hook) ?? false) {
                do throws(DatapathError) {
                    try instance.detach(device, hook)
                } catch {
                    warnings.append("\(error)")
                }
            }
        }
    }

    private func report(
        generation: UInt32, changed: Bool, devices: [DeviceRecord], live: LiveImage,
        _ maps: InstanceMaps, more: [String] = []
    ) -> ApplyReport {
        let modes = Dictionary(devices.map { ($0.identity, $0.mode) }) { first, _ in first }
        return ApplyReport(
            generation: generation, changed: changed, rules: live.view.ruleCount,
            ports: bindings.map { binding in
                let identity = DeviceAllotment.Request(binding, image: image).identity
                return ApplyReport.PortReport(
                    port: binding.port, mode: modes[identity] ?? nil, isMissing: binding.interface == nil)
            }, memoryBytes: maps.memory + live.memory + GenerationHistory(instance).memory,
            warnings: warnings + more)
    }
}
