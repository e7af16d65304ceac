// SPDX-License-Identifier: Apache-2.0
import Policy

/// A generation that the instance remembers.
public struct PastGeneration: Sendable, Hashable {
    public var generation: UInt32
    /// Nanoseconds since 1970, when it was put in force.
    public var time: UInt64
    /// The policy's own file.
    public var file: String
    public var sha256: String
    public var rules: Int
    public var isInForce: Bool
    /// Whether it is on trial, or was and did not stay.
    public var isUnconfirmed = false
    /// Whether all of its files are kept, so that it can be put in force again.
    public var isKept: Bool
    /// nil: the apply was killed before it could say, or was an earlier version's.
    public var note: ApplyNote?
    /// The files that it was read from, with their sizes; empty where that is not known.
    public var files: [GenerationRecord.File]

    public init(
        generation: UInt32, time: UInt64, file: String, sha256: String, rules: Int, isInForce: Bool, isKept: Bool,
        note: ApplyNote?, files: [GenerationRecord.File] = []
    ) {
        self.generation = generation
        self.time = time
        self.file = file
        self.sha256 = sha256
        self.rules = rules
        self.isInForce = isInForce
        self.isKept = isKept
        self.note = note
        self.files = files
    }
}

/// A policy of the past, with the contents of all files that it was read from.
public struct KeptPolicy: Sendable {
    public var text: PolicyText
    /// The policy's own file first.
    public var files: [RecordingFiles.File]
}

extension Instance {
    /// The generations that are remembered, the newest first.
    public func generations() throws(DatapathError) -> [PastGeneration] {
        let maps = try openMaps()
        // A record may be added, or get its name, while they are read.
        for _ in 0..<16 {
            let image = try imageInForce(maps)
            let history = GenerationHistory(try held())
            let records = try history.all(inForce: image.generation)
            let kept = try history.keptTexts()
            let unconfirmed = try history.unconfirmed()
            guard image.isPublished(in: maps) else { continue }
            return PastGeneration.all(records, kept, unconfirmed, image)
        }
        throw DatapathError("policies are being applied again and again", advice: "try again when that is over")
    }

    /// The policy of a generation that is remembered.
    public func keptPolicy(_ generation: UInt32) throws(DatapathError) -> KeptPolicy {
        let maps = try openMaps()
        let history = GenerationHistory(try held())
        let records = try history.all(inForce: try imageInForce(maps).generation)
        guard let record = records.first(where: { $0.generation == generation }) else {
            let known = records.map { "\($0.generation)" }.joined(separator: ", ")
            throw DatapathError(
                "generation \(generation) of instance '\(name)' is not kept",
                advice: known.isEmpty ? "none is" : "those that are: \(known); see 'bulkhead log'")
        }
        guard !record.files.isEmpty, let contents = try history.contents(of: record) else {
            throw DatapathError(
                "the texts of generation \(generation) are not kept: they were too large",
                advice: "apply the policy's file; 'bulkhead log' tells which generations have their texts")
        }
        let files = zip(record.files, contents).map { RecordingFiles.File(path: $0.path, bytes: $1) }
        let documents = zip(record.files, files).filter { !$0.0.isList }.map { _, file in
            SourceFile(name: file.path, text: String(decoding: file.bytes, as: UTF8.self))
        }
        return KeptPolicy(
            text: PolicyText(generation: generation, files: documents, sha256: record.sha256), files: files)
    }
}

extension PastGeneration {
    /// - Parameter kept: The texts that there are.
    fileprivate static func all(
        _ records: [GenerationRecord], _ kept: Set<String>, _ unconfirmed: Set<UInt32>, _ image: LiveImage
    ) -> [PastGeneration] {
        var all = records.map { record in
            PastGeneration(
                generation: record.generation, time: record.time,
                file: record.file, sha256: record.sha256, rules: record.rules,
                isInForce: record.generation == image.generation,
                isKept: !record.files.isEmpty && record.texts.keys.allSatisfy(kept.contains), note: record.note,
                files: record.files)
        }
        for index in all.indices { all[index].isUnconfirmed = unconfirmed.contains(all[index].generation) }
        if !all.contains(where: \.isInForce) { all.insert(PastGeneration(image), at: 0) }
        return all.sorted { $0.generation > $1.generation }
    }

    /// The generation in force, as its image tells.
    private init(_ image: LiveImage) {
        let files = image.view.files
        self.init(
            generation: image.generation, time: image.view.header.loaded_at * 1_000_000_000,
            file: files.first?.name ?? "", sha256: PolicyText.hash(of: files), rules: image.view.ruleCount,
            isInForce: true, isKept: false, note: nil)
    }
}
