// SPDX-License-Identifier: Apache-2.0
import Capture
import Foundation
import Network
import TestSupport
import Testing

extension Integration {
    /// The stream of drops: who sees what, and what happens to events that nobody sees.
    @Suite(.serialized) struct DropsTests {
        private static let rules = """
              - { name: noisy, service: udp/1000-1999, action: drop }
              - { name: ok, service: udp/2000, action: accept, log: true }
              - { name: silent, service: udp/3000, action: drop, log: false }
            """

        /// A site with a policy in force, and frames that it drops.
        private static func site() throws -> (UplinkSite, PacketSocket) {
            let site = try UplinkSite()
            try site.bulkhead.apply(try site.policy(rules, port: "mode: tc"))
            return (site, try PacketSocket(site.network, "net0"))
        }

        /// Interrupts a stream after so many lines, or after five seconds.
        private static func drops(_ command: Command, _ count: Int) throws -> [Drop] {
            _ = poll(seconds: 5) { command.output.utf8.count { $0 == 10 } >= count }
            let result = try command.interrupt()
            #expect(result.status == 0, "\(result.errors)")
            return try Drop.all(result.output)
        }

        @Test func everyReaderSeesEveryEvent() throws {
            let (site, raw) = try Self.site()
            let readers = [try site.bulkhead.drops(), try site.bulkhead.drops()]
            for index in 0..<100 {
                try raw.send(site.probe(index % 2 == 0 ? .v4 : .v6, to: 1000, from: UInt16(20000 + index)))
            }
            for reader in readers {
                let drops = try Self.drops(reader, 100)
                #expect(drops.map(\.sport) == (20000..<20100).map { $0 })
                #expect(drops.allSatisfy { $0.reason == "rule" && $0.rule == "noisy" && $0.port == "uplink" })
            }
            let counters = try site.bulkhead.counters()
            #expect(counters.events.emitted == 100)
            counters.expectExactAccounting()
        }

        @Test func anEventSaysAllThereIsToSay() throws {
            let (site, raw) = try Self.site()
            let reader = try site.bulkhead.drops()
            try raw.send(site.probe(to: 1000, payload: Array(repeating: 1, count: 100)))
            try raw.send(
                Frame(
                    Datagram(UplinkSite.v6.network, UplinkSite.v6.host, .tcp(40000, 22)), to: site.mac, tags: [.init(7)]
                ))
            try raw.send(Frame(Datagram(UplinkSite.v4.network, UplinkSite.v4.host, .icmp(13, 1)), to: site.mac))
            try raw.send(Frame(to: site.mac, type: 0x88b5, payload: [1, 2, 3]))
            let drops = try Self.drops(reader, 4)
            try #require(drops.count == 4)
            let udp = drops[0]
            #expect(udp.interface == "up0")
            #expect([udp.direction, udp.verdict, udp.reason] == ["in", "drop", "rule"])
            #expect(udp.source?.hasSuffix("policy.yaml:5") == true, "\(udp.source ?? "null")")
            #expect(udp.generation == 1)
            #expect(udp.srcMac == "\(Frame.guest)")
            #expect(udp.dstMac == "\(site.mac)")
            #expect(udp.etherType == 0x800)
            #expect(udp.vlan == nil)
            #expect([udp.src, udp.dst, udp.protocol] == ["192.0.2.1", "192.0.2.2", "udp"])
            #expect([udp.sport, udp.dport] == [40000, 1000])
            #expect(udp.length == 14 + 20 + 8 + 100)
            #expect(udp.tcpFlags == nil)
            #expect(udp.icmpType == nil)
            let tcp = drops[1]
            #expect([tcp.reason, tcp.protocol, tcp.tcpFlags, tcp.src] == ["default", "tcp", "S", "2001:db8::1"])
            #expect(tcp.rule == nil)
            #expect([tcp.vlan, tcp.etherType, tcp.dport] == [7, 0x86dd, 22])
            let icmp = drops[2]
            #expect([icmp.icmpType, icmp.icmpCode, icmp.sport] == [13, 1, nil])
            let other = drops[3]
            #expect([other.reason, other.src, other.protocol] == ["non-ip", nil, nil])
            #expect(other.etherType == 0x88b5)
            let stamp = ISO8601DateFormatter()
            stamp.formatOptions = [.withInternetDateTime, .withFractionalSeconds]
            let time = try #require(stamp.date(from: udp.time), "\(udp.time)")
            #expect(abs(time.timeIntervalSinceNow) < 30)
        }

        @Test func filtersWorkInTheKernel() throws {
            let (site, raw) = try Self.site()
            let host = try site.bulkhead.drops("--host", "192.0.2.77")
            let rule = try site.bulkhead.drops("--rule", "noisy")
            let reason = try site.bulkhead.drops("--reason", "default")
            let all = try site.bulkhead.drops("--all", "--port", "up0")
            let frames = [
                site.probe(to: 1000), site.probe(to: 4000), site.probe(to: 2000), site.probe(to: 3000),
                site.probe(to: 1000, sender: "192.0.2.77"), site.probe(to: 4000, sender: "192.0.2.77"),
            ]
            for frame in frames { try raw.send(frame) }
            func seen(_ command: Command, _ count: Int) throws -> [Int?] { try Self.drops(command, count).map(\.dport) }
            #expect(try seen(host, 2) == [1000, 4000])
            #expect(try seen(rule, 2) == [1000, 1000])
            #expect(try seen(reason, 2) == [4000, 4000])
            // An accept that is logged, but never one whose rule says not to log.
            #expect(try seen(all, 5) == [1000, 4000, 2000, 1000, 4000])
            let counters = try site.bulkhead.counters()
            #expect(counters.events.emitted == 4)
            #expect(counters.events.suppressed == 1)
            counters.expectExactAccounting()
        }

        /// What a stream asks for, and which of the frames it sees, by their numbers below.
        private static let questions: [(words: [String], seen: [Int])] = [
            (["--host", "192.0.2.64/26"], [1, 2]), (["--host", "192.0.2.77"], [1]),
            (["--host", "0.0.0.0/0"], [0, 1, 2, 5]), (["--host", "192.0.2.2/32"], [0, 1, 2, 5]),
            (["--host", "2001:db8::/127"], [3]), (["--host", "2001:db8::/32"], [3, 4, 7]),
            (["--host", "::/0"], [3, 4, 7]),
            (["--host", "2001:db8:1::/64"], [4]), (["--host", "198.51.100.0/24"], []),
            (["--rule", "noisy", "--rule", "tls"], [0, 1, 4]), (["--rule", "tls"], [4]),
            (["--rule", "noisy", "--host", "192.0.2.64/26"], [1]), (["--service", "udp/1000-1500"], [0, 1]),
            (["--service", "tcp/443"], [4]), (["--service", "https"], [4]), (["--service", "ssh-and-web"], [3, 4]),
            (["--service", "tcp/*"], [3, 4]), (["--service", "udp/1000", "--service", "icmp/13"], [0, 5]),
            (["--service", "icmp/13/1"], [5]), (["--service", "icmp/13/0"], []), (["--service", "icmpv6/*"], []),
            (["--service", "from-40001"], [1]), (["--service", "proto/17"], [0, 1, 2, 7]),
            (["--service", "proto/51"], [7]), (["--service", "ethertype/0x88b5"], [6]),
            (["--service", "proto/6", "--reason", "default"], [3]),
            (["--service", "tcp/22", "--host", "2001:db8::1"], [3]),
            (["--port", "uplink", "--service", "udp/*", "--host", "192.0.2.1"], [0]),
        ]

        /// An event is emitted only if some stream asked for it. So what is counted shows that the kernel filters.
        @Test func aStreamSeesWhatItAskedFor() throws {
            let site = try UplinkSite()
            let policy = try site.lab.file(
                "policy.yaml",
                """
                version: 1
                ports: { uplink: { interface: up0, protects: host } }
                services:
                  ssh-and-web: [tcp/22, https]
                  from-40001: { protocol: udp, sourcePorts: 40001 }
                rules:
                  - { name: noisy, service: udp/1000-1999, action: drop }
                  - { name: tls, service: tcp/443, action: drop }
                """)
            try site.bulkhead.apply(policy)
            let raw = try PacketSocket(site.network, "net0")
            let (v4, v6) = (UplinkSite.v4, UplinkSite.v6)
            let frames = [
                site.probe(to: 1000), site.probe(to: 1500, from: 40001, sender: "192.0.2.77"),
                site.probe(to: 4000, sender: "192.0.2.127"),
                Frame(Datagram(v6.network, v6.host, .tcp(40000, 22)), to: site.mac),
                Frame(Datagram("2001:db8:1::9", v6.host, .tcp(40000, 443)), to: site.mac),
                Frame(Datagram(v4.network, v4.host, .icmp(13, 1)), to: site.mac),
                Frame(to: site.mac, type: 0x88b5, payload: [1, 2, 3]),
                Frame(
                    Datagram("2001:db8:ffff::1", v6.host, .udp(40000, 9)) { $0.extensions = [.authentication()] },
                    to: site.mac),
            ]
            let keys = [
                "192.0.2.1 1000", "192.0.2.77 1500", "192.0.2.127 4000", "2001:db8::1 22", "2001:db8:1::9 443",
                "192.0.2.1 0", "- 0", "2001:db8:ffff::1 9",
            ]
            for (words, seen) in Self.questions {
                let before = try site.bulkhead.counters()
                let stream = try site.bulkhead.drops(words)
                for frame in frames { try raw.send(frame) }
                #expect(try poll(seconds: 5) { try site.bulkhead.counters().dropped == before.dropped + frames.count })
                _ = poll(seconds: 5) { stream.output.utf8.count { $0 == 10 } >= seen.count }
                let drops = try Drop.all(try stream.interrupt().output)
                #expect(drops.map { "\($0.src ?? "-") \($0.dport ?? 0)" } == seen.map { keys[$0] }, "\(words)")
                let after = try site.bulkhead.counters()
                #expect(after.events.emitted == before.events.emitted + seen.count, "\(words)")
                after.expectExactAccounting()
            }
        }

        @Test func whatAStreamCannotAskForIsRefused() throws {
            let (site, _) = try Self.site()
            for (words, says) in [
                (["--rule", "nosy"], "did you mean 'noisy'"), (["--service", "htps"], "did you mean 'https'"),
                (["--service", "tcp/99999"], "'tcp/99999' is not a service"),
                (["--port", "up9"], "no port is called 'up9'"),
                (["--service", "tcp/1,3,5,7,9,11,13,15,17,19,21,23,25,27,29,31,33"], "more ranges"),
            ] {
                let result = try Shell.run(site.bulkhead.command(["drops", "--count", "1"] + words))
                #expect(result.status == 1)
                #expect(result.errors.contains(says), "\(result.errors)")
            }
            #expect(try site.bulkhead.run("drops", "--host", "192.0.2.1/24").status == 64)
        }

        /// A service and a list of rules outlive a new policy, in which rules have other counters.
        @Test func aFilterOutlivesANewPolicy() throws {
            let (site, raw) = try Self.site()
            let stream = try site.bulkhead.drops("--rule", "noisy", "--rule", "silent", "--service", "udp/1000")
            try raw.send(site.probe(to: 1000))
            #expect(poll(seconds: 5) { !stream.output.isEmpty })
            let more = "  - { name: first, service: udp/9, action: drop }\n"
            try site.bulkhead.apply(try site.policy(more + Self.rules, port: "mode: tc", name: "more.yaml"))
            // The filter is written anew each second.
            #expect(
                try poll(seconds: 5) {
                    try raw.send(site.probe(to: 1000))
                    try raw.send(site.probe(to: 9))
                    return stream.output.contains("\"generation\": 2")
                })
            let drops = try Drop.all(try stream.interrupt().output)
            #expect(drops.allSatisfy { $0.rule == "noisy" && $0.dport == 1000 })
        }

        /// Twenty thousand frames that a reader did not ask for do not cost it one of the twenty that it did ask for,
        /// not even if no rule tells them apart.
        @Test(arguments: [1, 500]) func aNarrowReaderIsNotDrowned(senders: Int) throws {
            let (site, raw) = try Self.site()
            let wide = try site.bulkhead.drops()
            let narrow = try site.bulkhead.drops("--host", "192.0.2.77")
            let mine = site.probe(to: 1000, sender: "192.0.2.77")
            let flood = (0..<senders).map { site.probe(to: 1000, sender: IPAddress(v4: 0xc612_0001 + UInt32($0))) }
            for index in 0..<20_000 {
                try raw.send(flood[index % senders])
                if index % 1000 == 999 { try raw.send(mine) }
            }
            #expect(try Self.drops(narrow, 20).count == 20)
            try wide.interrupt()
            let counters = try site.bulkhead.counters()
            #expect(try counters.port("uplink", "in").dropped.packets == 20_020)
            #expect(counters.events.suppressed > 0)
            counters.expectExactAccounting()
        }

        @Test func fourReadersAndNotAFifth() throws {
            let (site, raw) = try Self.site()
            var readers: [Command] = []
            for _ in 0..<4 { readers.append(try site.bulkhead.drops()) }
            let fifth = try site.bulkhead.run("drops")
            #expect(fifth.status == 1)
            #expect(!fifth.errors.isEmpty)
            // A reader that is killed makes room at once.
            readers.removeLast().signal(SIGKILL)
            let next = try site.bulkhead.start("drops", "--json")
            readers.append(next)
            // Its slot seemed taken before, so its output is the sign that it has begun.
            #expect(
                try poll(seconds: 5) {
                    try raw.send(site.probe(to: 1999))
                    return next.output.contains("1999")
                })
            for _ in 0..<10 { try raw.send(site.probe(to: 1000)) }
            for reader in readers {
                let isComplete = poll(seconds: 5) {
                    reader.output.split(separator: "\n").count { $0.contains("\"dport\": 1000") } >= 10
                }
                #expect(isComplete)
                let drops = try Drop.all(try reader.interrupt().output)
                #expect(drops.count { $0.dport == 1000 } == 10)
            }
            try site.bulkhead.counters().expectExactAccounting()
        }

        /// With no reader, with a reader and after a reader died: emitted + suppressed + lost = dropped.
        @Test func everyDropIsAccountedFor() throws {
            let (site, raw) = try Self.site()
            func send(_ count: Int) throws {
                for index in 0..<count {
                    try raw.send(site.probe(index % 2 == 0 ? .v4 : .v6, to: UInt16(1000 + index % 3 * 2000)))
                }
            }
            try send(1000)
            let quiet = try site.bulkhead.counters()
            quiet.expectExactAccounting()
            #expect(quiet.events.emitted == 0)
            #expect(quiet.dropped == 1000)
            let reader = try site.bulkhead.drops()
            // A stopped reader's ring fills up.
            reader.signal(SIGSTOP)
            try send(40_000)
            try site.bulkhead.counters().expectExactAccounting()
            reader.signal(SIGCONT)
            _ = poll(seconds: 2) { !reader.output.isEmpty }
            reader.signal(SIGKILL)
            try reader.wait()
            try send(5000)
            let counters = try site.bulkhead.counters()
            counters.expectExactAccounting()
            #expect(counters.dropped == 46_000)
            #expect(counters.events.emitted > 0)
        }

        @Test func aStreamEndsWell() throws {
            let (site, raw) = try Self.site()
            let counted = try site.bulkhead.drops("--count", "3")
            for _ in 0..<10 { try raw.send(site.probe(to: 1000)) }
            let result = try counted.wait(seconds: 5)
            #expect(result.status == 0)
            #expect(try Drop.all(result.output).count == 3)
            // A reader that has enough closes the pipe.
            let words = site.bulkhead.command(["drops", "--json"]).joined(separator: " ")
            let piped = try Command(["bash", "-c", "set -o pipefail; \(words) | head -n 1"])
            #expect(
                try poll(seconds: 5) {
                    try raw.send(site.probe(to: 1000))
                    usleep(20_000)
                    return !piped.isRunning
                })
            #expect(try piped.wait().status == 0)
            // A closed pipe is noticed even if no event comes.
            let unread = try Command(["bash", "-c", "set -o pipefail; \(words) | true"])
            #expect(try unread.wait(seconds: 5).status == 0)
        }

        /// What is applied after `detach --all` is another instance, of which a stream would see nothing.
        @Test(arguments: [true, false]) func aStreamEndsWithItsInstance(byDetach: Bool) throws {
            let (site, raw) = try Self.site()
            let reader = try site.bulkhead.drops()
            try raw.send(site.probe(to: 1000))
            #expect(poll(seconds: 5) { reader.output.contains("1000") })
            if byDetach {
                #expect(try site.bulkhead.run("detach", "--all").status == 0)
            } else {
                try Shell.check("rm", "-r", "/sys/fs/bpf/\(site.bulkhead.instance)")
            }
            try site.bulkhead.apply(try site.policy(Self.rules, port: "mode: tc"))
            let result = try reader.wait(seconds: 5)
            #expect(result.status == 1)
            #expect(result.errors.contains("was taken out of the kernel"), "\(result.errors)")
            #expect(result.errors.contains("start 'bulkhead drops' again"), "\(result.errors)")
            // The new instance has room for all of its readers.
            let next = try site.bulkhead.drops()
            try raw.send(site.probe(to: 1000))
            #expect(try Self.drops(next, 1).count == 1)
        }

        /// A new policy is the same instance's.
        @Test func aStreamOutlivesItsPolicy() throws {
            let (site, raw) = try Self.site()
            let reader = try site.bulkhead.drops()
            try site.bulkhead.apply(try site.policy("  - { name: all, action: drop }", port: "mode: tc"))
            try raw.send(site.probe(to: 1000))
            #expect(try Self.drops(reader, 1).map(\.rule) == ["all"])
        }

        @Test func dropsAreCaptured() throws {
            let (site, raw) = try Self.site()
            let path = try site.lab.file("drops.pcapng", "")
            let reader = try site.bulkhead.drops("--pcap", path)
            let frames = [
                site.probe(to: 1000, payload: Array(repeating: 9, count: 400)),
                Frame(Datagram(UplinkSite.v6.network, UplinkSite.v6.host, .tcp(1, 2)), to: site.mac, tags: [.init(7)]),
                Frame(
                    Datagram(UplinkSite.v6.network, UplinkSite.v6.host, .tcp(1, 2)), to: site.mac,
                    tags: [.init(7), .init(8)]),
            ]
            for frame in frames { try raw.send(frame) }
            #expect(try Self.drops(reader, 3).count == 3)
            var capture = try CaptureReader(path: path)
            for frame in frames {
                let captured = try #require(try capture.next())
                #expect(captured.originalLength == frame.bytes.count)
                #expect(captured.bytes.count >= min(frame.bytes.count, 128))
                #expect(captured.bytes == Array(frame.bytes.prefix(captured.bytes.count)))
            }
            #expect(try capture.next() == nil)
        }

        /// The capture, read by Wireshark: which device, which way, and what decided.
        @Test func wiresharkReadsWhatDecided() throws {
            let (site, raw) = try Self.site()
            let path = try site.lab.file("drops.pcapng", "")
            let reader = try site.bulkhead.drops("--pcap", path, "--all")
            try raw.send(site.probe(to: 1000))
            try raw.send(Frame(Datagram(UplinkSite.v6.network, UplinkSite.v6.host, .tcp(1, 2)), to: site.mac))
            // Refused on its way out: the server may not answer.
            _ = try IPSocket.connected(site.host, .udp, UplinkSite.v4.network, 1000, from: 53).send([1])
            let drops = try Self.drops(reader, 3)
            try #require(drops.count == 3)
            let fields = [
                "frame.interface_name", "frame.interface_description", "frame.packet_flags_direction", "frame.comment",
                "frame.time_epoch", "frame.len",
            ]
            let result = try Shell.run(["tshark", "-r", path, "-T", "fields"] + fields.flatMap { ["-e", $0] })
            #expect(result.status == 0, "\(result.errors)")
            let rows = result.lines.map { $0.split(separator: "\t").map(String.init) }
            try #require(rows.count == 3 && rows.allSatisfy { $0.count == fields.count }, "\(result.output)")
            for (row, drop) in zip(rows, drops) {
                #expect(row[0] == "up0")
                #expect(row[1] == "port uplink")
                #expect(row[2] == (drop.direction == "in" ? "0x00000001" : "0x00000002"))
                let rule = drop.rule.map { ", rule \($0)" } ?? ""
                let source = try #require(drop.source)
                #expect(
                    row[3] == "\(drop.verdict) \(drop.direction) at uplink: reason \(drop.reason)\(rule), \(source), "
                        + "generation 1")
                #expect(Int(row[5]) == drop.length)
                let stamp = ISO8601DateFormatter()
                stamp.formatOptions = [.withInternetDateTime, .withFractionalSeconds]
                let time = try #require(stamp.date(from: drop.time)).timeIntervalSince1970
                #expect(abs(time - (Double(row[4]) ?? 0)) < 0.001)
            }
            #expect(drops.map(\.direction) == ["in", "in", "out"])
            #expect(drops.map(\.rule) == ["noisy", nil, "noisy"])
        }

        /// If standard output is closed, a capture file could get its number, and then lines of text would land in it.
        @Test func noTextIsWrittenIntoACapture() throws {
            let (site, raw) = try Self.site()
            let path = try site.lab.file("drops.pcapng", "")
            let words = site.bulkhead.command(["drops", "--pcap", path]).joined(separator: " ")
            let reader = try Command(["bash", "-c", "exec \(words) >&-"])
            let frame = site.probe(to: 1000)
            // Its output is the sign that it has begun.
            let begun = try poll(seconds: 5) {
                try raw.send(frame)
                usleep(20_000)
                return try !reader.isRunning || Data(contentsOf: URL(filePath: path)).count > 300
            }
            #expect(begun)
            let result = try reader.interrupt()
            #expect(result.status == 0, "\(result.errors)")
            var capture = try CaptureReader(path: path)
            var count = 0
            while let captured = try capture.next() {
                #expect(captured.bytes == frame.bytes)
                count += 1
            }
            #expect(count > 0)
        }
    }
}
