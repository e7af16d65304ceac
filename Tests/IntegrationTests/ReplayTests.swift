// SPDX-License-Identifier: Apache-2.0
import Capture
import Foundation
import Network
import TestSupport
import Testing

/// One line of `replay --json`.
private struct Replayed: Decodable, Equatable {
    var packet: Int
    var direction: String
    var verdict: String
    var reason: String
    var rule: String?
}

extension Integration {
    /// Captures through the command. The kernel tests judge each packet of the corpora.
    @Suite(.serialized) struct ReplayTests {
        private static let policy = """
            version: 1
            ports:
              uplink: { interface: up0, protects: host }
            defaults: { in: drop, out: drop }
            rules:
              - { name: web, service: tcp/80, action: accept }
            """

        private static func run(_ words: [String]) throws -> (result: CommandResult, lines: [Replayed]) {
            let result = try Shell.run([Bulkhead.executable, "replay"] + words + ["--json"])
            return (
                result, try result.lines.map { try JSONDecoder().decode(Replayed.self, from: Data($0.utf8)) }
            )
        }

        /// A site's policy, and a capture of packets to the server and back.
        private static func capture(_ lab: Lab, _ frames: [CapturedFrame]) throws -> String {
            let path = try lab.file("trace.pcap", "")
            var writer = try CaptureWriter(path: path)
            for frame in frames { try writer.write(frame) }
            return path
        }

        private static let frames: [CapturedFrame] = AddressFamily.allCases.flatMap { family in
            let client: IPAddress = family == .v4 ? "198.51.100.7" : "2001:db8:7::7"
            let server: IPAddress = family == .v4 ? "192.0.2.2" : "2001:db8::2"
            let whole = Frame(Datagram(client, server, .tcp(payload: Array(repeating: 1, count: 4000)))).bytes
            return [
                CapturedFrame(bytes: Frame(Datagram(client, server, .tcp())).bytes),
                CapturedFrame(bytes: Frame(Datagram(server, client, .tcp(80, 40000, flags: 18))).bytes),
                CapturedFrame(bytes: whole),
                CapturedFrame(bytes: Array(whole.prefix(96)), originalLength: whole.count),
                CapturedFrame(bytes: Frame(Datagram(client, server, .tcp()) { $0.fragment = .last }).bytes),
                CapturedFrame(bytes: Array(whole.prefix(96))),
            ]
        }

        /// Also for packets that a capture cut; with --stateless no packet was seen before.
        @Test(arguments: AddressFamily.allCases) func fragmentsFollowTheirFirst(family: AddressFamily) throws {
            let site = try UplinkSite()
            let policy = try site.lab.file(
                "policy.yaml", Self.policy.replacingOccurrences(of: "tcp/80", with: "udp/53"))
            let ends = family == .v4 ? UplinkSite.v4 : UplinkSite.v6
            let parts = Datagram(ends.network, ends.host, .udp(payload: Array(repeating: 1, count: 4000))).fragments(
                of: 1448)
            let frames = [0, 2, 1, 1].map { Frame(parts[$0]).bytes }
            let path = try Self.capture(
                site.lab, frames.map { CapturedFrame(bytes: Array($0.prefix(96)), originalLength: $0.count) })
            let words = site.host.command([
                Bulkhead.executable, "replay", path, "--policy", policy, "--port", "uplink", "--json", "--direction",
                "in",
            ])
            for (option, expected) in [
                ([], ["accept rule", "accept fragment", "accept fragment", "drop fragment"]),
                (["--stateless"], ["accept rule", "drop fragment", "drop fragment", "drop fragment"]),
            ] {
                let result = try Shell.run(words + option)
                let lines = try result.lines.map { try JSONDecoder().decode(Replayed.self, from: Data($0.utf8)) }
                #expect(lines.map { "\($0.verdict) \($0.reason)" } == expected, "\(result.errors)")
            }
        }

        @Test func everyPacketIsJudgedByTheFileGiven() throws {
            let site = try UplinkSite()
            let policy = try site.lab.file("policy.yaml", Self.policy)
            let path = try Self.capture(site.lab, Self.frames)
            // The host has no such device: the policy is used all the same, or the refusal names the device.
            let words = site.host.command([
                Bulkhead.executable, "replay", path, "--policy", policy, "--port", "uplink", "--json", "--direction",
            ])
            let first = try Shell.run(words + ["in"])
            #expect(first.status == 0, "\(first.errors)")
            let lines = try first.lines.map { try JSONDecoder().decode(Replayed.self, from: Data($0.utf8)) }
            let expected = [
                ("accept", "rule"), ("drop", "default"), ("accept", "rule"), ("accept", "rule"), ("drop", "fragment"),
                ("drop", "malformed"),
            ]
            #expect(lines.map(\.packet) == Array(1...12))
            #expect(lines.map(\.verdict) == (expected + expected).map(\.0))
            #expect(lines.map(\.reason) == (expected + expected).map(\.1))
            #expect(lines.map(\.rule) == lines.map { $0.reason == "rule" ? "web" : nil })
            #expect(lines.allSatisfy { $0.direction == "in" })
            #expect(try Shell.run(words + ["in"]).output == first.output)
            let inside = Array(words.dropLast()) + ["--inside", "192.0.2.0/24,2001:db8::/64"]
            let directed = try Shell.run(inside)
            #expect(directed.status == 0, "\(directed.errors)")
            let directions = try directed.lines.map {
                try JSONDecoder().decode(Replayed.self, from: Data($0.utf8)).direction
            }
            #expect(directions == ["in", "out", "in", "in", "in", "in"] + ["in", "out", "in", "in", "in", "in"])
        }

        /// The lines for people, and what --drops leaves of them.
        @Test func linesForPeople() throws {
            let site = try UplinkSite()
            let policy = try site.lab.file("policy.yaml", Self.policy)
            let frames = Self.frames.prefix(2).enumerated().map { index, frame in
                // The fifth of January 2026, at noon.
                CapturedFrame(bytes: frame.bytes, time: 1_767_614_400_000_000_000 + UInt64(index) * 1_500_000_000)
            }
            let path = try Self.capture(site.lab, frames + [CapturedFrame(bytes: [1, 2, 3], time: 0)])
            let words = site.host.command([
                "env", "TZ=UTC", Bulkhead.executable, "replay", path, "--policy", policy, "--port", "uplink",
                "--direction", "in",
            ])
            let expected = [
                "1 2026-01-05 12:00:00.000 ACCEPT in tcp 198.51.100.7:40000 > 192.0.2.2:80 S  rule web  \(policy):6",
                "2 2026-01-05 12:00:01.500 DROP in tcp 192.0.2.2:80 > 198.51.100.7:40000 SA  default  \(policy):4",
                "3 1970-01-01 00:00:00.000 DROP in frame of 3 bytes  malformed  \(policy):3",
            ]
            let all = try Shell.run(words)
            #expect(all.lines == expected, "\(all.errors)")
            let drops = try Shell.run(words + ["--drops"])
            #expect(drops.lines == Array(expected.dropFirst()))
            #expect(drops.errors == all.errors && all.errors == "3 packets: 1 accepted, 2 dropped\n")
            let json = try Shell.run(words + ["--drops", "--json"])
            #expect(
                try json.lines.map { try JSONDecoder().decode(Replayed.self, from: Data($0.utf8)).packet } == [2, 3])
            #expect(
                json.lines[0].contains(
                    #""time": "2026-01-05T12:00:01.500000Z", "src": "192.0.2.2", "dst": "198.51.100.7", "#
                        + #""protocol": "tcp", "sport": 80, "dport": 40000"#), "\(json.lines[0])")
        }

        /// `-` is standard input, whether it is a file or a pipe.
        @Test func aCaptureFromStandardInput() throws {
            let site = try UplinkSite()
            let policy = try site.lab.file("policy.yaml", Self.policy)
            let path = try Self.capture(site.lab, Self.frames)
            let replay = "'\(Bulkhead.executable)' replay - --policy '\(policy)' --port uplink --direction in --json"
            let named = try Shell.run(
                site.host.command(["sh", "-c", replay.replacing("replay -", with: "replay '\(path)'")]))
            for words in ["\(replay) < '\(path)'", "cat '\(path)' | \(replay)"] {
                let result = try Shell.run(site.host.command(["sh", "-c", words]))
                #expect(result.status == 0 && result.lines.count == 12, "\(words): \(result.errors)")
                #expect(result.output == named.output)
            }
        }

        /// With --inside: the source MAC address decides for a frame without a readable address.
        @Test func framesWithoutAnAddressGoByTheirMAC() throws {
            let site = try UplinkSite()
            let policy = try site.lab.file(
                "policy.yaml",
                """
                version: 1
                ports:
                  guest: { interface: up0, protects: workload, mac: 52:54:00:00:00:01, addresses: [192.0.2.2] }
                """)
            let guest: [UInt8] = [0x52, 0x54, 0, 0, 0, 1]
            let other: [UInt8] = [2, 0, 0, 0, 0, 9]
            func frame(from mac: [UInt8], _ rest: [UInt8]) -> CapturedFrame {
                CapturedFrame(bytes: [UInt8](repeating: 255, count: 6) + mac + rest)
            }
            let arp: [UInt8] = [8, 6, 0, 1, 8, 0, 6, 4, 0, 1] + [UInt8](repeating: 0, count: 20)
            // An IPv4 header of three words, and an LLC frame.
            let short: [UInt8] = [8, 0, 0x43, 0, 0, 12] + [UInt8](repeating: 0, count: 26)
            let lldp: [UInt8] = [0x88, 0xcc] + [UInt8](repeating: 0, count: 40)
            let frames = [arp, short, lldp].flatMap { [frame(from: guest, $0), frame(from: other, $0)] }
            let path = try Self.capture(site.lab, frames)
            #expect(try Self.directions(of: path, policy, site) == ["out", "in", "out", "in", "out", "in"])
        }

        /// As `--inside 192.0.2.2` tells them at the port `guest`.
        private static func directions(of path: String, _ policy: String, _ site: UplinkSite) throws -> [String] {
            let result = try Shell.run(
                site.host.command([
                    Bulkhead.executable, "replay", path, "--policy", policy, "--port", "guest", "--json", "--inside",
                    "192.0.2.2",
                ]))
            #expect(result.status == 0, "\(result.errors)")
            return try result.lines.map { try JSONDecoder().decode(Replayed.self, from: Data($0.utf8)).direction }
        }

        /// At a port without a MAC address, packets from inside tell which ones are inside's.
        @Test func packetsFromInsideTellTheirMAC() throws {
            let site = try UplinkSite()
            let policy = try site.lab.file(
                "policy.yaml", "version: 1\nports: { guest: { interface: up0, protects: workload } }\n")
            let (guest, other) = (MACAddress(0x5254_0000_0001), MACAddress(0x0200_0000_0009))
            let lldp = [UInt8](repeating: 0, count: 46)
            // A datagram whose length is more than the frame has.
            var cut = Frame(Datagram("192.0.2.2", "192.0.2.1", .udp(1, 2, payload: [1])), from: guest, to: other).bytes
            cut[14] = 0x43
            let frames = [
                Frame(from: guest, to: other, type: 0x88cc, payload: lldp).bytes,
                Frame(Datagram("192.0.2.2", "192.0.2.1", .udp(1, 2)), from: guest, to: other).bytes,
                Frame(Datagram("192.0.2.1", "192.0.2.2", .udp(2, 1)), from: other, to: guest).bytes,
                Frame(from: guest, to: other, type: 0x88cc, payload: lldp).bytes, cut,
                Frame(from: other, to: guest, type: 0x88cc, payload: lldp).bytes,
            ]
            let path = try Self.capture(site.lab, frames.map { CapturedFrame(bytes: $0) })
            #expect(try Self.directions(of: path, policy, site) == ["in", "out", "in", "out", "out", "in"])
        }

        /// The policy in force judges, and neither counts nor changes.
        @Test func thePolicyInForceJudges() throws {
            let site = try UplinkSite()
            try site.bulkhead.apply(try site.lab.file("policy.yaml", Self.policy))
            let path = try Self.capture(site.lab, Self.frames)
            let before = try site.bulkhead.counters()
            let result = try site.bulkhead.run("replay", path, "--port", "up0", "--direction", "in", "--json")
            #expect(result.status == 0, "\(result.errors)")
            #expect(result.lines.count == 12)
            #expect(result.lines.count { $0.contains("\"accept\"") } == 6)
            let after = try site.bulkhead.counters()
            #expect(try after.rule("web").packets == before.rule("web").packets)
            #expect(after.generation == before.generation)
        }

        @Test func whatIsNoCaptureIsRefused() throws {
            let site = try UplinkSite()
            let policy = try site.lab.file("policy.yaml", Self.policy)
            func refusal(_ path: String) throws -> CommandResult {
                try Shell.run(
                    site.host.command([
                        Bulkhead.executable, "replay", path, "--policy", policy, "--port", "uplink", "--direction",
                        "in",
                    ]))
            }
            let text = try refusal(try site.lab.file("text.pcap", "version: 1"))
            #expect(text.status == 1)
            #expect(text.errors.contains("text.pcap"))
            let missing = try refusal("/nowhere.pcap")
            #expect(missing.status == 1)
            #expect(missing.errors.contains("/nowhere.pcap"))
            let path = try Self.capture(site.lab, Self.frames)
            let bytes = try Data(contentsOf: URL(filePath: path))
            let cut = URL(filePath: path + ".cut")
            try bytes.dropLast(10).write(to: cut)
            let damaged = try refusal(cut.path)
            #expect(damaged.status == 1)
            #expect(damaged.lines.count >= 11)
            // LINKTYPE_LINUX_SLL, in the description of the interface behind the section's header.
            var other = bytes
            other[36] = 113
            let foreign = URL(filePath: path + ".sll")
            try other.write(to: foreign)
            let refused = try refusal(foreign.path)
            #expect(refused.status == 1)
            #expect(refused.errors.contains("113"))
        }

        /// Some of the captures, replayed as an operator would.
        @Test(
            .enabled(
                if: ProcessInfo.processInfo.environment["BULKHEAD_CORPORA"] != nil, "BULKHEAD_CORPORA names no folder"))
        func capturesOfEdgeCases() throws {
            let folder = try #require(ProcessInfo.processInfo.environment["BULKHEAD_CORPORA"]) + "/pcaps"
            let site = try UplinkSite()
            let policy = try site.lab.file("policy.yaml", Self.policy)
            let names = try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
                .filter { $0.hasSuffix(".pcap") || $0.hasSuffix(".pcapng") }
            for (index, name) in names.enumerated() where index % 20 == 0 {
                let path = "\(folder)/\(name)"
                var reader = try CaptureReader(path: path)
                var frames: [CapturedFrame] = []
                while let frame = try reader.next() { frames.append(frame) }
                let result = try Shell.run(
                    site.host.command([
                        Bulkhead.executable, "replay", path, "--policy", policy, "--port", "uplink", "--direction",
                        "in",
                        "--json",
                    ]))
                guard frames.allSatisfy({ $0.linkType == CapturedFrame.ethernet }) else {
                    #expect(result.status == 1, "\(name)")
                    continue
                }
                #expect(result.status == 0, "\(name): \(result.errors)")
                #expect(result.lines.count == frames.count, "\(name)")
            }
        }
    }
}
