// SPDX-License-Identifier: Apache-2.0
import Network
import Policy
import Wire

/// Draws all that a rule may ask for besides its ends and its service, as much at once as a rule can have.
public struct RandomConditions: Sendable {
    /// Times are drawn after this one, by so many seconds.
    public var start: Timestamp
    public var steps: [Int]
    /// How many dynamic groups there are to add to.
    public var groups: Int
    /// How long an address that is added stays; nil: as long as the group says.
    public var stays: [Int?]
    /// What limits of bytes and `connections` may be at: where it is known when a flow is over.
    public var countsFlows: @Sendable (Rule) -> Bool = { _ in true }
    public var macs: [MACAddress]
    public var drawsConnections = true
    /// `connections` lets as many as this.
    public var most = 3

    public init(start: Timestamp, steps: [Int], groups: Int, stays: [Int?], macs: [MACAddress] = RandomPolicy.macs) {
        self.start = start
        self.steps = steps
        self.groups = groups
        self.stays = stays
        self.macs = macs
    }

    /// Gives a rule some conditions, and a rule that has none another action too.
    public func draw(_ rule: inout Rule, _ random: inout RandomNumbers) {
        if rule.connections == nil, random.once(in: 4) {
            rule.action = random.pick([.log, .pass])
            rule.isStateless = false
        }
        rule.tag = random.once(in: 4) ? "tag" : nil
        repeat {
            if random.once(in: 3) { setTimes(&rule, &random) }
            if random.once(in: 3) { rule.match = match(&random) }
            if random.once(in: 3) { rule.limit = limit(rule, &random) }
            if drawsConnections, random.once(in: 3) { setConnections(&rule, &random) }
            if groups > 0, random.once(in: 3) {
                rule.addition = RuleAddition(
                    group: random.number(0...groups - 1), seconds: random.pick(stays),
                    end: random.pick(RuleAddition.End.allCases))
            }
        } while !rule.isConditional
    }

    private func after(_ seconds: Int) -> Timestamp {
        Timestamp(nanoseconds: start.nanoseconds + UInt64(seconds) * 1_000_000_000)
    }

    /// One or several of `starts`, `expires` and `times`.
    private func setTimes(_ rule: inout Rule, _ random: inout RandomNumbers) {
        let two = (random.pick(steps), random.pick(steps))
        if random.once(in: 2) { rule.starts = after(min(two.0, two.1)) }
        if random.once(in: 3) { rule.expires = after(max(two.0, two.1)) }
        if random.once(in: 2) { rule.times = times(&random) }
    }

    /// Edges before and after the time at which packets are judged, by clocks that may change then.
    private func times(_ random: inout RandomNumbers) -> RuleTimes {
        let minute = Int(start.nanoseconds / 60_000_000_000)
        let offset = random.once(in: 2) ? 0 : random.number(-20...20) * 1800
        var changes = [TimeZoneTable.Change(minute: 0, offset: Int32(offset))]
        for number in 0..<random.number(0...2) {
            let later = UInt32(minute + 1 + number * 200 + random.number(0...100))
            changes.append(.init(minute: later, offset: Int32(random.number(-20...20) * 1800)))
        }
        let shown = minute + offset / 60
        // Monday the fifth of January 1970 was the first of its kind.
        let today = (shown / 1440 + 3) % 7
        let ofDay = shown % 1440
        let edges = [ofDay + 1, ofDay + 2, ofDay + 140, ofDay - 5, ofDay - 700].map { ($0 + 1440) % 1440 }
        let from = random.pick(edges)
        let to = random.pick(edges.filter { $0 != from } + [1440])
        let days: Set<Int> = random.pick([
            Set(0..<7), [today], [(today + 6) % 7, (today + 1) % 7], [today, (today + 3) % 7],
        ])
        return RuleTimes(
            days: days, from: from, to: to,
            zone: changes.count == 1 && offset == 0 ? .utc : TimeZoneTable(name: "random", changes: changes))
    }

    /// Something to ask of a packet's own fields, of several at once.
    private func match(_ random: inout RandomNumbers) -> RuleMatch {
        var match = RuleMatch()
        repeat {
            if random.once(in: 6) {
                match.tcpFlags = .init(set: random.pick([0, 2, 16, 18]), of: random.pick([18, 23, 63]))
            }
            if random.once(in: 6) { match.hopLimit = random.pick([0...63, 64...64, 64...255, 1...1]) }
            if random.once(in: 6) { match.length = random.pick([0...39, 40...64, 40...1500, 60...60]) }
            if random.once(in: 8) { match.fragment = Bool.random(using: &random) }
            if random.once(in: 6) { match.dscp = random.pick([[0], [46], [0, 8, 46], Set(1...63)]) }
            if random.once(in: 6) { match.pcp = random.pick([[0], [5], [7, 0], Set(1...7)]) }
            if random.once(in: 6) { match.sourceMACs = random.some(of: macs) + [Frame.guest] }
            if random.once(in: 6) { match.destinationMACs = random.some(of: macs) + [Frame.peer] }
        } while match == .any
        return match
    }

    /// A limit whose price of a packet and of a byte is a whole number, so that it is used up exactly.
    private func limit(_ rule: Rule, _ random: inout RandomNumbers) -> RuleLimit {
        let isBytes = random.once(in: 2) && (rule.action != .accept || rule.isStateless || countsFlows(rule))
        var limit = RuleLimit(
            rate: isBytes ? 6000 : random.pick([1, 2, 3]), period: random.pick([.minute, .hour]),
            burst: isBytes ? random.number(60...1500) : random.number(1...5),
            per: random.pick(RuleLimit.Subject.allCases), unit: isBytes ? .bytes : .packets)
        limit.isOver = random.once(in: 3)
        if limit.per != .rule {
            (limit.v4Prefix, limit.v6Prefix) = (random.pick([8, 24, 32]), random.pick([32, 64, 112, 128]))
        }
        return limit
    }

    private func setConnections(_ rule: inout Rule, _ random: inout RandomNumbers) {
        guard rule.action == .accept, !rule.isStateless, countsFlows(rule) else { return }
        let namesFrames = rule.services?.contains { if case .ethertype = $0 { true } else { false } } ?? false
        if namesFrames { return }
        var connections = RuleConnections(
            maximum: random.number(1...most), per: random.pick(RuleLimit.Subject.allCases))
        if connections.per != .rule {
            (connections.v4Prefix, connections.v6Prefix) = (random.pick([8, 24, 32]), random.pick([32, 64, 128]))
        }
        rule.connections = connections
    }
}

extension RandomConditions {
    /// Gives some rules more to ask, so few that all may be tried.
    ///
    /// - Parameter left: How many more conditions a packet may meet.
    public func mix(into rules: inout [Rule], atMost left: Int, _ random: inout RandomNumbers) {
        var left = left
        for rank in rules.indices where !rules[rank].isConditional && random.once(in: 2) {
            left -= rules[rank].memberships.count
            guard left >= 0 else { break }
            draw(&rules[rank], &random)
        }
    }
}

extension Rule {
    /// Whether packets of TCP may match.
    public var mayBeTCP: Bool {
        guard let services else { return true }
        return services.contains { service in
            switch service {
            case .ports(protocol: 6, _, _), .protocol: true
            default: false
            }
        }
    }
}
