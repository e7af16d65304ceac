// SPDX-License-Identifier: Apache-2.0
import Compiler
import Host
import Network
import Policy
import Wire

@testable import Datapath

/// A policy made of values, without a file.
struct TestPolicy {
    var entries: [PortEntry] = []
    var rules: [Rule] = []

    static func location(_ line: Int) -> SourceLocation { SourceLocation(file: "policy.yaml", line: line, column: 1) }

    mutating func port(
        _ name: String, interface: String, namespace: String? = nil, protects: Protects = .workload,
        mode: PortEntry.Mode = .auto, in: Action = .drop, out: Action = .accept
    ) {
        let place = TestPolicy.location(entries.count + 2)
        entries.append(
            PortEntry(
                name: name, location: place, selector: .interfaces([interface]), namespace: namespace,
                protects: protects,
                defaults: .init(in: `in`, out: out, essentials: true, inLocation: place, outLocation: place), mode: mode
            ))
    }

    mutating func rule(_ name: String, _ services: [Service]?, _ action: Action) {
        rules.append(
            Rule(name: name, location: TestPolicy.location(rules.count + 20), services: services, action: action))
    }

    var ruleset: Ruleset {
        Ruleset(
            files: [SourceFile(name: "policy.yaml", text: "# \(rules.map(\.name))")], entries: entries, groups: [],
            rules: rules)
    }

    func compile() throws -> Image { try Compiler().compile(ruleset) }

    /// Every entry bound to the interface that it names; interfaces that do not exist are missing.
    func bindings() throws -> [PortBinding] {
        let inventory = try HostInventory.read(namespaces: Set(entries.compactMap(\.namespace)))
        return entries.enumerated().map { index, entry in
            let space = inventory.namespaces[entry.namespace]
            guard case .interfaces(let names) = entry.selector else { preconditionFailure("interfaces only") }
            return PortBinding(
                entry: index, of: entry, name: entry.name, protects: entry.protects ?? .workload,
                interface: space?.interfaces.first { $0.name == names[0] }, interfaceName: names[0],
                namespaceInode: space?.inode)
        }
    }

    @discardableResult
    func apply(_ instance: Instance) throws -> ApplyReport {
        try instance.apply(image: compile(), bindings: bindings())
    }
}
