// SPDX-License-Identifier: Apache-2.0

/// Reads the key `add`.
struct AdditionParser {
    static let keys = ["group", "for", "end"]

    let problems: Problems

    func parse(_ node: Node, _ groups: GroupTable) -> RuleAddition? {
        guard let fields = Fields(node, "\"add\"", keys: Self.keys, problems) else { return nil }
        guard let nameNode = fields["group"] else {
            problems.error(fields.location, "\"add\" has no \"group\"")
            return nil
        }
        guard let name = problems.name(nameNode, "the group name") else { return nil }
        guard let group = groups.dynamicGroups.firstIndex(where: { $0.name == name }) else {
            let names = groups.dynamicGroups.map(\.name)
            problems.error(
                nameNode.location,
                "\"\(name)\" is not a dynamic group"
                    + (groups.isDefined(name)
                        ? "; give it \"dynamic: {}\"" : problems.suggestion(for: name, among: names.sorted())))
            return nil
        }
        var addition = RuleAddition(group: group)
        if let node = fields["for"] {
            guard let seconds = problems.duration(node) else { return nil }
            guard (1...DynamicGroup.longestTimeout).contains(seconds) else {
                problems.error(
                    node.location,
                    "a member stays from 1s to \(DynamicGroup.longestTimeout / 86_400)d, or as the group says")
                return nil
            }
            addition.seconds = seconds
        }
        if let node = fields["end"] {
            guard let end = problems.word(node, RuleAddition.End.self) else { return nil }
            addition.end = end
        }
        return addition
    }
}
