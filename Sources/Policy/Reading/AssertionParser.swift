// SPDX-License-Identifier: Apache-2.0

/// Reads `assertions`.
struct AssertionParser {
    static let keys = ["name", "from", "to", "service", "expect", "comment"]

    let services: ServiceTable
    let problems: Problems

    func parse(_ nodes: [Node], groups: inout GroupTable) -> [Assertion] {
        var places: [String: SourceLocation] = [:]
        return nodes.compactMap { node in
            guard let fields = Fields(node, "an assertion", keys: AssertionParser.keys, problems) else { return nil }
            let name = name(fields, &places)
            let ends = ends(fields, groups: &groups)
            let services = services(fields)
            let expect = expectation(fields)
            guard let name, let expect else { return nil }
            var assertion = Assertion(
                name: name, location: node.location, ends: ends, services: services, expect: expect)
            if let node = fields["comment"] { assertion.comment = problems.text(node, "a comment") }
            return assertion
        }
    }

    private func name(_ fields: Fields, _ places: inout [String: SourceLocation]) -> String? {
        guard let node = fields["name"] else {
            problems.error(fields.location, "the assertion has no \"name\"")
            return nil
        }
        guard let name = problems.name(node, "the assertion name") else { return nil }
        if let first = places[name] {
            problems.error(node.location, "duplicate assertion \"\(name)\"; first at \(first)")
            return nil
        }
        places[name] = node.location
        return name
    }

    private func ends(_ fields: Fields, groups: inout GroupTable) -> [Rule.Ends] {
        let from = fields["from"].flatMap { groups.asked($0) } ?? .any
        let to = fields["to"].flatMap { groups.asked($0) } ?? .any
        return from.terms.flatMap { source in
            to.terms.map { destination in
                Rule.Ends(
                    from: source.set, to: destination.set, source: source.membership,
                    destination: destination.membership)
            }
        }
    }

    private func services(_ fields: Fields) -> [Service]? {
        guard let node = fields["service"] else { return nil }
        let services = services.services(ServiceParser(problems: problems).parse(node))
        if services.contains(where: { if case .ethertype = $0 { true } else { false } }) {
            problems.error(
                node.location, "an assertion speaks of packets between addresses, and a non-IP frame has none")
        }
        return services
    }

    private func expectation(_ fields: Fields) -> Assertion.Expectation? {
        guard let node = fields["expect"] else {
            problems.error(fields.location, "the assertion has no \"expect\"; write \"accept\" or \"drop\"")
            return nil
        }
        return problems.word(node, Assertion.Expectation.self)
    }
}
