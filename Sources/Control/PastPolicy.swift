// SPDX-License-Identifier: Apache-2.0
import Datapath
import Host
import Policy

/// A policy of the past that is to be put in force again.
package struct PastPolicy {
    package let generation: UInt32
    package let source: PolicySource

    init(_ generation: UInt32?, of instance: Instance) throws {
        let all = try instance.generations()
        self.generation = try generation ?? PastPolicy.before(all)
        source = try PolicySource(kept: instance.keptPolicy(self.generation), of: instance)
    }

    /// The latest generation with another policy than that in force. One whose trial ended was never chosen to stay.
    ///
    /// - Parameter all: The newest first.
    static func before(_ all: [PastGeneration]) throws(Refusal) -> UInt32 {
        guard let inForce = all.first(where: \.isInForce) else { throw Refusal("no policy is in force") }
        let isOther = { (past: PastGeneration) in
            // Lists of addresses count as well, where they are known.
            inForce.files.isEmpty || past.files.isEmpty
                ? past.sha256 != inForce.sha256 : past.files != inForce.files
        }
        guard let past = all.first(where: { $0.generation < inForce.generation && !$0.isUnconfirmed && isOther($0) })
        else {
            throw Refusal(
                "there is no policy before that of generation \(inForce.generation)",
                advice: "'bulkhead log' lists the generations that are kept; 'bulkhead detach --all' ends filtering")
        }
        return past.generation
    }
}

extension ApplyNote {
    /// The longest message, in bytes.
    static let messageLimit = 4096

    /// Who runs this command, where, and why.
    ///
    /// - Parameter person: Who it is for; nil: who runs this command.
    /// - Throws: ``Refusal`` if the message is too long.
    static func now(
        _ message: String?, rollbackOf generation: UInt32?, by person: Operator? = nil
    ) throws(Refusal) -> ApplyNote {
        let message = message.flatMap { $0.isEmpty ? nil : $0 }
        guard message.map({ $0.utf8.count <= messageLimit }) ?? true else {
            throw Refusal("the message is longer than \(messageLimit) bytes", advice: "shorten it")
        }
        return ApplyNote(
            person: person ?? .current, directory: person == nil ? WorkingDirectory.path : nil, message: message,
            rollbackOf: generation)
    }
}
