// SPDX-License-Identifier: Apache-2.0
import Foundation
import Network
import TestSupport
import Testing

extension Integration {
    /// What the watching commands show on a terminal, narrow and wide.
    @Suite(.serialized) struct WatchTests {
        private static let policy = """
            version: 1
            ports:
              uplink: { interface: up0, protects: host }
              downlink: { interface: up1, protects: host }
            defaults: { in: drop, out: drop, essentials: off }
            rules:
              - { name: noisy-neighbours-of-the-old-platform, from: 192.0.2.64/26, action: drop, comment: to be moved }
              - { name: web, service: tcp/80, direction: in, action: accept }
              - { name: dns, service: udp/53, direction: in, action: accept }
            """

        /// A host with two devices and a policy in force, and sockets that send to the devices.
        private struct Place {
            let lab: Lab
            let bulkhead: Bulkhead
            let raw: [PacketSocket]
            let macs: [MACAddress]

            init() throws {
                lab = try Lab()
                let host = try lab.namespace("host")
                let network = try lab.namespace("net")
                for number in 0...1 { try lab.veth((network, "net\(number)"), (host, "up\(number)")) }
                bulkhead = Bulkhead(lab, in: host)
                let policy = try lab.file("policy.yaml", WatchTests.policy)
                // A relative path, so that the transcripts have the same.
                let folder = URL(filePath: policy).deletingLastPathComponent().path
                let inside = ["sh", "-c", "cd \"$0\" && exec \"$@\"", folder]
                let applied = try Shell.run(inside + bulkhead.command(["apply", "policy.yaml"]))
                try #require(applied.status == 0, "\(applied.errors)")
                raw = try (0...1).map { try PacketSocket(network, "net\($0)") }
                macs = try (0...1).map { try host.mac(of: "up\($0)") }
            }

            func send(_ datagram: Datagram, to device: Int = 0, times: Int = 1) throws {
                for _ in 0..<times { try raw[device].send(Frame(datagram, to: macs[device])) }
            }

            /// The same traffic each time: some of each kind.
            func sendAll() throws {
                try send(Datagram("192.0.2.77", "192.0.2.2", .udp(40000, 7)), times: 3)
                try send(Datagram("2001:db8:9::1", "2001:db8::2", .tcp(40001, 443)), times: 2)
                try send(Datagram("198.51.100.9", "192.0.2.2", .icmp(13, 0)), to: 1)
                for port in [UInt16](40010...40012) {
                    try send(Datagram("192.0.2.1", "192.0.2.2", .tcp(port, 80)))
                }
                try send(Datagram("2001:db8::1", "2001:db8::2", .tcp(40020, 80)), to: 1)
                try send(Datagram("192.0.2.1", "192.0.2.2", .udp(5353, 53, payload: [1, 2, 3])), to: 1)
            }

            func screen(_ columns: Int, _ words: String...) throws -> TerminalScreen {
                try TerminalScreen(lab, columns: columns, rows: 24, bulkhead.command(words))
            }
        }

        /// Times of day, and seconds of idleness: what differs from run to run.
        private static func masked(_ text: String) -> String {
            text.replacing(/\d\d:\d\d:\d\d(?:\.\d\d\d)?/) { String($0.output.map { $0.isNumber ? "0" : $0 }) }
                .replacing(/\b[0-9]s\b/, with: "0s")
        }

        @Test(arguments: [80, 200]) func countersFitTheTerminal(columns: Int) throws {
            let place = try Place()
            try place.sendAll()
            let screen = try place.screen(columns, "counters", "--watch")
            // Nothing happens between the first page and the second.
            var text = ""
            #expect(
                try poll(seconds: 10) {
                    text = try screen.text()
                    return text.contains("flows:") && !text.contains(#/  -(  |\n)/#)
                })
            try Transcript.compare(Self.masked(text), with: "counters-\(columns)")
            // Each page takes the place of the one before, and the last one stays.
            try screen.press("C-c")
            #expect(Self.masked(try screen.textAtEnd().replacing("^C", with: "")) == Self.masked(text))
        }

        @Test(arguments: [80, 200]) func dropsOnATerminal(columns: Int) throws {
            let place = try Place()
            let screen = try place.screen(columns, "drops", "--count", "4")
            #expect(try poll(seconds: 10) { try place.bulkhead.readers() == 1 })
            try place.send(Datagram("192.0.2.77", "192.0.2.2", .udp(40000, 7)))
            try place.send(Datagram("2001:db8:9::1", "2001:db8::2", .tcp(40001, 443)))
            try place.send(Datagram("198.51.100.9", "192.0.2.2", .icmp(13, 0)), to: 1)
            try place.send(Datagram("192.0.2.1", "192.0.2.2", .tcp(40002, 80, flags: 3)), to: 1)
            try Transcript.compare(Self.masked(try screen.textAtEnd()), with: "drops-\(columns)")
        }

        @Test(arguments: [80, 200]) func flowsOnATerminal(columns: Int) throws {
            let place = try Place()
            try place.sendAll()
            let screen = try place.screen(columns, "flows")
            try Transcript.compare(Self.masked(try screen.textAtEnd()), with: "flows-\(columns)")
        }

        /// What a shell offers is what is in force, and not what some file says.
        @Test func completionAsksThePolicyInForce() throws {
            let place = try Place()
            func offered(_ path: [String], _ argument: String, _ word: String = "") throws -> [String] {
                let line = ["bulkhead"] + path + ["--instance", place.bulkhead.instance, word]
                let cursor = [argument, "\(line.count - 1)", "\(word.utf8.count)"]
                let result = try Shell.run([Bulkhead.executable, "---completion"] + path + ["--"] + cursor + line)
                #expect(result.status == 0 && result.errors.isEmpty, "\(result.errors)")
                return result.lines
            }
            let rules = ["dns", "noisy-neighbours-of-the-old-platform", "web"]
            #expect(try offered(["drops"], "--rule") == rules)
            #expect(try offered(["drops"], "--rule", "noi") == [rules[1]])
            #expect(try offered(["quarantine"], "positional@0") == ["downlink", "up0", "up1", "uplink"])
            #expect(try offered(["flows"], "--port", "up1") == ["up1"])
            #expect(try offered(["group", "add"], "positional@0").isEmpty)
        }

        /// Without a terminal the pages follow each other, with rates of what happened meanwhile.
        @Test func pagesWithoutATerminal() throws {
            let place = try Place()
            let watching = try place.bulkhead.start("counters", "--watch")
            #expect(poll(seconds: 10) { watching.output.contains("flows:") })
            try place.sendAll()
            #expect(poll(seconds: 10) { watching.output.components(separatedBy: "flows:").count > 3 })
            let output = try watching.interrupt().output
            #expect(!output.contains("\u{1b}"))
            let pages = output.components(separatedBy: "\n\n\n").count
            #expect(pages == 1)
            let drops = output.split(separator: "\n").filter { $0.hasPrefix("uplink") && $0.contains("  in  ") }
                .map { $0.split(separator: " ")[7] }
            #expect(drops.first == "-")
            #expect(drops.contains { $0 != "-" && $0 != "0" }, "\(output)")
        }
    }
}
