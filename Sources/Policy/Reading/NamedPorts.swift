// SPDX-License-Identifier: Apache-2.0

/// Ports as rules name them: whole entries, and devices of others by name or pattern.
struct NamedPorts: Hashable {
    var entries: Set<Int> = []
    /// By entry.
    var devices: [Int: Set<String>] = [:]

    var isEmpty: Bool { entries.isEmpty && devices.isEmpty }

    mutating func formUnion(_ other: NamedPorts) {
        entries.formUnion(other.entries)
        devices.merge(other.devices) { $0.union($1) }
    }
}

/// Reads what names ports in rules: entries, `entry/device`, and patterns of these.
struct PortNames {
    private let entries: [PortEntry]
    private let indices: [String: Int]
    /// By entry: the names that its devices are known to have.
    private let devices: [Set<String>]
    let problems: Problems

    init(_ entries: [PortEntry], _ indices: [String: Int], _ bindings: [PortBinding], _ problems: Problems) {
        self.entries = entries
        self.indices = indices
        self.problems = problems
        var devices = entries.map { entry -> Set<String> in
            if case .interfaces(let names) = entry.selector { return Set(names.filter { !Glob.isPattern($0) }) }
            return []
        }
        for binding in bindings where binding.interface != nil {
            devices[binding.entry].formUnion([binding.port.interface] + binding.port.alternativeNames)
        }
        self.devices = devices
    }

    func ports(_ nodes: [Node]) -> NamedPorts {
        nodes.reduce(into: NamedPorts()) { ports, node in
            guard let text = problems.text(node, "a port's name") else { return }
            if let index = indices[text] {
                ports.entries.insert(index)
            } else {
                ports.formUnion(named(text, at: node.location))
            }
        }
    }

    private func named(_ text: String, at location: SourceLocation) -> NamedPorts {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        let isPattern = Glob.isPattern(text)
        if isPattern, parts.contains(where: { Glob.isPattern($0) && Glob($0) == nil }) {
            problems.error(location, "\"\(text)\" is not a pattern for ports")
            return NamedPorts()
        }
        let found = matching(parts[0])
        if !isPattern, found.isEmpty {
            let suggestion = problems.suggestion(for: parts[0], among: indices.keys.sorted())
            problems.error(location, "undefined port \"\(parts[0])\"\(suggestion)")
            return NamedPorts()
        }
        guard parts.count > 1 else {
            if found.isEmpty { problems.error(location, "no port has a name like \"\(text)\"") }
            return NamedPorts(entries: Set(found))
        }
        var ports = NamedPorts()
        for index in found { add(parts[1], of: index, to: &ports) }
        if ports.isEmpty { problems.error(location, missing(text, parts[1], found)) }
        return ports
    }

    private func matching(_ word: String) -> [Int] {
        guard Glob.isPattern(word), let glob = Glob(word) else { return indices[word].map { [$0] } ?? [] }
        return entries.indices.filter { glob.matches(entries[$0].name) }
    }

    /// Adds those devices of an entry that a name or pattern means, if there may be any.
    private func add(_ word: String, of index: Int, to ports: inout NamedPorts) {
        let isKnown = !PortPart.words(of: Array(devices[index]), among: [word]).isEmpty
        switch entries[index].selector {
        // Guests come and go.
        case _ where !entries[index].workloads.isEmpty: ports.devices[index, default: []].insert(word)
        case .interfaces(let names) where names.count == 1 && !Glob.isPattern(names[0]):
            if isKnown { ports.entries.insert(index) }
        case .interfaces(let names):
            let mayCome = names.contains {
                Glob.isPattern($0) && (Glob.isPattern(word) || Glob($0)?.matches(word) == true)
            }
            if isKnown || mayCome { ports.devices[index, default: []].insert(word) }
        case .bridge: ports.devices[index, default: []].insert(word)
        }
    }

    private func missing(_ text: String, _ device: String, _ found: [Int]) -> String {
        guard found.count == 1, !Glob.isPattern(text) else { return "no port has a device like \"\(text)\"" }
        let name = entries[found[0]].name
        return "port \"\(name)\" has no device \"\(device)\""
            + problems.suggestion(for: device, among: devices[found[0]].sorted())
    }
}

/// Divides entries of which rules name single devices, so that all devices of an entry are alike to the rules.
struct PortParts {
    /// The policy's entries, then the parts of some.
    private(set) var entries: [PortEntry]
    /// By entry: the indices of its parts, by what their devices are called.
    private var parts: [Int: [Set<String>: Int]] = [:]
    private var words: [Int: Set<String>] = [:]

    /// - Parameter named: The ports that rules name.
    init(_ entries: [PortEntry], _ named: [NamedPorts], _ bindings: [PortBinding]) {
        self.entries = entries
        for ports in named { words.merge(ports.devices) { $0.union($1) } }
        // Each device of a workload has an identity of its own.
        for (entry, definition) in entries.enumerated() where !definition.guests.isEmpty {
            words[entry, default: []].formUnion(definition.guests.map(\.device))
        }
        for (entry, words) in words.sorted(by: { $0.key < $1.key }) {
            var kinds = Set(words.map { Glob.isPattern($0) ? [$0] : PortPart.words(of: [$0], among: words) })
            for binding in bindings where binding.entry == entry { kinds.insert(PortParts.words(of: binding, words)) }
            for kind in kinds.filter({ !$0.isEmpty }).sorted(by: { $0.sorted().lexicographicallyPrecedes($1.sorted()) })
            {
                parts[entry, default: [:]][kind] = self.entries.count
                var part = entries[entry]
                part.part = PortPart(entry: entry, entryName: part.name, words: kind)
                let joined = "\(part.name)/\(kind.sorted().joined(separator: "+"))"
                let short = kind.filter { !Glob.isPattern($0) }.min().map { "\(part.name)/\($0)" } ?? joined
                part.identify()
                part.name = self.entries.contains { $0.name == short } ? joined : short
                self.entries.append(part)
            }
        }
    }

    private static func words(of binding: PortBinding, _ words: Set<String>) -> Set<String> {
        PortPart.words(of: [binding.port.interface] + binding.port.alternativeNames, among: words)
    }

    var isEmpty: Bool { parts.isEmpty }

    /// The indices of the entries and parts that are meant.
    func entries(of ports: NamedPorts) -> Set<Int> {
        var result = ports.entries
        for entry in ports.entries { result.formUnion((parts[entry] ?? [:]).values) }
        for (entry, words) in ports.devices {
            for (kind, index) in parts[entry] ?? [:] where !kind.isDisjoint(with: words) { result.insert(index) }
        }
        return result
    }

    /// The binding with the part that its device belongs to.
    func placed(_ binding: PortBinding) -> PortBinding {
        guard let words = words[binding.entry],
            let part = parts[binding.entry]?[PortParts.words(of: binding, words)]
        else { return binding }
        var result = binding
        result.entry = part
        return result
    }
}

extension PortEntry {
    /// Gives the part of an entry that names workloads the identity of its device.
    fileprivate mutating func identify() {
        guard let words = part?.words, !workloads.isEmpty else { return }
        guests.removeAll { !words.contains($0.device) }
        guard let guest = guests.first else { return }
        bind(guest)
        guard guest.refusal != nil else { return }
        judgesUnknown = false
        unknownLocation = location
        // What another has is not this one's.
        (macs, addresses, hasNoAddresses) = ([], [], false)
    }
}

extension ParsedRules {
    /// Divides the entries of which rules name single devices, and gives each rule the entries and parts that it names.
    mutating func divide(_ entries: [PortEntry], _ bindings: [PortBinding]) -> PortParts {
        let named = asked.flatMap { [$0.at, $0.via] }.compactMap { $0 }.filter { !$0.devices.isEmpty }
        let parts = PortParts(entries, named, bindings)
        if parts.isEmpty { return parts }
        for index in rules.indices {
            if let at = asked[index].at { rules[index].entries = parts.entries(of: at) }
            if let via = asked[index].via { rules[index].via?.entries = parts.entries(of: via) }
        }
        return parts
    }
}
