// SPDX-License-Identifier: Apache-2.0

/// Checks the syntax of `assertions`, although a policy that has any is refused for now.
struct AssertionParser {
    private static let keys = ["name", "from", "to", "service", "expect", "comment"]

    private enum Expectation: String, CaseIterable { case accept, drop }

    let services: ServiceTable
    let problems: Problems

    func check(_ nodes: [Node], groups: inout GroupTable) {
        var places: [String: SourceLocation] = [:]
        for node in nodes {
            guard let fields = Fields(node, "an assertion", keys: AssertionParser.keys, problems) else { continue }
            if let name = fields["name"] {
                if let text = problems.name(name, "the assertion name") {
                    if let first = places[text] {
                        problems.error(name.location, "duplicate assertion \"\(text)\"; first at \(first)")
                    }
                    places[text] = places[text] ?? name.location
                }
            } else {
                problems.error(node.location, "the assertion has no \"name\"")
            }
            for key in ["from", "to"] { _ = fields[key].flatMap { groups.end($0) } }
            if let service = fields["service"] {
                _ = services.services(ServiceParser(problems: problems).parse(service))
            }
            if let expect = fields["expect"] {
                _ = problems.word(expect, Expectation.self)
            } else {
                problems.error(node.location, "the assertion has no \"expect\"")
            }
        }
        if let first = nodes.first { problems.error(first.location, "assertions are not supported yet") }
    }
}
