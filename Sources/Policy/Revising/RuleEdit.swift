// SPDX-License-Identifier: Apache-2.0
import Network
import Wire

/// A new version of a rule that matches the same packets: what it does and is called may differ.
public struct RuleEdit: Sendable {
    /// The rule's line in the policy's own file.
    public var line: Int
    public var name: String
    public var action: Action
    public var log: Bool
    public var comment: String?
    public var tag: String?
    public var meta: [(key: String, value: String)]
}

/// Finds out what the new version of a line that holds a rule changes.
struct RuleEditor {
    /// What a rule does and is called. `stateless` is read with them, because it goes only with some actions. Any other
    /// key must be the same in both versions.
    private static let effects: Set<String> = ["name", "action", "log", "comment", "tag", "meta", "stateless"]

    private let problems = Problems()
    private var groups: GroupTable
    private var parser: RuleParser

    init() {
        let feeds = FeedTable(files: MemoryFiles([String: [UInt8]]()), ports: .empty, host: .empty, problems)
        groups = GroupTable(
            [], ports: [], portIndices: [:], feeds: feeds, workloads: WorkloadTable([], nil, problems), problems)
        parser = RuleParser(
            services: ServiceTable([], problems), ports: PortNames([], [:], [], problems), now: nil, problems)
    }

    /// nil if more than a rule's effects differs, or if either line is in doubt.
    mutating func edit(line: Int, from old: ArraySlice<UInt8>, to new: ArraySlice<UInt8>) -> RuleEdit? {
        guard let before = RuleEditor.entries(old), let after = RuleEditor.entries(new),
            old.prefix(while: { $0 == UInt8(ascii: " ") }).count
                == new.prefix(while: { $0 == UInt8(ascii: " ") }).count,
            RuleEditor.isSame(RuleEditor.matches(before), RuleEditor.matches(after)),
            let rule = rule(after)
        else { return nil }
        // What matches where nobody knows whence a packet came depends on the action.
        if before.contains(where: { $0.key == "via" }) { return nil }
        // How many flows it opened is known by its name, and not every action opens any.
        if before.contains(where: { $0.key == "connections" }) { return nil }
        // Only a rule with a verdict decides on all that it matches: which rules are asked after it depends on that.
        guard rule.action.isVerdict, !RuleEditor.hasAction(before, where: { !$0.isVerdict }) else { return nil }
        // A rule that may accept everything both ways decides whether its port needs flows.
        if rule.action == .accept, !rule.log, RuleEditor.mayMatchAll(after) { return nil }
        if RuleEditor.hasAction(before, where: { $0 == .accept }), RuleEditor.mayMatchAll(before) { return nil }
        return RuleEdit(
            line: line, name: rule.name, action: rule.action, log: rule.log, comment: rule.comment, tag: rule.tag,
            meta: rule.meta)
    }

    /// The keys of the rule on a line of printable ASCII; nil if there is anything else.
    private static func entries(_ line: ArraySlice<UInt8>) -> [Node.Entry]? {
        guard line.allSatisfy({ (0x20...0x7e).contains($0) }), let item = OneLineItems.item(onLine: Array(line)),
            case .mapping(let entries) = item.content
        else { return nil }
        return entries
    }

    private static func matches(_ entries: [Node.Entry]) -> [Node.Entry] {
        entries.filter { !effects.contains($0.key) || $0.key == "stateless" }
    }

    private static func isSame(_ one: [Node.Entry], _ other: [Node.Entry]) -> Bool {
        one.count == other.count && zip(one, other).allSatisfy { $0.key == $1.key && isSame($0.value, $1.value) }
    }

    private static func isSame(_ one: Node, _ other: Node) -> Bool {
        switch (one.content, other.content) {
        case (.scalar(let text, let isPlain), .scalar(let otherText, let otherIsPlain)):
            text == otherText && isPlain == otherIsPlain
        case (.sequence(let items), .sequence(let others)):
            items.count == others.count && zip(items, others).allSatisfy(isSame)
        case (.mapping(let entries), .mapping(let others)): isSame(entries, others)
        default: false
        }
    }

    /// Whether a rule may match every IP packet: it names no service, and no address that leaves others out.
    private static func mayMatchAll(_ entries: [Node.Entry]) -> Bool {
        !entries.contains { entry in
            if entry.key == "service" { return true }
            guard entry.key == "from" || entry.key == "to", case .scalar(let text, _) = entry.value.content,
                let prefix = try? Prefix(parsing: text)
            else { return false }
            return prefix.length > 0
        }
    }

    private static func hasAction(_ entries: [Node.Entry], where isSuch: (Action) -> Bool) -> Bool {
        entries.contains { entry in
            guard entry.key == "action", case .scalar(let text, _) = entry.value.content else { return false }
            return Action(rawValue: text).map(isSuch) ?? false
        }
    }

    /// The rule without what it matches; nil if there is an error.
    private mutating func rule(_ entries: [Node.Entry]) -> Rule? {
        let start = SourceLocation(file: "", line: 1, column: 1)
        let effects = entries.filter { RuleEditor.effects.contains($0.key) }
        let parsed = parser.parse([[Node(content: .mapping(effects), location: start)]], groups: &groups)
        return problems.diagnostics.isEmpty ? parsed.rules.first : nil
    }
}
