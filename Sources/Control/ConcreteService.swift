// SPDX-License-Identifier: Apache-2.0
import Network
import Policy
import Wire

/// A service that one packet can carry, as a policy writes it: `tcp/443`, `icmp/echo-request`, `ping`.
package struct ConcreteService: Sendable, Hashable {
    /// What the packet carries, by its family; packets of an absent family cannot carry it.
    private var byFamily: [AddressFamily: ProbeService]
    /// The one source port that the service has, if it names one.
    package private(set) var sourcePort: UInt16?

    /// nil if packets of this family cannot carry it.
    package func probe(_ family: AddressFamily) -> ProbeService? { byFamily[family] }

    /// nil if `text` is not a service, or stands for packets that differ. A policy's names are not known here.
    package init?(_ text: String) {
        let alternatives = text == "ping" ? CommonService.ping : (try? ServiceText.parse(text)).map { [$0] }
        guard let alternatives else { return nil }
        self.init(alternatives)
    }

    /// nil if the alternatives stand for packets of one family that differ.
    package init?(_ alternatives: [Service]) {
        byFamily = [:]
        for service in alternatives {
            guard let (probes, sourcePort) = ConcreteService.probes(service),
                probes.keys.allSatisfy({ byFamily[$0] == nil })
            else { return nil }
            byFamily.merge(probes) { first, _ in first }
            self.sourcePort = sourcePort
        }
        if byFamily.isEmpty { return nil }
    }

    private static func both(_ service: ProbeService) -> [AddressFamily: ProbeService] { [.v4: service, .v6: service] }

    // MARK: By its meaning

    private static func probes(_ service: Service) -> (probes: [AddressFamily: ProbeService], sourcePort: UInt16?)? {
        switch service {
        case .ports(let number, let destination, let source):
            let isAnySource = source == [0...UInt16.max]
            guard let port = single(destination), let probe = probe(number, port: port),
                isAnySource || single(source) != nil
            else { return nil }
            return (both(probe), isAnySource ? nil : single(source))
        case .icmp(let family, let type?, let code): return ([family: .icmp(type: type, code: code ?? 0)], nil)
        case .protocol(let number): return (both(.other(protocol: number)), nil)
        case .icmp, .ethertype: return nil
        }
    }

    private static func probe(_ number: UInt8, port: UInt16) -> ProbeService? {
        switch number {
        case 6: .tcp(port: port)
        case 17: .udp(port: port)
        case 132: .sctp(port: port)
        default: nil
        }
    }

    private static func single(_ ranges: [ClosedRange<UInt16>]) -> UInt16? {
        guard ranges.count == 1, ranges[0].count == 1 else { return nil }
        return ranges[0].lowerBound
    }
}
