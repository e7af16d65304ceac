import Network

/// What became of a policy's text.
public struct LoadedPolicy: Sendable {
    /// Every problem, by file, line and column.
    public var diagnostics: [Diagnostic]
    /// nil where there is an error.
    public var ruleset: Ruleset?
    /// The ports that the host has for the policy's entries; empty where the policy cannot be read at all.
    public var bindings: [PortBinding]

    public var isValid: Bool { ruleset != nil }
}

/// Reads a policy, resolves its names and sets, and binds its ports to a host's devices.
public struct PolicyLoader: Sendable {
    private let files: any PolicyFiles

    public init(files: some PolicyFiles = DiskFiles()) { self.files = files }

    /// Never fails: what is wrong is in the result, all of it.
    ///
    /// - Parameters:
    ///   - requiresDevices: whether a host device or network namespace that does not exist is an error; else it is a warning, for
    ///     whoever only asks what a policy means.
    ///   - host: called at most once, with the named network namespaces that the policy uses. The controller's own, nil, is wanted
    ///     besides.
    public func load(
        _ path: String, requiresDevices: Bool = true, host: (Set<String>) -> HostInventory
    ) -> LoadedPolicy {
        let problems = Problems()
        guard let document = DocumentLoader.load(path, files, problems) else {
            return LoadedPolicy(diagnostics: problems.sorted, ruleset: nil, bindings: [])
        }
        let start = SourceLocation(file: path, line: 1, column: 1)
        let keys = ["in", "out", "essentials", "adopt", "tcp"]
        let defaults = WrittenDefaults(
            Fields(document.defaults, at: start, "\"defaults\"", keys: keys, problems), problems)
        let ports = PortParser(defaults: defaults, problems: problems).parse(document.ports)
        let portIndices = Dictionary(ports.enumerated().map { ($1.entry.name, $0) }) { first, _ in first }
        let inventory = host(Set(ports.compactMap(\.entry.namespace)))
        IdentityCheck.run(ports, problems)
        let bindings = Binder.bind(ports, to: inventory, requiresDevices: requiresDevices, problems)
        GuardCheck.run(ports, bindings, problems)

        var groups = groupTable(document, ports, portIndices, inventory, problems)
        let services = ServiceTable(document.services, problems)
        var parser = RuleParser(services: services, ports: portIndices, now: inventory.now, problems)
        let rules = parser.parse(document.rules, groups: &groups)
        AssertionParser(services: services, problems: problems).check(document.assertions, groups: &groups)
        groups.warnOfUnused()
        RuleLint.run(rules, problems)
        let ruleset = Ruleset(
            files: document.files, entries: ports.map(\.entry), groups: groups.groups, rules: rules.rules,
            adopt: defaults.adopt ?? WrittenDefaults.adoptSeconds, services: services.named,
            dynamicGroups: groups.dynamicGroups)
        return LoadedPolicy(
            diagnostics: problems.sorted, ruleset: problems.hasErrors ? nil : ruleset, bindings: bindings)
    }

    private func groupTable(
        _ document: PolicyDocument, _ ports: [PortDefinition], _ portIndices: [String: Int],
        _ inventory: HostInventory, _ problems: Problems
    ) -> GroupTable {
        let own = inventory.namespaces[nil]?.interfaces.flatMap(\.addresses) ?? []
        let host = AddressSet(own).subtracting(WellKnown.loopback)
        let bound = AddressSet(ports.flatMap(\.entry.addresses))
        let feeds = FeedTable(files: files, ports: bound, host: host, problems)
        return GroupTable(
            document.groups, ports: ports, portIndices: portIndices, feeds: feeds, problems)
    }
}
