// SPDX-License-Identifier: Apache-2.0
import Network

/// Reads what `nft -j list ruleset` prints.
struct NftReader {
    private struct Chain {
        var family: String
        var table: String
        var name: String
        var type: String?
        var hook: String?
        var priority = 0
        var device: [String] = []
        var policy: FilterRule.Verdict?
        /// The rules, as they are written.
        var rules: [JSONValue] = []

        var prefix: String { "\(family) \(table) " }
        var key: String { prefix + name }
    }

    private var chains: [Chain] = []
    private var places: [String: Int] = [:]
    private var sets: [String: NftSet] = [:]
    private var dormant: Set<String> = []
    private var names: [String]
    private var changesFields = false
    private let sources: [ImportSource]
    private(set) var notes: [ImportedPolicy.Note] = []

    static func read(
        _ sources: [ImportSource], devices: [String]
    ) throws(ImportError) -> (systems: [AddressFamily: FilterSystem], notes: [ImportedPolicy.Note]) {
        var reader = NftReader(sources, devices)
        for source in sources { try reader.collect(source) }
        let systems = try reader.systems()
        return (systems, reader.notes)
    }

    private init(_ sources: [ImportSource], _ devices: [String]) {
        self.sources = sources
        names = devices
    }

    // MARK: Objects

    private mutating func collect(_ source: ImportSource) throws(ImportError) {
        let root = try JSONReader.read(source)
        guard let objects = root["nftables"]?.array else {
            throw ImportError(source.name, 1, "expected { \"nftables\": [...] }, as nft -j list ruleset prints it")
        }
        for object in objects {
            guard let (kind, body) = object.single else {
                throw ImportError(source.name, object.line, "expected an object such as { \"rule\": {...} }")
            }
            switch kind {
            case "table": if body["flags"]?.items.contains(where: { $0.string == "dormant" }) == true { sleep(body) }
            case "chain": try add(chain: body, source)
            case "rule": try add(rule: body, source)
            case "set", "map": add(set: body)
            default: break
            }
        }
    }

    private mutating func sleep(_ body: JSONValue) {
        dormant.insert("\(body["family"]?.string ?? "") \(body["name"]?.string ?? "") ")
    }

    private static func prefix(_ body: JSONValue) -> String {
        "\(body["family"]?.string ?? "") \(body["table"]?.string ?? "") "
    }

    private mutating func add(chain body: JSONValue, _ source: ImportSource) throws(ImportError) {
        guard let family = body["family"]?.string, let table = body["table"]?.string, let name = body["name"]?.string
        else {
            throw ImportError(source.name, body.line, "a chain has a family, a table and a name")
        }
        var chain = Chain(family: family, table: table, name: name)
        chain.type = body["type"]?.string
        chain.hook = body["hook"]?.string
        chain.priority = body["prio"]?.int ?? 0
        chain.device = body["dev"]?.items.compactMap(\.string) ?? []
        for device in chain.device { try self.name(device, source, body.line) }
        if chain.hook != nil { chain.policy = body["policy"]?.string == "drop" ? .drop : .accept }
        if places.updateValue(chains.count, forKey: chain.key) != nil {
            throw ImportError(source.name, body.line, "the chain \"\(chain.key)\" stands here twice")
        }
        chains.append(chain)
    }

    private mutating func add(rule body: JSONValue, _ source: ImportSource) throws(ImportError) {
        let key = NftReader.prefix(body) + (body["chain"]?.string ?? "")
        guard let place = places[key] else {
            throw ImportError(source.name, body.line, "a rule of the chain \"\(key)\", which is not declared before it")
        }
        guard let expressions = body["expr"]?.array else { return }
        for expression in expressions {
            guard let (kind, value) = expression.single else { continue }
            switch kind {
            case "match": try collectNames(value["left"], value["right"], source)
            case "vmap": try collectNames(value["key"], value["data"], source)
            case "mangle":
                let field = value["key"]?["payload"]?["field"]?.string
                changesFields = changesFields || ["dscp", "ttl", "hoplimit"].contains(field)
            case "set", "map", "meter":
                if let name = value["set"]?.string ?? value["map"]?.string { change(NftReader.prefix(body), name) }
            default: break
            }
        }
        chains[place].rules.append(
            JSONValue(
                content: .object([
                    ("expr", JSONValue(content: .array(expressions), line: body.line)),
                    ("comment", body["comment"] ?? JSONValue(content: .null, line: body.line)),
                    ("file", JSONValue(content: .string(source.name), line: body.line)),
                    ("handle", body["handle"] ?? JSONValue(content: .null, line: body.line)),
                ]), line: body.line))
    }

    /// A set that rules change has other members at any time.
    private mutating func change(_ prefix: String, _ name: String) {
        let key = prefix + (name.hasPrefix("@") ? String(name.dropFirst()) : name)
        sets[key, default: NftSet(elements: [])].unsaid = "a set that rules change"
    }

    private mutating func add(set body: JSONValue) {
        guard let name = body["name"]?.string else { return }
        let key = NftReader.prefix(body) + name
        var set = NftSet(elements: body["elem"]?.items ?? [], unsaid: sets[key]?.unsaid)
        let flags = body["flags"]?.items.compactMap(\.string) ?? []
        if flags.contains("dynamic") || flags.contains("timeout") { set.unsaid = "members come and go by themselves" }
        // Elements that are not interface names are of no harm here: they are never looked up as devices.
        let types = NftReader.types(body["type"])
        for (place, isDevice) in types.enumerated() where isDevice {
            for element in set.elements { names += NftReader.texts(element, at: types.count > 1 ? place : nil) }
        }
        sets[key] = set
    }

    /// Of each part of a set's elements, whether it is a device. Newer versions may say what the parts are the values
    /// of, in place of their types.
    private static func types(_ type: JSONValue?) -> [Bool] {
        guard let type else { return [] }
        guard let (key, body) = type.single, key == "typeof" else {
            return type.items.map { ["ifname", "iface_index"].contains($0.string) }
        }
        return (body["concat"]?.items ?? body.items).map { part in
            if let selector = NftSelector(part), case .device = selector { true } else { false }
        }
    }

    // MARK: Devices

    private mutating func name(_ text: String, _ source: ImportSource, _ line: Int) throws(ImportError) {
        let name = NftValues.device(text)
        guard DeviceNames.isName(name) else {
            throw ImportError(source.name, line, "\(text) is not a device that a policy can name")
        }
        names.append(name)
    }

    private mutating func collectNames(
        _ left: JSONValue?, _ right: JSONValue?, _ source: ImportSource
    ) throws(ImportError) {
        guard let left, let right, right.string?.hasPrefix("@") != true else { return }
        let parts = left["concat"]?.items ?? [left]
        for (index, part) in parts.enumerated() {
            guard let selector = NftSelector(part), case .device = selector else { continue }
            let values = right["set"]?.items ?? right.items
            for value in values {
                for text in NftReader.texts(value, at: parts.count > 1 ? index : nil) {
                    try name(text, source, value.line)
                }
            }
        }
    }

    /// The text of an element, or of one part of it.
    private static func texts(_ element: JSONValue, at part: Int?) -> [String] {
        // Of a map, what is looked up.
        var value = element
        if let pair = element.array, pair.count == 2, pair[1].single != nil { value = pair[0] }
        if let (key, body) = value.single, key == "elem", let inner = body["val"] { value = inner }
        guard let part else { return value.string.map { [$0] } ?? [] }
        guard let items = value["concat"]?.array, part < items.count else { return [] }
        return items[part].string.map { [$0] } ?? []
    }

    // MARK: Systems

    private mutating func systems() throws(ImportError) -> [AddressFamily: FilterSystem] {
        let devices = DeviceNames(names.map(NftValues.device).filter(DeviceNames.isName))
        let awake = chains.filter { !dormant.contains($0.prefix) }
        var systems: [AddressFamily: FilterSystem] = [:]
        for family in AddressFamily.allCases {
            let own = awake.filter { NftReader.isOf($0.family, family) }
            guard !own.isEmpty else { continue }
            systems[family] = system(family, own, devices)
        }
        for chain in awake where chain.hook != nil && (chain.family == "bridge" || chain.family == "arp") {
            noteStrange(chain)
        }
        guard !systems.isEmpty else {
            throw ImportError("none of the files has a table of the families inet, ip, ip6 or netdev")
        }
        return systems
    }

    private static func isOf(_ name: String, _ family: AddressFamily) -> Bool {
        switch name {
        case "inet", "netdev": true
        case "ip": family == .v4
        case "ip6": family == .v6
        default: false
        }
    }

    /// Tables of other families judge what the ports of a host never see.
    private mutating func noteStrange(_ chain: Chain) {
        for rule in chain.rules {
            notes.append(
                .init(
                    kind: .leftOut, file: rule["file"]?.string ?? "", line: rule.line,
                    words: "\(NftReader.words(chain, rule)): rules of the family \(chain.family)"))
        }
        if chain.policy == .drop {
            notes.append(
                .init(
                    kind: .leftOut, file: sources.first?.name ?? "", line: 0,
                    words: "the policy of \(chain.key): rules of the family \(chain.family)"))
        }
    }

    private static func words(_ chain: Chain, _ rule: JSONValue) -> String {
        let handle = rule["handle"]?.word.map { " handle \($0)" } ?? ""
        return "\(chain.key)\(handle): \(NftWords.rule(rule["expr"]?.items ?? []))"
    }

    private mutating func system(_ family: AddressFamily, _ chains: [Chain], _ devices: DeviceNames) -> FilterSystem {
        var system = FilterSystem(devices: devices)
        for chain in chains {
            let context = NftRule.Context(
                family: family, prefix: chain.prefix, devices: devices, sets: sets, changesFields: changesFields,
                isLeaving: chain.hook == "postrouting" || chain.hook == "egress")
            var made = FilterChain()
            made.policy = chain.policy
            for rule in chain.rules {
                let origin = Origin(
                    file: rule["file"]?.string ?? "", line: rule.line, text: NftReader.words(chain, rule))
                var read = NftRule.read(rule["expr"]?.items ?? [], rule["comment"]?.string, origin, context)
                let isTranslating = chain.type == "nat"
                system.untracked += read.untracked
                system.translations += read.translations
                made.rules += isTranslating ? [] : read.finish()
            }
            system.chains[chain.key] = made
        }
        for hook in Hook.allCases { system.bases[hook] = bases(hook, chains, devices) }
        system.sets = namedSets(family)
        return system
    }

    /// All chains of a hook must accept. Their order is free, and the one with most rules decides.
    private func bases(_ hook: Hook, _ chains: [Chain], _ devices: DeviceNames) -> [FilterSystem.Base] {
        let hooks: [Hook: Set<String>] = [
            .input: ["prerouting", "input", "ingress"],
            .forward: ["prerouting", "forward", "postrouting", "ingress", "egress"],
            .output: ["output", "postrouting", "egress"],
        ]
        let called = chains.filter { chain in
            guard let name = chain.hook, chain.type != "nat", hooks[hook]?.contains(name) == true else { return false }
            return !chain.rules.isEmpty || chain.policy == .drop
        }
        let sorted = called.enumerated().sorted { left, right in
            (left.element.rules.count, left.offset) < (right.element.rules.count, right.offset)
        }.map(\.element)
        return sorted.map { chain in
            guard !chain.device.isEmpty else { return FilterSystem.Base(name: chain.key, within: nil) }
            var box = Box()
            let set = chain.device.map { devices.devices($0) }.reduce(DeviceSet([])) { $0.union($1) }
            if chain.hook == "egress" { box.leaving = set } else { box.arriving = set }
            return FilterSystem.Base(name: chain.key, within: box)
        }
    }

    /// Sets of addresses, for the names of groups.
    private func namedSets(_ family: AddressFamily) -> [NamedSet] {
        sets.sorted { $0.key < $1.key }.compactMap { key, set in
            guard set.unsaid == nil, !set.elements.isEmpty, set.elements.first?.array == nil else { return nil }
            let values = set.elements.map { element in
                element.single.flatMap { $0.key == "elem" ? $0.value["val"] : nil } ?? element
            }
            let addresses = values.map { NftValues.addresses($0, family) }
            guard !addresses.contains(nil) else { return nil }
            return NamedSet(
                name: String(key.split(separator: " ").last ?? ""),
                members: AddressSet(unionOf: addresses.compactMap(\.self)))
        }
    }
}
