// SPDX-License-Identifier: Apache-2.0
import Datapath
import Policy

/// What another policy would do otherwise with live packets, as a stream, and in total.
package final class ShadowStream {
    private let reader: ShadowReader
    /// The problems of the policy's file.
    package let diagnostics: [Diagnostic]

    init(_ reader: ShadowReader, _ diagnostics: [Diagnostic]) {
        self.reader = reader
        self.diagnostics = diagnostics
    }

    /// The generation that the policy is compared with.
    package var generation: UInt32 { reader.generation }

    /// What the stream cannot tell of, for people.
    package var warnings: [String] {
        var warnings: [String] = []
        if !reader.unseen.isEmpty {
            warnings.append("not filtered now, so their packets are not seen: \(ShadowStream.list(reader.unseen))")
        }
        if !reader.dropped.isEmpty {
            warnings.append("the policy does not have \(ShadowStream.list(reader.dropped)): all would pass there")
        }
        return warnings
    }

    private static func list(_ names: [String]) -> String {
        let first = names.sorted().prefix(8).joined(separator: ", ")
        return names.count > 8 ? "\(first) and \(names.count - 8) more" : first
    }

    /// Hands over packets that would be judged otherwise, in the order in which they come, until `isEnded`, until so
    /// many have come, or until there is no more to compare. Blocks the calling thread.
    ///
    /// - Returns: what is in total.
    package func read(
        until isEnded: @autoclosure () -> Bool, atMost count: Int?, _ body: (ShadowEvent) throws -> Void
    ) throws -> ShadowSummary {
        var left = count ?? .max
        var end: ShadowReader.End?
        var isLast = false
        while left > 0, !isLast {
            end = reader.end
            isLast = end != nil || isEnded()
            if isLast { reader.stop() }
            for event in try reader.nextBatch().prefix(left) {
                try body(event)
                left -= 1
            }
        }
        reader.stop()
        return ShadowSummary(
            generation: reader.generation, counts: try reader.counts(), totals: try reader.totals(), end: end)
    }
}

/// What a shadow found, in all.
package struct ShadowSummary: Sendable {
    /// The generation that the policy was compared with.
    package var generation: UInt32
    package var counts: ShadowCounts
    package var totals: [ShadowTotal]
    /// Why it ended by itself; nil: it was asked to.
    package var end: ShadowReader.End?

    /// Why it ended by itself, as an error; nil: it was asked to.
    package var refusal: Refusal? {
        switch end {
        case nil: nil
        case .replaced(let by):
            Refusal(
                "generation \(by) judges now, not \(generation), which the policy was compared with",
                advice: "start 'bulkhead shadow' again to compare it with that")
        case .removed:
            Refusal(
                "the policy in force was taken out of the kernel: there is nothing to compare with",
                advice: "start 'bulkhead shadow' again when a policy is in force")
        }
    }
}

extension Controller {
    /// Starts to ask a policy's file what it would do with the packets that the policy in force judges.
    package func shadow(_ path: String) throws -> ShadowStream {
        let policy = try PreparedPolicy(PolicySource(path: path, for: instance, requiresDevices: false))
        let reader = try instance.shadow(image: policy.image, bindings: policy.source.loaded.bindings)
        return ShadowStream(reader, policy.source.loaded.diagnostics)
    }
}
