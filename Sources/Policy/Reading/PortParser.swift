// SPDX-License-Identifier: Apache-2.0
import Network

/// An entry of `ports`, with what only its resolution needs.
struct PortDefinition {
    var entry: PortEntry
    /// The groups that the entry joins by its key `groups`.
    var groups: [(name: String, location: SourceLocation)] = []
    /// The location of each name of the selector; for a bridge, of the bridge.
    var selectorLocations: [SourceLocation]
    /// Where `workload` is written, if it is.
    var workloadLocation: SourceLocation?
    var namespaceLocation: SourceLocation
    var macLocations: [SourceLocation] = []
    var addressLocations: [SourceLocation] = []
    /// The listed guards, each with its location.
    var guards: [(guard: Guard, location: SourceLocation)] = []
}

/// Reads `ports`.
struct PortParser {
    static let keys = [
        "interface", "bridge", "workload", "netns", "protects", "mac", "addresses", "shared", "groups", "guard",
        "vlans",
        "defaults", "mode", "maxFlows", "tcp", "unknown", "gate",
    ]

    enum Unknown: String, CaseIterable { case judge, drop }

    let defaults: WrittenDefaults
    let problems: Problems

    func parse(_ entries: [Node.Entry]) -> [PortDefinition] { entries.compactMap(port) }

    /// nil if the name is not valid. A port with other errors is kept, so that rules may refer to it.
    private func port(_ item: Node.Entry) -> PortDefinition? {
        guard problems.isName(item.key, at: item.keyLocation, "the port name") else { return nil }
        let what = "port \"\(item.key)\""
        let fields = Fields(item.value, what, keys: PortParser.keys, problems)
        let written = fields.map { self.written($0, what) } ?? WrittenDefaults()
        let means = fields.flatMap { self.means($0, item, what) }
        let entry = PortEntry(
            name: item.key, location: item.keyLocation, selector: means?.selector ?? .interfaces([]),
            defaults: written.over(defaults, entry: item.keyLocation))
        var port = PortDefinition(
            entry: entry, selectorLocations: means?.locations ?? [], namespaceLocation: item.keyLocation)
        port.entry.workloads = means?.workloads ?? []
        guard let fields else { return port }
        readPlace(fields, into: &port)
        IdentityParser(problems: problems).read(fields, into: &port)
        readTraffic(fields, into: &port)
        return port
    }

    private func written(_ fields: Fields, _ what: String) -> WrittenDefaults {
        guard let node = fields["defaults"],
            let defaults = Fields(node, "the defaults of \(what)", keys: WrittenDefaults.portKeys, problems)
        else { return WrittenDefaults() }
        return WrittenDefaults(defaults, problems)
    }

    // MARK: Where

    /// What an entry means, each with its location.
    private struct Means {
        var selector = PortEntry.Selector.interfaces([])
        var workloads: [WorkloadSelector] = []
        var locations: [SourceLocation]
    }

    private static let selectors = ["interface", "bridge", "workload"]

    private func means(_ fields: Fields, _ item: Node.Entry, _ what: String) -> Means? {
        let written = PortParser.selectors.compactMap { key in fields[key].map { (key: key, node: $0) } }
        guard let (key, node) = written.first else {
            problems.error(item.keyLocation, "\(what) has neither \"interface\" nor \"bridge\" nor \"workload\"")
            return nil
        }
        guard written.count == 1 else {
            let later = max(node.location, written[1].node.location)
            let keys = "\"\(key)\" and \"\(written[1].key)\""
            problems.error(later, "\(what) has both \(keys); a port can have only one of them")
            return nil
        }
        switch key {
        case "interface": return interfaces(node, what)
        case "bridge":
            return interfaceName(node).map { Means(selector: .bridge($0), locations: [node.location]) }
        default:
            let workloads = WorkloadParser(problems: problems).selectors(node)
            guard !workloads.isEmpty else { return nil }
            return Means(workloads: workloads.map(\.selector), locations: workloads.map(\.location))
        }
    }

    private func interfaces(_ node: Node, _ what: String) -> Means? {
        let names = node.items.compactMap { node in interfaceName(node).map { ($0, node.location) } }
        if case .sequence(let items) = node.content, items.isEmpty {
            problems.error(node.location, "\(what) has an empty list of interfaces")
        }
        problems.reportRepeats(names.map(\.0), names.map(\.1), "interface")
        return names.isEmpty ? nil : Means(selector: .interfaces(names.map(\.0)), locations: names.map(\.1))
    }

    private func interfaceName(_ node: Node) -> String? {
        guard let text = problems.text(node, "an interface name or pattern") else { return nil }
        if Glob.isPattern(text) {
            if Glob(text) != nil, KernelNames.isInterfacePattern(text) { return text }
            problems.error(node.location, "\"\(text)\" is not a pattern for interface names")
            return nil
        }
        guard text.utf8.count <= KernelNames.longestInterface else {
            problems.error(
                node.location,
                "\"\(text)\" is not an interface name: it has more than \(KernelNames.longestInterface) bytes")
            return nil
        }
        guard KernelNames.isInterface(text) else {
            problems.error(
                node.location,
                "\"\(text)\" is not an interface name: it has a slash, a colon, a space or a control character")
            return nil
        }
        return text
    }

    private func readPlace(_ fields: Fields, into port: inout PortDefinition) {
        if let node = fields["netns"], let name = problems.text(node, "the name of a network namespace") {
            port.namespaceLocation = node.location
            if KernelNames.isNamespace(name) {
                port.entry.namespace = name
            } else {
                problems.error(
                    node.location,
                    "\"\(name)\" is not the name of a network namespace; 'ip netns' lists the names")
            }
        }
        port.entry.protects = fields["protects"].flatMap { problems.word($0) }
        if !port.entry.workloads.isEmpty {
            if let node = fields["protects"], port.entry.protects == .host {
                problems.error(node.location, "a port with \"workload\" cannot protect the host")
            }
            port.entry.protects = .workload
        }
        if let mode = fields["mode"].flatMap({ problems.word($0, PortEntry.Mode.self) }) { port.entry.mode = mode }
        readGate(fields, into: &port)
        guard let node = fields["unknown"], let unknown = problems.word(node, Unknown.self) else { return }
        if case .bridge = port.entry.selector {
            port.entry.judgesUnknown = unknown == .judge
            port.entry.unknownLocation = node.location
        } else {
            problems.error(node.location, "\"unknown\" is only for entries with \"bridge\"")
        }
    }

    private func readGate(_ fields: Fields, into port: inout PortDefinition) {
        guard let node = fields["gate"], let gate = problems.word(node, PortEntry.Gate.self) else { return }
        if case .bridge = port.entry.selector {
            port.entry.gate = gate
        } else {
            problems.error(node.location, "\"gate\" is only for entries with \"bridge\"")
        }
    }

    // MARK: Traffic

    private func readTraffic(_ fields: Fields, into port: inout PortDefinition) {
        if let node = fields["vlans"] { port.entry.vlans = vlans(node) }
        port.entry.maxFlows = fields["maxFlows"].flatMap {
            problems.number($0, "a number of flows", in: 1...PortEntry.flowTableSize)
        }
        port.entry.tcp = fields["tcp"].flatMap { problems.word($0) } ?? defaults.tcp ?? .liberal
    }

    private func vlans(_ node: Node) -> VLANAdmission? {
        switch node.content {
        case .scalar("none", _): return VLANAdmission.none
        case .scalar("any", _): return .any
        case .sequence(let items) where !items.isEmpty:
            return .list(problems.tags(items))
        default:
            problems.expected("none, any or a list of VLAN tags and ranges of them", at: node)
            return nil
        }
    }
}

extension SourceLocation: Comparable {
    /// Compares by file, line and column.
    public static func < (left: SourceLocation, right: SourceLocation) -> Bool {
        (left.file, left.line, left.column) < (right.file, right.line, right.column)
    }
}
