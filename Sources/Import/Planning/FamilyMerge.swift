// SPDX-License-Identifier: Apache-2.0
import Network
import Policy

/// Joins the rules of IPv4 and IPv6. Neither sees the other's packets, so only the order within each matters.
enum FamilyMerge {
    /// - Parameter limits: the rules with limits that stand in the policy already.
    static func merged(
        _ v4: [PlannedItem], _ v6: [PlannedItem], limits: inout Set<Origin>
    ) -> [PlannedItem] {
        // A rule is asked in its layer alone.
        let (left, right) = (layers(v4), layers(v6))
        var result: [PlannedItem] = []
        var (i, j) = (0, 0)
        while i < left.count || j < right.count {
            let isJoined = i < left.count && j < right.count && left[i].name == right[j].name
            let isLater = i < left.count && right.dropFirst(j).contains { $0.name == left[i].name }
            let takesLeft = isJoined || j == right.count || (i < left.count && !isLater)
            let takesRight = isJoined || !takesLeft
            result += joined(takesLeft ? left[i].items : [], takesRight ? right[j].items : [])
            if let name = takesLeft ? left[i].name : right[j].name { result.append(.layerEnd(name)) }
            i += takesLeft ? 1 : 0
            j += takesRight ? 1 : 0
        }
        return withoutTwins(result, &limits)
    }

    /// The items up to each end of a layer, and the rest.
    private static func layers(_ items: [PlannedItem]) -> [(name: String?, items: [PlannedItem])] {
        var result: [(name: String?, items: [PlannedItem])] = []
        var layer: [PlannedItem] = []
        for item in items {
            if case .layerEnd(let name) = item {
                result.append((name, layer))
                layer = []
            } else {
                layer.append(item)
            }
        }
        return result + [(nil, layer)]
    }

    private static func joined(_ v4: [PlannedItem], _ v6: [PlannedItem]) -> [PlannedItem] {
        var places: [Key: [Int]] = [:]
        for (index, item) in v6.enumerated() {
            if case .rule(let rule) = item, let key = Key(rule, .v6) { places[key, default: []].append(index) }
        }
        var result: [PlannedItem] = []
        var next = 0
        for item in v4 {
            guard case .rule(let rule) = item, let key = Key(rule, .v4),
                let place = places[key]?.first(where: { $0 >= next }), case .rule(let other) = v6[place]
            else {
                result.append(item)
                continue
            }
            result += v6[next..<place]
            result.append(.rule(rule.merged(with: other)))
            next = place + 1
        }
        return result + v6[next...]
    }

    /// One limit of the original that became two, for two families or two ways to its chain, would let through twice as
    /// much.
    private static func withoutTwins(_ items: [PlannedItem], _ limits: inout Set<Origin>) -> [PlannedItem] {
        var seen = limits
        defer { limits = seen }
        return items.flatMap { item -> [PlannedItem] in
            guard case .rule(var rule) = item, rule.limit != nil, rule.action != .log, let origin = rule.origins.first,
                !seen.insert(origin).inserted
            else { return [item] }
            let isDrop = rule.action == .drop || rule.action == .reject
            let words = isDrop ? "drops more than it should, because" : "accepts less, because"
            let note = ImportedPolicy.Note(
                kind: .leftOut, file: origin.file, line: origin.line,
                words: "\(origin.shown): \(words) one limit that holds in several places cannot be said")
            rule.limit = nil
            return isDrop ? [.note(note), .rule(rule)] : [.note(note)]
        }
    }

    /// What two rules must have in common to be written as one.
    private struct Key: Hashable {
        var box: Box
        var action: Step.Action
        var isStateless: Bool
        var comment: String?
        var hook: Hook
        var isToLocal: Bool
        var tag: String?
        var isLogged: Bool
        var fields: RuleMatch
        /// Of a rule with a limit, which it shares with no other.
        var limit: RuleLimit?
        var origin: Origin?

        /// nil if the rule must stay by itself: it has addresses and no comment.
        init?(_ rule: PlannedRule, _ family: AddressFamily) {
            guard rule.remarks.isEmpty else { return nil }
            box = rule.box
            for path in [\Box.source, \Box.destination] {
                let isFull = AddressSet.all(family).isSubset(of: box[keyPath: path])
                if !isFull, rule.comment == nil { return nil }
                box[keyPath: path] = isFull ? .all : .empty
            }
            if rule.isPing(family) {
                box.protocols = .none
                box.messages = .all
                box.messagesV6 = .all
            } else if box.messages != .all || box.messagesV6 != .all
                || box.protocols.ranges.count == 1
                    && (box.protocols == Box.icmp || box.protocols == Box.icmpV6)
            {
                return nil
            }
            action = rule.action
            isStateless = rule.isStateless
            comment = rule.comment
            hook = rule.hook
            isToLocal = rule.isToLocal
            tag = rule.tag
            isLogged = rule.isLogged
            fields = rule.fields
            limit = rule.limit
            origin = rule.limit == nil ? nil : rule.origins.first
        }
    }
}

extension PlannedRule {
    fileprivate func isPing(_ family: AddressFamily) -> Bool {
        family == .v4
            ? box.protocols == Box.icmp && box.messages == NumberSet(8 << 8...8 << 8 | 255)
            : box.protocols == Box.icmpV6 && box.messagesV6 == NumberSet(128 << 8...128 << 8 | 255)
    }

    fileprivate func merged(with other: PlannedRule) -> PlannedRule {
        var rule = self
        rule.box.source = box.source.union(other.box.source)
        rule.box.destination = box.destination.union(other.box.destination)
        rule.box.protocols = box.protocols.union(other.box.protocols)
        rule.box.messagesV6 = other.box.messagesV6
        rule.origins += other.origins
        return rule
    }
}
