// SPDX-License-Identifier: Apache-2.0
import Network
import Policy
import Reference
import Testing
import Wire

@testable import Commands
@testable import Compiler
@testable import Control

private func address(_ text: String) throws -> IPAddress { try #require(IPAddress(text)) }

private func stop(_ name: String, _ protects: Protects, _ addresses: String...) throws -> Route.Stop {
    Route.Stop(
        port: Port(name: name, interface: "dev-\(name)", protects: protects),
        addresses: try addresses.map { try Prefix(parsing: $0) })
}

private func route() throws -> Route {
    Route(
        stops: [
            try stop("uplink", .host), try stop("web", .workload, "198.51.100.10", "2001:db8:1::10"),
            try stop("db", .workload, "198.51.100.20"), try stop("backup", .host),
            try stop("pool", .workload, "198.51.100.0/24"),
        ], local: AddressSet([try Prefix(parsing: "192.0.2.1")]))
}

extension Route {
    fileprivate func words(_ way: [Hop]) -> String {
        way.map { "\(stops[$0.port].port.name) \($0.direction)" }.joined(separator: ", ")
    }
}

@Suite struct RouteTests {
    @Test(
        arguments: [
            ("198.51.100.10", "198.51.100.20", ["web out, db in"]),
            ("203.0.113.9", "198.51.100.20", ["uplink in, db in", "backup in, db in"]),
            ("198.51.100.10", "203.0.113.9", ["web out, uplink out", "web out, backup out"]),
            ("203.0.113.9", "192.0.2.1", ["uplink in", "backup in"]),
            ("192.0.2.1", "203.0.113.9", ["uplink out", "backup out"]),
            ("192.0.2.1", "198.51.100.20", ["db in"]),
            (
                "203.0.113.9", "203.0.113.10",
                [
                    "uplink in, uplink out", "uplink in, backup out", "backup in, uplink out", "backup in, backup out",
                ]
            ),
            ("2001:db8:9::1", "2001:db8:1::10", ["uplink in, web in", "backup in, web in"]),
            ("198.51.100.77", "198.51.100.10", ["pool out, web in"]),
        ] as [(String, String, [String])])
    func isEachWayThatThePolicyKnowsOf(source: String, destination: String, expected: [String]) throws {
        let route = try route()
        let ways = route.ways(
            from: .init(address: try address(source)), to: .init(address: try address(destination)))
        #expect(ways.map(route.words) == expected)
    }
}

@Suite struct ConcreteServiceTests {
    @Test(
        arguments: [
            ("tcp/443", ProbeService.tcp(port: 443), ProbeService.tcp(port: 443)),
            ("udp/53", .udp(port: 53), .udp(port: 53)),
            ("sctp/65535", .sctp(port: 65535), .sctp(port: 65535)),
            ("proto/47", .other(protocol: 47), .other(protocol: 47)),
            ("ping", .icmp(type: 8, code: 0), .icmp(type: 128, code: 0)),
            ("icmp/echo-request", .icmp(type: 8, code: 0), nil),
            ("icmp/3/4", .icmp(type: 3, code: 4), nil),
            ("icmpv6/136", nil, .icmp(type: 136, code: 0)),
        ] as [(String, ProbeService?, ProbeService?)])
    func readsOnePacketsService(text: String, v4: ProbeService?, v6: ProbeService?) throws {
        let service = try #require(ConcreteService(text))
        #expect(service.probe(.v4) == v4)
        #expect(service.probe(.v6) == v6)
    }

    @Test(arguments: [
        "", "tcp", "tcp/", "tcp/*", "tcp/1-2", "tcp/65536", "tcp/+1", "tcp/1/2", "http", "icmp/no-such-type",
        "icmp/8/256",
        "proto/256", "ethertype/0x88cc", "TCP/1",
    ])
    func refusesWhatOnePacketCannotCarry(text: String) {
        #expect(ConcreteService(text) == nil)
    }
}

@Suite struct NamedServiceTests {
    private static let any: [ClosedRange<UInt16>] = [0...65535]

    @Test(
        arguments: [
            ([.ports(protocol: 6, destination: [443...443], source: any)], .tcp(port: 443), .tcp(port: 443), nil),
            ([.ports(protocol: 17, destination: [68...68], source: [67...67])], .udp(port: 68), .udp(port: 68), 67),
            (
                [.icmp(.v4, type: 8, code: nil), .icmp(.v6, type: 128, code: 3)], .icmp(type: 8, code: 0),
                .icmp(type: 128, code: 3), nil
            ),
            ([.protocol(47)], .other(protocol: 47), .other(protocol: 47), nil),
        ] as [([Service], ProbeService?, ProbeService?, UInt16?)])
    func standForOnePacketOfAFamily(alternatives: [Service], v4: ProbeService?, v6: ProbeService?, port: UInt16?) throws
    {
        let service = try #require(ConcreteService(alternatives))
        #expect(service.probe(.v4) == v4)
        #expect(service.probe(.v6) == v6)
        #expect(service.sourcePort == port)
    }

    @Test(
        arguments: [
            [],
            [.ports(protocol: 6, destination: [1...2], source: any)],
            [.ports(protocol: 6, destination: [1...1, 3...3], source: any)],
            [.ports(protocol: 6, destination: [1...1], source: [1...2])],
            [
                .ports(protocol: 17, destination: [53...53], source: any),
                .ports(protocol: 6, destination: [53...53], source: any),
            ],
            [.icmp(.v4, type: nil, code: nil)],
            [.ethertype(0x88cc)],
        ] as [[Service]])
    func areRefusedWhereTheyStandForMany(alternatives: [Service]) {
        #expect(ConcreteService(alternatives) == nil)
    }
}

@Suite struct ProbeFrameTests {
    private func frame(_ source: String, _ destination: String, _ service: ProbeService, vlan: UInt16? = nil) throws
        -> [UInt8]
    {
        ProbeFrame(
            source: try address(source), destination: try address(destination), sourceMAC: MACAddress(0x0200_0000_0001),
            destinationMAC: MACAddress(0x0200_0000_0002), service: service, sourcePort: 40000, vlan: vlan
        ).bytes
    }

    @Test func buildsIPv4WithItsChecksum() throws {
        let bytes = try frame("198.51.100.10", "198.51.100.20", .tcp(port: 443))
        #expect(bytes[..<14] == [2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0])
        #expect(bytes.count == 14 + 20 + 20)
        #expect(bytes[14] == 0x45 && bytes[16...17] == [0, 40] && bytes[23] == 6)
        let words = stride(from: 14, to: 34, by: 2).map { UInt32(bytes[$0]) << 8 | UInt32(bytes[$0 + 1]) }
        let sum = words.reduce(0, +)
        #expect((sum & 0xffff) + (sum >> 16) == 0xffff)
        #expect(bytes[34...37] == [0x9c, 0x40, 0x01, 0xbb])
        #expect(bytes[46...47] == [0x50, 0x02])
    }

    @Test func buildsIPv6WithATag() throws {
        let bytes = try frame("2001:db8::1", "2001:db8::2", .udp(port: 53), vlan: 10)
        #expect(bytes[12..<18] == [0x81, 0, 0, 10, 0x86, 0xdd])
        #expect(bytes.count == 18 + 40 + 8)
        #expect(bytes[22...23] == [0, 8] && bytes[24] == 17)
        #expect(bytes[26..<42] == [0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1])
        #expect(bytes[58...61] == [0x9c, 0x40, 0, 53])
    }

    /// Whatever the question, the datapath must have nothing against the frame itself.
    @Test func everyProtocolsFrameIsSound() throws {
        for (source, destination) in [("198.51.100.10", "198.51.100.20"), ("2001:db8::1", "2001:db8::2")] {
            for number in 0...255 as ClosedRange<UInt8> {
                let bytes = try frame(source, destination, .other(protocol: number))
                let packet = PacketParser.parse(bytes, frameLength: bytes.count)
                #expect(packet.refusal == nil, "\(number) from \(source)")
                #expect(packet.ipProtocol == number || packet.headers.contains(number), "\(number) from \(source)")
                let message = try frame(source, destination, .icmp(type: number, code: 0))
                #expect(PacketParser.parse(message, frameLength: message.count).refusal == nil)
            }
        }
    }

    /// Neighbour discovery messages have the content that guards ask for.
    @Test func neighbourDiscoveryIsWhole() throws {
        for (type, bytes) in [(133, 8), (134, 16), (135, 24), (136, 24), (137, 40), (131, 24), (143, 24)]
            as [(UInt8, Int)]
        {
            let frame = try frame("fe80::1", "fe80::2", .icmp(type: type, code: 0))
            #expect(frame.count == 14 + 40 + bytes, "\(type)")
            let packet = PacketParser.parse(frame, frameLength: frame.count)
            if type > 132, type < 138 { #expect(packet.claim(in: frame) != nil, "\(type)") }
        }
        let frame = try frame("fe80::1", "fe80::2", .icmp(type: 136, code: 0))
        let own = try address("fe80::1")
        #expect(PacketParser.parse(frame, frameLength: frame.count).claim(in: frame)?.address == own)
    }

    @Test(
        arguments: [
            (135, 255), (133, 255), (137, 255), (143, 1), (130, 1), (132, 1), (128, 64),
        ] as [(UInt8, UInt8)])
    func neighbourDiscoveryHasItsHopLimit(type: UInt8, hopLimit: UInt8) throws {
        #expect(try frame("fe80::1", "ff02::1", .icmp(type: type, code: 0))[21] == hopLimit)
    }
}

@Suite struct PortSearchTests {
    private let ports = [
        Port(name: "guests/tap1", entry: "guests", interface: "tap1", protects: .workload),
        Port(name: "guests/tap2", entry: "guests", interface: "tap2", protects: .workload),
        Port(name: "tap2", interface: "eth7", protects: .workload),
    ]

    @Test(
        arguments: [
            ("guests/tap1", [0]), ("guests", [0, 1]), ("tap1", [0]), ("tap2", [2]), ("eth7", [2]), ("other", []),
        ] as [(String, [Int])])
    func findsByNameThenEntryThenDevice(word: String, expected: [Int]) {
        #expect(ports.called(word) == expected)
    }

    @Test func namesThePortsThatThereAre() {
        #expect(
            throws: Refusal(
                "there is no port 'x'",
                advice: "the ports are guests/tap1, guests/tap2, tap2; an entry's or device's name will do too")
        ) {
            try ports.required("x")
        }
    }
}

@Suite struct ExplainedEndsTests {
    @Test(
        arguments: [
            ("web", "db", "tcp/1", "198.51.100.10 > 198.51.100.20", ["web out, db in"]),
            (
                "2001:db8:9::1", "web", "tcp/1", "2001:db8:9::1 > 2001:db8:1::10",
                ["uplink in, web in", "backup in, web in"]
            ),
            ("web", "web", "icmpv6/128", "2001:db8:1::10 > 2001:db8:1::10", ["web out, web in"]),
            ("203.0.113.9", "uplink", "tcp/22", "203.0.113.9 > 192.0.2.1", ["uplink in"]),
            ("uplink", "203.0.113.9", "udp/53", "192.0.2.1 > 203.0.113.9", ["uplink out"]),
        ] as [(String, String, String, String, [String])])
    func areAddressesOrPorts(from: String, to: String, service: String, addresses: String, expected: [String]) throws {
        var route = try route()
        route.stops[0].own = [try Prefix(parsing: "192.0.2.1")]
        let ends = try ExplainedEnds(
            from: from, to: to, service: try #require(ConcreteService(service)), route)
        #expect("\(ends.source.address) > \(ends.destination.address)" == addresses)
        #expect(route.ways(from: ends.source, to: ends.destination).map(route.words) == expected)
    }

    @Test(arguments: [("backup", "web"), ("nowhere", "web"), ("198.51.100.1", "2001:db8::1")])
    func areRefusedWithoutAnAddress(from: String, to: String) throws {
        let route = try route()
        let service = try #require(ConcreteService("tcp/1"))
        #expect(throws: Refusal.self) { try ExplainedEnds(from: from, to: to, service: service, route) }
    }
}
