// SPDX-License-Identifier: Apache-2.0
import Network

/// Reads what iptables-save, ip6tables-save and `ipset save` print.
struct SaveReader {
    /// The families that were read, each with its rule set.
    private(set) var systems: [AddressFamily: FilterSystem] = [:]
    private let devices: DeviceNames
    private var sets: IPSets
    /// Whether some rule changes hop limits or code points.
    private var changesFields = false
    /// Names of limits that several rules share.
    private var sharedLimits: Set<String> = []

    /// A table that is being read.
    private struct Table {
        var name: String
        /// Before the names of its chains, which are its own.
        var prefix: String
    }

    /// - Parameter devices: devices that are known besides those that the rules name.
    static func read(_ sources: [ImportSource], devices: [String]) throws(ImportError) -> [AddressFamily: FilterSystem]
    {
        let texts = sources.map(SaveText.texts)
        var reader = try SaveReader(texts.flatMap(\.self), devices)
        for (index, texts) in texts.enumerated() {
            for text in texts where !text.isSets { try reader.read(text, index) }
        }
        guard reader.systems.values.contains(where: { !$0.chains.isEmpty }) else {
            throw ImportError("none of the files has a table of rules, such as iptables-save prints")
        }
        for family in Array(reader.systems.keys) { reader.systems[family]?.sets = reader.sets.all(family) }
        return reader.systems
    }

    private init(_ texts: [SaveText], _ known: [String]) throws(ImportError) {
        var names = known
        var sets = IPSets()
        for text in texts {
            if text.isSets {
                try sets.read(text.name, text.lines)
                continue
            }
            names += SaveReader.deviceNames(text.lines)
            var limits: Set<String> = []
            for name in SaveReader.values(of: ["--hashlimit-name"], text.lines) where !limits.insert(name).inserted {
                sharedLimits.insert(name)
            }
            sets.change(SaveReader.values(of: ["--add-set", "--map-set"], text.lines), deletes: false)
            sets.change(SaveReader.values(of: ["--del-set"], text.lines), deletes: true)
            changesFields =
                changesFields
                || text.lines.contains { line in ["TTL", "HL", "TOS", "DSCP"].contains { line.contains("-j \($0) ") } }
        }
        sets.resolve()
        self.sets = sets
        devices = DeviceNames(names)
    }

    /// The values of some options, wherever they stand.
    private static func values(of options: Set<String>, _ lines: [Substring]) -> [String] {
        lines.filter { line in options.contains { line.contains($0 + " ") } }.flatMap { line in
            let words = SaveWords(line).words
            return zip(words, words.dropFirst()).filter { $0.0.isOption && options.contains($0.0.text) }.map(\.1.text)
        }
    }

    private static func deviceNames(_ lines: [Substring]) -> [String] {
        lines.filter { $0.contains("-i ") || $0.contains("-o ") || $0.contains("-interface ") }.flatMap { line in
            var words = SaveWords(line)
            var names: [String] = []
            while let word = words.take() {
                let options = ["-i", "-o", "--in-interface", "--out-interface"]
                guard word.isOption, options.contains(word.text) else { continue }
                _ = words.negation()
                if let name = words.value() { names.append(name) }
            }
            return names
        }
    }

    // MARK: Lines

    private mutating func read(_ text: SaveText, _ number: Int) throws(ImportError) {
        var system = systems[text.family] ?? FilterSystem(devices: devices)
        var table: Table?
        var names: Set<Substring> = []
        for (index, line) in text.lines.enumerated() {
            let origin = Origin(file: text.name, line: index + 1, text: SaveReader.trimmed(line))
            let line = Substring(origin.text)
            if line.isEmpty || line.hasPrefix("#") { continue }
            if line.hasPrefix("*") {
                guard names.insert(line).inserted else {
                    throw ImportError(
                        text.name, index + 1, "the table \(line) stands here twice; iptables-restore takes the last")
                }
                table = Table(name: String(line.dropFirst()), prefix: "\(number) \(line.dropFirst()) ")
            } else if line == "COMMIT" {
                table = nil
            } else if let table {
                try read(line, origin, table, text.family, &system)
            } else {
                throw ImportError(text.name, index + 1, "expected a table such as *filter before this line")
            }
        }
        try order(&system, number)
        systems[text.family] = system
    }

    private static func trimmed(_ line: Substring) -> String {
        var line = line.drop(while: \.isWhitespace)
        while line.last?.isWhitespace == true { line.removeLast() }
        // Packets and bytes, which `iptables-save -c` writes in front of a rule.
        if line.hasPrefix("["), let end = line.firstIndex(of: "]") {
            line = line[line.index(after: end)...].drop(while: \.isWhitespace)
        }
        return String(line)
    }

    private func read(
        _ line: Substring, _ origin: Origin, _ table: Table, _ family: AddressFamily, _ system: inout FilterSystem
    ) throws(ImportError) {
        var words = SaveWords(line)
        let first = words.take()?.text ?? ""
        if first.hasPrefix(":") {
            let policy = words.value() ?? "-"
            let name = table.prefix + first.dropFirst()
            var chain = system.chains[name] ?? FilterChain()
            if policy != "-" { chain.policy = policy == "ACCEPT" ? .accept : .drop }
            system.chains[name] = chain
            return
        }
        switch first {
        case "-N", "--new-chain":
            system.chains[table.prefix + (words.value() ?? "")] = FilterChain()
        case "-P", "--policy":
            let name = table.prefix + (words.value() ?? "")
            system.chains[name, default: FilterChain()].policy = words.value() == "ACCEPT" ? .accept : .drop
        case "-A", "-I", "--append", "--insert":
            let chain = table.prefix + (words.value() ?? "")
            guard system.chains[chain] != nil else {
                throw ImportError(
                    origin.file, origin.line,
                    "the chain \"\(chain.split(separator: " ").last ?? "")\" "
                        + "is not declared before this line")
            }
            if first.hasPrefix("-I") || first == "--insert", words.peek.flatMap({ Int($0.text) }) != nil {
                throw ImportError(origin.file, origin.line, "a rule with a number is not what iptables-save prints")
            }
            let context = SaveRule.Context(
                family: family, origin: origin, table: table.name, prefix: table.prefix, devices: devices, sets: sets,
                changesFields: changesFields, sharedLimits: sharedLimits)
            var reader = SaveRule(words, context)
            let rules = try reader.rules(chains: system.chains)
            if first == "-I" || first == "--insert" {
                system.chains[chain]?.rules.insert(contentsOf: rules, at: 0)
            } else {
                system.chains[chain]?.rules += rules
            }
        default:
            throw ImportError(
                origin.file, origin.line, "expected a line such as iptables-save prints: :CHAIN, -A CHAIN or COMMIT")
        }
    }

    // MARK: Chains that the kernel calls

    private static let bases: [Hook: [String]] = [
        .input: ["raw PREROUTING", "mangle PREROUTING", "mangle INPUT", "security INPUT", "filter INPUT"],
        .forward: [
            "raw PREROUTING", "mangle PREROUTING", "mangle FORWARD", "mangle POSTROUTING", "security FORWARD",
            "filter FORWARD",
        ],
        .output: ["raw OUTPUT", "mangle OUTPUT", "mangle POSTROUTING", "security OUTPUT", "filter OUTPUT"],
    ]

    /// Puts the chains of a file's tables at their hooks. All of them must accept a packet, so their order is free: the
    /// filter table, which usually has the accepts, comes last.
    private mutating func order(_ system: inout FilterSystem, _ number: Int) throws(ImportError) {
        for hook in Hook.allCases {
            let names = (SaveReader.bases[hook] ?? []).map { "\(number) \($0)" }.filter { name in
                guard let chain = system.chains[name] else { return false }
                return name.hasSuffix(" filter " + (name.split(separator: " ").last ?? "")) || !chain.rules.isEmpty
                    || chain.policy == .drop
            }
            let bases = names.map { FilterSystem.Base(name: $0) }
            system.bases[hook] = bases.dropLast() + (system.bases[hook] ?? []) + bases.suffix(1)
        }
        try readUntracked(&system, number)
        readTranslations(&system, number)
    }

    private func readUntracked(_ system: inout FilterSystem, _ number: Int) throws(ImportError) {
        for (name, chain) in system.chains where name.hasPrefix("\(number) raw ") {
            for rule in chain.rules where rule.verdict == .goesOn(leftOut: "NOTRACK") {
                system.untracked.append(rule.match)
            }
        }
    }

    private func readTranslations(_ system: inout FilterSystem, _ number: Int) {
        for (_, chain) in system.chains.filter({ $0.key.hasPrefix("\(number) nat ") }).sorted(by: { $0.key < $1.key }) {
            for rule in chain.rules {
                guard case .goesOn(let word?) = rule.verdict else { continue }
                let isSource = ["SNAT", "MASQUERADE"].contains { word.hasPrefix($0) }
                guard isSource || ["DNAT", "REDIRECT", "NETMAP"].contains(where: word.hasPrefix) else { continue }
                system.translations.append(
                    .init(origin: rule.origin, kind: isSource ? .source : .destination, match: rule.match))
            }
        }
        system.translations.sort { $0.origin.line < $1.origin.line }
    }
}
