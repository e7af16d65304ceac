// SPDX-License-Identifier: Apache-2.0
import Network
import Policy
import TestSupport
import Testing

@testable import Datapath

/// Two guests and a host between them; the guests' veth pairs end in namespace `host`.
struct GuestLab {
    let lab: Lab
    let host: Namespace
    let guest: Namespace
    let instance: Instance

    init() throws {
        lab = try Lab()
        host = try lab.namespace("host")
        guest = try lab.namespace("guest")
        try lab.veth((host, "tap0"), (guest, "eth0"))
        try lab.address(host, "tap0", "192.0.2.1/24", "2001:db8::1/64")
        try lab.address(guest, "eth0", "192.0.2.2/24", "2001:db8::2/64")
        instance = try Instance(lab.id)
        let instance = instance
        lab.atEnd { _ = try? instance.detachAll() }
    }

    /// Whether the host answers a ping from the guest.
    func ping(_ address: String = "192.0.2.1") throws -> Bool {
        try Shell.run(guest.command(["ping", "-c", "1", "-W", "1", address])).status == 0
    }

    var policy: TestPolicy {
        var policy = TestPolicy()
        policy.port("guest", interface: "tap0", namespace: host.name, out: .drop)
        return policy
    }
}

@Suite struct ApplyTests {
    @Test func enforcesReportsAndDetaches() throws {
        let lab = try GuestLab()
        #expect(try lab.ping())

        var policy = lab.policy
        let report = try policy.apply(lab.instance)
        #expect(report.generation == 1)
        #expect(report.changed)
        #expect(report.warnings == [])
        #expect(report.ports.map(\.mode) == [.tc])
        #expect(report.memoryBytes > 0)
        #expect(try !lab.ping(), "what the guest asks for is dropped by default")

        let again = try policy.apply(lab.instance)
        #expect(!again.changed)
        #expect(again.generation == 1)

        policy.rule("ping", [.icmp(.v4, type: nil, code: nil)], .accept)
        let opened = try policy.apply(lab.instance)
        #expect(opened.changed)
        #expect(opened.generation == 2)
        #expect(try lab.ping())
        #expect(try !lab.ping("2001:db8::1"))
        #expect(try lab.instance.flows().map(\.rule) == ["ping"])

        let status = try lab.instance.status()
        #expect(status.generation == 2)
        #expect(status.file == "policy.yaml")
        #expect(status.ports.map(\.port.name) == ["guest"])
        #expect(status.ports.map(\.hooks) == [["tc-ingress", "tc-egress"]])
        #expect(status.ports.map(\.state) == [.enforcing])
        #expect(status.ports.map(\.ahead) == [[]])
        #expect(status.ports.map(\.port.namespace) == [lab.host.name])

        let counters = try lab.instance.counters()
        #expect(counters.rules.map(\.name) == ["ping"])
        #expect(counters.rules[0].count.packets == 2)
        let outward = try #require(counters.ports.first { $0.direction == .out })
        #expect(outward.drops.contains { $0.reason == .default && $0.packets >= 2 })

        let gone = try lab.instance.detachAll()
        #expect(gone.ports == ["guest"])
        #expect(try lab.ping("2001:db8::1"))
        #expect(throws: DatapathError.self) { try lab.instance.status() }
        #expect(!PinFolder.root.holds(lab.instance.name))
    }
}
