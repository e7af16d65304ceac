// SPDX-License-Identifier: Apache-2.0
import Network

/// The result of reading and resolving a policy.
public struct LoadedPolicy: Sendable {
    /// Every problem, by file, line and column.
    public var diagnostics: [Diagnostic]
    /// nil if there is an error.
    public var ruleset: Ruleset?
    /// The policy's ports on this host; empty if the policy cannot be read at all.
    public var bindings: [PortBinding]

    public var isValid: Bool { ruleset != nil }
}

/// Reads policies from files.
public struct PolicyLoader: Sendable {
    /// The most bytes of a policy's file.
    package static let sizeLimit = YAMLReader.sizeLimit

    private let files: any PolicyFiles

    public init(files: some PolicyFiles = DiskFiles()) { self.files = files }

    /// Reads a policy and the files that it includes. Never fails: problems are reported when the policy is resolved.
    public func read(_ path: String) -> ReadPolicy { ReadPolicy(path, files) }
}

/// A policy as written, before its names, sets and ports are resolved against a host.
public struct ReadPolicy: ~Copyable {
    private let files: any PolicyFiles
    private let problems = Problems()
    /// nil if the policy cannot be read at all.
    private let content: Content?

    private struct Content {
        var document: PolicyDocument
        var defaults: WrittenDefaults
        var ports: [PortDefinition]
    }

    fileprivate init(_ path: String, _ files: any PolicyFiles) {
        self.files = files
        guard let document = DocumentLoader.load(path, files, problems) else {
            content = nil
            return
        }
        let start = SourceLocation(file: path, line: 1, column: 1)
        let defaults = WrittenDefaults(
            Fields(document.defaults, at: start, "\"defaults\"", keys: WrittenDefaults.keys, problems), problems)
        let ports = PortParser(defaults: defaults, problems: problems).parse(document.ports)
        content = Content(document: document, defaults: defaults, ports: ports)
    }

    /// The named network namespaces that the policy's ports are in. Resolving needs the controller's own namespace as
    /// well.
    public var namespaces: Set<String> { Set((content?.ports ?? []).compactMap(\.entry.namespace)) }

    /// Whether what the policy means may depend on the host's workloads.
    public var namesWorkloads: Bool {
        guard let content else { return false }
        return content.ports.contains { !$0.entry.workloads.isEmpty }
            || content.document.files.contains { $0.text.contains("workloads") }
    }

    /// Resolves names and sets, and binds the ports to a host's devices. Never fails: the result has every problem.
    ///
    /// - Parameters:
    ///   - host: The devices of ``namespaces`` and of the controller's own namespace.
    ///   - requiresDevices: Whether a host device or network namespace that does not exist is an error. If false it is
    ///     a warning, for callers that only ask what a policy means.
    public consuming func resolve(against host: HostInventory, requiresDevices: Bool = true) -> LoadedPolicy {
        guard let content else { return LoadedPolicy(diagnostics: problems.sorted, ruleset: nil, bindings: []) }
        let document = content.document
        var frame = frame(content, host, requiresDevices)
        let ports = frame.ports
        let before = problems.diagnostics.count
        let names = PortNames(ports.map(\.entry), frame.portIndices, frame.bindings, problems)
        var parser = RuleParser(services: frame.services, ports: names, now: host.now, problems)
        let layers = document.rules.ordered.map(\.rules)
        var rules = parser.parse(layers, groups: &frame.groups)
        let parts = rules.divide(ports.map(\.entry), frame.bindings)
        let assertions = AssertionParser(services: frame.services, problems: problems).parse(
            document.assertions, groups: &frame.groups)
        frame.groups.warnOfUnused()
        let bindings = frame.bindings.map(parts.placed)
        ViaLint.run(rules.rules, bindings, problems)
        let isPlain =
            document.assertions.isEmpty && !ports.isEmpty && !frame.groups.readsFiles
            && !frame.groups.namesWorkloads && ports.allSatisfy(\.entry.workloads.isEmpty)
            && problems.diagnostics.count == before && document.rules.names.isEmpty && parts.isEmpty
            // A rule that is not enabled has no place in the image, but it has its name.
            && layers.allSatisfy { $0.count == rules.rules.count }
        // Notes are shown by `check` alone, which reads every policy as a whole.
        frame.services.warnOfUnused()
        let covered = RuleLint.run(rules, problems)
        warnOfNoPorts(document, rules)
        var ruleset = Ruleset(
            files: document.files, entries: parts.entries, groups: frame.groups.groups, rules: rules.rules,
            adopt: content.defaults.adopt ?? WrittenDefaults.adoptSeconds, services: frame.services.named,
            dynamicGroups: frame.groups.dynamicGroups, assertions: assertions)
        ruleset.rulesText = isPlain ? document.rulesText : nil
        ruleset.covered = covered
        ruleset.layers = document.rules.names
        return LoadedPolicy(
            diagnostics: problems.sorted, ruleset: problems.hasErrors ? nil : ruleset,
            bindings: bindings)
    }

    /// Resolves the frame of a policy whose rules were read before, see ``PolicyRevision/frame``. nil if it must be
    /// read as a whole.
    ///
    /// - Parameter covered: The rules that can never match, each with what covers it.
    public consuming func resolveFrame(
        against host: HostInventory, requiresDevices: Bool,
        covered: [(rule: NamedPlace, cover: NamedPlace?)]
    ) -> LoadedPolicy? {
        guard let content, content.document.files.count == 1, content.document.rules.isEmpty,
            content.document.assertions.isEmpty, content.ports.allSatisfy(\.entry.workloads.isEmpty)
        else { return nil }
        let frame = frame(content, host, requiresDevices)
        guard !problems.hasErrors, !frame.groups.readsFiles, !frame.groups.namesWorkloads else { return nil }
        for (rule, cover) in covered {
            problems.rule = rule.name
            problems.warning(
                rule.location, RuleLint.message(cover), Finding(.shadowed, by: cover.map { [$0.name] } ?? []))
        }
        let ruleset = Ruleset(
            files: content.document.files, entries: content.ports.map(\.entry), groups: frame.groups.groups, rules: [],
            services: frame.services.named, dynamicGroups: frame.groups.dynamicGroups)
        return LoadedPolicy(diagnostics: problems.sorted, ruleset: ruleset, bindings: frame.bindings)
    }

    /// A policy without its rules, resolved.
    private struct Frame {
        /// With the devices of the workloads that they name.
        var ports: [PortDefinition]
        var portIndices: [String: Int]
        var bindings: [PortBinding]
        var groups: GroupTable
        var services: ServiceTable
    }

    private func frame(_ content: Content, _ host: HostInventory, _ requiresDevices: Bool) -> Frame {
        let document = content.document
        let workloads = WorkloadTable(content.ports, host.workloads, problems)
        let ports = workloads.completed(content.ports)
        let portIndices = Dictionary(ports.enumerated().map { ($1.entry.name, $0) }) { first, _ in first }
        IdentityCheck.run(ports, problems)
        let bindings = Binder.bind(ports, to: host, requiresDevices: requiresDevices, problems)
        GuardCheck.run(ports, bindings, problems)
        return Frame(
            ports: ports, portIndices: portIndices, bindings: bindings,
            groups: groupTable(document, ports, portIndices, host, workloads),
            services: ServiceTable(document.services, problems))
    }

    /// Rules alone filter nothing. Where there are errors, the ports may be missing because of one.
    private func warnOfNoPorts(_ document: PolicyDocument, _ rules: ParsedRules) {
        guard document.ports.isEmpty, let first = rules.rules.first, !problems.hasErrors else { return }
        problems.warning(
            first.location,
            "the policy has rules but no \"ports\", so it filters nothing; name the devices, such as "
                + "ports: { uplink: { interface: eth0, protects: host } }")
    }

    private func groupTable(
        _ document: PolicyDocument, _ ports: [PortDefinition], _ portIndices: [String: Int],
        _ inventory: HostInventory, _ workloads: WorkloadTable
    ) -> GroupTable {
        let own = inventory.namespaces[nil]?.interfaces.flatMap(\.addresses) ?? []
        let host = AddressSet(own).subtracting(WellKnown.loopback)
        let bound = AddressSet(ports.flatMap(\.entry.memberAddresses))
        let feeds = FeedTable(files: files, ports: bound, host: host, problems)
        return GroupTable(
            document.groups, ports: ports, portIndices: portIndices, feeds: feeds, workloads: workloads, problems)
    }
}
