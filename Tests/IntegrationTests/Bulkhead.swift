// SPDX-License-Identifier: Apache-2.0
import Datapath
import Foundation
import Synchronization
import TestSupport
import Testing

/// The built `bulkhead` command as an operator runs it, with its own instance.
struct Bulkhead: Sendable {
    /// The executable next to the test bundle, where `swift build` puts it; `BULKHEAD_EXECUTABLE` names another.
    static let executable: String = {
        if let path = ProcessInfo.processInfo.environment["BULKHEAD_EXECUTABLE"] { return path }
        let bundle = URL(filePath: CommandLine.arguments[0]).resolvingSymlinksInPath()
        return bundle.deletingLastPathComponent().appending(path: "bulkhead").path
    }()

    let namespace: Namespace
    let instance: String
    private let started = StartedCommands()

    /// Runs the command in `namespace`. The instance is removed with the lab, after every command that was started.
    init(_ lab: Lab, in namespace: Namespace, instance suffix: String = "") {
        self.namespace = namespace
        instance = lab.id + suffix
        let words = command(["detach", "--all"])
        let folder = "/sys/fs/bpf/\(instance)"
        let files =
            ["agent", "workloads", "control"].map { "/run/bulkhead/\(instance).\($0)" }
            + ["/var/log/bulkhead/\(instance).changes"]
        lab.atEnd { [started] in
            // An agent that still runs could put the policy in force once more.
            started.kill()
            if FileManager.default.fileExists(atPath: folder) { _ = try? Shell.run(words) }
            // Removes what a failed test may have left; the names belong to this lab alone.
            _ = try? Shell.run(["rm", "-rf", folder] + files)
        }
    }

    func command(_ words: [String]) -> [String] {
        namespace.command([Self.executable] + words + ["--instance", instance])
    }

    /// Starts a command. It is killed with the lab, if it still runs.
    func start(_ words: String...) throws -> Command { try start(words) }

    func start(_ words: [String], environment: [String: String] = [:]) throws -> Command {
        let command = try Command(command(words), environment: environment)
        started.add(command)
        return command
    }

    func run(_ words: String...) throws -> CommandResult { try Shell.run(command(words)) }

    /// Runs a command that must succeed, and decodes its output.
    func json<Value: Decodable>(_ type: Value.Type, _ words: String...) throws -> Value {
        let result = try Shell.run(command(words + ["--json"]))
        try #require(result.status == 0, "\(words): \(result.errors)")
        return try JSONDecoder().decode(type, from: Data(result.output.utf8))
    }

    /// Applies a policy that must be accepted.
    @discardableResult
    func apply(_ policy: String, sourceLocation: SourceLocation = #_sourceLocation) throws -> Applied {
        let result = try Shell.run(command(["apply", policy, "--json"]))
        try #require(result.status == 0, "apply: \(result.errors)\(result.output)", sourceLocation: sourceLocation)
        return try JSONDecoder().decode(Applied.self, from: Data(result.output.utf8))
    }

    /// Applies the policies in turn until stopped; returns how many times.
    func applyInTurn(_ policies: [String]) -> Background<Int> {
        Background { isStopped in
            var count = 0
            while !isStopped() {
                count += 1
                try apply(policies[count % policies.count])
            }
            return count
        }
    }

    func counters() throws -> Counted { try json(Counted.self, "counters") }
    func status() throws -> Standing { try json(Standing.self, "status") }

    /// A running stream of drops; returns once the stream has begun.
    func drops(_ words: String...) throws -> Command { try drops(words) }

    func drops(_ words: [String]) throws -> Command {
        let before = try readers()
        let command = try start(["drops", "--json"] + words)
        let begun = try poll(seconds: 5) { try !command.isRunning || readers() > before }
        try #require(begun, "drops did not begin: \(command.errors)")
        return command
    }

    /// The number of streams that the kernel fills.
    func readers() throws -> Int { try Instance(instance).status().readers }
}

/// What a test has started and may still run.
private final class StartedCommands: Sendable {
    private let commands = Mutex<[Command]>([])

    func add(_ command: Command) { commands.withLock { $0.append(command) } }

    /// Kills what still runs, and waits until it is gone.
    func kill() {
        for command in commands.withLock({ $0 }) where command.isRunning {
            command.signal(SIGKILL)
            _ = try? command.wait(seconds: 10)
        }
    }
}

/// `apply --json`.
struct Applied: Decodable {
    struct Port: Decodable {
        var name: String
        var interface: String
        var netns: String?
        var mode: String?
    }
    var generation: Int
    var changed: Bool
    var rules: Int
    var ports: [Port]
}

/// `counters --json`.
struct Counted: Decodable {
    struct Count: Decodable, Equatable {
        var packets: Int
        var bytes: Int
    }
    struct Port: Decodable {
        var name: String
        var interface: String
        var direction: String
        var accepted: Count
        var dropped: Count
        var reasons: [String: Int]
        var acceptReasons: [String: Int]
        var unanswered: Int
    }
    struct Rule: Decodable {
        var name: String
        var packets: Int
        var bytes: Int
    }
    struct Events: Decodable {
        var emitted: Int
        var suppressed: Int
        var lost: Int
    }
    struct Flows: Decodable {
        var used: Int
        var opened: Int
        var expired: Int
        var evicted: Int
        var refused: Int
        var ended: Int
    }
    var generation: Int
    struct Removed: Decodable {
        var accepted: Count
        var dropped: Count
    }
    var ports: [Port]
    var removed: Removed
    var rules: [Rule]
    var flows: Flows
    var events: Events

    func port(_ name: String, _ direction: String) throws -> Port {
        try #require(ports.first { $0.name == name && $0.direction == direction }, "no port \(name) \(direction)")
    }

    func rule(_ name: String) throws -> Rule { try #require(rules.first { $0.name == name }, "no rule \(name)") }

    var dropped: Int { ports.reduce(removed.dropped.packets) { $0 + $1.dropped.packets } }

    /// Checks that every dropped packet's event is accounted for.
    func expectExactAccounting(sourceLocation: SourceLocation = #_sourceLocation) {
        #expect(events.emitted + events.suppressed + events.lost == dropped, sourceLocation: sourceLocation)
    }
}

/// `status --json`.
struct Standing: Decodable {
    struct Port: Decodable {
        var name: String
        var interface: String
        var netns: String?
        var ifindex: Int?
        var protects: String
        var mode: String?
        var hooks: [String]
        var state: String
        var ahead: [String]
        var problems: [String]
        var uncovered: [String]?
        var gate: String?
        var gateProblem: String?
    }
    struct Policy: Decodable {
        var file: String
        var sha256: String
    }
    struct Bridge: Decodable, Equatable {
        var name: String
        var netns: String?
        var uncovered: [String]
    }
    struct Refused: Decodable, Equatable {
        var port: String
        var interface: String
        var workload: String?
        var why: String
    }
    var instance: String
    var generation: Int
    var policy: Policy
    var ports: [Port]
    var bridges: [Bridge]
    var notAdmitted: [Refused]

    func port(_ name: String) throws -> Port {
        try #require(ports.first { $0.name == name }, "no port \(name)")
    }
}

/// One line of `drops --json`.
struct Drop: Decodable {
    var time: String
    var port: String
    var interface: String
    var direction: String
    var verdict: String
    var reason: String
    var rule: String?
    var layer: String?
    var tag: String?
    var source: String?
    var generation: Int
    var srcMac: String?
    var dstMac: String?
    var etherType: Int?
    var vlan: Int?
    var src: String?
    var dst: String?
    var `protocol`: String?
    var sport: Int?
    var dport: Int?
    var tcpFlags: String?
    var icmpType: Int?
    var icmpCode: Int?
    var length: Int

    /// The complete lines that a stream has written.
    static func all(_ output: String) throws -> [Drop] {
        var lines = output.split(separator: "\n", omittingEmptySubsequences: false)
        lines.removeLast()
        return try lines.map { try JSONDecoder().decode(Drop.self, from: Data($0.utf8)) }
    }
}
