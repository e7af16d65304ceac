// SPDX-License-Identifier: Apache-2.0
import Foundation
import Glibc
import Network
import TestSupport
import Testing

/// What `explain --json` says of the whole way.
private struct Answer: Decodable {
    var verdict: String
    var generation: Int
}

extension Integration {
    /// What a trial and its base share, on real devices: flows, members, budgets, devices, and what the readers tell.
    @Suite(.serialized) struct TrialStateTests {
        private static let host = UplinkSite.v4.host

        /// A host with two uplinks; a trial leaves out the second, where listeners wait on both ports.
        private final class TwoPorts {
            let site: UplinksSite
            let listeners: [IPSocket]

            init() throws {
                site = try UplinksSite()
                listeners = try [80, 81].map { [site] in try IPSocket.bound(site.host, .tcp, "198.51.100.2", $0) }
                try site.bulkhead.apply(try policy(["first", "second"]))
            }

            func policy(_ names: [String]) throws -> String {
                let ports = names.map { name in
                    "  \(name): { interface: \(name == "first" ? "up0" : "up1"), protects: host, tcp: strict }"
                }
                return try site.lab.file(
                    "\(names.count).yaml",
                    """
                    version: 1
                    ports:
                    \(ports.joined(separator: "\n"))
                    rules:
                      - { name: web, service: tcp/80, direction: in, action: accept }
                    """)
            }

            func connection(_ listener: Int) throws -> Connection {
                try Connection(site.network, "198.51.100.2", listeners[listener], UInt16(80 + listener))
            }

            func tryWithoutSecond() throws {
                _ = try site.bulkhead.json(Applied.self, "apply", "--trial", "1h", policy(["first"]))
            }

        }

        private struct Connection {
            let client: IPSocket
            let server: IPSocket

            init(_ network: Namespace, _ host: IPAddress, _ listener: IPSocket, _ port: UInt16) throws {
                client = try IPSocket.connected(network, .tcp, host, port)
                server = try listener.accept()
            }

            func passes(_ byte: UInt8, milliseconds: Int32 = 400) throws -> Bool {
                try client.send([byte])
                return try server.receive(milliseconds: milliseconds) == [byte]
            }

            func carries(_ bytes: Int) throws -> Bool {
                try client.transfer(bytes, to: server) == bytes && server.transfer(bytes, to: client) == bytes
            }
        }

        // MARK: Ports that the trial removes

        /// The base follows its connections there, far beyond the windows that it knew; what was opened there is
        /// adopted, or not, by its rules.
        @Test func connectionsGoOnAtARemovedPort() throws {
            let ports = try TwoPorts()
            let held = try ports.connection(0)
            #expect(try held.carries(1 << 20))
            try ports.tryWithoutSecond()
            #expect(try held.carries(8 << 20))
            let (adopted, denied) = (try ports.connection(0), try ports.connection(1))
            #expect(try adopted.passes(1))
            #expect(try denied.passes(2))
            try ports.site.bulkhead.letTrialEnd()
            #expect(try held.carries(1 << 20))
            #expect(try adopted.passes(3))
            #expect(try !denied.passes(4))
            // After it is settled too.
            let another = try ports.site.bulkhead.run("rollback")
            #expect(another.output.contains("had ended by itself"), "\(another)")
            #expect(try held.passes(5))
            #expect(try adopted.carries(1 << 20))
        }

        /// A connection that ends there leaves a flow that is closed; the next one with its numbers takes its place.
        @Test func aPortNumberIsUsedAgainAtARemovedPort() throws {
            let ports = try TwoPorts()
            func connected() throws -> (IPSocket, IPSocket) {
                let client = try IPSocket.connected(ports.site.network, .tcp, "198.51.100.2", 80, from: 40_123)
                return (client, try ports.listeners[0].accept())
            }
            func close(_ ends: (IPSocket, IPSocket)) {
                // A reset, so that the number is free at once.
                var option = linger(l_onoff: 1, l_linger: 0)
                _ = unsafe setsockopt(
                    ends.0.descriptor, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
            }
            do { close(try connected()) }
            do { close(try connected()) }
            try ports.tryWithoutSecond()
            do { close(try connected()) }
            let last = try connected()
            try ports.site.bulkhead.letTrialEnd()
            try last.0.send([1])
            #expect(try last.1.receive() == [1])
            #expect(try last.0.transfer(1 << 20, to: last.1) == 1 << 20)
        }

        /// What is cut off is so at once, also where everything else passes.
        @Test func quarantineHoldsAtARemovedPort() throws {
            let ports = try TwoPorts()
            let bulkhead = ports.site.bulkhead
            let held = try ports.connection(0)
            try ports.tryWithoutSecond()
            #expect(try held.passes(1))
            let stream = try bulkhead.drops("--reason", "quarantine")
            #expect(try bulkhead.run("quarantine", "second").status == 0)
            #expect(try !held.passes(2))
            #expect(poll(seconds: 5) { stream.output.contains("\n") })
            let drop = try #require(try Drop.all(stream.interrupt().output).first)
            #expect(drop.port == "second" && drop.reason == "quarantine" && drop.generation == 1)
            try bulkhead.counters().expectExactAccounting()
            #expect(try bulkhead.run("release", "second").status == 0)
            #expect(try held.server.receive(milliseconds: 8000) == [2])
            #expect(try bulkhead.run("rollback").status == 0)
            #expect(try held.passes(3))
        }

        @Test func aPortIsDetachedFromBoth() throws {
            let ports = try TwoPorts()
            let bulkhead = ports.site.bulkhead
            try ports.tryWithoutSecond()
            #expect(try bulkhead.run("detach", "second").status == 0)
            #expect(try bulkhead.run("detach", "first").status == 0)
            #expect(try bulkhead.run("rollback").status == 0)
            #expect(try bulkhead.status().ports.map(\.state) == ["detached", "detached"])
            #expect(try bulkhead.apply(try ports.policy(["first", "second"])).changed)
            #expect(try bulkhead.status().ports.map(\.state) == ["enforcing", "enforcing"])
            try ports.tryWithoutSecond()
            #expect(try bulkhead.run("detach", "--all").status == 0)
            #expect(!FileManager.default.fileExists(atPath: "/sys/fs/bpf/\(bulkhead.instance)"))
            #expect(try ports.connection(1).passes(1))
        }

        // MARK: Hooks

        /// A trial may ask for other hooks than its base has.
        @Test(arguments: [true, false], ["tc", "xdp"]) func theModeMayChange(isNative: Bool, first: String) throws {
            let site = try UplinkSite()
            if !isNative { try site.refuseNativeXDP() }
            let listeners = try [80, 81].map { try IPSocket.bound(site.host, .tcp, Self.host, $0) }
            defer { withExtendedLifetime(listeners) {} }
            func policy(_ port: Int, _ mode: String) throws -> String {
                try site.policy(
                    "  - { name: r\(port), service: tcp/\(port), action: accept }", port: "mode: \(mode)",
                    name: "\(mode).yaml")
            }
            let (base, trial) = (try policy(80, first), try policy(81, first == "tc" ? "xdp" : "tc"))
            let modes = ["tc": "tc", "xdp": isNative ? "xdp-native" : "xdp-generic"]
            let hooks = ["tc": ["tc-ingress", "tc-egress"], "xdp": ["xdp", "tc-ingress", "tc-egress"]]
            #expect(try site.bulkhead.apply(base).ports.map(\.mode) == [modes[first]])
            _ = try site.bulkhead.json(Applied.self, "apply", "--trial", "1h", trial)
            #expect(site.network.connects(to: Self.host, 81))
            #expect(!site.network.connects(to: Self.host, 80))
            try site.bulkhead.letTrialEnd()
            #expect(site.network.connects(to: Self.host, 80))
            #expect(!site.network.connects(to: Self.host, 81))
            #expect(try site.bulkhead.run("rollback").status == 0)
            let port = try site.bulkhead.status().port("uplink")
            #expect(port.mode == modes[first] && port.hooks == hooks[first] && port.state == "enforcing")
            #expect(site.network.connects(to: Self.host, 80))
            _ = try site.bulkhead.json(Applied.self, "apply", "--trial", "1h", trial)
            #expect(try site.bulkhead.run("confirm").status == 0)
            let other = first == "tc" ? "xdp" : "tc"
            let kept = try site.bulkhead.status().port("uplink")
            #expect(kept.mode == modes[other] && kept.hooks == hooks[other] && kept.state == "enforcing")
            #expect(site.network.connects(to: Self.host, 81))
            try site.bulkhead.counters().expectExactAccounting()
        }

        // MARK: Conditions

        /// A rule of the trial puts an address into a group: the base's own connections are judged anew by that.
        @Test func whatARuleAddsHoldsInBoth() throws {
            let site = try UplinkSite()
            let listeners = try [80, 81].map { try IPSocket.bound(site.host, .tcp, Self.host, $0) }
            func policy(_ name: String, _ rule: String) throws -> String {
                try site.lab.file(
                    name,
                    """
                    version: 1
                    ports: { uplink: { interface: up0, protects: host } }
                    groups: { banned: { dynamic: {} } }
                    rules:
                      - { name: ban, from: banned, action: drop }
                      - { name: web, service: tcp/80, direction: in, action: accept }
                    \(rule)
                    """)
            }
            try site.bulkhead.apply(try policy("base.yaml", ""))
            let held = try Connection(site.network, Self.host, listeners[0], 80)
            #expect(try held.passes(1))
            let bait = "  - { name: bait, service: tcp/81, direction: in, action: drop, add: { group: banned } }"
            _ = try site.bulkhead.json(Applied.self, "apply", "--trial", "1h", policy("trial.yaml", bait))
            #expect(!site.network.connects(to: Self.host, 81))
            try site.bulkhead.letTrialEnd()
            #expect(try !held.passes(2))
            #expect(try site.bulkhead.run("group", "list", "banned").output.contains("192.0.2.1"))
        }

        /// A rule that keeps its name keeps its budget: a trial does not fill it.
        @Test(arguments: ["", ", per: source"]) func aBudgetIsSharedByBoth(per: String) throws {
            let site = try UplinkSite()
            func policy(_ name: String, _ port: Int) throws -> String {
                try site.policy(
                    "  - { name: few, service: udp/\(port), direction: in, action: accept, stateless: true, "
                        + "limit: { rate: 3/h, burst: 3\(per) } }", name: name)
            }
            let sockets = try [5000, 5001].map { try IPSocket.bound(site.host, .udp, Self.host, $0) }
            let sender = try PacketSocket(site.network, "net0")
            func arrive(_ index: Int, of count: Int) throws -> Int {
                for _ in 0..<count { try sender.send(site.probe(to: UInt16(5000 + index))) }
                return try sockets[index].count(quiet: 300)
            }
            try site.bulkhead.apply(try policy("base.yaml", 5000))
            #expect(try arrive(0, of: 1) == 1)
            _ = try site.bulkhead.json(Applied.self, "apply", "--trial", "1h", policy("trial.yaml", 5001))
            #expect(try arrive(1, of: 1) == 1)
            #expect(try site.bulkhead.run("rollback").status == 0)
            #expect(try arrive(0, of: 4) == 1)
        }

        // MARK: Moments

        /// A handshake that begins under the trial and ends under its base is one connection, if both accept it.
        @Test func aHandshakeMayCrossTheEnd() throws {
            let site = try UplinkSite()
            let listener = try IPSocket.bound(site.host, .tcp, Self.host, 80)
            func policy(_ name: String) throws -> String {
                try site.policy(
                    "  - { name: \(name), service: tcp/80, direction: in, action: accept }", port: "tcp: strict",
                    name: "\(name).yaml")
            }
            try site.bulkhead.apply(try policy("base"))
            let network = try PacketSocket(site.network, "net0")
            // Nobody's address, so that only this test answers.
            let guest: IPAddress = "192.0.2.77"
            try site.host.run("ip", "neigh", "add", "\(guest)", "lladdr", "\(Frame.guest)", "dev", "up0")
            func send(_ flags: UInt8, _ sequence: UInt32, _ acknowledgement: UInt32, _ payload: [UInt8] = []) throws {
                try network.send(
                    Frame(
                        Datagram(
                            guest, Self.host,
                            .tcp(
                                40_000, 80, flags: flags, sequence: sequence, acknowledgement: acknowledgement,
                                payload: payload)), to: site.mac))
            }
            _ = try site.bulkhead.json(Applied.self, "apply", "--trial", "1h", policy("trial"))
            try send(Segment.TCPFlag.syn, 1000, 0)
            // The second byte of the ports 80 and 40000, then the flags.
            let answer = try #require(
                try network.firstFrame {
                    $0.count >= 54 && $0[34...37].elementsEqual([0, 80, 156, 64]) && $0[47] == 18
                })
            let number = answer[38...41].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
            try site.bulkhead.letTrialEnd()
            try send(Segment.TCPFlag.ack, 1001, number &+ 1)
            try send(Segment.TCPFlag.ack | Segment.TCPFlag.psh, 1001, number &+ 1, [1])
            let server = try listener.accept()
            #expect(try server.receive() == [1])
            try server.send([2])
            #expect(
                try network.firstFrame { $0.count >= 55 && $0[34...37].elementsEqual([0, 80, 156, 64]) && $0[54] == 2 }
                    != nil)
            let rules = try site.bulkhead.counters().rules
            #expect(rules.map(\.name) == ["base"] && rules[0].packets > 0)
        }

        /// A datagram whose first fragment the trial has accepted arrives whole.
        @Test func fragmentsMayCrossTheEnd() throws {
            let site = try UplinkSite()
            let socket = try IPSocket.bound(site.host, .udp, Self.host, 5000)
            func policy(_ action: String) throws -> String {
                try site.policy(
                    "  - { name: r, service: udp/5000, direction: in, action: \(action) }", name: "\(action).yaml")
            }
            try site.bulkhead.apply(try policy("drop"))
            let payload = [UInt8](repeating: 3, count: 24)
            let network = try PacketSocket(site.network, "net0")
            func frames(_ identification: UInt16) -> [Frame] {
                var datagram = Datagram(UplinkSite.v4.network, Self.host, .udp(40_000, 5000, payload: payload))
                datagram.identification = UInt32(identification)
                return datagram.fragments(of: 16).map { Frame($0, to: site.mac) }
            }
            _ = try site.bulkhead.json(Applied.self, "apply", "--trial", "1h", policy("accept"))
            let (first, second) = (frames(1), frames(2))
            #expect(first.count == 2)
            try network.send(first[0])
            // Seen, before the time comes.
            #expect(try poll(seconds: 5) { try site.bulkhead.counters().rule("r").packets == 1 })
            try site.bulkhead.letTrialEnd()
            try network.send(first[1])
            #expect(try socket.receive() == payload)
            for frame in second { try network.send(frame) }
            #expect(try socket.receive(milliseconds: 300) == nil)
            #expect(try site.bulkhead.counters().generation == 1)
        }

        // MARK: Readers

        /// Whoever asks is told of the image that judges then, and by its number.
        @Test func eachReaderTellsWhichJudges() throws {
            let site = try UplinkSite()
            let bulkhead = site.bulkhead
            func policy(_ name: String, _ port: Int) throws -> String {
                try site.policy(
                    "  - { name: \(name), service: udp/\(port), direction: in, action: drop }", name: "\(name).yaml")
            }
            let sender = try PacketSocket(site.network, "net0")
            func check(_ generation: Int, _ rule: String, _ port: UInt16) throws {
                #expect(try bulkhead.counters().generation == generation)
                #expect(try bulkhead.counters().rules.map(\.name) == [rule])
                #expect(try bulkhead.run("show").output.contains("name: \(rule)"))
                let answer = try bulkhead.json(Answer.self, "explain", "192.0.2.1", "192.0.2.2", "udp/\(port)")
                #expect(answer.generation == generation)
                try sender.send(site.probe(to: port))
            }
            try bulkhead.apply(try policy("base", 5000))
            let stream = try bulkhead.drops("--count", "3", "--reason", "rule")
            try check(1, "base", 5000)
            _ = try bulkhead.json(Applied.self, "apply", "--trial", "1h", policy("trial", 5001))
            try check(2, "trial", 5001)
            try bulkhead.letTrialEnd()
            try check(1, "base", 5000)
            let drops = try Drop.all(stream.wait().output)
            #expect(drops.map(\.rule) == ["base", "trial", "base"])
            #expect(drops.map(\.generation) == [1, 2, 1])
        }
    }
}

extension PacketSocket {
    /// The first frame that is asked for of those that come within two seconds.
    fileprivate func firstFrame(_ isAskedFor: ([UInt8]) -> Bool) throws -> [UInt8]? {
        for _ in 0..<100 {
            guard let frame = try receiveFrame(milliseconds: 2000) else { return nil }
            if isAskedFor(frame.bytes) { return frame.bytes }
        }
        return nil
    }
}
