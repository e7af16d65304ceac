// SPDX-License-Identifier: Apache-2.0
import Compiler

/// What an apply leaves in the history. Nothing of it keeps a policy from coming into force.
extension ApplyStep {
    /// Pins the record of the generation that is about to be published.
    mutating func remember(_ generation: UInt32, _ time: UInt64) {
        guard let origin else { return }
        let documents = view.files
        let texts = PolicyTexts(origin.files ?? [], documents: documents.map(\.name))
        let record = GenerationRecord(
            generation: generation, time: time, rules: view.ruleCount, sha256: PolicyText.hash(of: documents),
            file: documents.first?.name ?? "", note: origin.note, files: texts.files)
        do {
            try GenerationHistory(instance).prepare(record, texts, onTrial: trial != nil)
        } catch {
            warnings.append("'bulkhead log' will lack what is known of generation \(generation): \(error)")
        }
        if origin.files == nil {
            warnings.append(
                "the policy's files are larger than \(instance.historyBounds.bytes >> 20) MiB together, and are not "
                    + "kept: 'bulkhead rollback' cannot bring generation \(generation) back")
        }
    }

    /// Brings the history in line with what is in force, if an apply before was killed.
    mutating func bringHistoryUpToDate(inForce generation: UInt32?, _ maps: InstanceMaps) {
        changeHistory { try $0.settle(inForce: generation, lastTrial: try maps.lastTrial()) }
    }

    /// Lets the record count, now that its generation is in force, and removes what is too old.
    mutating func settleHistory(_ generation: UInt32, _ maps: InstanceMaps) {
        changeHistory { history in
            try history.settle(inForce: generation, lastTrial: try maps.lastTrial())
            try history.trim()
        }
    }

    private mutating func changeHistory(_ body: (GenerationHistory) throws -> Void) {
        do {
            try body(GenerationHistory(instance))
        } catch {
            warnings.append("the history of generations could not be brought up to date: \(error)")
        }
    }
}
