// SPDX-License-Identifier: Apache-2.0
import CHeap
import Control
import Host
import Logging
import Policy
import Rendering

/// Looks at the host when something happened, and has what changed applied. For one thread.
struct HostWatch {
    private let controller: Controller
    private let events: DeviceEvents
    private let workloads: WorkloadHub
    private let logger: Logger
    private let board: AgentBoard
    private let clock = ContinuousClock()
    private var schedule = LookSchedule(at: .now)
    private var fights = Fights()
    /// The look before; nil: there was none, or nothing is in force.
    private var last: HostLook? {
        didSet { board.note { $0.finding = last.map { .ports($0.ports) } ?? .noPolicy } }
    }
    /// What an apply did not remedy, and when it is tried again.
    private var stuck: (generation: UInt32, findings: Set<HostFinding>, until: ContinuousClock.Instant)?
    /// What was said already, so that it is not said every two seconds.
    private var told: Set<HostFinding> = []
    private var toldRefused: Set<WorkloadPort> = []
    private var lastError: String?
    private var wasOnTrial = false
    /// Whether the policy in force does not know yet what workloads there are now.
    private var isInventoryNew = false

    init(
        controller: Controller, events: DeviceEvents, workloads: WorkloadHub, logger: Logger, board: AgentBoard
    ) {
        self.board = board
        self.controller = controller
        self.events = events
        self.workloads = workloads
        self.logger = logger
    }

    /// In one line, for the service manager and the log.
    var summary: String {
        guard let last else { return "no policy is in force; waiting for one" }
        let fighting = fights.names
        return "following generation \(last.generation), \(last.judgedPorts) ports enforced"
            + (fighting.isEmpty ? "" : "; left to the operator: \(fighting.joined(separator: ", "))")
    }

    // MARK: Begin, reload

    /// Takes the host as it is. A policy that is in force stays, whatever its file says now: an agent that is started
    /// again must not undo what an operator did meanwhile.
    mutating func begin(_ policy: String) {
        _ = events.follow([nil])
        do {
            if try controller.generationInForce() != nil {
                // What happened while nobody looked does not show in every case.
                note(try controller.follow(always: true))
            } else {
                load(policy, because: "at the start of the agent")
            }
        } catch {
            if (try? controller.look()) ?? nil == nil {
                load(policy, because: "at the start of the agent")
            } else {
                tell(error)
            }
        }
        _ = look()
    }

    /// Puts the policy's file in force; if it is refused, what is in force stays, and the log says so.
    mutating func load(_ policy: String, because message: String) {
        do {
            let applied = try controller.load(policy, because: message)
            fights.settle()
            board.note {
                $0.reloads += 1
                $0.reloadedAt = WallClock.now
            }
            note(applied)
            logger.notice(
                "\(policy) is in force", metadata: ["generation": "\(applied.report.generation)"])
        } catch {
            for diagnostic in (error as? Refusal)?.diagnostics ?? [] where diagnostic.severity == .error {
                logger.error("\(diagnostic)")
            }
            board.note {
                $0.failedReloads += 1
                $0.reloadFailedAt = WallClock.now
            }
            logger.error("\(policy) was not put in force: \(Self.words(error)); what was in force stays")
        }
        schedule.happened(at: clock.now)
        bulkhead_return_memory()
    }

    // MARK: The loop

    /// Waits for an event, or for the next look.
    mutating func wait() {
        let change = events.wait(milliseconds: schedule.wait(at: clock.now))
        if change.isOverrun {
            board.note { $0.lostEvents += 1 }
            logger.warning("events of devices were lost; all devices are read again")
        }
        if workloads.takeNews() { isInventoryNew = true }
        if isInventoryNew || change.devices || change.table || change.isOverrun { schedule.happened(at: clock.now) }
    }

    /// Looks if it is time. Returns whether anything was done.
    mutating func look() -> Bool {
        let start = clock.now
        guard schedule.isDue(at: start) else { return false }
        var isChanged = false
        var failed = false
        do {
            isChanged = try lookNow()
            lastError = nil
        } catch {
            failed = true
            tell(error)
        }
        fights.forget(at: start)
        schedule.looked(from: start, to: clock.now, failed: failed)
        board.note { [fighting = fights.names.count] figures in
            figures.looks += 1
            figures.fights = fighting
            if failed { figures.failedLooks += 1 } else { figures.lookedAt = clock.now }
        }
        return isChanged
    }

    private mutating func lookNow() throws -> Bool {
        guard let look = try controller.look() else {
            let isNews = last != nil
            last = nil
            told = []
            if isNews { logger.warning("no policy is in force any more; nothing is filtered") }
            return isNews
        }
        let (isNew, errors) = events.follow(look.namespaces)
        for error in errors where error != lastError {
            logger.warning("\(error)")
            lastError = error
        }
        // What happened between the two is in no event.
        if isNew { schedule.happened(at: clock.now) }
        if let last, last.generation != look.generation { fights.settle() }
        let findings = look.findings(since: last)
        last = look
        tellNew(findings)
        if look.isOnTrial != wasOnTrial {
            wasOnTrial = look.isOnTrial
            if wasOnTrial {
                logger.notice(
                    "a policy is on trial: devices that come or lost programs are taken, all else waits for its end")
            }
        }
        // What has to wait is no fight, however often it is found.
        let now = findings.filter { $0.isRemedied(onTrial: look.isOnTrial) }
        var remedied = now.filter { shouldRepair($0) }
        if isStuck(look.generation, remedied) { remedied = [] }
        let takesInventory = isInventoryNew && !look.isOnTrial
        if takesInventory, try controller.namesWorkloads() {
            remedied.append(HostFinding(.inventory, port: "workloads", "changed"))
        }
        let isChanged = remedied.isEmpty ? isNew : try apply(remedied, look)
        if takesInventory { isInventoryNew = false }
        return isChanged
    }

    private mutating func apply(_ findings: [HostFinding], _ look: HostLook) throws -> Bool {
        guard let applied = try controller.follow(always: true) else { return false }
        note(applied)
        guard applied.report.changed || findings.contains(where: { $0.kind == .gate }) else {
            let left = Set(findings.filter { $0.kind != .inventory })
            if !left.isEmpty { stuck = (look.generation, left, clock.now + .seconds(60)) }
            return false
        }
        stuck = nil
        for finding in findings where finding.isDrift {
            board.note { if finding.kind == .gate { $0.repairedGates += 1 } else { $0.repairedPrograms += 1 } }
            logger.warning("repaired: port '\(finding.port)': \(finding.words)")
        }
        logger.info(
            "\(Self.counts(findings))", metadata: ["generation": "\(applied.report.generation)"])
        last = try controller.look()
        bulkhead_return_memory()
        return true
    }

    /// How many of each kind, with the first names.
    private static func counts(_ findings: [HostFinding]) -> String {
        let kinds: [(HostFinding.Kind, String)] = [
            (.came, "came"), (.gone, "gone"), (.changed, "changed"), (.lost, "repaired"),
            (.gate, "gate put back"), (.inventory, "inventory changed"),
        ]
        return kinds.compactMap { kind, word in
            let names = findings.filter { $0.kind == kind }.map(\.port)
            guard !names.isEmpty else { return nil }
            let rest = names.count > 8 ? " and \(names.count - 8) more" : ""
            return "\(word): \(names.prefix(8).joined(separator: ", "))\(rest)"
        }.joined(separator: "; ")
    }

    private mutating func note(_ applied: AppliedPolicy?) {
        guard let applied else { return }
        for warning in applied.report.warnings { logger.warning("\(warning)") }
        let refused = Set(applied.prepared.ruleset.refusedGuests)
        for guest in refused.subtracting(toldRefused).sorted(by: { $0.device < $1.device }) {
            logger.warning(
                "workload '\(guest.workload)' is not admitted at \(guest.device): \(guest.refusal ?? "")")
        }
        toldRefused = refused
        board.note {
            $0.guestsNotAdmitted = refused.count
            if applied.report.changed { $0.bindings += 1 }
        }
        last = (try? controller.look()) ?? nil
    }

    // MARK: What is left

    private mutating func shouldRepair(_ finding: HostFinding) -> Bool {
        guard finding.mayBeLeft else { return true }
        switch fights.found(finding.port, at: clock.now) {
        case .repair: return true
        case .leave: return false
        case .giveUp:
            board.note { $0.fightsBegun += 1 }
            logger.error(
                """
                port '\(finding.port)' was repaired \(Fights.limit) times, and each time somebody undid it within a \
                minute: it is left as it is. Find who does it, then apply the policy
                """)
            return false
        }
    }

    private func isStuck(_ generation: UInt32, _ findings: [HostFinding]) -> Bool {
        guard let stuck else { return false }
        return stuck.generation == generation && stuck.findings == Set(findings) && clock.now < stuck.until
    }

    private mutating func tellNew(_ findings: [HostFinding]) {
        let now = Set(findings.filter { !$0.isRemedied || $0.isDrift })
        for finding in findings where now.contains(finding) && !told.contains(finding) {
            logger.warning("port '\(finding.port)': \(finding.words)")
        }
        told = now
    }

    private static func words(_ error: any Error) -> String {
        (Words(failure: error)?.text ?? "\(error)").replacing("\n", with: ";")
    }

    private mutating func tell(_ error: any Error) {
        let words = Self.words(error)
        guard words != lastError else { return }
        lastError = words
        logger.error("\(words)")
    }
}
