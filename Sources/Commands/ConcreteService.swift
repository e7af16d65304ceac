import ArgumentParser
import Network

/// A service that one packet can carry, as a policy writes it: `tcp/443`, `icmp/echo-request`, `ping`.
struct ConcreteService: Sendable, Hashable, ExpressibleByArgument {
    /// What the packet carries, by its family; a family that is absent cannot carry it.
    private var byFamily: [AddressFamily: ProbeService]
    private let text: String

    /// nil where `argument` is no service, or stands for many packets that differ.
    init?(argument: String) {
        guard let byFamily = ConcreteService.parse(argument) else { return nil }
        self.byFamily = byFamily
        text = argument
    }

    var defaultValueDescription: String { text }

    /// nil where packets of this family cannot carry it.
    func probe(_ family: AddressFamily) -> ProbeService? { byFamily[family] }

    private static func parse(_ text: String) -> [AddressFamily: ProbeService]? {
        if text == "ping" {
            return [.v4: .icmp(type: 8, code: 0), .v6: .icmp(type: 128, code: 0)]
        }
        let parts = text.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        switch (parts[0], parts.count) {
        case ("tcp", 2): return number(parts[1]).map { both(.tcp(port: $0)) }
        case ("udp", 2): return number(parts[1]).map { both(.udp(port: $0)) }
        case ("sctp", 2): return number(parts[1]).map { both(.sctp(port: $0)) }
        case ("proto", 2): return number(parts[1]).map { both(.other(protocol: $0)) }
        case ("icmp", 2...3): return icmp(parts, .v4)
        case ("icmpv6", 2...3): return icmp(parts, .v6)
        default: return nil
        }
    }

    private static func both(_ service: ProbeService) -> [AddressFamily: ProbeService] { [.v4: service, .v6: service] }

    private static func icmp(_ parts: [String], _ family: AddressFamily) -> [AddressFamily: ProbeService]? {
        let type: UInt8? = number(parts[1]) ?? ICMPMessage.type(parts[1], family)
        let code: UInt8? = parts.count == 3 ? number(parts[2]) : 0
        guard let type, let code else { return nil }
        return [family: .icmp(type: type, code: code)]
    }

    private static func number<Number: FixedWidthInteger>(_ text: String) -> Number? {
        text.utf8.allSatisfy { (48...57).contains($0) } ? Number(text) : nil
    }
}
