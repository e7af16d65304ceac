// SPDX-License-Identifier: Apache-2.0
import Policy
import Testing

@testable import Inventory

/// Instances by what Incus answers: answers in the form of its documentation, and others.
@Suite struct IncusSourceTests {
    private static let web = """
        {"name": "web-1", "project": "default", "status": "Running", "created_at": "2026-01-01T00:00:00Z", "config": \
        {"user.tier": "web", "image.os": "debian", "volatile.uuid": "4dea22b3-1d52-4b0f-a2f0-0a5e8b1c2d3e", \
        "volatile.eth0.host_name": "veth1a2b", "volatile.eth0.hwaddr": "10:66:6a:00:00:01"}, "expanded_devices": \
        {"eth0": {"type": "nic", "network": "incusbr0"}, "root": {"type": "disk", "path": "/"}}}
        """
    private static let db = """
        {"name": "db-1", "project": "blue", "status": "Running", "created_at": "2026-01-02T00:00:00Z", "config": \
        {"volatile.eth0.host_name": "tap3"}, "expanded_devices": {"eth0": {"type": "nic", "nictype": "bridged", \
        "parent": "br0", "hwaddr": "10:66:6a:00:00:02", "ipv4.address": "198.51.100.20"}}}
        """

    private static func ok(_ value: String) -> String {
        ScriptedServer.ok("{\"type\": \"sync\", \"status_code\": 200, \"metadata\": \(value)}")
    }

    private static func tell(_ instances: String...) throws -> (Told, ScriptedServer) {
        let server = try ScriptedServer(["/1.0/instances": ok("[\(instances.joined(separator: ", "))]")])
        server.answer(
            "/1.0/networks/incusbr0/leases",
            with: ok(#"[{"hostname": "evil", "hwaddr": "10:66:6A:00:00:01", "address": "10.1.2.3"}]"#))
        let told = Told()
        var lent = IncusSource.Lent()
        try IncusSource(socket: server.path).tell(told.teller, &lent)
        return (told, server)
    }

    @Test func anInstanceIsAWorkload() throws {
        let (told, server) = try Self.tell(Self.db, Self.web)
        let workloads = told.workloads
        #expect(workloads.map(\.name) == ["web-1", "blue/db-1"])
        #expect(workloads.map(\.id) == ["4dea22b3-1d52-4b0f-a2f0-0a5e8b1c2d3e", "blue/db-1"])
        #expect(workloads.map(\.labels) == [["tier": "web"], [:]])
        let interfaces = workloads.flatMap(\.interfaces)
        #expect(interfaces.map(\.device) == ["veth1a2b", "tap3"])
        #expect(interfaces.map { "\($0.mac!)" } == ["10:66:6a:00:00:01", "10:66:6a:00:00:02"])
        // What the network has lent, and what is fixed.
        #expect(interfaces.map { $0.addresses?.map(\.description) } == [["10.1.2.3"], ["198.51.100.20"]])
        // What is inside an instance is not asked for.
        #expect(!server.asked.contains { $0.contains("state") || $0.contains("recursion=2") })
    }

    @Test func oneThatIsStoppedIsNoGuest() throws {
        #expect(try Self.tell(Self.web.replacing("Running", with: "Stopped")).0.workloads.isEmpty)
    }

    /// Which it is nobody can tell: then nothing of what was said before is taken back.
    @Test(arguments: [
        (#""name": "web-1""#, #""name": 7"#), (#""user.tier": "web""#, #""user.tier": 7"#),
        (#""status": "Running""#, #""status": null"#),
        ("\"expanded_devices\": ", "\"expanded_devices\": [], \"x\": "),
    ])
    func nonsenseIsOfNobody(old: String, new: String) throws {
        #expect(throws: EngineError.self) { try Self.tell(Self.web.replacing(old, with: new), Self.db) }
    }

    @Test(arguments: [
        ("10:66:6a:00:00:01", "01:00:5e:00:00:01"),
        ("veth1a2b", "veth*"), ("web-1", ""), (#""web""#, "\"\(String(repeating: "a", count: 20_000))\""),
    ])
    func nonsenseIsOfOneInstance(old: String, new: String) throws {
        let (told, _) = try Self.tell(Self.web.replacing(old, with: new), Self.db)
        #expect(told.workloads.filter { $0.refusal == nil }.map(\.name) == ["blue/db-1"])
        #expect(told.workloads.count { $0.refusal != nil } == 1)
        #expect(told.words.withLock { $0 }.count == 1)
    }

    @Test(arguments: ["", "[]", "{\"metadata\": {}}", "{", "{\"metadata\": [1"])
    func anAnswerThatIsNoneChangesNothing(body: String) throws {
        let server = try ScriptedServer(["/1.0/instances": ScriptedServer.ok(body)])
        let told = Told()
        var lent = IncusSource.Lent()
        #expect(throws: EngineError.self) { try IncusSource(socket: server.path).tell(told.teller, &lent) }
        #expect(told.updates.withLock { $0 }.isEmpty)
    }
}
