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

    /// What the name of a record ends with whose generation is not, or was not, in force for good.
    private enum Mark: String, CaseIterable {
        /// It is not published yet.
        case pending = "-new"
        /// It is on trial, or about to be.
        case trial = "-trial"
        /// Its trial ended, and what was in force before is in force again.
        case reverted = "-reverted"
    }

    /// The generation and the mark that a record's name tells; nil if it is no record's.
    private static func parse(_ name: String) -> (generation: UInt32, mark: Mark?)? {
        let mark = Mark.allCases.first { name.hasSuffix($0.rawValue) }
        return UInt32(name.dropLast(mark?.rawValue.count ?? 0)).map { ($0, mark) }
    }

    private static func name(_ generation: UInt32, _ mark: Mark?) -> String { "\(generation)\(mark?.rawValue ?? "")" }

    init(_ instance: Instance) {
        records = instance.historyFolder
        texts = instance.textFolder
        bounds = instance.historyBounds
    }

    // MARK: Writing, under the instance's lock

    /// Pins the record of a generation that is about to be published.
    func prepare(_ record: GenerationRecord, _ contents: PolicyTexts, onTrial: Bool = false) throws {
        for (name, bytes) in contents.texts.sorted(by: { $0.key < $1.key }) where !texts.holds(name) {
            try PinnedBytes.keep(bytes, as: name, in: texts)
        }
        let encoded = try JSONEncoder().encode(record)
        try PinnedBytes.keep(Array(encoded), as: Self.name(record.generation, onTrial ? .trial : .pending), in: records)
    }

    /// Decides what becomes of records whose apply did not come to its end, and of those whose trial did: that of the
    /// generation in force counts, one whose trial has ended says so, and others were never in force.
    ///
    /// - Parameters:
    ///   - generation: nil: none is, so what is there is an earlier installation's.
    ///   - lastTrial: The generation that was on trial last; 0: none was.
    func settle(inForce generation: UInt32?, lastTrial: UInt32) throws {
        for name in try records.names {
            guard let (number, mark) = Self.parse(name) else {
                try records.unpin(name)
                continue
            }
            let isInForce = number == generation
            switch mark {
            case .pending where isInForce, .trial where isInForce: try rename(name, Self.name(number, nil))
            case .trial where number == lastTrial: try rename(name, Self.name(number, .reverted))
            case .reverted where number <= lastTrial: break
            case nil where number <= generation ?? 0: break
            default: try records.unpin(name)
            }
        }
    }

    private func rename(_ old: String, _ new: String) throws {
        if let open = try records.open() { try open.rename(old, to: new) }
    }

    /// Removes what is beyond the bounds, and texts that no record names.
    func trim() throws {
        let (kept, needed) = bounds.kept(of: try all(inForce: nil))
        let numbers = Set(kept.map(\.generation))
        for name in try records.names {
            let isKept = Self.parse(name).map { $0.mark != .pending && numbers.contains($0.generation) } ?? false
            if !isKept { try records.unpin(name) }
        }
        for name in try texts.names where !needed.contains(name) { try texts.unpin(name) }
    }

    // MARK: Reading

    /// The records that count, the newest first.
    ///
    /// - Parameter generation: That in force; its record counts also where it has not got its name yet.
    func all(inForce generation: UInt32?) throws(DatapathError) -> [GenerationRecord] {
        var found: [UInt32: GenerationRecord] = [:]
        for name in try records.names {
            guard let (number, mark) = Self.parse(name), mark != .pending || number == generation,
                let record = try record(name)
            else { continue }
            found[record.generation] = record
        }
        return found.values.sorted { $0.generation > $1.generation }
    }

    /// The generations that are on trial, or were and did not stay.
    func unconfirmed() throws(DatapathError) -> Set<UInt32> {
        Set(
            try records.names.compactMap { name in
                Self.parse(name).flatMap { $0.mark == .trial || $0.mark == .reverted ? $0.generation : nil }
            })
    }

    /// nil where it is gone, or another version's.
    private func record(_ name: String) throws(DatapathError) -> GenerationRecord? {
        do throws(BPFError) {
            guard let bytes = try PinnedBytes.read(name, in: records) else { return nil }
            let text = bytes.prefix { $0 != 0 }
            let record = try? JSONDecoder().decode(GenerationRecord.self, from: Data(text))
            guard let record, Self.parse(name)?.generation == record.generation else { return nil }
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
