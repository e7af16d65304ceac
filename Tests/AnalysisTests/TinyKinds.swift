// SPDX-License-Identifier: Apache-2.0
import Network
import Policy
import Reference
import Wire

/// The packets of a tiny world, one of each kind: those that the same rules match, at one port in one direction, and
/// that its guards judge alike. A rule matches a packet where its ends, its service, its place and its fields do, each
/// by itself, and so each is asked by itself.
struct TinyKinds {
    /// Where a packet is, and which of its ends are the host's own: 1 the source, 2 the destination.
    struct Place {
        var entry: Int
        var direction: Direction
        var own: Int

        func isOwn(_ address: IPAddress, _ packet: Packet) -> Bool {
            own & 1 != 0 && address == packet.source || own & 2 != 0 && address == packet.destination
        }
    }

    private struct Kind: Hashable {
        var matching: [UInt64]
        var entry: Int
        var direction: Direction
        var ofGuards: Int
        /// What is not IP has another default.
        var isFrame: Bool
    }

    private let world: TinyWorld
    private let rules: [Rule]
    private let entries: [PortEntry]
    private let asksOwn: Bool
    private let hopLimits: [UInt8]
    /// One policy for each rule and aspect: the rule with nothing but that.
    private let ends: [ReferenceEvaluator]
    private let services: [ReferenceEvaluator]
    private let places: [ReferenceEvaluator]
    private let fields: [ReferenceEvaluator]
    private let whole: [ReferenceEvaluator]

    /// - Parameter rules: Of all policies that are asked, which have the same entries.
    init(_ world: TinyWorld, _ rules: [Rule], _ entries: [PortEntry]) {
        self.world = world
        self.rules = rules
        self.entries = entries
        asksOwn = rules.contains(where: \.asksHost)
        hopLimits = rules.contains { $0.match.hopLimit != nil } ? [64, 99, 150, 200] : [64]
        func policies(_ make: (inout Rule, Rule) -> Void) -> [ReferenceEvaluator] {
            rules.map { rule in
                var one = Rule(name: "one", location: rule.location, action: .accept)
                make(&one, rule)
                return ReferenceEvaluator(Ruleset(files: [], entries: entries, groups: [], rules: [one]))
            }
        }
        ends = policies { $0.ends = $1.ends }
        services = policies { $0.services = $1.services }
        places = policies { ($0.vlans, $0.directions, $0.entries) = ($1.vlans, $1.directions, $1.entries) }
        fields = policies { $0.match = $1.match }
        whole = policies {
            ($0.ends, $0.services, $0.match) = ($1.ends, $1.services, $1.match)
            ($0.vlans, $0.directions, $0.entries) = ($1.vlans, $1.directions, $1.entries)
        }
    }

    /// A packet of each kind, and where it is.
    ///
    /// - Parameters:
    ///   - tags: By entry: the tags that may occur there.
    ///   - guards: A number for what the guards of an entry say of a packet; nil: there is no such packet.
    func packets(
        tags: [[UInt16]], toGroups: Bool = false, guards: (Packet, Int, Direction) -> Int? = { _, _, _ in 0 }
    ) -> [(Packet, Place)] {
        var result: [(Packet, Place)] = []
        var seen: Set<Kind> = []
        let packets = choices(toGroups)
        for entry in entries.indices {
            for direction in Direction.allCases {
                for tag in tags[entry] {
                    let here = matching(places) {
                        var packet = TinyWorld.packet(TinyPolicy.v4[0], TinyPolicy.v4[0], .init(number: 99, first: 0))
                        packet.outerVLAN = tag
                        return $0.firstMatch(packet, entry: entry, direction: direction) != nil
                    }
                    for (untagged, choices) in packets {
                        var packet = untagged
                        packet.outerVLAN = tag
                        guard let ofGuards = guards(packet, entry, direction) else { continue }
                        for (own, limit, bits) in choices {
                            let matching = zip(bits, here).map { $0 & $1 }
                            let kind = Kind(
                                matching: matching, entry: entry, direction: direction, ofGuards: ofGuards,
                                isFrame: packet.family == nil)
                            guard seen.insert(kind).inserted else { continue }
                            packet.hopLimit = limit
                            result.append((packet, Place(entry: entry, direction: direction, own: own)))
                        }
                    }
                }
            }
        }
        return result
    }

    /// Every packet, with what it may be besides: its own ends, its hop limit, and the rules that then match it at some
    /// place.
    private func choices(_ toGroups: Bool) -> [(Packet, [(own: Int, hopLimit: UInt8, bits: [UInt64])])] {
        let states = asksOwn ? [0, 1, 2, 3] : [0]
        let frame = matching(whole) { policy in
            // Its place is asked apart.
            entries.indices.contains { entry in
                Direction.allCases.contains { direction in
                    ([0, 7, 9, 11] as [UInt16]).contains { tag in
                        var packet = TinyWorld.frame
                        packet.outerVLAN = tag
                        return policy.firstMatch(packet, entry: entry, direction: direction) != nil
                    }
                }
            }
        }
        var result = [(TinyWorld.frame, [(own: 0, hopLimit: UInt8(0), bits: frame)])]
        var ofLimit: [(UInt8, [UInt64])] = []
        for limit in hopLimits {
            var packet = TinyWorld.packet(TinyPolicy.v4[0], TinyPolicy.v4[0], .init(number: 99, first: 0))
            packet.hopLimit = limit
            ofLimit.append((limit, matching(fields) { $0.firstMatch(packet, entry: 0, direction: .in) != nil }))
        }
        for family in AddressFamily.allCases {
            let (addresses, contents) = (world.addresses[family] ?? [], world.contents[family] ?? [])
            let group = IPAddress(family: family, value: family == .v4 ? 0xe000_00fb : UInt128(0xff02) << 112 + 0xfb)
            let carried = contents.map { content in
                let packet = TinyWorld.packet(addresses[0], addresses[0], content)
                return matching(services) { $0.firstMatch(packet, entry: 0, direction: .in) != nil }
            }
            for source in addresses {
                for destination in addresses + (toGroups ? [group] : []) {
                    let plain = TinyWorld.packet(source, destination, .init(number: 99, first: 0))
                    let joined = states.map { own in
                        let place = Place(entry: 0, direction: .in, own: own)
                        return matching(ends) {
                            $0.firstMatch(plain, entry: 0, direction: .in, isOwn: { place.isOwn($0, plain) }) != nil
                        }
                    }
                    for (content, ofContent) in zip(contents, carried) {
                        var choices: [(own: Int, hopLimit: UInt8, bits: [UInt64])] = []
                        for (own, ofEnds) in zip(states, joined) {
                            for (limit, ofLimit) in ofLimit {
                                let bits = zip(zip(ofContent, ofEnds), ofLimit).map { $0.0 & $0.1 & $1 }
                                if choices.contains(where: { $0.bits == bits }) { continue }
                                choices.append((own, limit, bits))
                            }
                        }
                        result.append((TinyWorld.packet(source, destination, content), choices))
                    }
                }
            }
        }
        return result
    }

    /// A bit for each policy.
    private func matching(_ policies: [ReferenceEvaluator], _ matches: (ReferenceEvaluator) -> Bool) -> [UInt64] {
        var bits = [UInt64](repeating: 0, count: (policies.count + 63) / 64)
        for (number, policy) in policies.enumerated() where matches(policy) { bits[number / 64] |= 1 << (number % 64) }
        return bits
    }
}
