// SPDX-License-Identifier: Apache-2.0
import Network
import Policy
import Wire

/// Whether a policy would still accept the opening packets of connections that are open.
public struct FlowVerdicts: Sendable {
    /// The opening packet of a connection.
    public struct Opening: Sendable {
        public var entry: Int
        public var direction: Direction
        public var source: IPAddress
        public var destination: IPAddress
        public var content: PacketContent
        public var vlan: UInt16

        public init(
            entry: Int, direction: Direction, source: IPAddress, destination: IPAddress, content: PacketContent,
            vlan: UInt16
        ) {
            self.entry = entry
            self.direction = direction
            self.source = source
            self.destination = destination
            self.content = content
            self.vlan = vlan
        }
    }

    private let universes: [AddressFamily: (universe: Universe, list: DecisionList)]
    private let own: AddressSet

    /// - Parameters:
    ///   - protects: By entry.
    ///   - own: The host's own addresses.
    public init(_ ruleset: Ruleset, protects: [Protects], own: AddressSet, now: Timestamp? = nil) {
        self.own = own
        let stations = Stations(
            [ruleset], pairs: ruleset.entries.indices.map { [$0] }, protects: [protects], tellsClaims: true)
        var extra = Universe.Extra()
        extra.sets = GuardParts.sets + [ruleset.guestAddresses] + ruleset.entries.map(\.claimedAddresses)
        extra.services = GuardParts.services
        universes = Dictionary(
            uniqueKeysWithValues: AddressFamily.allCases.map { family in
                let universe = Universe(family, [ruleset], stations, extra)
                let options = DecisionOptions(now: now, guards: .all)
                return (family, (universe, DecisionList(ruleset, in: universe, options)))
            })
    }

    /// Whether the policy refuses it, whatever time and state are.
    public func isRefused(_ opening: Opening) -> Bool {
        guard let (universe, list) = universes[opening.source.family] else { return false }
        let witness = Witness(
            source: opening.source, destination: opening.destination, isFromHost: own.contains(opening.source),
            isToHost: own.contains(opening.destination), content: opening.content, family: opening.source.family,
            vlan: opening.vlan, direction: opening.direction, entry: opening.entry)
        guard let point = universe.point(of: witness) else { return false }
        return !list.candidates(point).contains { list.parts[$0].action == .accept }
    }
}
