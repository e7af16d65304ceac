// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials
import Libbpf

/// The generations that an instance remembers. Each has a record, pinned under its number, which names the texts that
/// the policy's files are in. A record is pinned under another name before its generation is published, and gets its
/// own name afterwards. So whenever an apply is killed, a record that counts is that of a generation that was in force.
struct GenerationHistory: Sendable {
    private let records: PinFolder
    private let texts: PinFolder
    private let bounds: HistoryBounds

    /// What the name of a record ends with until its generation is published.
    private static let pendingMark = "-new"

    init(_ instance: Instance) {
        records = instance.historyFolder
        texts = instance.textFolder
        bounds = instance.historyBounds
    }

    // MARK: Writing, under the instance's lock

    /// Pins the record of a generation that is about to be published.
    func prepare(_ record: GenerationRecord, _ contents: PolicyTexts) throws {
        for (name, bytes) in contents.texts.sorted(by: { $0.key < $1.key }) where !texts.holds(name) {
            try PinnedBytes.keep(bytes, as: name, in: texts)
        }
        let encoded = try JSONEncoder().encode(record)
        try PinnedBytes.keep(Array(encoded), as: "\(record.generation)\(Self.pendingMark)", in: records)
    }

    /// Decides what becomes of records whose apply did not come to its end: that of the generation in force counts, and
    /// others were never in force.
    ///
    /// - Parameter generation: nil: none is, so what is there is an earlier installation's.
    func settle(inForce generation: UInt32?) throws {
        for name in try records.names {
            if let generation, name == "\(generation)\(Self.pendingMark)", let open = try records.open() {
                try open.rename(name, to: "\(generation)")
            } else if UInt32(name).map({ $0 > generation ?? 0 }) ?? true {
                try records.unpin(name)
            }
        }
    }

    /// Removes what is beyond the bounds, and texts that no record names.
    func trim() throws {
        let (kept, needed) = bounds.kept(of: try all(inForce: nil))
        let numbers = Set(kept.map { "\($0.generation)" })
        for name in try records.names where !numbers.contains(name) { try records.unpin(name) }
        for name in try texts.names where !needed.contains(name) { try texts.unpin(name) }
    }

    // MARK: Reading

    /// The records that count, the newest first.
    ///
    /// - Parameter generation: That in force; its record counts also where it has not got its name yet.
    func all(inForce generation: UInt32?) throws(DatapathError) -> [GenerationRecord] {
        let pending = generation.map { "\($0)\(Self.pendingMark)" }
        var found: [UInt32: GenerationRecord] = [:]
        for name in try records.names where UInt32(name) != nil || name == pending {
            guard let record = try record(name) else { continue }
            found[record.generation] = record
        }
        return found.values.sorted { $0.generation > $1.generation }
    }

    /// nil where it is gone, or another version's.
    private func record(_ name: String) throws(DatapathError) -> GenerationRecord? {
        do throws(BPFError) {
            guard let bytes = try PinnedBytes.read(name, in: records) else { return nil }
            let text = bytes.prefix { $0 != 0 }
            let record = try? JSONDecoder().decode(GenerationRecord.self, from: Data(text))
            guard let record, name == "\(record.generation)" || name == "\(record.generation)\(Self.pendingMark)"
            else { return nil }
            return record
        } catch {
            throw DatapathError("cannot read what is kept of generation \(name)", error)
        }
    }

    /// The names of the texts that are kept.
    func keptTexts() throws(DatapathError) -> Set<String> { Set(try texts.names) }

    /// The bytes of each of a record's files; nil if they are not all kept.
    func contents(of record: GenerationRecord) throws(DatapathError) -> [[UInt8]]? {
        var held: [String: [UInt8]] = [:]
        for (name, size) in record.texts {
            do throws(BPFError) {
                guard let bytes = try PinnedBytes.read(name, count: size, in: texts) else { return nil }
                held[name] = bytes
            } catch {
                throw DatapathError("cannot read what is kept of generation \(record.generation)", error)
            }
        }
        guard held.allSatisfy({ PolicyTexts.name(of: $0.value) == $0.key }) else {
            throw DatapathError(
                "the texts that are kept of generation \(record.generation) were changed",
                advice: "apply the policy's file instead; only root can have changed them")
        }
        return record.files.map { file in Array((held[file.text] ?? [])[file.offset..<file.offset + file.size]) }
    }

    /// Kernel memory that it takes, in bytes.
    var memory: Int {
        [records, texts].reduce(0) { sum, folder in
            let names = (try? folder.names) ?? []
            return sum
                + names.reduce(0) { sum, name in
                    guard let pin = try? folder / name, let map = try? Map(pinnedAt: pin, name: name) else {
                        return sum
                    }
                    return sum + map.memory
                }
        }
    }
}
