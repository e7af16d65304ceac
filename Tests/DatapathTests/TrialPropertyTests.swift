// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
import Control
import Glibc
import Host
import Libbpf
import Network
import TestSupport
import Testing

@testable import Datapath

/// The machine of two images against a model of its own: policies, trials, confirms, ends, quarantines, members and
/// devices in random order. After each step the real program judges packets at every port, and must say what the model
/// says.
@Suite(.serialized) struct TrialPropertyTests {
    private static let steps = Seed.count("BULKHEAD_TRIAL_STEPS", usual: 300)

    @Test(arguments: [1, 2] as [UInt64]) func judgesAsTheModelSays(seed: UInt64) throws {
        var walk = try Walk(seed: seed)
        for step in 0..<TrialPropertyTests.steps {
            let done = try walk.step()
            let wrong = try walk.differences()
            #expect(wrong == [], "seed \(seed), step \(step): \(done)")
            guard wrong.isEmpty else { return }
        }
        print("\(TrialPropertyTests.steps) steps: \(walk.counts.sorted { $0.key < $1.key })")
    }
}

/// A policy of the walk: the ports that it names, and which services it accepts.
private struct Choice: Equatable {
    var number: Int
    var ports: Set<Int>
    var accepts: [Bool]
    var generation: UInt32 = 0

    func text(_ namespace: String) -> String {
        let ports = ports.sorted().map {
            "  p\($0): { interface: nic\($0), netns: \"\(namespace)\", protects: host, mode: tc }"
        }
        let rules = accepts.enumerated().map { service, accepts in
            "  - { name: r\(service)\(accepts ? "a" : "d"), service: udp/\(1000 + service), "
                + (accepts ? "action: accept, stateless: true }" : "action: drop }")
        }
        return """
            version: 1  # \(number)
            ports:
            \(ports.joined(separator: "\n"))
            groups: { banned: { dynamic: {} } }
            rules:
              - { name: ban, from: banned, action: drop }
            \(rules.joined(separator: "\n"))

            """
    }
}

/// What is in the kernel, as the model has it.
private enum Standing {
    case settled(Choice?)
    case open(Choice, base: Choice?)
    /// The time has come, and no command has settled it.
    case ended(Choice, base: Choice?)

    /// What judges.
    var inForce: Choice? {
        switch self {
        case .settled(let choice): choice
        case .open(let choice, _): choice
        case .ended(_, let base): base
        }
    }

    /// All that is in a slot.
    var all: [Choice] {
        switch self {
        case .settled(let choice): [choice].compactMap(\.self)
        case .open(let choice, let base), .ended(let choice, let base): [choice, base].compactMap(\.self)
        }
    }
}

private struct Walk {
    private let lab: Lab
    private let host: Namespace
    private let instance: Instance
    private var judge: TrialJudge?
    private var random: RandomNumbers
    private var standing = Standing.settled(nil)
    private var last: UInt32 = 0
    private var number = 0
    private var quarantined: Set<Int> = []
    private var isBanned = false
    private let controller: Controller
    /// The kernel's numbers of the ports' devices, as they are now.
    private var indexes: [Int: UInt32] = [:]
    /// By generation, the ports whose present device it knows.
    private var known: [UInt32: Set<Int>] = [:]
    var counts: [String: Int] = [:]

    init(seed: UInt64) throws {
        lab = try Lab()
        host = try lab.namespace("host")
        controller = try Controller(instance: lab.id)
        let instance = try Instance(lab.id)
        self.instance = instance
        lab.atEnd { _ = try? instance.detachAll() }
        random = RandomNumbers(seed: seed)
        for port in 0..<3 { try plug(port) }
    }

    private mutating func plug(_ port: Int) throws {
        try lab.veth((host, "nic\(port)"), (host, "far\(port)"))
        let text = try host.run("ip", "-o", "link", "show", "nic\(port)")
        indexes[port] = UInt32(text.prefix { $0 != ":" })
    }

    // MARK: Steps

    mutating func step() throws -> String {
        let names = [
            "apply", "trial", "trial", "confirm", "rollback", "expire", "quarantine", "release", "ban", "unban",
            "replug", "take",
        ]
        let name = names.randomElement(using: &random) ?? ""
        let isDone =
            switch name {
            case "apply": try apply(onTrial: false)
            case "trial": try apply(onTrial: true)
            case "confirm": try confirm()
            case "rollback": try rollback()
            case "expire": try expire()
            case "quarantine", "release": try quarantine(name == "quarantine")
            case "replug": try replug()
            case "take": try take()
            default: try ban(name == "ban")
            }
        counts["\(name)\(isDone ? "" : " refused")", default: 0] += 1
        return "\(name) \(isDone): \(standing)"
    }

    /// Whether a command that the model expects to be refused is, and the other way round.
    private func attempt(_ isExpected: Bool, _ body: () throws -> Void) throws -> Bool {
        do {
            try body()
            #expect(isExpected, "it was not refused: \(standing)")
            return true
        } catch let error as DatapathError {
            if isExpected { throw error }
            return false
        }
    }

    private mutating func settle() {
        guard case .ended(_, let base) = standing else { return }
        standing = .settled(base)
        // Its groups go with the first trial.
        if base == nil { isBanned = false }
    }

    private mutating func apply(onTrial: Bool) throws -> Bool {
        number += 1
        var choice = Choice(
            number: number, ports: Set((0..<3).filter { _ in Bool.random(using: &random) }),
            accepts: (0..<4).map { _ in Bool.random(using: &random) })
        if choice.ports.isEmpty { choice.ports = [0] }
        let path = try lab.file("policy.yaml", choice.text(host.name))
        let prepared = try PreparedPolicy(PolicySource(path: path, for: nil, requiresDevices: true))
        var isOpen = false
        if case .open = standing { isOpen = true }
        var generation: UInt32 = 0
        let isDone = try attempt(!isOpen) {
            generation = try prepared.apply(
                to: instance, ApplyNote(person: .current), trial: onTrial ? 3600 : nil
            ).generation
        }
        guard isDone else { return false }
        #expect(generation == last + 1)
        settle()
        last = generation
        choice.generation = generation
        known[generation] = choice.ports
        standing = onTrial ? .open(choice, base: standing.inForce) : .settled(choice)
        return true
    }

    private mutating func confirm() throws -> Bool {
        guard case .open(let choice, _) = standing else {
            let isDone = try attempt(false) { _ = try instance.confirm() }
            settle()
            return isDone
        }
        #expect(try instance.confirm(choice.generation).inForce == choice.generation)
        standing = .settled(choice)
        return true
    }

    private mutating func rollback() throws -> Bool {
        guard last > 0 else { return false }
        let report = try instance.endTrial()
        switch standing {
        case .settled: #expect(report == nil)
        case .open(let choice, let base):
            #expect(report?.trial == choice.generation && report?.hadEnded == false)
            standing = .ended(choice, base: base)
            settle()
        case .ended(let choice, _):
            #expect(report?.trial == choice.generation && report?.hadEnded == true)
            settle()
        }
        return report != nil
    }

    /// The time of a trial comes: by a packet, or by nothing but the clock.
    private mutating func expire() throws -> Bool {
        guard case .open(let choice, let base) = standing else { return false }
        let maps = try instance.openMaps()
        let mapping = try Mapping(maps[.stamp], writable: true)
        mapping.store(KernelClock.nanoseconds(CLOCK_BOOTTIME), in: \bh_stamp.until)
        standing = .ended(choice, base: base)
        return true
    }

    private mutating func quarantine(_ isCut: Bool) throws -> Bool {
        let port = Int.random(in: 0..<3, using: &random)
        let isKnown = standing.all.contains { $0.ports.contains(port) }
        let isDone = try attempt(isKnown || (!isCut && quarantined.contains(port) && !standing.all.isEmpty)) {
            _ = try isCut ? instance.quarantine("p\(port)") : instance.release("p\(port)")
        }
        if isDone, isCut { quarantined.insert(port) } else if isDone { quarantined.remove(port) }
        return isDone
    }

    private mutating func ban(_ isBanned: Bool) throws -> Bool {
        let prefixes = [Prefix("192.0.2.9", length: 32)]
        let isDone = try attempt(!standing.all.isEmpty) {
            _ =
                try isBanned
                ? instance.add(prefixes, to: "banned") : instance.delete(prefixes, from: "banned")
        }
        if isDone { self.isBanned = isBanned }
        return isDone
    }

    /// Another device comes in the place of one, under its name. Nobody is told.
    private mutating func replug() throws -> Bool {
        let port = Int.random(in: 0..<3, using: &random)
        try host.run("ip", "link", "delete", "nic\(port)")
        try plug(port)
        for generation in known.keys { known[generation]?.remove(port) }
        return true
    }

    /// Devices that came are taken: by a trial and its base as they are, else by a new generation of the same policy.
    private mutating func take() throws -> Bool {
        guard last > 0, var choice = standing.inForce else { return false }
        let isNeeded = known[choice.generation] != choice.ports
        let applied = try controller.takeDevices()
        #expect((applied != nil) == isNeeded)
        guard isNeeded else { return false }
        if case .open(let trial, let base) = standing {
            #expect(applied?.report.generation == trial.generation)
            known[trial.generation] = trial.ports
            // What the base alone means waits for the end of the trial.
            if let base { known[base.generation]?.formUnion(base.ports.intersection(trial.ports)) }
            return true
        }
        settle()
        last += 1
        #expect(applied?.report.generation == last)
        choice.generation = last
        known[last] = choice.ports
        standing = .settled(choice)
        return true
    }

    private func knows(_ choice: Choice, _ port: Int) -> Bool { known[choice.generation]?.contains(port) ?? false }

    // MARK: Checks

    mutating func differences() throws -> [String] {
        guard last > 0 else { return [] }
        var wrong: [String] = []
        let inForce = standing.inForce
        // Some readings come before the first packet, some after it.
        if Bool.random(using: &random) { wrong += try readings() }
        if judge == nil { judge = try TrialJudge(instance) }
        let maps = try instance.openMaps()
        var devices: [UInt32: UInt16] = [:]
        for image in try LiveImage.allPublished(in: maps) {
            for device in image.devices() {
                let id = devices.updateValue(device.id, forKey: device.interfaceIndex)
                if let id, id != device.id { wrong.append("\(device.interface) has two numbers") }
            }
        }
        for port in 0..<3 {
            guard let device = indexes[port].flatMap({ devices[$0] }) else {
                if standing.all.contains(where: { knows($0, port) }) { wrong.append("p\(port) is not known") }
                continue
            }
            for (service, isMember) in (0..<4).flatMap({ [($0, false), ($0, true)] }) {
                let said = try #require(try judge?.judge(device, frame(service, isMember)))
                let expected = expectation(inForce, port, service, isMember)
                if said != expected { wrong.append("p\(port) \(service) \(isMember): \(said), not \(expected)") }
            }
        }
        return wrong + (try readings())
    }

    private func frame(_ service: Int, _ isMember: Bool) -> Frame {
        let source: IPAddress = isMember ? "192.0.2.9" : "192.0.2.1"
        return Frame(Datagram(source, "198.51.100.1", .udp(40_000, UInt16(1000 + service)))).padded(to: 64)
    }

    private func readings() throws -> [String] {
        var wrong: [String] = []
        let inForce = standing.inForce
        if try instance.generationInForce() != inForce?.generation { wrong.append("another generation is in force") }
        var open: UInt32?
        if case .open(let choice, _) = standing { open = choice.generation }
        if try instance.trialNow()?.generation != open { wrong.append("another trial is open") }
        if inForce != nil, try instance.status().trial == nil, open != nil { wrong.append("status knows no trial") }
        let held = Set(try instance.linkFolder.names.compactMap { HookPin($0)?.device })
        let needed = standing.all.reduce(into: Set<Int>()) { $0.formUnion($1.ports) }
        let isWhole = standing.all.allSatisfy { known[$0.generation] == $0.ports }
        if instance.usesTCX, isWhole, held.count != needed.count {
            wrong.append("programs are on \(held.count) devices")
        }
        return wrong
    }

    private func expectation(_ choice: Choice?, _ port: Int, _ service: Int, _ isMember: Bool) -> TrialJudge.Said {
        // What is cut off stays so at a port that the trial does not have.
        if case .open(let trial, let base?) = standing, !trial.ports.contains(port), base.ports.contains(port),
            knows(base, port), quarantined.contains(port)
        {
            return TrialJudge.Said(generation: base.generation, accepts: false)
        }
        guard let choice, knows(choice, port) else { return TrialJudge.Said(generation: 0, accepts: true) }
        let drops = quarantined.contains(port) || (isMember && isBanned) || !choice.accepts[service]
        return TrialJudge.Said(generation: choice.generation, accepts: !drops)
    }
}
