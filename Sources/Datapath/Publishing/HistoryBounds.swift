// SPDX-License-Identifier: Apache-2.0

/// How much of its past an instance keeps. All of it is kernel memory.
public struct HistoryBounds: Sendable, Hashable {
    /// The most policies. Generations that follow each other and have the same texts are one policy.
    public var policies: Int
    /// The most bytes of all texts together.
    public var bytes: Int

    public static let standard = HistoryBounds(policies: 10, bytes: 128 << 20)

    public init(policies: Int, bytes: Int) {
        self.policies = policies
        self.bytes = bytes
    }

    /// What is kept of these records, the newest first. Of the generations of one policy the first and the last are
    /// kept. A record whose texts do not fit loses them, and stays.
    func kept(of records: [GenerationRecord]) -> (records: [GenerationRecord], texts: Set<String>) {
        var runs: [[GenerationRecord]] = []
        for record in records {
            if let last = runs.last?.last, last.files == record.files, !record.files.isEmpty {
                runs[runs.count - 1].append(record)
            } else {
                runs.append([record])
            }
        }
        let kept = runs.prefix(policies).flatMap { run in run.count > 2 ? [run[0], run[run.count - 1]] : run }
        var texts: Set<String> = []
        var rest = bytes
        for record in kept {
            let fresh = record.texts.filter { !texts.contains($0.key) }
            let size = fresh.values.reduce(0, +)
            guard size <= rest else { continue }
            rest -= size
            texts.formUnion(fresh.keys)
        }
        return (kept, texts)
    }
}
