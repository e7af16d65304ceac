// SPDX-License-Identifier: Apache-2.0
import Network

/// Joins the rules of IPv4 and IPv6. Neither sees the other's packets, so only the order within each matters.
enum FamilyMerge {
    static func merged(_ v4: [PlannedItem], _ v6: [PlannedItem]) -> [PlannedItem] {
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

    /// What two rules must have in common to be written as one.
    private struct Key: Hashable {
        var box: Box
        var action: Step.Action
        var isStateless: Bool
        var comment: String?
        var hook: Hook
        var isToLocal: Bool

        /// nil if the rule must stay by itself: it has addresses and no comment, or a limit.
        init?(_ rule: PlannedRule, _ family: AddressFamily) {
            guard rule.limit == nil, rule.remarks.isEmpty else { return nil }
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
