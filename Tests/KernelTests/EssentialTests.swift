import Network
import TestSupport
import Testing

extension PacketTables {
    /// What a network cannot do without passes at once; one step beside it is judged by the rules.
    @Suite struct EssentialTests {
        /// Essential where essentials are on; else, and for `isEssential` false everywhere, by default.
        private static func row(
            _ description: String, _ frame: Frame, isEssential: Bool
        ) -> [PacketRow] {
            [
                PacketRow(
                    description, frame, isEssential ? .accept(.essential) : .drop(.default), at: ["nic", "guest"],
                    early: isEssential ? .leaves : .either),
                PacketRow(description + ", essentials off", frame, .drop(.default), at: ["bare"]),
            ]
        }

        private static func icmpv6(
            _ type: UInt8, hopLimit: UInt8, _ change: (inout Datagram) -> Void = { _ in }
        ) -> Frame {
            Ends.frame(.v6, .icmpv6(type, body: [UInt8](repeating: 0, count: 20))) {
                $0.hopLimit = hopLimit
                change(&$0)
            }
        }

        private static let neighbours: [PacketRow] = {
            var rows: [PacketRow] = []
            for type in 133...137 as ClosedRange<UInt8> {
                rows += row("neighbour discovery \(type)", icmpv6(type, hopLimit: 255), isEssential: true)
                rows += row(
                    "neighbour discovery \(type) that crossed a router", icmpv6(type, hopLimit: 254), isEssential: false
                )
            }
            for type in [130, 131, 132, 143] as [UInt8] {
                rows += row("listener discovery \(type)", icmpv6(type, hopLimit: 1), isEssential: true)
                rows += row(
                    "listener discovery \(type) with hop limit 2", icmpv6(type, hopLimit: 2), isEssential: false)
                rows += row(
                    "listener discovery \(type) with hop limit 255", icmpv6(type, hopLimit: 255), isEssential: false)
                rows += row(
                    "listener discovery \(type) behind a router alert",
                    icmpv6(type, hopLimit: 1) { $0.extensions = [.hopByHop()] },
                    isEssential: true)
            }
            for type in [129, 138, 142, 144] as [UInt8] {
                rows += row("ICMPv6 \(type) with hop limit 255", icmpv6(type, hopLimit: 255), isEssential: false)
                rows += row("ICMPv6 \(type) with hop limit 1", icmpv6(type, hopLimit: 1), isEssential: false)
            }
            rows += row(
                "neighbour discovery in fragments", icmpv6(135, hopLimit: 255) { $0.fragment = .first },
                isEssential: false)
            rows += row(
                "neighbour discovery in an atomic fragment",
                icmpv6(135, hopLimit: 255) { $0.extensions = [.fragment()] }, isEssential: true)
            rows += row(
                "listener discovery in fragments", icmpv6(143, hopLimit: 1) { $0.fragment = .first }, isEssential: false
            )
            rows += row(
                "neighbour discovery behind an extension header",
                icmpv6(136, hopLimit: 255) { $0.extensions = [.destination()] }, isEssential: true)
            rows += row(
                "ICMPv6 135 over IPv4",
                Ends.frame(.v4, .icmpv6(135, body: Array(repeating: 0, count: 20))) { $0.hopLimit = 255 },
                isEssential: false)
            return rows
        }()

        private static let others: [PacketRow] = {
            var rows = row("IGMP", Ends.frame(.v4, Segment(number: 2, bytes: [0x16, 0, 0, 0])), isEssential: true)
            rows += row(
                "IGMP with a router alert",
                Ends.frame(.v4, Segment(number: 2, bytes: [0x16, 0, 0, 0])) {
                    $0.options = [0x94, 4, 0, 0]
                    $0.hopLimit = 1
                }, isEssential: true)
            rows += row(
                "protocol 2 over IPv6", Ends.frame(.v6, Segment(number: 2, bytes: [0x16, 0, 0, 0])), isEssential: false)
            let pairs: [(UInt16, UInt16, v4: Bool, v6: Bool)] = [
                (68, 67, true, false), (67, 68, true, false), (546, 547, false, true), (547, 546, false, true),
                (67, 67, false, false), (68, 68, false, false), (547, 547, false, false), (68, 69, false, false),
                (1024, 67, false, false), (67, 546, false, false),
            ]
            for pair in pairs {
                for (family, isEssential) in [(AddressFamily.v4, pair.v4), (.v6, pair.v6)] {
                    rows += row(
                        "IP\(family) UDP \(pair.0) to \(pair.1)", Ends.frame(family, .udp(pair.0, pair.1)),
                        isEssential: isEssential)
                    rows += row(
                        "IP\(family) TCP \(pair.0) to \(pair.1)", Ends.frame(family, .tcp(pair.0, pair.1)),
                        isEssential: false)
                }
            }
            return rows
        }()

        @Test(arguments: neighbours + others) func judges(row: PacketRow) throws { try Bench.parser.check(row) }

        /// Essentials come before the rules, and what comes before them still does.
        @Test func orderOfJudgement() throws {
            let solicitation = Self.icmpv6(135, hopLimit: 255)
            try Bench.closed.check(
                PacketRow("ND", solicitation, .accept(.essential), at: ["nic", "guest"], early: .leaves))
            try Bench.closed.check(PacketRow("ARP", .arp(), .accept(.essential), at: ["nic", "guest"], early: .leaves))
            try Bench.closed.check(
                PacketRow("ND without essentials", solicitation, .drop(by: "nothing"), at: ["bare"], early: .drops))
            let cut = Self.icmpv6(135, hopLimit: 255).cut(to: 14 + 40 + 10)
            try Bench.closed.check(
                PacketRow("ND cut short", cut, .drop(.malformed), at: ["nic", "guest"], early: .drops))
            let later = Ends.frame(.v4, Segment(number: 2, bytes: [0x16, 0, 0, 0])) { $0.fragment = .last }
            try Bench.closed.check(
                PacketRow("IGMP in fragments", later, .drop(.fragment), at: ["nic", "guest"], early: .leaves))
        }
    }
}
