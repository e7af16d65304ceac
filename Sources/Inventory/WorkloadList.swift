// SPDX-License-Identifier: Apache-2.0
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
        let old = entries[place].workload
        var names = workload.formerNames + (old.name == workload.name ? [] : [old.name]) + old.formerNames
        names.removeAll { $0 == workload.name }
        var seen: Set<String> = []
        workload.formerNames = Array(names.filter { seen.insert($0).inserted }.prefix(Self.mostFormerNames))
        entries[place].workload = workload
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
