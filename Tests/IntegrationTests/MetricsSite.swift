// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

/// A server whose agent serves metrics, at a Unix socket or a loopback address of the host's own namespace.
final class MetricsSite {
    enum Place: CaseIterable {
        case unix
        case version4
        case version6
    }

    struct Answer {
        var status: Int
        var type: String
        var text: String
    }

    let site: UplinkSite
    let address: String
    private(set) var agent: Command

    var bulkhead: Bulkhead { site.bulkhead }

    /// The socket's path.
    var path: String { String(address.dropFirst("unix:".count)) }

    /// Applies the policy, and starts the agent.
    init(_ place: Place = .unix, _ rules: String = MetricsSite.rules, port: String = "") throws {
        site = try UplinkSite()
        let policy = try site.policy(rules, port: port)
        switch place {
        case .unix: address = "unix:" + URL(filePath: policy).deletingLastPathComponent().path + "/metrics"
        case .version4: address = "127.0.0.1:9747"
        case .version6: address = "[::1]:9747"
        }
        try site.bulkhead.apply(policy)
        agent = try site.bulkhead.start("agent", policy, "--metrics", address)
        try waitUntilReady()
    }

    static let rules = """
          - { name: bad, from: 192.0.2.66, action: drop, direction: in, comment: secret-comment, meta: { owner: ops } }
          - { name: web, service: udp/80, action: accept, direction: in }
        """

    func restart(_ policy: String) throws {
        agent.signal(SIGKILL)
        _ = try agent.wait(seconds: 20)
        agent = try bulkhead.start("agent", policy, "--metrics", address)
        try waitUntilReady()
    }

    private func waitUntilReady() throws {
        let command = agent
        let isReady = poll(seconds: 30) { !command.isRunning || command.errors.contains("notice: following") }
        try #require(isReady && command.isRunning, "\(command.errors)")
    }

    /// Asks once, as a command of the host.
    func get(_ path: String, _ words: String...) throws -> Answer {
        let place = address.hasPrefix("unix:") ? ["--unix-socket", self.path] : []
        let host = address.hasPrefix("unix:") ? "localhost" : address
        let result = try Shell.run(
            site.host.command(
                ["curl", "-s", "-g", "--max-time", "20", "-w", "\n%{http_code} %{content_type}"] + words + place
                    + ["http://\(host)\(path)"]))
        try #require(result.status == 0, "curl \(path): \(result.status) \(result.errors) \(agent.errors)")
        let cut = try #require(result.output.lastIndex(of: "\n"))
        let told = result.output[result.output.index(after: cut)...].split(separator: " ", maxSplits: 1)
        return Answer(
            status: Int(told[0]) ?? 0, type: told.count > 1 ? String(told[1]) : "",
            text: String(result.output[..<cut]))
    }

    static let acceptOpenMetrics = "Accept: application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"

    func page(_ format: MetricsPage.Format = .openMetrics) throws -> MetricsPage {
        let answer =
            format == .plain ? try get("/metrics") : try get("/metrics", "-H", Self.acceptOpenMetrics)
        try #require(answer.status == 200, "\(answer)")
        return try MetricsPage(answer.text, format)
    }

    /// A page that was read after this was called: a reading is shown for a second.
    func freshPage(_ format: MetricsPage.Format = .openMetrics) throws -> MetricsPage {
        usleep(1_200_000)
        return try page(format)
    }

    /// Runs a program in Python in the host's namespace, with a function `client()` that connects.
    func python(_ text: String) throws -> CommandResult { try startPython(text).wait(seconds: 60) }

    func startPython(_ text: String) throws -> Command {
        let file = try site.lab.file("client.py", Self.client + text)
        return try Command(site.host.command(["python3", file, address]))
    }

    private static let client = """
        import socket, sys, time
        def client():
            where = sys.argv[1]
            if where.startswith("unix:"):
                s = socket.socket(socket.AF_UNIX)
                s.connect(where[5:])
                return s
            host, port = where.rsplit(":", 1)
            return socket.create_connection((host.strip("[]"), int(port)))
        def rest(s):
            text = b""
            try:
                while True:
                    part = s.recv(65536)
                    if not part: return text
                    text += part
            except ConnectionError:
                return text
        get = b"GET /metrics HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n"

        """
}
