// SPDX-License-Identifier: Apache-2.0
import Network
import TestSupport
import Testing

/// A client of a host's server, whose segments the test writes itself. The server is the kernel's own.
private final class HandmadeClient {
    /// What the server says, relative to the numbers that both ends began with.
    struct Heard: Hashable, CustomStringConvertible {
        var flags: UInt8
        var sequence: UInt32
        var acknowledgement: UInt32
        var payload: Int

        var description: String { "flags \(flags) \(sequence)+\(payload) ack \(acknowledgement)" }
    }

    let site: UplinkSite
    let family: AddressFamily
    let port: UInt16
    /// The initial numbers.
    var own: UInt32
    var servers: UInt32 = 0
    private let raw: PacketSocket

    static func address(_ family: AddressFamily) -> IPAddress { family == .v4 ? "192.0.2.9" : "2001:db8::9" }

    init(_ site: UplinkSite, _ family: AddressFamily, port: UInt16, own: UInt32) throws {
        (self.site, self.family, self.port, self.own) = (site, family, port, own)
        raw = try PacketSocket(site.network, "net0")
        try site.host.run(
            "ip", "neigh", "replace", "\(Self.address(family))", "lladdr", "\(Frame.guest)", "dev", "up0")
    }

    var server: IPAddress { family == .v4 ? UplinkSite.v4.host : UplinkSite.v6.host }

    /// Sends a segment, its numbers relative to the initial ones.
    func send(_ flags: UInt8, _ sequence: UInt32, _ acknowledgement: UInt32? = nil, payload: Int = 0) throws {
        let segment = Segment.tcp(
            port, 80, flags: flags, sequence: own &+ sequence,
            acknowledgement: acknowledgement.map { servers &+ $0 } ?? 0,
            payload: [UInt8](repeating: 7, count: payload))
        try raw.send(Frame(Datagram(Self.address(family), server, segment), to: site.mac))
    }

    /// The next segment to the client's port; nil if none came.
    func next(milliseconds: Int32 = 2000) throws -> Heard? {
        let ip = family == .v4 ? 20 : 40
        while let frame = try raw.receiveFrame(milliseconds: milliseconds) {
            let bytes = frame.bytes
            guard bytes.count >= 14 + ip + 20, bytes[12] == (family == .v4 ? 0x08 : 0x86) else { continue }
            guard bytes[family == .v4 ? 23 : 20] == 6 else { continue }
            let tcp = Array(bytes[(14 + ip)...])
            func number(_ place: Int, _ count: Int) -> UInt32 {
                tcp[place..<place + count].reduce(0) { $0 << 8 | UInt32($1) }
            }
            guard number(0, 2) == 80, number(2, 2) == UInt32(port) else { continue }
            if tcp[13] & 0x12 == 0x12 { servers = number(4, 4) }
            let length =
                family == .v4 ? Int(bytes[16]) << 8 | Int(bytes[17]) : 40 + (Int(bytes[18]) << 8 | Int(bytes[19]))
            return Heard(
                flags: tcp[13], sequence: number(4, 4) &- servers, acknowledgement: number(8, 4) &- own,
                payload: length - ip - Int(tcp[12] >> 4) * 4)
        }
        return nil
    }

    /// Waits for a segment with these flags (push does not matter) that acknowledges this, and has so much payload.
    func hears(_ flags: UInt8, acknowledging number: UInt32? = nil, payload: Int = 0) throws -> Heard? {
        while let heard = try next() {
            guard heard.flags & ~Segment.TCPFlag.psh == flags, heard.payload == payload else { continue }
            if number == nil || heard.acknowledgement == number { return heard }
        }
        return nil
    }

    /// Opens a connection, and returns the server's end of it.
    func connect(to listener: IPSocket) throws -> IPSocket {
        try send(Segment.TCPFlag.syn, 0)
        _ = try #require(try hears(18), "no answer to the SYN")
        try send(16, 1, 1)
        return try listener.accept()
    }
}

extension Integration {
    /// The kernel's own TCP behind a host's port: who may end a connection, and who may not. KernelTests/TCPTests has
    /// each case with chosen numbers; here the server chooses its own.
    @Suite(.serialized) struct TCPTests {
        private static let (syn, rst, ack, data): (UInt8, UInt8, UInt8, UInt8) = (2, 4, 16, 24)
        private static let closed = "defaults: { in: drop, out: drop }"
        private static let web = "  - { name: web, service: tcp/80, direction: in, action: accept }"

        private static func apply(_ site: UplinkSite, tcp mode: String = "liberal") throws {
            try site.bulkhead.apply(try site.policy(web, port: "tcp: \(mode), \(closed)"))
        }

        private static func isReset(_ session: IPSocket) -> Bool {
            do throws(SocketFailure) {
                // Data that came before may be there still.
                for _ in 0..<4 { if try session.receive(milliseconds: 1000) == nil { return false } }
            } catch { return error.operation == "receive" }
            return false
        }

        /// A server that closes with data unread resets. Its initial numbers are anywhere.
        @Test(arguments: AddressFamily.allCases) func aServersResetArrives(family: AddressFamily) throws {
            let site = try UplinkSite()
            try Self.apply(site, tcp: "strict")
            let listener = try IPSocket.bound(site.host, .tcp, family == .v4 ? "192.0.2.2" : "2001:db8::2", 80)
            var halves: Set<Bool> = []
            for run in 0..<UInt16(24) {
                let client = try HandmadeClient(
                    site, family, port: 30000 + run, own: [0, 0x7fff_ffff, .max][Int(run) % 3])
                var session: IPSocket? = try client.connect(to: listener)
                halves.insert(client.servers >= 0x7fff_ffff)
                try client.send(Self.data, 1, 1, payload: 10)
                #expect(try client.hears(Self.ack, acknowledging: 11) != nil)
                #expect(session != nil)
                session = nil
                let reset = try client.hears(Self.rst | Self.ack)
                #expect(reset?.sequence == 1, "\(client.servers)")
            }
            #expect(halves == [true, false])
            #expect(try site.bulkhead.counters().port("uplink", "out").dropped.packets == 0)
        }

        /// Who knows addresses and ports, and no number.
        @Test(arguments: AddressFamily.allCases, ["liberal", "strict"])
        func aStrangerEndsNothing(family: AddressFamily, mode: String) throws {
            let site = try UplinkSite()
            try Self.apply(site, tcp: mode)
            let listener = try IPSocket.bound(site.host, .tcp, family == .v4 ? "192.0.2.2" : "2001:db8::2", 80)
            let client = try HandmadeClient(site, family, port: 30100, own: 0xffff_fff0)
            var session: IPSocket? = try client.connect(to: listener)
            for place in [0x1000_0000, 0x7000_0000, 0x9000_0000, 0xe000_0000] as [UInt32] {
                try client.send(Self.data, place, 1, payload: 100)
                try client.send(Self.rst, place + 100)
                try client.send(Self.rst, place)
                try client.send(Self.ack, 1, place)
                try client.send(Self.syn, place)
            }
            // In the window, and not exact: the host asks whether it is meant.
            try client.send(Self.rst, 100)
            #expect(try client.hears(Self.ack, acknowledging: 1) != nil)
            let denied = try site.bulkhead.counters().port("uplink", "in").reasons["invalid-state"] ?? 0
            #expect(denied == (mode == "strict" ? 16 : 8))
            try client.send(Self.data, 1, 1, payload: 5)
            #expect(try session?.receive() == [7, 7, 7, 7, 7])
            try session?.send([1, 2, 3])
            #expect(try client.hears(Self.ack, payload: 3) != nil)
            // The true end's reset is believed all the same.
            try client.send(Self.data, 6, 4, payload: 5)
            #expect(try client.hears(Self.ack, acknowledging: 11) != nil)
            session = nil
            #expect(try client.hears(Self.rst | Self.ack)?.sequence == 4)
        }

        /// A client that lost power comes back from the same port, with another number.
        @Test(arguments: [100_000, -100_000, 0x7fff_ffff, 0x4000_0000]) func aClientComesBack(distance: Int) throws {
            let site = try UplinkSite()
            try Self.apply(site)
            let listener = try IPSocket.bound(site.host, .tcp, UplinkSite.v4.host, 80)
            let client = try HandmadeClient(site, .v4, port: 900, own: 5)
            let old = try client.connect(to: listener)
            try client.send(Self.data, 1, 1, payload: 10)
            #expect(try old.receive()?.count == 10)
            #expect(try client.hears(Self.ack, acknowledging: 11) != nil)
            let moved = UInt32(truncatingIfNeeded: distance)
            try client.send(Self.syn, moved)
            // The server answers with what it knows; the client, which knows nothing, resets that.
            #expect(try client.hears(Self.ack, acknowledging: 11) != nil, "no challenge")
            try client.send(Self.rst, 11)
            #expect(Self.isReset(old))
            client.own = client.own &+ moved
            let session = try client.connect(to: listener)
            try client.send(Self.data, 1, 1, payload: 3)
            #expect(try session.receive() == [7, 7, 7])
            #expect(try client.hears(Self.ack, acknowledging: 4) != nil)
            #expect(try site.bulkhead.counters().port("uplink", "in").dropped.packets == 0)
        }

        /// Connections that were there before the filter. Either end resets.
        @Test(arguments: [true, false]) func anAdoptedConnectionIsReset(byServer: Bool) throws {
            let site = try UplinkSite()
            let listener = try IPSocket.bound(site.host, .tcp, UplinkSite.v4.host, 80)
            let client = try HandmadeClient(site, .v4, port: 30200, own: 0x7fff_ff00)
            var session: IPSocket? = try client.connect(to: listener)
            try Self.apply(site)
            try client.send(Self.data, 1, 1, payload: 10)
            #expect(try client.hears(Self.ack, acknowledging: 11) != nil)
            #expect(try site.bulkhead.counters().port("uplink", "in").acceptReasons["adopted"] == 1)
            if byServer {
                #expect(session != nil)
                session = nil
                #expect(try client.hears(Self.rst | Self.ack)?.sequence == 1)
            } else {
                try client.send(Self.rst, 11)
                #expect(Self.isReset(try #require(session)))
            }
        }

        /// Linux takes a reset with the number of a FIN that it has acknowledged.
        @Test func aResetWithTheNumberOfAFIN() throws {
            let site = try UplinkSite()
            try Self.apply(site)
            let listener = try IPSocket.bound(site.host, .tcp, UplinkSite.v4.host, 80)
            let client = try HandmadeClient(site, .v4, port: 30300, own: 77)
            let session = try client.connect(to: listener)
            try client.send(17, 1, 1)
            #expect(try client.hears(Self.ack, acknowledging: 2) != nil)
            try client.send(Self.rst, 1)
            #expect(
                poll(seconds: 5) {
                    do throws(SocketFailure) { try session.send([1]) } catch { return true }
                    return false
                })
            #expect(try site.bulkhead.counters().port("uplink", "in").dropped.packets == 0)
        }

        /// The host asks for an echo. A request from there with the same identifier is not its answer.
        @Test func anEchoRequestIsNoReply() throws {
            let site = try UplinkSite()
            try site.bulkhead.apply(
                try site.policy(
                    "  - { name: ping, service: ping, direction: out, action: accept }", port: Self.closed))
            let network = try PacketSocket(site.network, "net0")
            try site.host.run("ping", "-c", "1", "-W", "2", "192.0.2.1")
            var identifier: [UInt8]?
            while identifier == nil, let frame = try network.receiveFrame(milliseconds: 2000) {
                if frame.bytes.count > 40, frame.bytes[12...13] == [8, 0], frame.bytes[23] == 1, frame.bytes[34] == 8 {
                    identifier = Array(frame.bytes[38..<40])
                }
            }
            let request = Segment.icmp(8, 0, body: try #require(identifier) + [0, 1])
            try network.send(Frame(Datagram("192.0.2.1", "192.0.2.2", request), to: site.mac))
            #expect(
                try poll(seconds: 5) {
                    try site.bulkhead.counters().port("uplink", "in").reasons["default"] == 1
                })
            #expect(try site.bulkhead.counters().port("uplink", "in").accepted.packets >= 1)
        }
    }
}
