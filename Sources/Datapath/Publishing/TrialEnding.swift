// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
import Compiler
import Libbpf

/// How a trial ended.
public struct TrialReport: Sendable, Hashable {
    /// The generation that was on trial.
    public var trial: UInt32
    /// The generation in force now; nil: none, because the trial had no base.
    public var inForce: UInt32?
    /// Whether it had ended by itself before.
    public var hadEnded = false
    /// What could not be done as asked for; for people.
    public var warnings: [String] = []
}

extension Instance {
    /// Keeps the policy that is on trial.
    ///
    /// - Parameter generation: nil: whichever is on trial.
    /// - Throws: if no trial is open, or another than that of `generation`, or it has ended.
    public func confirm(_ generation: UInt32? = nil) throws(DatapathError) -> TrialReport {
        try Preflight.check()
        let lock = try lock(make: false)
        let report = try lock.instance.confirmLocked(generation)
        _ = consume lock
        return report
    }

    private func confirmLocked(_ generation: UInt32?) throws(DatapathError) -> TrialReport {
        let maps = try openMaps()
        guard let trial = try openTrial(maps) else {
            throw DatapathError(
                "no trial is open in instance '\(name)'", advice: "'bulkhead log' tells what became of the last one")
        }
        if let generation, generation != trial.generation {
            throw DatapathError(
                "generation \(generation) is not on trial: generation \(trial.generation) is",
                advice: "bulkhead confirm \(trial.generation)")
        }
        let isKept = try DatapathError.naming("cannot keep the policy") { try Stamp(maps).confirm() }
        // What is left to do matters to no packet, and the next command does it.
        var warnings: [String] = []
        do throws(DatapathError) { warnings = try settleTrial(maps) } catch { warnings.append("\(error)") }
        guard isKept else {
            let inForce = try LiveImage.published(in: maps)?.generation
            let words = inForce.map { "generation \($0) is in force again" } ?? "no policy is in force"
            throw DatapathError(
                "the trial of generation \(trial.generation) has ended: \(words)",
                advice: inForce == nil ? "apply the policy again" : "bulkhead rollback \(trial.generation)")
        }
        return TrialReport(trial: trial.generation, inForce: trial.generation, warnings: warnings)
    }

    /// Ends the trial that is not settled: its base is in force again at once.
    ///
    /// - Parameter generation: Whose trial; nil: whichever is on trial.
    /// - Returns: nil if there is none, or another's.
    public func endTrial(of generation: UInt32? = nil) throws(DatapathError) -> TrialReport? {
        try Preflight.check()
        let lock = try lock(make: false)
        let report = try lock.instance.endTrialLocked(of: generation)
        _ = consume lock
        return report
    }

    private func endTrialLocked(of generation: UInt32?) throws(DatapathError) -> TrialReport? {
        let maps = try openMaps()
        guard let trial = try openTrial(maps), generation == nil || generation == trial.generation else { return nil }
        try DatapathError.naming("cannot end the trial") {
            if !trial.hasEnded { try Stamp(maps).end() }
        }
        let warnings = try settleTrial(maps)
        return TrialReport(
            trial: trial.generation, inForce: try LiveImage.published(in: maps)?.generation, hadEnded: trial.hasEnded,
            warnings: warnings)
    }

    /// The trial that is not settled.
    func openTrial(_ maps: InstanceMaps) throws(DatapathError) -> Trial? {
        do throws(BPFError) {
            return try maps.trial()
        } catch {
            throw DatapathError("cannot read which policy is in force", error)
        }
    }

    /// Refuses to change the policy while another one is on trial. A trial that has ended is settled.
    func requireNoTrial(_ maps: InstanceMaps) throws(DatapathError) -> [String] {
        if let trial = try openTrial(maps), !trial.hasEnded {
            throw DatapathError(
                "generation \(trial.generation) is on trial for \(trial.left / 1_000_000_000) s more",
                advice: "keep it with 'bulkhead confirm', or end it with 'bulkhead rollback'")
        }
        return try settleTrial(maps)
    }

    // MARK: Settling

    /// Takes care of what a trial leaves that was confirmed or has ended, and of what a command leaves that was killed
    /// before it had done so. Nothing of it matters to a packet. The caller holds the instance's lock.
    ///
    /// - Returns: what could not be done; for people.
    func settleTrial(_ maps: InstanceMaps) throws(DatapathError) -> [String] {
        try DatapathError.naming("cannot settle the trial") {
            try Stamp(maps).endIfDue()
            let trial = try maps.trial()
            if let trial, !trial.hasEnded { return [] }
            let winner = try LiveImage.published(in: maps, slot: maps.slotInForce())
            let loser = try LiveImage.published(in: maps, slot: maps.otherSlot())
            guard trial != nil || loser != nil else { return [] }
            gracePeriods.recover()
            let warnings = settleGates(
                winner?.view.selectors ?? [], winner?.judgedDevices ?? [], former: loser?.view.selectors ?? [])
            try gracePeriods.expedited { try clearSlots(trial, loser, maps) }
            var state = try maps.state()
            let kept = Set((winner?.devices() ?? []).map(\.id))
            try maps.retire((loser?.devices() ?? []).map(\.id).filter { !kept.contains($0) }, &state)
            try freeGroups(winner, maps)
            try removeStaleInner(maps)
            return try warnings + takeOff(loser, keeping: winner) + settleHistory(winner, maps)
        }
    }

    /// Leaves in the slots what packets are still judged by, and the policy that they are judged anew by, if any.
    ///
    /// - Parameter trial: If it was not confirmed.
    private func clearSlots(_ trial: Trial?, _ loser: LiveImage?, _ maps: InstanceMaps) throws {
        let lock = try lockPublishing()
        let (slot, other, before) = (try maps.slotInForce(), try maps.otherSlot(), BH_SLOT_BEFORE.rawValue)
        if let trial, let map = try maps.inner(.slots, slot, name: "policy image") {
            let base = try LiveImage(map)
            if base.generation == trial.base { base.goOn(after: trial, in: try Mapping(map, writable: true)) }
        }
        let asked = try LiveImage.published(in: maps, slot: slot)?.view.header.before ?? 0
        if let loser, asked == loser.generation, let map = try maps.inner(.slots, other, name: "policy image") {
            try maps.setInner(.slots, before, to: map)
        } else if try asked == 0 || LiveImage.published(in: maps, slot: before)?.generation != asked {
            try maps.empty(before)
        }
        // The kernel waits here until no packet is judged by it any more.
        try maps.empty(other)
        try Stamp(maps).settle()
        _ = consume lock
    }

    /// Frees the places of groups that neither the policy in force has nor the one before it.
    private func freeGroups(_ winner: LiveImage?, _ maps: InstanceMaps) throws {
        let lock = try lockPublishing()
        let before = try LiveImage.published(in: maps, slot: BH_SLOT_BEFORE.rawValue)
        let needed = Set([winner, before].flatMap { $0?.groupSlots().map(\.slot) ?? [] })
        for slot in 0..<UInt32(BH_GROUP_SLOTS) where !needed.contains(slot) {
            if try maps[.groups].lookup(slot, as: UInt32.self) != nil { try maps[.groups].delete(slot) }
        }
        _ = consume lock
    }

    /// Takes the programs off hooks that the policy in force does not use.
    private func takeOff(_ loser: LiveImage?, keeping winner: LiveImage?) throws -> [String] {
        let kept = winner?.devices() ?? []
        let hooks = Dictionary(kept.map { ($0.id, Set($0.hooks)) }) { first, _ in first }
        let gone = (loser?.devices() ?? []).filter { hooks[$0.id] == nil }
        var warnings: [String] = []
        gracePeriods.expedited(for: 2 * gone.count) {
            for device in loser?.devices() ?? [] {
                for hook in HookName.allCases where !(hooks[device.id]?.contains(hook) ?? false) {
                    do throws(DatapathError) {
                        try detach(device, hook)
                    } catch {
                        warnings.append("\(error)")
                    }
                }
            }
        }
        try removeOrphans(keeping: kept)
        return warnings
    }

    private func settleHistory(_ winner: LiveImage?, _ maps: InstanceMaps) -> [String] {
        do {
            let history = GenerationHistory(self)
            try history.settle(inForce: winner?.generation, lastTrial: try maps.lastTrial())
            try history.trim()
            return []
        } catch {
            return ["the history of generations could not be brought up to date: \(error)"]
        }
    }
}
