// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

/// A server whose agent serves its control socket, and users of different groups who ask it. The groups are those that
/// every Debian system has.
final class ControlSite {
    enum User: CaseIterable {
        case reader
        case op
        case stranger
        /// An operator whose number is no user's.
        case nameless

        /// Each has a number of its own.
        var number: Int {
            switch self {
            case .reader: 64_001
            // Debian's `games`: who changes something must have a name.
            case .op: 5
            case .stranger: 64_003
            case .nameless: 64_004
            }
        }

        fileprivate var group: String? {
            switch self {
            case .reader: ControlSite.readers
            case .op, .nameless: ControlSite.operators
            case .stranger: nil
            }
        }

        /// What lets a command run as this user. The group is a supplementary one.
        var prefix: [String] {
            ["setpriv", "--reuid", "\(number)", "--regid", "65534"]
                + (group.map { ["--groups", $0] } ?? ["--clear-groups"])
        }
    }

    static let readers = "60"
    static let operators = "37"

    let site: UplinkSite
    private(set) var agent: Command

    var bulkhead: Bulkhead { site.bulkhead }
    var path: String { "/run/bulkhead/\(site.bulkhead.instance).control" }

    static let rules = """
          - { name: bad, from: banned, action: drop, direction: in }
          - { name: web, service: udp/80, action: accept, direction: in }
        groups:
          banned: { dynamic: { max: 100 } }
        """

    init(_ rules: String = ControlSite.rules) throws {
        site = try UplinkSite()
        let policy = try site.policy(rules)
        try site.bulkhead.apply(policy)
        agent = try site.bulkhead.start(
            "agent", policy, "--control", "default", "--readers", "games", "--operators", "operator")
        let command = agent
        let isReady = poll(seconds: 30) { !command.isRunning || command.errors.contains("notice: following") }
        try #require(isReady && command.isRunning, "\(command.errors)")
    }

    /// A command of Bulkhead as a user runs it.
    func words(_ user: User, _ words: [String]) -> [String] {
        site.host.command(user.prefix + [Bulkhead.executable] + words + ["--instance", bulkhead.instance])
    }

    func run(_ user: User, _ words: String...) throws -> CommandResult { try Shell.run(self.words(user, words)) }

    func start(_ user: User, _ words: String...) throws -> Command { try Command(self.words(user, words)) }

    struct Answer {
        var status: Int
        var text: String
    }

    /// Asks with curl; nil: as root.
    func curl(_ user: User?, _ path: String, _ words: String...) throws -> Answer {
        let result = try Shell.run(
            site.host.command(
                (user?.prefix ?? [])
                    + ["curl", "-s", "-g", "--max-time", "20", "-w", "\n%{http_code}", "--unix-socket", self.path]
                    + words + ["http://localhost\(path)"]))
        let cut = try #require(result.output.lastIndex(of: "\n"), "\(result)")
        return Answer(
            status: Int(result.output[result.output.index(after: cut)...]) ?? 0,
            text: String(result.output[..<cut]))
    }

    /// Runs a program in Python as a user, with functions `client()` and `rest(s)`.
    func startPython(_ user: User, _ text: String) throws -> Command {
        try Command(site.host.command(user.prefix + ["/usr/bin/python3", "-c", Self.client + text, path]))
    }

    private static let client = """
        import signal, socket, sys, time
        def client():
            s = socket.socket(socket.AF_UNIX)
            s.connect(sys.argv[1])
            return s
        def rest(s):
            text = b""
            try:
                while True:
                    part = s.recv(65536)
                    if not part: return text
                    text += part
            except ConnectionError:
                return text
        def get(path): return b"GET " + path + b" HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n"

        """
}
