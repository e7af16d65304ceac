// SPDX-License-Identifier: Apache-2.0
import Network
import Policy

/// The workloads of all sources, the oldest first. Pure.
package struct WorkloadList: Sendable, Hashable {
    private struct Entry: Sendable, Hashable {
        var source: String
        var workload: Workload
    }

    /// How many earlier names of a workload are remembered.
    static let mostFormerNames = 8

    private var entries: [Entry] = []

    package init() {}

    package var workloads: [Workload] { entries.map(\.workload) }

    /// Takes what a source tells.
    ///
    /// - Returns: Whether anything is different now.
    package mutating func take(_ update: WorkloadUpdate, from source: String) -> Bool {
        let before = entries
        switch update {
        case .add(let workload): add(workload, from: source)
        case .remove(let id): entries.removeAll { $0.source == source && $0.workload.id == id }
        case .sync(let workloads):
            let ids = Set(workloads.map(\.id))
            entries.removeAll { $0.source == source && !ids.contains($0.workload.id) }
            for workload in workloads { add(workload, from: source) }
        }
        return entries != before
    }

    /// Forgets what other sources told.
    package mutating func keep(sources: Set<String>) { entries.removeAll { !sources.contains($0.source) } }

    private mutating func add(_ workload: Workload, from source: String) {
        guard let place = entries.firstIndex(where: { $0.source == source && $0.workload.id == workload.id }) else {
            guard entries.count(where: { $0.source == source }) < WorkloadLine.mostWorkloads else { return }
            entries.append(Entry(source: source, workload: workload))
            return
        }
        var workload = workload
        var old = entries[place].workload
        if workload.refusal != nil {
            // Who could be forgotten by saying what cannot be told would have no policy.
            old.refusal = workload.refusal
            if !workload.interfaces.isEmpty { old.interfaces = workload.interfaces }
            entries[place].workload = old
            return
        }
        var names = workload.formerNames + (old.name == workload.name ? [] : [old.name]) + old.formerNames
        names.removeAll { $0 == workload.name }
        var seen: Set<String> = []
        workload.formerNames = Array(names.filter { seen.insert($0).inserted }.prefix(Self.mostFormerNames))
        let claims = Claims(of: workload).subtracting(Claims(of: old))
        let isOthers = entries.indices.contains { $0 != place && Claims(of: entries[$0].workload).meet(claims) }
        entries[place].workload = workload
        // What another has, it claims later than that one, however old it is.
        if isOthers { entries.append(entries.remove(at: place)) }
    }

    /// The addresses that a workload says are its own.
    private struct Claims {
        private var macs: Set<MACAddress>
        private var addresses: Set<Prefix>

        init(of workload: Workload) {
            macs = Set(workload.interfaces.compactMap(\.mac))
            addresses = Set(workload.interfaces.flatMap { $0.addresses ?? [] })
        }

        func subtracting(_ other: Claims) -> Claims {
            var rest = self
            rest.macs.subtract(other.macs)
            rest.addresses.subtract(other.addresses)
            return rest
        }

        func meet(_ other: Claims) -> Bool {
            !macs.isDisjoint(with: other.macs)
                || addresses.contains { own in
                    other.addresses.contains { $0.contains(own.address) || own.contains($0.address) }
                }
        }
    }

    // MARK: As it is kept

    package init(reading text: [UInt8]) throws(WorkloadLineError) {
        for line in try WorkloadLine.lines(text) {
            guard case .add(let workload) = line.update else { continue }
            entries.append(Entry(source: line.source ?? "", workload: workload))
        }
    }

    package var text: [UInt8] {
        entries.flatMap { WorkloadLine(.add($0.workload), from: $0.source).text + [UInt8(ascii: "\n")] }
    }
}
