// SPDX-License-Identifier: Apache-2.0

/// The rules of a policy by their layers, as its files add to them.
struct LayeredRules {
    /// The layer of what stands in `rules`.
    static let plain = "rules"
    static let keys = ["name", "rules"]

    struct Layer {
        var name: String
        var rules: [Node] = []
    }

    /// The layers that files name, in the order of their first places.
    private var named: [Layer] = []
    /// What stands in `rules`, where no file names that layer.
    private var unnamed: [Node] = []

    /// The layers in the order in which their rules are asked. What stands in `rules` is the last, unless it is named.
    var ordered: [Layer] {
        unnamed.isEmpty && !named.isEmpty ? named : named + [Layer(name: LayeredRules.plain, rules: unnamed)]
    }

    /// Whether no file has rules or names a layer.
    var isEmpty: Bool { unnamed.isEmpty && named.isEmpty }

    /// The names of ``ordered``; none if no file names a layer.
    var names: [String] { named.isEmpty ? [] : ordered.map(\.name) }

    /// Adds what stands in `rules`.
    ///
    /// - Parameters:
    ///   - node: The value of `rules`.
    ///   - scope: The layers that the file may add to; nil: any.
    mutating func add(_ rules: [Node], at node: Node, _ scope: Set<String>?, _ problems: Problems) {
        guard LayeredRules.admits(LayeredRules.plain, scope, at: node.location, problems) else { return }
        guard let index = named.firstIndex(where: { $0.name == LayeredRules.plain }) else {
            unnamed += rules
            return
        }
        named[index].rules += rules
    }

    /// Adds what stands in `layers`.
    ///
    /// - Parameter scope: The layers that the file may add to; nil: any.
    mutating func add(layers node: Node, _ scope: Set<String>?, _ problems: Problems) {
        if node.isNothing { return }
        guard case .sequence(let items) = node.content else {
            problems.error(node.location, "\"layers\" must be a list, found \(node.kind)")
            return
        }
        var seen: Set<String> = []
        for item in items {
            guard let fields = Fields(item, "a layer", keys: LayeredRules.keys, problems) else { continue }
            guard let nameNode = fields["name"] else {
                problems.error(item.location, "the layer has no \"name\"")
                continue
            }
            guard let name = problems.name(nameNode, "the layer name") else { continue }
            guard seen.insert(name).inserted else {
                problems.error(nameNode.location, "the layer \"\(name)\" is listed twice in this file")
                continue
            }
            guard LayeredRules.admits(name, scope, at: nameNode.location, problems) else { continue }
            add(rules(of: fields, problems), to: name)
        }
    }

    private func rules(of layer: Fields, _ problems: Problems) -> [Node] {
        guard let node = layer["rules"], !node.isNothing else { return [] }
        if case .sequence(let rules) = node.content { return rules }
        problems.error(node.location, "\"rules\" must be a list, found \(node.kind)")
        return []
    }

    private mutating func add(_ rules: [Node], to name: String) {
        if let index = named.firstIndex(where: { $0.name == name }) {
            named[index].rules += rules
            return
        }
        named.append(Layer(name: name, rules: rules))
        guard name == LayeredRules.plain else { return }
        named[named.count - 1].rules += unnamed
        unnamed = []
    }

    private static func admits(
        _ name: String, _ scope: Set<String>?, at location: SourceLocation, _ problems: Problems
    ) -> Bool {
        guard let scope, !scope.contains(name) else { return true }
        let allowed = scope.sorted().map { "\"\($0)\"" }.joined(separator: ", ")
        problems.error(
            location, "this file is included for \(allowed) only, and may not add to the layer \"\(name)\"")
        return false
    }
}
