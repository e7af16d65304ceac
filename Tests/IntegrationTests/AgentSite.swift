// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

/// A bridge site whose agent runs, or may be started.
final class AgentSite {
    let site: BridgeSite
    private(set) var agent: Command?

    var host: Namespace { site.host }
    var bulkhead: Bulkhead { site.bulkhead }

    init() throws { site = try BridgeSite() }

    /// Guests of `br0`, with these further keys of the entry.
    func policy(_ keys: String = "", name: String = "policy.yaml", more: String = "") throws -> String {
        try site.lab.file(
            name,
            """
            version: 1
            ports:
              guests: { bridge: br0, protects: workload, guard: off\(keys.isEmpty ? "" : ", " + keys) }
            \(more)
            defaults: { in: drop, out: drop }
            """)
    }

    /// Starts an agent, and waits until it follows something, or nothing.
    @discardableResult
    func start(_ policy: String) throws -> Command {
        let command = try bulkhead.start("agent", policy)
        agent = command
        let isReady = poll(seconds: 30) {
            !command.isRunning || command.errors.contains("notice: following") || command.errors.contains("waiting for")
        }
        try #require(isReady && command.isRunning, "\(command.errors)")
        return command
    }

    /// Puts a new guest's device into the bridge.
    func plug(_ device: String, upFirst: Bool = true, index: Int? = nil, bridge: String = "br0") throws {
        let number = index.map { " index \($0)" } ?? ""
        let joins = ["link set \(device) up", "link set \(device) master \(bridge)"]
        let lines =
            ["link add \(device)\(number) type veth peer name \(device)-g"]
            + (upFirst ? joins : joins.reversed()) + ["link set \(device)-g up"]
        try Shell.check(
            "ip", "-netns", host.name, "-batch", "-", input: lines.joined(separator: "\n") + "\n")
    }

    func unplug(_ device: String) throws { try host.run("ip", "link", "delete", device) }

    /// Whether a device is enforced within some seconds.
    func isEnforced(_ device: String, seconds: Double = 20) throws -> Bool {
        try poll(seconds: seconds) {
            usleep(50_000)
            return try bulkhead.status().ports.contains { $0.interface == device && $0.state == "enforcing" }
        }
    }

    func index(of device: String) throws -> Int {
        let text = try host.run("ip", "-o", "link", "show", device)
        return try #require(Int(text.prefix { $0 != ":" }))
    }

    /// Whether the agent's log says something within some seconds.
    func logs(_ text: String, seconds: Double = 20) -> Bool {
        poll(seconds: seconds) { agent?.errors.contains(text) ?? false }
    }
}
