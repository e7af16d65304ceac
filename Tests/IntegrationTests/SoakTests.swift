// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
import CLibbpf
import Foundation
import Libbpf
import Network
import TestSupport
import Testing

extension Integration {
    /// Traffic of every kind, under policies that keep changing and controllers that are killed, for
    /// `BULKHEAD_SOAK_SECONDS`, which the long run sets to 600.
    @Suite(.serialized) struct SoakTests {
        @Test func nothingBreaksAndNothingSlipsThrough() throws {
            let environment = ProcessInfo.processInfo.environment
            let seconds = environment["BULKHEAD_SOAK_SECONDS"].flatMap(Double.init) ?? 15
            let seed = Seed.first()
            print("soak: BULKHEAD_SEED=\(seed), \(seconds) s")
            let site = try BridgeSite()
            let policies = try (0...1).map { try Self.policy($0, site) }
            try site.bulkhead.apply(policies[0])
            let before = try Self.images()
            let unjust = try site.bulkhead.drops(["--host", "\(BridgeSite.address(1, .v4))"] + Self.unjust)
            let traffic = try SoakTraffic(site)
            let applies = try Self.change(policies, site, for: seconds, RandomNumbers(seed: seed))
            let counts = try traffic.stop()
            let lost = Dictionary(grouping: try Drop.all(try unjust.interrupt().output), by: \.reason)
                .mapValues(\.count)
            print("soak: \(applies), \(counts); \(try site.bulkhead.counters().flows); of guest a's dropped: \(lost)")
            #expect(lost["flow-table-full"] == nil)
            #expect(counts.deniedArrived == 0)
            #expect(counts.allowedSent > 0 && counts.allowedArrived == counts.allowedSent)
            #expect(counts.streamSent > 0 && counts.streamArrived == counts.streamSent)
            #expect(counts.connectionsMade > 0 && counts.connectionsFailed == 0)
            #expect(counts.echoesSent > 0 && counts.echoesAnswered == counts.echoesSent)
            #expect(applies.done > 4 && applies.killed > 0)
            // An image that nothing holds would still be there; other tests have a few at a time.
            #expect(try Self.images() < before + applies.done / 2)
            try site.bulkhead.apply(policies[0])
            try site.bulkhead.counters().expectExactAccounting()
            #expect(try ["guest-a", "guest-b"].allSatisfy { try site.bulkhead.status().port($0).state == "enforcing" })
        }

        /// The reasons for which nothing that the policies accept may be dropped.
        private static let unjust = ["flow-table-full", "invalid-state", "policy-changed", "fragment", "malformed"]
            .flatMap { ["--reason", $0] }

        /// Both accept and deny the same in different ways. Without adopting, which would readmit what a policy had
        /// cut.
        private static func policy(_ number: Int, _ site: BridgeSite) throws -> String {
            let open = [
                "  - { name: open, service: [tcp/80, udp/2000, ping], action: accept }",
                """
                  - { name: web, to: [198.51.100.0/24, "2001:db8:1::/64"], service: "tcp/1-1000", action: accept }
                  - { name: no, service: udp/1000, action: drop }
                  - { name: rest, service: [udp/2000, ping], action: accept }
                """,
            ]
            let filling = (0..<300 * number).map {
                "  - { name: fill-\($0), from: \"203.0.113.\($0 % 256)\", service: tcp/\($0 + 5000), action: drop }"
            }
            return try site.lab.file(
                "soak\(number).yaml",
                """
                version: 1
                ports:
                  guest-a: { interface: vm-a, protects: workload, guard: off }
                  guest-b: { interface: vm-b, protects: workload, guard: off }
                defaults: { in: drop, out: drop, adopt: 0s }
                rules:
                \((filling + [open[number]]).joined(separator: "\n"))
                """)
        }

        private struct Applies: CustomStringConvertible {
            var done = 0
            var killed = 0

            var description: String { "\(done) applies, \(killed) killed" }
        }

        /// Up to ten policies per second; every fourth controller is killed, at any moment.
        private static func change(
            _ policies: [String], _ site: BridgeSite, for seconds: Double, _ random: consuming RandomNumbers
        ) throws -> Applies {
            let deadline = ContinuousClock.now + .seconds(seconds)
            var applies = Applies()
            var number = 0
            while ContinuousClock.now < deadline {
                let start = ContinuousClock.now
                number += 1
                let command = try site.bulkhead.start("apply", policies[number % 2])
                if random.once(in: 4) {
                    usleep(UInt32(random.number(0...150_000)))
                    command.signal(SIGKILL)
                }
                let result = try command.wait()
                try #require([0, 128 + SIGKILL].contains(result.status), "\(result.errors)")
                if result.status == 0 { applies.done += 1 } else { applies.killed += 1 }
                let left = .milliseconds(100) - (ContinuousClock.now - start)
                if left > .zero { usleep(UInt32(left / .microseconds(1))) }
            }
            return applies
        }

        /// The number of policy images in the kernel.
        private static func images() throws -> Int {
            var id: UInt32 = 0
            var count = 0
            while unsafe bpf_map_get_next_id(id, &id) == 0 {
                // The map may go while it is queried.
                if let map = try? Map(id: id, name: "map"), map.info.valueSize == UInt32(BH_PAGE_SIZE) { count += 1 }
            }
            return count
        }
    }
}

/// The traffic of two guests: a long transfer, short connections, fragmented echoes, datagrams that are allowed and
/// some that are not, and forged openings.
private final class SoakTraffic {
    struct Counts: Sendable {
        var streamSent = 0
        var streamArrived = 0
        var connectionsMade = 0
        var connectionsFailed = 0
        var echoesSent = 0
        var echoesAnswered = 0
        var allowedSent = 0
        var allowedArrived = 0
        var deniedArrived = 0
    }

    private let stream: Background<Int>
    private let reading: Background<Int>
    private let connections: Background<(made: Int, failed: Int)>
    private let serving: Background<Void>
    private let datagrams: Background<Int>
    private let arrivals: [Background<Int>]
    private let echoes: Command

    init(_ site: BridgeSite) throws {
        let address = BridgeSite.address(2, .v6)
        let server = try IPSocket.bound(site.b, .tcp, address, 80)
        let client = try IPSocket.connected(site.a, .tcp, address, 80)
        let session = try server.accept()
        stream = Background { isStopped in try Self.send(client, isStopped) }
        reading = Background { isStopped in try Self.read(session, isStopped) }
        let web = try IPSocket.bound(site.b, .tcp, BridgeSite.address(2, .v4), 80)
        serving = Background { isStopped in
            while !isStopped() {
                guard let session = try? web.accept(milliseconds: 200), let bytes = try session.receive() else {
                    continue
                }
                try session.send(bytes)
            }
        }
        connections = Background { isStopped in try Self.connect(site.a, isStopped) }
        arrivals = try [UInt16(2000), 1000].map { port in
            let socket = try IPSocket.bound(site.b, .udp, BridgeSite.address(2, .v4), port)
            return Background { isStopped in
                var count = 0
                while true {
                    // Data sent before the stop may still be on its way.
                    let isLast = isStopped()
                    let came = try socket.count(quiet: isLast ? 500 : 100)
                    count += came
                    if isLast, came == 0 { return count }
                }
            }
        }
        echoes = try Command(
            site.a.command(["ping", "-q", "-i", "0.02", "-s", "4000", "\(BridgeSite.address(2, .v4))"]))
        let raw = try PacketSocket(site.a, "eth0")
        let mac = try site.b.mac(of: "eth0")
        datagrams = Background { isStopped in try Self.flood(raw, mac, isStopped) }
    }

    private static func send(_ client: IPSocket, _ isStopped: () -> Bool) throws -> Int {
        var sent = 0
        while !isStopped() {
            try client.send((0..<4096).map { UInt8(truncatingIfNeeded: $0 + sent) }, milliseconds: 10_000)
            sent += 4096
            usleep(1000)
        }
        return sent
    }

    /// Reads what `send` sends; returns the number of bytes before the first wrong one.
    private static func read(_ session: IPSocket, _ isStopped: () -> Bool) throws -> Int {
        var count = 0
        while let bytes = try session.receive(milliseconds: isStopped() ? 1000 : 10_000), !bytes.isEmpty {
            for byte in bytes {
                guard byte == UInt8(truncatingIfNeeded: count % 4096 + count / 4096 * 4096) else { return count }
                count += 1
            }
        }
        return count
    }

    /// Short connections, one after the other, each with a question and an answer.
    private static func connect(_ guest: Namespace, _ isStopped: () -> Bool) throws -> (made: Int, failed: Int) {
        var (made, failed) = (0, 0)
        while !isStopped() {
            let client = try? IPSocket.connected(guest, .tcp, BridgeSite.address(2, .v4), 80, milliseconds: 5000)
            try? client?.send([1, 2, 3])
            if try client?.receive(milliseconds: 5000) == [1, 2, 3] { made += 1 } else { failed += 1 }
            usleep(5000)
        }
        return (made, failed)
    }

    /// Rounds of an allowed datagram, a denied one, and two openings from forged addresses; returns the number of
    /// allowed datagrams.
    private static func flood(_ raw: PacketSocket, _ mac: MACAddress, _ isStopped: () -> Bool) throws -> Int {
        let ends = (BridgeSite.address(1, .v4), BridgeSite.address(2, .v4))
        let frames = [UInt16(2000), 1000].map {
            Frame(Datagram(ends.0, ends.1, .udp(40000, $0, payload: [1])), to: mac)
        }
        var sent = 0
        while !isStopped() {
            for frame in frames { try raw.send(frame) }
            for number in [2 * sent, 2 * sent + 1] {
                let source = IPAddress(v4: 0xc612_0000 | UInt32(truncatingIfNeeded: number) & 0xffff)
                let port = UInt16(truncatingIfNeeded: 1024 + number >> 16)
                try raw.send(Frame(Datagram(source, ends.1, .tcp(port, 80)), to: mac))
            }
            sent += 1
            usleep(500)
        }
        return sent
    }

    func stop() throws -> Counts {
        let (sent, streamed, connected) = (try datagrams.stop(), try stream.stop(), try connections.stop())
        var counts = Counts()
        counts.allowedSent = sent
        counts.streamSent = streamed
        (counts.connectionsMade, counts.connectionsFailed) = connected
        let echoed = try echoes.interrupt().output
        let numbers = echoed.split(separator: "\n").first { $0.contains("transmitted") }?.split(separator: " ")
            .compactMap { Int($0) }
        (counts.echoesSent, counts.echoesAnswered) = (numbers?.first ?? 0, numbers?.dropFirst().first ?? 0)
        counts.streamArrived = try reading.stop()
        counts.allowedArrived = try arrivals[0].stop()
        counts.deniedArrived = try arrivals[1].stop()
        try serving.stop()
        return counts
    }
}
