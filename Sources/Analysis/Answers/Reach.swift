// SPDX-License-Identifier: Apache-2.0
import Network
import Policy
import Wire

/// Who can reach whom: every packet that all ports on its way may accept, in words.
public struct Reach: Sendable {
    /// Packets that take the same way by the same rules.
    public struct Row: Hashable, Sendable {
        public var from: [String]
        public var to: [String]
        public var service: [String]
        /// The ports on the way, in order; several that are judged alike stand together.
        public var ports: [String]
        /// What accepts it at each port; `default` where no rule does.
        public var rules: [String]
        /// Whether a rule on the way depends on a limit, an expiry or a group's members.
        public var isConditional: Bool
    }

    public struct Question: Sendable {
        public var from: Rule.Ends
        public var services: [Service]?

        /// - Parameters:
        ///   - from: The addresses that may send; nil: any.
        ///   - to: Those that are to be reached.
        ///   - isToHost: Whether the host itself is meant.
        public init(
            from: AddressSet?, isFromHost: Bool? = nil, to: AddressSet?, isToHost: Bool? = nil, services: [Service]?
        ) {
            self.from = Rule.Ends(
                from: from, to: to, source: Membership(isHost: isFromHost), destination: Membership(isHost: isToHost))
            self.services = services
        }
    }

    public private(set) var rows: [Row] = []
    /// Whether there is more than could be told within the effort.
    public private(set) var isPartial = false

    private struct Key: Hashable {
        var ports: [String]
        var rules: [String]
        var isConditional: Bool
        var isFromHost: Bool
        var isToHost: Bool
    }

    private let ruleset: Ruleset
    private var effort: Effort
    /// The most boxes that one rule's packets may be divided into.
    private static let mostParts = 2000

    public init(
        _ question: Question, _ ruleset: Ruleset, protects: [Protects], now: Timestamp? = nil,
        effort: Int = 2_000_000_000
    ) {
        self.ruleset = ruleset
        self.effort = Effort(effort)
        let asked = ruleset.rules.flatMap(\.ends) + [question.from]
        let asksHost = (
            source: asked.contains { $0.source.isHost != nil },
            destination: asked.contains { $0.destination.isHost != nil }
        )
        let stations = Stations(
            [ruleset], pairs: ruleset.entries.indices.map { [$0] }, protects: [protects], tellsClaims: false)
        let ways = Ways(ruleset, stations, asksHost: asksHost)
        var extra = Universe.Extra()
        extra.sets = ways.sets + GuardParts.sets + [question.from.from, question.from.to].compactMap(\.self)
        extra.services = GuardParts.services + [question.services]
        extra.tellsOwn = asksHost.source || asksHost.destination
        var rows: [Row: Set<String>] = [:]
        var order: [Row] = []
        for family in AddressFamily.allCases {
            let universe = Universe(family, [ruleset], stations, extra)
            let list = DecisionList(ruleset, in: universe, DecisionOptions(now: now, guards: .ofContent))
            for (key, boxes) in regions(question, universe, list, ways) {
                for var row in words(key, boxes, universe) {
                    let service = row.service
                    row.service = []
                    if rows[row] == nil { order.append(row) }
                    rows[row, default: []].formUnion(service)
                }
            }
        }
        self.rows = order.map { row in
            var row = row
            row.service = (rows[row] ?? []).sorted()
            return row
        }
    }

    private mutating func regions(
        _ question: Question, _ universe: Universe, _ list: DecisionList, _ ways: Ways
    ) -> [(Key, [Box])] {
        var found: [Key: [Box]] = [:]
        var order: [Key] = []
        let services = universe.services.classes(of: question.services)
        let ruleset = ruleset
        let admitted = Ways.admitted(ruleset, universe)
        for source in ways.sources {
            for destination in ways.destinations {
                guard
                    let passage = Passage(
                        universe, list, from: source, to: destination, admitted: admitted),
                    let box = passage.box(question.from, services)
                else { continue }
                collect(passage, box, []) { box, parts in
                    let key = Key(
                        ports: passage.hops.indices.map { Reach.ports(of: passage, box, at: $0, ruleset) },
                        rules: parts.map { list.parts[$0].rank.map { ruleset.rules[$0].name } ?? "default" },
                        isConditional: parts.contains { !list.parts[$0].isSure },
                        isFromHost: source.isHost, isToHost: destination.isHost)
                    if found[key] == nil { order.append(key) }
                    found[key, default: []].append(box)
                }
            }
        }
        return order.map { ($0, found[$0] ?? []) }
    }

    /// Calls `body` for each part of a box that the ports from the hop of `parts` on may accept.
    private mutating func collect(
        _ passage: Passage, _ box: Box, _ parts: [Int], _ body: (Box, [Int]) -> Void
    ) {
        let hop = parts.count
        guard hop < passage.hops.count else { return body(box, parts) }
        let list = passage.list
        for index in passage.meeting(box, at: hop, in: 0..<list.parts.count, where: { $0.action == .accept }) {
            let common = box.intersection(passage.box(ofPart: index, at: hop))
            effort.left -= index / 8
            let before = passage.meeting(common, at: hop, in: 0..<index, where: \.isSure)
                .map { passage.box(ofPart: $0, at: hop) }
            guard case .open = passage.universe.search(common, under: before, &effort) else {
                if effort.isSpent { isPartial = true }
                continue
            }
            guard let rest = CoverSearch.rest(of: common, without: before, atMost: Reach.mostParts, &effort) else {
                isPartial = true
                continue
            }
            for part in rest.merged() where passage.universe.hasPacket(part) {
                collect(passage, part, parts + [index], body)
            }
        }
    }

    /// The port at a hop; of several that are judged alike, those that the addresses are bound to.
    private static func ports(of passage: Passage, _ box: Box, at hop: Int, _ ruleset: Ruleset) -> String {
        let station = passage.universe.stations.stations[passage.hops[hop].station]
        guard station.protects[0] == .workload, let family = passage.universe.family else {
            return station.entries[0].map { ruleset.entries[$0].name }.joined(separator: ", ")
        }
        let set = passage.hops[hop].direction == .out ? box.source : box.destination
        let addresses = passage.universe.addresses(of: set, own: false)
        let bound = station.entries[0].filter { entry in
            (ruleset.entries[entry].addresses + ruleset.entries[entry].sharedAddresses).contains {
                $0.family == family && addresses.intersects($0)
            }
        }
        return (bound.isEmpty ? station.entries[0] : bound).map { ruleset.entries[$0].name }.joined(separator: ", ")
    }

    private func words(_ key: Key, _ boxes: [Box], _ universe: Universe) -> [Row] {
        let names = NameBook([ruleset])
        guard let family = universe.family else { return [] }
        // Tags are not told: what passes with one of them passes.
        let tagless = boxes.map { box in
            var box = box
            box.crossing = Box.single
            box.next = Box.single
            return box
        }
        return tagless.merged().map { box in
            Row(
                from: key.isFromHost ? ["host"] : names.words(universe.addresses(of: box.source, own: false), family),
                to: key.isToHost
                    ? ["host"] : names.words(universe.addresses(of: box.destination, own: false), family),
                service: universe.services.words(box.service), ports: key.ports, rules: key.rules,
                isConditional: key.isConditional)
        }
    }
}
