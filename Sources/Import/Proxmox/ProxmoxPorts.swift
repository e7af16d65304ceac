// SPDX-License-Identifier: Apache-2.0
import Network
import Policy

/// The ports of the policy in the making: the host's interfaces, and the NICs of guests.
struct ProxmoxPorts {
    struct Entry {
        var name: String
        var interfaces: [String]
        var isHost: Bool
        var mac: MACAddress?
        /// nil: the guest may claim any.
        var addresses: AddressSet?
        var guards: [String] = []
        var policyIn = "drop"
        var policyOut = "accept"
    }

    private(set) var entries: [Entry] = []
    private var table = NameTable()

    init() { for name in ["any", "host"] { _ = table.unique(name) } }

    mutating func add(_ entry: Entry) -> String {
        var entry = entry
        entry.name = table.unique(entry.name)
        entries.append(entry)
        return entry.name
    }

    // MARK: Text

    var lines: [String] {
        if entries.isEmpty { return ["ports: {}"] }
        let (macs, shared) = repeated
        return ["ports:"]
            + entries.enumerated().map { index, entry in
                let isShared = shared.contains(index)
                let isRepeated = entry.mac.map(macs.contains) ?? false
                let addresses = entry.addresses.map { set in AddressWords.terms(set) }
                let claimed = (isRepeated ? [entry.mac?.description ?? ""] : []) + (isShared ? addresses ?? [] : [])
                let value = YAMLValue.map([
                    "interface": .one(of: entry.interfaces), "protects": .word(entry.isHost ? "host" : "workload"),
                    "mac": isRepeated ? nil : entry.mac.map { .word("\($0)") },
                    "addresses": isShared ? nil : addresses.map { .list($0.map(YAMLValue.word)) },
                    "shared": claimed.isEmpty ? nil : .list(claimed.map(YAMLValue.word)),
                    "guard": guards(entry), "defaults": defaults(entry),
                ])
                return "  \(entry.name): " + value.text(indent: 6, from: entry.name.utf8.count + 4)
            }
    }

    private func guards(_ entry: Entry) -> YAMLValue? {
        if entry.isHost { return nil }
        return entry.guards.isEmpty ? .word("off") : .list(entry.guards.map(YAMLValue.word))
    }

    private func defaults(_ entry: Entry) -> YAMLValue? {
        let fields: [YAMLField] = [("in", entry.policyIn, "drop"), ("out", entry.policyOut, "accept")]
            .filter { $0.1 != $0.2 }.map { YAMLField(key: $0.0, value: .word($0.1)) }
        return fields.isEmpty ? nil : .map(fields)
    }

    /// The MAC addresses that several entries have, and the entries whose addresses others have too.
    private var repeated: (macs: Set<MACAddress>, entries: Set<Int>) {
        var counts: [MACAddress: Int] = [:]
        var (once, twice) = (AddressSet.empty, AddressSet.empty)
        for entry in entries {
            if let mac = entry.mac { counts[mac, default: 0] += 1 }
            guard let own = entry.addresses else { continue }
            twice = twice.union(once.intersection(own))
            once = once.union(own)
        }
        let shared = entries.indices.filter { index in
            guard let own = entries[index].addresses else { return false }
            return !own.intersection(twice).isEmpty
        }
        return (Set(counts.filter { $0.value > 1 }.keys), Set(shared))
    }
}
