// SPDX-License-Identifier: Apache-2.0

extension PortEntry {
    /// The name of the entry that the policy has.
    public var entryName: String { part?.entryName ?? name }
}

extension Ruleset {
    /// Devices of workloads that are not admitted.
    public var refusedGuests: [WorkloadPort] {
        entries.filter { $0.part == nil }.flatMap(\.guests).filter { $0.refusal != nil }
    }

    /// The entries by their names; the parts of one that is whole are left out.
    public func names(of indices: Set<Int>) -> [String] {
        indices.sorted().filter { index in entries[index].part.map { !indices.contains($0.entry) } ?? true }
            .map { entries[$0].name }
    }

    /// What `via` asks for, in the policy's words.
    public func words(_ via: Rule.Via) -> [String] { (via.host ? ["host"] : []) + names(of: via.entries) }

    /// What `add` asks for, in the policy's words.
    public func words(_ addition: RuleAddition) -> String {
        "add \(addition.end.rawValue) to \(dynamicGroups[addition.group].name)"
            + (addition.seconds.map { " for \($0)s" } ?? "")
    }

    /// The index of the entry, or of its part, that a port belongs to; nil if there is none.
    ///
    /// - Parameter port: The name of an entry, or `entry/device`.
    public func entry(ofPort port: String) -> Int? {
        let name = String(port.prefix { $0 != "/" })
        guard let entry = entries.firstIndex(where: { $0.part == nil && $0.name == name }) else { return nil }
        guard name.count < port.count else { return entry }
        return partIndex(of: entry, [String(port.dropFirst(name.count + 1))]) ?? entry
    }

    private func partIndex(of entry: Int, _ device: [String]) -> Int? {
        let known = Set(entries.compactMap { $0.part?.entry == entry ? $0.part?.words : nil }.joined())
        let words = PortPart.words(of: device, among: known)
        return entries.firstIndex { $0.part?.entry == entry && $0.part?.words == words }
    }
}
