// SPDX-License-Identifier: Apache-2.0

/// Reads the key `connections`.
enum ConnectionsSyntax {
    static let keys = ["max", "per", "prefix"]
    /// The highest `max`. Where so many are open, the programs look at each of them for every further packet.
    static let most = 1024

    static func parse(_ node: Node, _ problems: Problems) -> RuleConnections? {
        if case .scalar(let text, _) = node.content, Problems.decimal(text) != nil {
            problems.error(node.location, "\"connections\" must be a mapping; write { max: \(text) }")
            return nil
        }
        guard let fields = Fields(node, "\"connections\"", keys: keys, problems) else { return nil }
        let per = fields["per"].map { problems.word($0, RuleLimit.Subject.self) }
        guard let node = fields["max"] else {
            problems.error(fields.location, "\"connections\" has no \"max\"")
            return nil
        }
        let maximum = problems.number(node, "a number of connections", in: 1...most)
        guard let maximum, per != .some(nil) else { return nil }
        var connections = RuleConnections(maximum: maximum, per: (per ?? nil) ?? .rule)
        let prefix = LimitSyntax.prefix(fields, per: connections.per, problems)
        if let v4 = prefix.v4 { connections.v4Prefix = v4 }
        if let v6 = prefix.v6 { connections.v6Prefix = v6 }
        return connections
    }
}
