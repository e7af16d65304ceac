// SPDX-License-Identifier: Apache-2.0
import Network
import Policy
import Wire

/// Plain first match over the ruleset: what the image, and the kernel program, must agree with.
public struct ReferenceEvaluator: Sendable {
    private let ruleset: Ruleset

    /// What each entry may claim, and what the guests together.
    private let claimed: [AddressSet]
    private let guests: AddressSet

    public init(_ ruleset: Ruleset) {
        self.ruleset = ruleset
        claimed = ruleset.entries.map(\.claimedAddresses)
        guests = ruleset.guestAddresses
    }

    /// Judges a packet at one port, by itself: it belongs to no flow, and a later fragment to no datagram.
    ///
    /// - Parameters:
    ///   - entry: Index in ``Ruleset/entries``.
    ///   - protects: The port's own, see `PortBinding`.
    ///   - claim: Of the packet, see ``Packet/claim(in:)``.
    ///   - isUnknownToDrop: Whether the port is one of a bridge entry with `unknown: drop` that no other entry names.
    ///   - isQuarantined: Whether the port is cut off.
    ///   - isMember: Whether an address is in a dynamic group, by index.
    ///   - isOwn: Whether an address is one of the host's own.
    ///   - comes: Whether the packet came from where a rule's `via` asks.
    ///   - holds: Whether what a rule asks for besides packet and groups, by rank, holds; asked in ascending order.
    public func judge(
        _ packet: Packet, claiming claim: Claim? = nil, entry: Int, protects: Protects, direction: Direction,
        isUnknownToDrop: Bool = false, isQuarantined: Bool = false,
        isMember: (Int, IPAddress) -> Bool = { _, _ in false }, isOwn: (IPAddress) -> Bool = { _ in false },
        comes: (Rule) -> Bool = { _ in false }, holds: (Int) -> Bool = { _ in true }
    ) -> Judgement {
        judgeBeforeRules(
            packet, claiming: claim, entry: entry, protects: protects, direction: direction,
            isUnknownToDrop: isUnknownToDrop, isQuarantined: isQuarantined)
            ?? judgeByRules(
                packet, entry: entry, direction: direction, isMember: isMember, isOwn: isOwn, comes: comes,
                holds: holds)
    }

    /// What is settled before the rules are asked; nil where they are to be.
    package func judgeBeforeRules(
        _ packet: Packet, claiming claim: Claim?, entry: Int, protects: Protects, direction: Direction,
        isUnknownToDrop: Bool, isQuarantined: Bool
    ) -> Judgement? {
        if let refusal = refuse(
            packet, claiming: claim, entry: entry, protects: protects, direction: direction,
            isUnknownToDrop: isUnknownToDrop, isQuarantined: isQuarantined)
        {
            return refusal
        }
        if packet.fragment == .later { return Judgement(.drop, .fragment) }
        let port = ruleset.entries[entry]
        if port.defaults.essentials {
            if protects == .host, packet.isControl { return Judgement(.accept, .control) }
            let isSent = protects == .workload && direction == .out
            if packet.isEssential(isSent: isSent, isOfPort: { isOfPort($0, entry, protects) }) {
                return Judgement(.accept, .essential)
            }
        }
        return packet.isARP ? Judgement(.drop, .nonIP) : nil
    }

    /// Whether an address is the port's; of one that has none, any may be. A host's port with a guard has its guests'
    /// addresses in mind.
    private func isOfPort(_ address: IPAddress, _ entry: Int, _ protects: Protects) -> Bool {
        let port = ruleset.entries[entry]
        let hasOwn = port.claimsAddresses && (protects == .workload || port.guards(.host).isEmpty)
        return !hasOwn || claimed[entry].contains(address)
    }

    /// What the rules, or the default, say.
    package func judgeByRules(
        _ packet: Packet, entry: Int, direction: Direction, isMember: (Int, IPAddress) -> Bool,
        isOwn: (IPAddress) -> Bool = { _ in false }, comes: (Rule) -> Bool = { _ in false }, holds: (Int) -> Bool,
        leaves: (Int) -> Void = { _ in }, knows: (Int) -> Bool? = { _ in nil }
    ) -> Judgement {
        let rank = firstMatch(
            packet, entry: entry, direction: direction, isMember: isMember, isOwn: isOwn, comes: comes, holds: holds,
            leaves: leaves, knows: knows)
        if let rank {
            return Judgement(ruleset.rules[rank].action, .rule, rule: rank)
        }
        if packet.family == nil { return Judgement(.drop, .nonIP) }
        let port = ruleset.entries[entry]
        return Judgement(direction == .in ? port.defaults.in : port.defaults.out, .default)
    }

    /// What is dropped before it is asked where a fragment belongs.
    package func refuse(
        _ packet: Packet, claiming claim: Claim?, entry: Int, protects: Protects, direction: Direction,
        isUnknownToDrop: Bool, isQuarantined: Bool
    ) -> Judgement? {
        if let refusal = packet.refusal { return Judgement(.drop, refusal) }
        if isUnknownToDrop { return Judgement(.drop, .notAdmitted) }
        if !packet.isAdmitted(by: ruleset.entries[entry].vlanAdmission(protects)) { return Judgement(.drop, .vlan) }
        if isQuarantined { return Judgement(.drop, .quarantine) }
        return guarded(entry, protects).refusal(of: packet, claim: claim, direction).map { Judgement(.drop, $0) }
    }

    private func guarded(_ entry: Int, _ protects: Protects) -> GuardedPort {
        let port = ruleset.entries[entry]
        let addresses = protects == .host ? guests : claimed[entry]
        return GuardedPort(
            protects: protects, guards: port.guards(protects), hasMACs: !port.claimedMACs.isEmpty,
            hasAddresses: port.claimsAddresses, isBoundMAC: port.claimedMACs.contains, isBound: addresses.contains)
    }

    /// The rank of the first rule that matches, whatever is judged before the rules.
    ///
    /// The closures are those of
    /// ``judge(_:claiming:entry:protects:direction:isUnknownToDrop:isQuarantined:isMember:isOwn:comes:holds:)``.
    public func firstMatch(
        _ packet: Packet, entry: Int, direction: Direction, isMember: (Int, IPAddress) -> Bool = { _, _ in false },
        isOwn: (IPAddress) -> Bool = { _ in false }, comes: (Rule) -> Bool = { _ in false },
        holds: (Int) -> Bool = { _ in true },
        leaves: (Int) -> Void = { _ in }, knows: (Int) -> Bool? = { _ in nil }
    ) -> Int? {
        /// Of a packet whose fields nobody knows any more, somebody else must say.
        func fits(_ rule: Rule, _ rank: Int) -> Bool { knows(rank) ?? packet.fits(rule.match) }
        var passedLayer: Int?
        for (rank, rule) in ruleset.rules.enumerated() where rule.layer != passedLayer {
            let matches =
                (rule.entries?.contains(entry) ?? true) && rule.directions.contains(direction)
                && (rule.vlans?.contains(packet.outerVLAN) ?? true) && carries(rule.services, packet)
                && (rule.via == nil || comes(rule)) && rule.ends.contains { joins($0, packet, isMember, isOwn) }
                && (rule.match == .any || fits(rule, rank)) && (!rule.asksOthers || holds(rank))
            guard matches else { continue }
            if rule.action.isVerdict { return rank }
            leaves(rank)
            if rule.action == .pass { passedLayer = rule.layer }
        }
        return nil
    }

    private func carries(_ services: [Service]?, _ packet: Packet) -> Bool {
        guard let services else { return packet.family != nil }
        return services.contains { service in
            switch service {
            case .ports(let number, let destination, let source):
                packet.family != nil && packet.hasL4 && packet.ipProtocol == number
                    && destination.contains { $0.contains(packet.destinationPort) }
                    && source.contains { $0.contains(packet.sourcePort) }
            case .icmp(let family, let type, let code):
                packet.isICMP && packet.family == family && (type ?? packet.type) == packet.type
                    && (code ?? packet.code) == packet.code
            case .protocol(let number):
                packet.family != nil && (packet.ipProtocol == number || packet.headers.contains(number))
            case .ethertype(let type): packet.family == nil && packet.etherType == type ?? 0
            }
        }
    }

    /// A frame without addresses is at the ends of those rules only that name none.
    private func joins(
        _ ends: Rule.Ends, _ packet: Packet, _ isMember: (Int, IPAddress) -> Bool, _ isOwn: (IPAddress) -> Bool
    ) -> Bool {
        func isMeant(_ address: IPAddress?, _ set: AddressSet?, _ membership: Membership) -> Bool {
            guard let address else { return set == nil && membership.isAny }
            return set?.contains(address) ?? true
                && membership.holds({ isMember($0, address) }, isOwn: isOwn(address))
        }
        return isMeant(packet.source, ends.from, ends.source)
            && isMeant(packet.destination, ends.to, ends.destination)
    }
}
