// SPDX-License-Identifier: Apache-2.0
import Compiler
import Network
import Policy
import Wire

/// A model of what conditional rules ask for besides the packet, and of what they remember.
struct ReferenceConditions: Hashable, Sendable {
    /// Whose budget a packet takes.
    enum Budget: Sendable {
        /// The packet's own: it is what the rules are asked about.
        case taken
        /// Another packet is asked about: limited rules from this rank on match, those below do not.
        case ignored(from: Int)
    }

    /// A flow that is open and counts for a rule.
    struct Open: Hashable {
        var rule: String
        /// What the rule counted by when it accepted the flow.
        var by: RuleConnections
        /// The ends of its opening packet.
        var source: IPAddress?
        var destination: IPAddress?
    }

    private struct Source: Hashable {
        var rule: String
        var limit: RuleLimit
        var address: IPAddress
    }

    private struct Use: Hashable {
        var limit: RuleLimit
        /// When the whole burst is free again, in seconds times the rate.
        var fullAt = 0
    }

    /// A flow is judged again after so many seconds at the latest where its judgement ends some day.
    private static let lapseMost = 60

    /// Seconds since the start.
    var clock = 0
    /// Seconds for which what was asked since it was set to nil will hold; nil: until the policy changes.
    var lapse: Int?
    /// The flows that count, without that of the packet's own connection.
    var open: [Open] = []
    /// What the clock on the wall showed at the start.
    private let start: Timestamp
    private var rules: [String: Use] = [:]
    private var sources: [Source: Use] = [:]

    init(start: Timestamp) { self.start = start }

    /// Another policy comes into force: a rule that it does not limit is forgotten.
    mutating func use(_ ruleset: Ruleset) {
        let limited = Set(ruleset.rules.filter { $0.limit?.per == .rule }.map(\.name))
        rules = rules.filter { limited.contains($0.key) }
    }

    mutating func holds(_ rule: Rule, _ rank: Int, for packet: Packet, _ budget: Budget) -> Bool {
        let now = start.nanoseconds + UInt64(clock) * 1_000_000_000
        if let starts = rule.starts, now < starts.nanoseconds {
            lapse = min(lapse ?? Self.lapseMost, Int((starts.nanoseconds - now) / 1_000_000_000))
            return false
        }
        if let expires = rule.expires {
            guard now < expires.nanoseconds else { return false }
            lapse = min(lapse ?? Self.lapseMost, Int((expires.nanoseconds - now) / 1_000_000_000))
        }
        if let times = rule.times {
            let second = Int(now / 1_000_000_000)
            // Of a second that has begun, the rest.
            let begun = now % 1_000_000_000 == 0 ? 0 : 1
            lapse = min(lapse ?? Self.lapseMost, times.secondsUntilEdge(second) - begun)
            guard times.contain(second) else { return false }
        }
        if let connections = rule.connections {
            switch budget {
            case .ignored(let first): if rank < first { return false }
            case .taken: if !hasRoom(rule.name, connections, packet) { return false }
            }
        }
        guard let limit = rule.limit else { return true }
        switch budget {
        case .ignored(let first):
            let denies = rule.action == .drop || rule.action == .reject
            return rank >= first && !(limit.isOver && denies)
        case .taken:
            let isStateless = rule.isStateless || rule.action != .accept
            if !isStateless, packet.isTCP, !packet.isOpening { return !limit.isOver }
            let count = limit.unit == .bytes ? packet.wireBytes : isStateless ? packet.segments : 1
            return take(rule.name, limit, packet, count: count) != limit.isOver
        }
    }

    /// Whether the packet may open a flow at a rule, or opens none there.
    private func hasRoom(_ name: String, _ connections: RuleConnections, _ packet: Packet) -> Bool {
        if packet.isTCP, !packet.isOpening { return true }
        func subject(_ source: IPAddress?, _ destination: IPAddress?) -> IPAddress? {
            guard connections.per != .rule, let address = connections.per == .source ? source : destination else {
                return nil
            }
            let kept = address.family == .v4 ? connections.v4Prefix : connections.v6Prefix
            let bits = UInt128(address.family.bits - kept)
            return IPAddress(family: address.family, value: (address.value >> bits) << bits)
        }
        let own = subject(packet.source, packet.destination)
        let count = open.count { flow in
            var by = flow.by
            by.maximum = connections.maximum
            return flow.rule == name && by == connections
                && (connections.per == .rule || flow.source?.family == packet.source?.family)
                && subject(flow.source, flow.destination) == own
        }
        return count < connections.maximum
    }

    mutating func take(_ name: String, _ limit: RuleLimit, _ packet: Packet, count: Int) -> Bool {
        let source = Source(rule: name, limit: limit, address: ReferenceConditions.subject(of: packet, limit))
        var use = (limit.per == .rule ? rules[name] : sources[source]) ?? Use(limit: limit)
        if use.limit != limit { use = Use(limit: limit) }
        let now = clock * limit.rate
        let fullAt = max(use.fullAt, now) + count * limit.period.seconds
        let isTaken = fullAt - now <= limit.burst * limit.period.seconds
        if isTaken { use.fullAt = fullAt }
        if limit.per == .rule { rules[name] = use } else { sources[source] = use }
        return isTaken
    }

    /// The address that the limit counts by, or the prefix that it is in; 0.0.0.0 for a frame that is not IP.
    private static func subject(of packet: Packet, _ limit: RuleLimit) -> IPAddress {
        guard let address = limit.per == .destination ? packet.destination : packet.source else {
            return IPAddress(v4: 0)
        }
        let bits = address.family.bits - (address.family == .v4 ? limit.v4Prefix : limit.v6Prefix)
        return IPAddress(family: address.family, value: (address.value >> UInt128(bits)) << UInt128(bits))
    }
}
