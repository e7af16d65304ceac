// SPDX-License-Identifier: Apache-2.0
import Foundation
import Network
import Policy
import Testing

@testable import Inventory

/// Containers by what an engine answers: answers in the form of its documentation, and others.
@Suite struct ContainerSourceTests {
    private struct FixedDevices: ContainerDevices {
        var byPath: [String: [HostEnd]]

        func ends(inNamespaces paths: [String]) throws(EngineError) -> [String: [HostEnd]] {
            byPath.filter { paths.contains($0.key) }
        }
    }

    private static let devices = FixedDevices(byPath: [
        "/run/netns/a": [HostEnd(device: "veth0", bridge: "podman0")],
        "/run/netns/b": [
            HostEnd(device: "veth1", bridge: "br-0123456789ab"), HostEnd(device: "veth2", bridge: "back0"),
        ],
        "/proc/77/ns/net": [HostEnd(device: "veth3", bridge: "podman0")],
    ])

    static let a = """
        {"Id": "aa11", "Created": "2026-01-02T03:04:05Z", "Name": "/web-1", "State": {"Status": "running", "Running": \
        true, "Pid": 77}, "Config": {"Hostname": "evil", "Labels": {"tier": "web"}}, "HostConfig": {"NetworkMode": \
        "bridge"}, "NetworkSettings": {"SandboxKey": "/run/netns/a", "Networks": {"podman": {"NetworkID": "podman", \
        "MacAddress": "52:54:00:00:00:01", "IPAddress": "10.88.0.2", "IPPrefixLen": 16, "GlobalIPv6Address": \
        "fd00::2"}}}}
        """
    private static let b = """
        {"Id": "bb22", "Name": "db-1", "State": {"Running": true}, "Config": {"Labels": null}, "NetworkSettings": \
        {"SandboxKey": "/run/netns/b", "Networks": {"front": {"NetworkID": "0123456789abcdef", "MacAddress": \
        "52:54:00:00:00:02", "IPAddress": "172.18.0.2"}, "back": {"NetworkID": "fedcba", "MacAddress": \
        "52:54:00:00:00:03", "IPAddress": ""}}}}
        """

    private static func server(_ containers: [String: String], events: String = "") throws -> ScriptedServer {
        let list = containers.keys.sorted().map { "{\"Id\": \"\($0)\", \"Names\": [\"/x\"]}" }
        var answers = ["/containers/json": ScriptedServer.ok("[\(list.joined(separator: ", "))]")]
        for (id, body) in containers { answers["/containers/\(id)/json"] = ScriptedServer.ok(body) }
        answers["/events"] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + events
        return try ScriptedServer(answers)
    }

    private static func chunk(_ text: String) -> String { "\(String(text.utf8.count, radix: 16))\r\n\(text)\r\n" }

    /// Lets a source follow until the server's stream of events ends.
    private static func follow(_ server: ScriptedServer, _ kind: ContainerEngine.Kind = .podman) -> (Told, String) {
        let told = Told()
        let source = ContainerSource(ContainerEngine(kind: kind, socket: server.path), devices: devices)
        let error = #expect(throws: EngineError.self) { try source.followOnce(told.teller) }
        return (told, error?.description ?? "")
    }

    @Test func aContainerIsAWorkload() throws {
        let (told, _) = Self.follow(try Self.server(["aa11": Self.a]))
        #expect(
            told.workloads == [
                Workload(
                    id: "aa11", name: "web-1", uuid: "aa11", labels: ["tier": "web"],
                    interfaces: [
                        Workload.Interface(
                            device: "veth0", mac: MACAddress("52:54:00:00:00:01"),
                            addresses: [try Prefix(parsing: "10.88.0.2"), try Prefix(parsing: "fd00::2")])
                    ])
            ])
    }

    /// By the bridge of the network, which the engine and the kernel know, and never by what is in the container.
    @Test func ofSeveralDevicesTheNetworksBridgeTellsWhich() throws {
        let server = try Self.server(["bb22": Self.b])
        server.answer("/networks/0123456789abcdef", with: ScriptedServer.ok(#"{"Options": {}}"#))
        server.answer(
            "/networks/fedcba",
            with: ScriptedServer.ok(#"{"Options": {"com.docker.network.bridge.name": "back0"}}"#))
        let interfaces = Self.follow(server, .docker).0.workloads.flatMap(\.interfaces)
        #expect(interfaces.map(\.device) == ["veth2", "veth1"])
        #expect(interfaces.map { "\($0.mac!)" } == ["52:54:00:00:00:03", "52:54:00:00:00:02"])
        // Of an address that the engine does not know, nothing is said.
        #expect(interfaces.first?.addresses == nil)
        #expect(interfaces.last?.addresses == [try Prefix(parsing: "172.18.0.2")])
        let podman = try Self.server(["bb22": Self.b])
        podman.answer(
            "/v4.0.0/libpod/networks/back/json", with: ScriptedServer.ok(#"{"network_interface": "back0"}"#))
        podman.answer("/v4.0.0/libpod/networks/front/json", with: ScriptedServer.ok(#"{"network_interface": "x"}"#))
        #expect(Self.follow(podman).0.workloads.flatMap(\.interfaces).map(\.device) == ["veth2", nil])
    }

    @Test(arguments: [
        (#""NetworkMode": "bridge""#, #""NetworkMode": "host""#, 0, nil as String?),
        (#""NetworkMode": "bridge""#, #""NetworkMode": "container:bb22""#, 0, nil),
        (#""SandboxKey": "/run/netns/a", "#, "", 1, "veth3"), (#"/run/netns/a""#, #"/run/netns/none""#, 1, nil),
        (#""MacAddress": "52:54:00:00:00:01""#, #""MacAddress": """#, 1, "veth0"),
    ])
    func aDeviceIsTheContainersOwn(old: String, new: String, count: Int, device: String?) throws {
        let (told, _) = Self.follow(try Self.server(["aa11": Self.a.replacing(old, with: new)]))
        #expect(told.workloads.count == 1)
        #expect(told.workloads.flatMap(\.interfaces).count == count)
        #expect(told.workloads.first?.interfaces.first?.device == device)
    }

    /// One container of which nonsense is said is refused, and does not keep the others from being known.
    @Test(arguments: [
        (#""Running": true"#, #""Running": "yes""#, "not what the engine's documentation says"),
        (#""tier": "web""#, #""tier": 7"#, "not what the engine's documentation says"),
        (#""Networks": {"#, #""Networks": [], "x": {"#, "not what the engine's documentation says"),
        ("52:54:00:00:00:01", "01:00:5e:00:00:01", "not the MAC address of a device"),
        ("52:54:00:00:00:01", "banana", "not the MAC address of a device"),
        ("10.88.0.2", "10.88.0.256", "not an address"), ("10.88.0.2", "224.0.0.1", "not an address"),
        ("/web-1", "", "a name that is too long, or none"),
        ("/web-1", "/" + String(repeating: "a", count: 257), "a name that is too long, or none"),
        (#""web""#, "\"" + String(repeating: "a", count: 20_000) + "\"", "more than 16384 bytes of labels"),
        (#""evil""#, "\"" + String(repeating: "a", count: 1_100_000) + "\"", "more than 1048576 bytes"),
        ("}}}}", "", "not what the engine's documentation says"),
    ])
    func nonsenseIsOfOneContainer(old: String, new: String, words: String) throws {
        let (told, _) = Self.follow(try Self.server(["aa11": Self.a.replacing(old, with: new), "bb22": Self.b]))
        #expect(told.workloads.filter { $0.refusal == nil }.map(\.name) == ["db-1"])
        #expect(told.workloads.compactMap(\.refusal).map { $0.contains(words) } == [true])
        let said = told.words.withLock { $0 }
        #expect(said.contains { $0.contains(words) }, "\(said)")
    }

    @Test(arguments: [
        ("{}", "not what the engine's documentation says"), (#"[{"Id": 1}]"#, "not what"),
        (#"[{"Id": "../x"}]"#, "which is no name"), (#"[{"Id": ""}]"#, "which is no name"), ("[", "not what"),
        (#"[{"Id": "a b"}]"#, "which is no name"),
        ("[" + String(repeating: #"{"Id": "a"},"#, count: 10_000) + #"{"Id": "a"}]"#, "more than 10000 containers"),
    ])
    func aListThatIsNoneChangesNothing(body: String, words: String) throws {
        let server = try Self.server(["aa11": Self.a])
        server.answer("/containers/json", with: ScriptedServer.ok(body))
        let (told, error) = Self.follow(server)
        #expect(error.contains(words), "\(error)")
        #expect(told.updates.withLock { $0 }.isEmpty)
    }

    /// Engines list the newest first. Of two with one MAC address the older is admitted.
    @Test func theOldestIsTheFirst() throws {
        let server = try Self.server(["aa11": Self.a, "bb22": Self.b])
        server.answer(
            "/containers/json",
            with: ScriptedServer.ok(#"[{"Id": "aa11", "Created": 1700000002}, {"Id": "bb22", "Created": 1700000001}]"#))
        #expect(Self.follow(server).0.workloads.map(\.name) == ["db-1", "web-1"])
    }

    @Test func eventsAreFollowed() throws {
        func event(_ action: String, _ id: String, _ kind: String = "container") -> String {
            #"{"Type": "\#(kind)", "Action": "\#(action)", "Actor": {"ID": "\#(id)", "Attributes": {}}, "time": 1}"#
                + "\n"
        }
        // In pieces, as the network makes them.
        let start = event("start", "aa11")
        let stream = [
            String(start.prefix(20)), String(start.dropFirst(20)) + event("exec_start: sh", "bb22") + "\n",
            event("die", "cc33"), event("connect", "net", "network"), event("start", "x", "volume"),
        ]
        let server = try Self.server([:], events: stream.map(Self.chunk).joined() + "0\r\n\r\n")
        server.answer("/containers/aa11/json", with: ScriptedServer.ok(Self.a))
        let (told, error) = Self.follow(server)
        #expect(error.contains("ended the stream"), "\(error)")
        let updates = told.updates.withLock { $0 }
        #expect(updates.count == 4, "\(updates)")
        #expect(updates.first == .sync([]))
        guard case .add(let workload) = updates[1] else { return #expect(Bool(false), "\(updates)") }
        #expect(workload.name == "web-1")
        #expect(updates[2] == .remove("cc33"))
        #expect(updates[3] == .sync([]))
        #expect(!server.asked.contains { $0.contains("bb22") })
    }

    @Test(arguments: [
        (chunk("no\n") + "0\r\n\r\n", "not what the engine's documentation says"),
        (chunk(#"{"Type": 1}"# + "\n"), "not what the engine's documentation says"),
        (chunk(#"{"Type": "container", "Action": "start", "Actor": {"ID": "../a"}}"# + "\n"), "which is no name"),
        (chunk(String(repeating: "a", count: 2 << 20)), "an event has no end"), ("", "closed the connection"),
    ])
    func garbageAmongEventsEndsTheStream(events: String, words: String) throws {
        let (told, error) = Self.follow(try Self.server(["aa11": Self.a], events: events))
        #expect(error.contains(words), "\(error)")
        // What was known before is not taken back.
        #expect(told.workloads.map(\.name) == ["web-1"])
    }

    @Test func pausesGrowAndEnd() {
        var pauses = Pauses(first: .seconds(1), longest: .seconds(5))
        #expect((0..<5).map { _ in pauses.take() } == [1, 2, 4, 5, 5].map { .seconds($0) })
        pauses.restart()
        #expect(pauses.take() == .seconds(1))
    }

    @Test(arguments: [
        ("file:/a", "file:/a"), ("podman", "podman:/run/podman/podman.sock"), ("docker:/x/y", "docker:/x/y"),
        ("docker", "docker:/run/docker.sock"), ("file", nil), ("file:", nil), ("podman:", nil), ("podman:x", nil),
        ("libvirt", "libvirt"), ("libvirt:/a", "libvirt:/a"), ("libvirt:qemu", nil),
        ("proxmox", "proxmox:/etc/pve"), ("proxmox:/a", "proxmox:/a"), ("proxmox:a", nil),
        ("incus", "incus:/var/lib/incus/unix.socket"), ("incus:/a", "incus:/a"), ("incus:", nil),
        ("rkt", nil), ("", nil),
    ])
    func sourcesAreNamed(text: String, name: String?) {
        #expect(SourceText.source(text, devices: Self.devices)?.name == name)
    }
}
