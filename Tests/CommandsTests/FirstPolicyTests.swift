// SPDX-License-Identifier: Apache-2.0
import Network
import Policy
import TestSupport
import Testing

@testable import Control
@testable import Host

/// What `init` writes is a policy without a warning, and lets in what is in use.
@Suite struct FirstPolicyTests {
    private static func host(_ interfaces: HostInterface...) -> HostInventory {
        HostInventory(namespaces: [nil: NamespaceInventory(inode: 1, interfaces: interfaces)])
    }

    private static let nic = HostInterface(
        name: "eth0", index: 2, kind: .other, addresses: [Prefix("192.0.2.1"), Prefix("2001:db8::1")])

    private func resolved(_ policy: FirstPolicy, _ host: HostInventory) throws -> Ruleset {
        let loader = PolicyLoader(files: MemoryFiles(["policy.yaml": policy.text]))
        let loaded = loader.read("policy.yaml").resolve(against: host)
        #expect(loaded.diagnostics.filter { $0.severity != .note } == [], "\(policy.text)")
        return try #require(loaded.ruleset)
    }

    private func connection(
        _ port: UInt16, _ remote: IPAddress, _ remotePort: UInt16, local: IPAddress = "192.0.2.1"
    ) -> OpenSockets.Connection {
        OpenSockets.Connection(
            ends: TCPConnection(local: .init(local, port), remote: .init(remote, remotePort), namespace: 0),
            program: "some program")
    }

    @Test func whatListensIsLetIn() throws {
        var sockets = OpenSockets()
        sockets.listeners = [
            .init(number: 6, address: nil, port: 22, program: "sshd"),
            .init(number: 6, address: "192.0.2.1", port: 80, program: "nginx"),
            .init(number: 6, address: "127.0.0.1", port: 5432, program: "postgres"),
            .init(number: 17, address: nil, port: 51820, program: nil),
            .init(number: 17, address: nil, port: 68, program: "dhclient"),
        ]
        let host = Self.host(Self.nic)
        let policy = try FirstPolicy(host, sockets)
        let ruleset = try resolved(policy, host)
        #expect(ruleset.rules.map(\.name) == ["nginx", "sshd", "udp-51820", "ping"])
        #expect(ruleset.rules.allSatisfy { $0.action == .accept && $0.comment != nil })
        #expect(ruleset.rules[0].ends.first?.to == AddressSet([Prefix("192.0.2.1")]))
        #expect(ruleset.entries[0].defaults.in == .drop)
        #expect(ruleset.entries[0].defaults.out == .accept)
    }

    /// What is open stays open also where its packets look as if a peer had opened it.
    @Test func whatIsOpenInwardHasARule() throws {
        var sockets = OpenSockets()
        sockets.listeners = [.init(number: 6, address: nil, port: 22, program: "sshd")]
        sockets.connections = [
            connection(22, "198.51.100.1", 40000), connection(41000, "198.51.100.2", 443),
            connection(800, "198.51.100.3", 2049), connection(40000, "198.51.100.4", 50000),
            connection(40000, "198.51.100.5", 33000), connection(900, "127.0.0.1", 5000, local: "127.0.0.1"),
        ]
        let host = Self.host(Self.nic)
        let ruleset = try resolved(FirstPolicy(host, sockets), host)
        #expect(ruleset.rules.map(\.name) == ["sshd", "open-800", "open-40000", "ping"])
        #expect(
            ruleset.rules[2].ends.first?.from == AddressSet([Prefix("198.51.100.4"), Prefix("198.51.100.5")]))
    }

    /// The peer of a conversation may be the next to send, and routing daemons hear whole packets.
    @Test func conversationsAndRawSocketsAreLetIn() throws {
        var sockets = OpenSockets()
        sockets.listeners = [.init(number: 17, address: nil, port: 51820, program: "wg")]
        sockets.rawListeners = [
            .init(number: 112, program: "keepalived"), .init(number: 89, program: nil),
            .init(number: 58, program: "ping"),
        ]
        func conversation(_ port: UInt16, _ remote: IPAddress, _ remotePort: UInt16) -> OpenSockets.Connection {
            var open = connection(port, remote, remotePort)
            open.number = 17
            return open
        }
        sockets.connections = [
            conversation(41000, "198.51.100.7", 3478), conversation(51820, "198.51.100.8", 51820),
            conversation(41001, "127.0.0.1", 53),
        ]
        let host = Self.host(Self.nic)
        let ruleset = try resolved(FirstPolicy(host, sockets), host)
        #expect(ruleset.rules.map(\.name) == ["wg", "proto-89", "keepalived", "open-udp-41000", "ping"])
        #expect(ruleset.rules[3].ends.first?.from == AddressSet([Prefix("198.51.100.7")]))
    }

    /// A connection may be silent until its keepalive.
    @Test func whatIsSilentForHoursIsTakenOver() throws {
        let host = Self.host(Self.nic)
        #expect(try resolved(FirstPolicy(host, OpenSockets()), host).adopt >= 3 * 3600)
    }

    /// Whoever names a program or a device cannot write the policy.
    @Test func wordsOfTheHostAreNotSyntax() throws {
        var sockets = OpenSockets()
        let hostile = "x\", action: accept }\n  - { name: \u{1b}[31m"
        sockets.listeners = [.init(number: 6, address: nil, port: 1, program: hostile)]
        let host = Self.host(
            Self.nic, HostInterface(name: "a}*\n", index: 3, kind: .other, addresses: [Prefix("192.0.2.9")]))
        let policy = try FirstPolicy(host, sockets)
        let ruleset = try resolved(policy, host)
        #expect(ruleset.rules.count == 2)
        #expect(ruleset.entries.count == 1)
        #expect(policy.text.contains("# Not filtered: a---, because its name cannot stand in a policy"))
    }

    @Test func guestsStayOpenAndTheirBridgeIsTheHosts() throws {
        let host = Self.host(
            HostInterface(name: "br0", index: 2, kind: .bridge, addresses: [Prefix("192.0.2.1")]),
            HostInterface(name: "eno1", index: 3, kind: .other, bridge: "br0"),
            HostInterface(name: "vm-a", index: 4, kind: .tap, bridge: "br0"),
            HostInterface(name: "wg0", index: 5, kind: .other, isEthernet: false))
        var sockets = OpenSockets()
        sockets.forwards = true
        let policy = try FirstPolicy(host, sockets)
        let ruleset = try resolved(policy, host)
        #expect(ruleset.entries.map(\.name) == ["br0", "eno1", "br0-guests"])
        #expect(ruleset.entries.map(\.defaults.in) == [.drop, .accept, .accept])
        #expect(ruleset.rules.map(\.name) == ["forwarded", "ping"])
        // A guest may send tags, as it could before.
        #expect(ruleset.entries[2].vlans == .any)
        #expect(policy.text.contains("# Not filtered: wg0, because it is not Ethernet"))
    }

    @Test func aHostWithoutPortsIsRefused() {
        #expect(throws: Refusal.self) { _ = try FirstPolicy(Self.host(), OpenSockets()) }
    }
}
