// SPDX-License-Identifier: Apache-2.0
import Network
import Policy
import Reference
import Wire

/// Every packet of some tiny policies, but for those that they cannot tell from others.
struct TinyWorld {
    /// What a packet carries: protocol, destination port or type, source port, headers.
    struct Content {
        var number: UInt8
        var first: UInt16
        var second: UInt16 = 0
        var headers: Set<UInt8> = []
    }

    let addresses: [AddressFamily: [IPAddress]]
    let contents: [AddressFamily: [Content]]

    /// - Parameter rulesets: With their assertions.
    init(_ rulesets: [Ruleset]) {
        let ends = rulesets.flatMap { $0.rules.flatMap(\.ends) + $0.assertions.flatMap(\.ends) }
        let entries = rulesets.flatMap(\.entries)
        let sets = Set(ends.flatMap { [$0.from, $0.to] }.compactMap(\.self))
            .union(entries.flatMap { [$0.claimedAddresses, AddressSet($0.addresses), AddressSet($0.sharedAddresses)] })
        let services = Set(rulesets.flatMap { $0.rules.map(\.services) + $0.assertions.map(\.services) })
        let carriers = services.map { TinyWorld.carrier($0) }
        addresses = Dictionary(
            uniqueKeysWithValues: AddressFamily.allCases.map { ($0, TinyWorld.addresses($0, sets)) })
        contents = Dictionary(
            uniqueKeysWithValues: AddressFamily.allCases.map { ($0, TinyWorld.contents($0, carriers)) })
    }

    /// Two addresses of each kind: one may be at one end of a packet, and the other at the other.
    private static func addresses(_ family: AddressFamily, _ sets: Set<AddressSet>) -> [IPAddress] {
        var counts: [[Bool]: Int] = [:]
        let all =
            family == .v4
            ? TinyPolicy.v4 + [IPAddress(v4: 0xcb00_7101), IPAddress(v4: 0xcb00_7102)]
            : TinyPolicy.v6 + [1, 2].map { IPAddress(v6: UInt128(0x2001_0db8_0001) << 80 + $0) }
        return all.filter { address in
            counts[sets.map { $0.contains(address) }, default: 0] += 1
            return counts[sets.map { $0.contains(address) }, default: 0] <= 2
        }
    }

    /// A policy of one rule that matches what a service names.
    private static func carrier(_ services: [Service]?) -> ReferenceEvaluator {
        let place = SourceLocation(file: "tiny.yaml", line: 1, column: 1)
        let rule = Rule(name: "carrier", location: place, services: services, action: .accept)
        return ReferenceEvaluator(Ruleset(files: [], entries: [], groups: [], rules: [rule]))
    }

    static func carries(_ services: [Service]?, _ packet: Packet) -> Bool {
        carrier(services).firstMatch(packet, entry: 0, direction: .in) != nil
    }

    /// What a service, or a guard, tells apart.
    private struct Kind: Hashable {
        var isCarried: [Bool]
        var ofGuards: [UInt16]
    }

    private static func contents(_ family: AddressFamily, _ carriers: [ReferenceEvaluator]) -> [Content] {
        let address = addresses(family, [])[0]
        var kinds: Set<Kind> = []
        return contents(family).filter { content in
            let packet = packet(address, address, content)
            let isOfGuards = content.number == 17 || content.number == 58 && family == .v6
            let kind = Kind(
                isCarried: carriers.map { $0.firstMatch(packet, entry: 0, direction: .in) != nil },
                ofGuards: isOfGuards ? [UInt16(content.number), content.first, content.second] : [])
            return kinds.insert(kind).inserted
        }
    }

    private static let both: [Content] =
        [80, 85, 443, 8080].flatMap { port in
            [1000, 40000].map { Content(number: 6, first: port, second: $0) }
        }
        + [53, 68, 9999].flatMap { port in [1000, 40000].map { Content(number: 17, first: port, second: $0) } }
        + [Content(number: 17, first: 53, second: 67), Content(number: 47, first: 0), Content(number: 99, first: 0)]

    private static func contents(_ family: AddressFamily) -> [Content] {
        let plain =
            family == .v4
            ? both + [8, 3].map { Content(number: 1, first: $0) } + [58, 44].map { Content(number: $0, first: 0) }
            : both + [128, 135, 1].map { Content(number: 58, first: $0) } + [Content(number: 1, first: 0)]
        let chains: [Set<UInt8>] = family == .v4 ? [[], [51]] : [[], [44], [51], [44, 51]]
        // The plain ones come first, and stand for the others.
        return chains.flatMap { chain in
            plain.map { content in
                var content = content
                content.headers = chain
                return content
            }
        }
    }

    static func packet(_ source: IPAddress, _ destination: IPAddress, _ content: Content) -> Packet {
        var packet = Packet()
        packet.source = source
        packet.destination = destination
        packet.etherType = source.family == .v4 ? 0x0800 : 0x86dd
        packet.ipProtocol = content.number
        packet.headers = content.headers
        packet.hopLimit = 64
        packet.length = 2000
        packet.end = 2000
        packet.l3Offset = 14
        packet.l4Offset = 54
        switch content.number {
        case 6, 17, 132:
            packet.hasL4 = true
            packet.destinationPort = content.first
            packet.sourcePort = content.second
        case 1 where source.family == .v4, 58 where source.family == .v6:
            packet.hasL4 = true
            packet.type = UInt8(content.first)
        default: break
        }
        return packet
    }

    static var frame: Packet {
        var packet = Packet()
        packet.etherType = 0x88cc
        packet.length = 2000
        return packet
    }
}
