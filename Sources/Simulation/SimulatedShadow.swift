// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
import Compiler
import Datapath
import Libbpf
import Policy
import Wire

/// A shadow behind the programs of a simulator: another policy that is asked about each frame that these judge.
package final class SimulatedShadow {
    /// What a shadow said of a frame.
    package struct Answer: Sendable, Hashable {
        package var verdict: Action
        /// nil: its policy has no such port.
        package var reason: Reason?
        package var rule: ImageView.RuleRecord?
        package var isDoubtful: Bool
    }

    private let simulator: Simulator
    private let programs: ShadowPrograms
    private let stamp: Stamp
    private let lease: Mapping
    private var view: ImageView
    /// The image's map.
    private var mapping: Mapping
    private var hooks: Set<HookName> = []
    private let room: PerCPUValues<bh_scratch>
    /// Of policies that come into force, numbers count down from the highest.
    private static let generation: UInt32 = 0x7fff_ffff

    /// - Parameter image: A policy with the same port records as the simulator's.
    package init(_ simulator: Simulator, image: Image) throws {
        self.simulator = simulator
        programs = try ShadowPrograms(simulator.maps, simulator.settings)
        stamp = try Stamp(simulator.maps)
        lease = try Mapping(programs[.lease], writable: true)
        lease.store(.max, in: \bh_shadow_lease.expires)
        room = try PerCPUValues(programs[.scratch], repeating: bh_scratch())
        view = try ImageView(ofPolicy: image.bytes)
        mapping = try Mapping(try SimulatedShadow.ask(view, image, programs, simulator), writable: true)
        compareWithInForce()
    }

    /// Asks another policy from now on. To be called again where the simulator judges by another policy.
    package func use(_ image: Image) throws {
        view = try ImageView(ofPolicy: image.bytes)
        mapping = try Mapping(try SimulatedShadow.ask(view, image, programs, simulator), writable: true)
        compareWithInForce()
    }

    private func compareWithInForce() { lease.store(simulator.generation, in: \bh_shadow_lease.generation) }

    /// Has the programs ask a policy; returns its image's map.
    private static func ask(
        _ view: ImageView, _ image: Image, _ programs: ShadowPrograms, _ simulator: Simulator
    ) throws -> Map {
        var shadow = Simulator.generation(image.bytes, view, generation, simulator.adopts)
        shadow.setCounters(
            SlotAllotment(
                names: view.ruleCounters.map(\.name), old: simulator.counters, capacity: Int(BH_RULES_MAX),
                keepsAll: true
            ).slots)
        shadow.setClock(
            secret: Simulator.secret, wallOffset: simulator.clock.wallOffset, bootOffset: simulator.clock.bootOffset)
        shadow.setGroupSlots(view.groups.map { simulator.groups.slot(of: $0.name) ?? BH_NONE })
        for record in 0..<view.portCount {
            shadow.bind(Simulator.device(record), toRecord: record, attachedAt: 0, untrackedAt: 0)
        }
        let map = try shadow.load()
        try programs.use(map)
        return map
    }

    /// Whether frames are asked about.
    package var isOn: Bool {
        get { stamp.hasShadow }
        set { stamp.setShadow(newValue) }
    }

    /// When nobody waits any more for what it says: nanoseconds of CLOCK_MONOTONIC.
    package func expire(at time: UInt64) { lease.store(time, in: \bh_shadow_lease.expires) }

    /// Stands behind the program of a hook.
    package func stand(behind hook: HookName) throws {
        guard hooks.insert(hook).inserted else { return }
        try programs.stand(behind: simulator.loaded(hook).program, at: .init(hook))
    }

    /// Runs `body`, which judges one frame; returns what the shadow said of it: nil if it compared nothing.
    package func answer(of body: () throws -> Void) throws -> Answer? {
        let compared = try programs.counts().compared
        mapping.store(simulator.clock.wallOffset, in: \bh_image_header.wall_offset)
        var blank = bh_scratch()
        // Tells which CPU the program ran on.
        blank.judgement.verdict = BH_NONE
        try room.store(blank, in: programs[.scratch], at: 0)
        try body()
        guard try programs.counts().compared != compared else { return nil }
        try room.load(from: programs[.scratch], at: 0)
        guard let found = room.first(where: { $0.judgement.verdict != BH_NONE }),
            let verdict = Action(found.judgement.verdict)
        else { return nil }
        return Answer(
            verdict: verdict, reason: found.judgement.generation == 0 ? nil : Reason(found.judgement.reason),
            rule: view.source(of: found.judgement).rule, isDoubtful: found.unsure != 0)
    }

    package func counts() throws -> ShadowCounts { try programs.counts() }

    /// Packets by what the two policies said of them.
    package func totals() throws -> [(pair: bh_shadow_pair, total: bh_shadow_total)] { try programs.totals() }

    /// What was streamed since the last call.
    package func events() throws -> [bh_shadow_event] {
        var found: [bh_shadow_event] = []
        var ring = try RingBuffer(programs[.ring])
        try ring.poll(milliseconds: 0) { if let event = $0.load(bh_shadow_event.self) { found.append(event) } }
        return found
    }
}
