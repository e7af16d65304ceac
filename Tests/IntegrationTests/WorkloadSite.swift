// SPDX-License-Identifier: Apache-2.0
import TestSupport
import Testing

/// Guests that a policy means by what sources tell of them, and an agent that asks these.
class WorkloadSite {
    let site: GuestSite
    let agent: Command

    /// - Parameters:
    ///   - web: The workloads of entry `web`, which may be pinged. Those of `db` are called `db-` and something.
    ///   - sources: As `--inventory` names them.
    init(_ site: GuestSite, web: String, sources: String...) throws {
        self.site = site
        let policy = try site.lab.file(
            "policy.yaml",
            """
            version: 1
            ports:
              web: { workload: \(web), groups: [web] }
              db: { workload: "db-*" }
              rest: { bridge: br0, unknown: drop, protects: workload, gate: none }
              uplink: { interface: up0, protects: host, defaults: { in: accept, out: accept } }
            groups: { web: {} }
            defaults: { in: drop, out: drop }
            rules:
              - { name: ping, from: web, service: ping, action: accept }
              - { name: ping-back, to: web, service: ping, action: accept }
            """)
        try site.bulkhead.apply(policy)
        let agent = try site.bulkhead.start(["agent", policy] + sources.flatMap { ["--inventory", $0] })
        self.agent = agent
        let isReady = poll(seconds: 60) { !agent.isRunning || agent.errors.contains("notice: following") }
        try #require(isReady && agent.isRunning, "\(agent.errors)")
    }

    /// Whether the policy is in force at these ports within some seconds.
    func becomes(_ names: String...) throws -> Bool {
        try poll(seconds: 20) {
            let ports = try site.bulkhead.status().ports
            return names.allSatisfy { name in ports.contains { $0.name == name && $0.state == "enforcing" } }
        }
    }

    /// Does something, and tells whether another generation is in force within a second; the test's own questions take
    /// time too.
    func isInForceWithinASecond(_ change: () throws -> Void) throws -> Bool {
        let generation = try site.bulkhead.status().generation
        try change()
        let start = ContinuousClock.now
        let isNew = try poll(seconds: 20) { try site.bulkhead.status().generation > generation }
        return isNew && ContinuousClock.now - start < .seconds(1)
    }

    func pings(_ namespace: Namespace) -> Bool {
        (try? namespace.run("ping", "-c", "1", "-W", "1", "198.51.100.1")) != nil
    }
}
