// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
import Compiler
import Network
import Policy
import Reference
import TestSupport
import Testing
import Wire

/// A policy written by hand with every kind of port and rule, and frames with their verdicts. The reference and the
/// image must both give them.
enum SmallPolicy {
    static func location(_ line: Int) -> Policy.SourceLocation { .init(file: "policy.yaml", line: line, column: 3) }

    static func entry(
        _ name: String, line: Int, in: Action = .drop, out: Action = .accept, essentials: Bool = true,
        vlans: VLANAdmission? = nil, tcp: PortEntry.TCPWindows = .liberal, judgesUnknown: Bool = true
    ) -> PortEntry {
        PortEntry(
            name: name, location: location(line), selector: judgesUnknown ? .interfaces([name]) : .bridge("br0"),
            vlans: vlans,
            defaults: .init(
                in: `in`, out: out, essentials: essentials, inLocation: location(line),
                outLocation: location(line + 1)),
            tcp: tcp, judgesUnknown: judgesUnknown)
    }

    static func set(_ prefixes: String...) -> AddressSet {
        AddressSet(prefixes.compactMap { try? Prefix(parsing: $0) })
    }

    static func tcp(_ port: UInt16) -> [Service] {
        [.ports(protocol: 6, destination: [port...port], source: [0...UInt16.max])]
    }

    static let entries = [
        entry("uplink", line: 10), entry("web", line: 20, vlans: .list([0, 7]), tcp: .strict),
        entry("guests", line: 30, out: .drop, essentials: false, judgesUnknown: false),
    ]

    static let web = set("198.51.100.10", "2001:db8:1::10")
    static let office = set("203.0.113.0/24", "2001:db8:9::/48").subtracting(set("203.0.113.66"))

    static let rules: [Rule] = [
        Rule(name: "bad", location: location(40), ends: [.init(from: set("192.0.2.66"), to: nil)], action: .drop),
        Rule(
            name: "https", location: location(41), ends: [.init(from: nil, to: web)], services: tcp(443),
            action: .accept),
        Rule(
            name: "ssh", location: location(42), ends: [.init(from: office, to: nil)], services: tcp(22),
            directions: [.in], entries: [0], action: .accept, log: true),
        Rule(name: "never", location: location(43), ends: [.init(from: .empty, to: nil)], action: .accept),
        Rule(
            name: "tenants", location: location(44),
            ends: [.init(from: web, to: web), .init(from: office, to: office)], action: .accept, isStateless: true),
        Rule(name: "lldp", location: location(45), services: [.ethertype(0x88cc), .ethertype(nil)], action: .accept),
        Rule(name: "blue", location: location(46), vlans: [7], action: .reject),
    ]

    static let ruleset = Ruleset(
        files: [
            SourceFile(name: "policy.yaml", text: "version: 1\n# Tür\n"), SourceFile(name: "more.yaml", text: ""),
        ], entries: entries, groups: [], rules: rules)
}

struct JudgementCase: Sendable, CustomTestStringConvertible {
    var testDescription: String
    var frame: Frame
    var entry = 0
    var protects = Protects.host
    var direction = Direction.in
    var isUnknownToDrop = false
    var judgement: Judgement

    init(
        _ description: String, _ frame: Frame, _ judgement: Judgement, entry: Int = 0, protects: Protects = .host,
        direction: Direction = .in, isUnknownToDrop: Bool = false
    ) {
        testDescription = description
        self.frame = frame
        self.judgement = judgement
        self.entry = entry
        self.protects = protects
        self.direction = direction
        self.isUnknownToDrop = isUnknownToDrop
    }
}

@Suite struct JudgementTests {
    private static func frame(
        _ source: IPAddress, _ destination: IPAddress, _ segment: Segment = .tcp(), tags: [Frame.Tag] = [],
        to mac: MACAddress = Frame.peer, _ change: (inout Datagram) -> Void = { _ in }
    ) -> Frame {
        Frame(Datagram(source, destination, segment, change), to: mac, tags: tags)
    }

    private static let web: IPAddress = "198.51.100.10"
    private static let web6: IPAddress = "2001:db8:1::10"
    private static let other: IPAddress = "192.0.2.1"
    private static let other6: IPAddress = "2001:db8::1"
    private static let drop = Judgement(.drop, .default)
    private static let notAdmitted = Judgement(.drop, .notAdmitted)

    private static let rules: [JudgementCase] = [
        JudgementCase("a source in a set", frame("192.0.2.66", web, .tcp(1, 443)), .init(.drop, .rule, rule: 0)),
        JudgementCase("the next source", frame("192.0.2.67", web, .tcp(1, 443)), .init(.accept, .rule, rule: 1)),
        JudgementCase("a port", frame(other6, web6, .tcp(1, 443)), .init(.accept, .rule, rule: 1)),
        JudgementCase("the next port", frame(other, web, .tcp(1, 444)), drop),
        JudgementCase("the port of another protocol", frame(other, web, .udp(1, 443)), drop),
        JudgementCase("the next destination", frame(other6, "2001:db8:1::11", .tcp(1, 443)), drop),
        JudgementCase(
            "ssh from the office", frame("203.0.113.255", other, .tcp(1, 22)), .init(.accept, .rule, rule: 2)),
        JudgementCase("ssh from the exception", frame("203.0.113.66", other, .tcp(1, 22)), drop),
        JudgementCase("ssh out", frame("203.0.113.1", other, .tcp(1, 22)), .init(.accept, .default), direction: .out),
        JudgementCase("ssh elsewhere", frame("203.0.113.1", other, .tcp(1, 22)), drop, entry: 1),
        JudgementCase("one tenant", frame("203.0.113.1", "203.0.113.2", .udp()), .init(.accept, .rule, rule: 4)),
        JudgementCase("two tenants", frame("203.0.113.1", web, .udp()), drop),
        JudgementCase(
            "a tenant, both families", frame("2001:db8:9::1", "2001:db8:9::2"), .init(.accept, .rule, rule: 4)),
        JudgementCase("a VLAN", frame(other, web, tags: [.init(7)]), .init(.reject, .rule, rule: 6)),
        JudgementCase("another VLAN", frame(other, web, tags: [.init(8)]), drop),
        JudgementCase("an ethertype", Frame(type: 0x88cc, payload: [1]), .init(.accept, .rule, rule: 5)),
        JudgementCase("LLC", .llc(to: Frame.peer), .init(.accept, .rule, rule: 5)),
        JudgementCase("another ethertype", Frame(type: 0x88cd, payload: [1]), .init(.drop, .nonIP)),
        JudgementCase(
            "another ethertype where out is accepted", Frame(type: 0x88cd, payload: [1]), .init(.drop, .nonIP),
            direction: .out),
    ]

    private static let ports: [JudgementCase] = [
        JudgementCase(
            "an admitted VLAN", frame(other, web, .tcp(1, 443), tags: [.init(7)]), .init(.accept, .rule, rule: 1),
            entry: 1),
        JudgementCase(
            "a VLAN that is not admitted", frame(other, web, .tcp(1, 443), tags: [.init(8)]), .init(.drop, .vlan),
            entry: 1),
        JudgementCase("an inner tag", frame(other, web, tags: [.init(7), .init(0)]), .init(.drop, .vlan), entry: 1),
        JudgementCase(
            "a tag at a workload", frame(other, web, tags: [.init(7)]), .init(.drop, .vlan), protects: .workload),
        JudgementCase(
            "tag 0 at a workload", frame(other, web, .tcp(1, 443), tags: [.init(0)]), .init(.accept, .rule, rule: 1),
            protects: .workload),
        JudgementCase("two tags at a host", frame(other, web, tags: [.init(8), .init(9)]), drop),
        JudgementCase("three tags", frame(other, web, tags: [.init(7), .init(8), .init(9)]), .init(.drop, .vlan)),
        JudgementCase(
            "a later fragment", frame(other, web, .tcp(1, 443)) { $0.fragment = .last }, .init(.drop, .fragment)),
        JudgementCase(
            "a first fragment", frame(other, web, .tcp(1, 443, payload: [1, 2, 3, 4])) { $0.fragment = .first },
            .init(.accept, .rule, rule: 1)),
        JudgementCase("an unknown port", .arp(), notAdmitted, entry: 2, isUnknownToDrop: true),
        JudgementCase(
            "an unknown port, as workload", frame(other, web, .tcp(1, 443)), notAdmitted, entry: 2, protects: .workload,
            isUnknownToDrop: true),
        JudgementCase(
            "a known port of that entry", frame(other, web, .tcp(1, 443)), .init(.accept, .rule, rule: 1), entry: 2),
        JudgementCase("a refused frame", frame(other, web).cut(to: 20), .init(.drop, .malformed), direction: .out),
    ]

    private static let essential = Judgement(.accept, .essential)
    private static let multicast: IPAddress = "ff02::1"

    private static let essentials: [JudgementCase] = [
        JudgementCase("ARP", .arp(), essential), .init("reverse ARP", .arp(type: 0x8035), essential),
        JudgementCase("ARP where essentials are off", .arp(), .init(.drop, .nonIP), entry: 2),
        JudgementCase(
            "IGMP", frame(other, "224.0.0.1", Segment(number: 2, bytes: [0x11])) { $0.hopLimit = 1 }, essential),
        JudgementCase("IGMP from afar", frame(other, "224.0.0.1", Segment(number: 2, bytes: [0x11])), drop),
        JudgementCase("protocol 2 in IPv6", frame(other6, multicast, Segment(number: 2, bytes: [0x11])), drop),
        JudgementCase("DHCP request", frame("0.0.0.0", "255.255.255.255", .udp(68, 67)), essential),
        JudgementCase("DHCP answer", frame(other, "255.255.255.255", .udp(67, 68)), essential),
        JudgementCase("DHCP from another port", frame(other, "255.255.255.255", .udp(67, 67)), drop),
        JudgementCase("DHCPv6's ports in IPv4", frame(other, web, .udp(546, 547)), drop),
        JudgementCase("DHCPv6 request", frame(other6, multicast, .udp(546, 547)), essential),
        JudgementCase("DHCPv6 answer", frame(other6, "fe80::1", .udp(547, 546)), essential),
        JudgementCase("DHCPv6 answer beyond the link", frame(other6, web6, .udp(547, 546)), drop),
        JudgementCase("DHCP's ports in IPv6", frame(other6, web6, .udp(68, 67)), drop),
        JudgementCase(
            "neighbour solicitation", frame(other6, multicast, .icmpv6(135)) { $0.hopLimit = 255 }, essential),
        JudgementCase("redirect", frame(other6, multicast, .icmpv6(137)) { $0.hopLimit = 255 }, essential),
        JudgementCase("type 138", frame(other6, multicast, .icmpv6(138)) { $0.hopLimit = 255 }, drop),
        JudgementCase(
            "neighbour solicitation from afar", frame(other6, multicast, .icmpv6(135)) { $0.hopLimit = 254 }, drop),
        JudgementCase(
            "neighbour solicitation in a fragment",
            frame(other6, multicast, .icmpv6(135)) {
                $0.hopLimit = 255
                $0.fragment = .first
            }, drop),
        JudgementCase(
            "listener report",
            frame(other6, multicast, .icmpv6(143)) {
                $0.hopLimit = 1
                $0.extensions = [.hopByHop()]
            }, essential),
        JudgementCase("listener report from afar", frame(other6, multicast, .icmpv6(143)) { $0.hopLimit = 2 }, drop),
        JudgementCase("spanning tree at a host", .llc(), .init(.accept, .control)),
        JudgementCase(
            "LLDP's address at a host", Frame(to: "01:80:c2:00:00:0f", type: 0x1234, payload: [0]),
            .init(.accept, .control)),
        JudgementCase(
            "the next address", Frame(to: "01:80:c2:00:00:10", type: 0x1234, payload: [0]), .init(.drop, .nonIP)),
        JudgementCase(
            "spanning tree at a workload", Frame(to: "01:80:c2:00:00:00", type: 0x1234, payload: [0]),
            .init(.drop, .nonIP), protects: .workload),
        JudgementCase(
            "spanning tree where essentials are off", Frame(to: "01:80:c2:00:00:00", type: 0x1234, payload: [0]),
            .init(.drop, .nonIP), entry: 2),
    ]

    @Test(arguments: rules + ports + essentials) func judges(row: JudgementCase) throws {
        let packet = PacketParser.parse(row.frame.bytes, frameLength: row.frame.bytes.count)
        let reference = ReferenceEvaluator(SmallPolicy.ruleset).judge(
            packet, entry: row.entry, protects: row.protects, direction: row.direction,
            isUnknownToDrop: row.isUnknownToDrop)
        #expect(reference == row.judgement)
        let image = try Compiler().compile(SmallPolicy.ruleset)
        let record = image.portRecord(entry: row.entry, protects: row.protects, unknownToDrop: row.isUnknownToDrop)
        let found = try ImageView(image.bytes).judge(packet: packet, portRecord: record, direction: row.direction)
        #expect(found == row.judgement)
    }

    /// The enumerations have the numbers of the C header.
    @Test func reasonsHaveTheirNumbers() {
        let numbers: [(Reason, bh_reason)] = [
            (.rule, BH_REASON_RULE), (.default, BH_REASON_DEFAULT), (.malformed, BH_REASON_MALFORMED),
            (.vlan, BH_REASON_VLAN), (.nonIP, BH_REASON_NON_IP), (.guardMAC, BH_REASON_GUARD_MAC),
            (.guardIP, BH_REASON_GUARD_IP), (.guardARP, BH_REASON_GUARD_ARP), (.guardND, BH_REASON_GUARD_ND),
            (.guardDHCP, BH_REASON_GUARD_DHCP), (.guardRA, BH_REASON_GUARD_RA),
            (.guardPromiscuous, BH_REASON_GUARD_PROMISCUOUS),
            (.guardDestination, BH_REASON_GUARD_DESTINATION), (.quarantine, BH_REASON_QUARANTINE),
            (.fragment, BH_REASON_FRAGMENT), (.extensionHeader, BH_REASON_EXTENSION_HEADER),
            (.invalidState, BH_REASON_INVALID_STATE), (.flowTableFull, BH_REASON_FLOW_TABLE_FULL),
            (.policyChanged, BH_REASON_POLICY_CHANGED), (.notAdmitted, BH_REASON_NOT_ADMITTED),
            (.established, BH_REASON_ESTABLISHED), (.related, BH_REASON_RELATED), (.essential, BH_REASON_ESSENTIAL),
            (.control, BH_REASON_CONTROL), (.adopted, BH_REASON_ADOPTED),
        ]
        #expect(numbers.map(\.0) == Reason.allCases)
        for (reason, number) in numbers {
            #expect(reason.number == number.rawValue)
            #expect(Reason(number.rawValue) == reason)
        }
        #expect(Reason(BH_REASON_NONE.rawValue) == nil)
        #expect(Reason(BH_REASON_MAX.rawValue) == nil)
    }
}
