// SPDX-License-Identifier: Apache-2.0
import Policy
import TestSupport
import Testing

@testable import Datapath
@testable import Host

/// What is pinned of the past, with bounds small enough to reach.
@Suite(.serialized) struct HistoryStoreTests {
    private func apply(_ policy: TestPolicy, _ text: [UInt8]?, _ instance: Instance) throws -> ApplyReport {
        try instance.apply(
            image: policy.compile(), bindings: policy.bindings(),
            origin: PolicyOrigin(
                note: ApplyNote(person: .current),
                files: text.map { [RecordingFiles.File(path: "policy.yaml", bytes: $0)] }))
    }

    /// The largest text of the standard bounds is kept and read back whole.
    @Test func aTextOf64MiBFits() throws {
        let lab = try GuestLab()
        var text = [UInt8](repeating: 7, count: 64 << 20)
        for index in stride(from: 0, to: text.count, by: 4093) { text[index] = UInt8(truncatingIfNeeded: index) }
        let report = try apply(lab.policy, text, lab.instance)
        #expect(report.warnings.isEmpty, "\(report.warnings)")
        #expect(report.memoryBytes > 64 << 20)
        let kept = try lab.instance.keptPolicy(1)
        #expect(kept.files.first?.bytes == text)
    }

    @Test func theOldestTextsGoAndTheLogSaysSo() throws {
        let lab = try GuestLab()
        var instance = lab.instance
        instance.historyBounds = HistoryBounds(policies: 10, bytes: 300_000)
        var policy = lab.policy
        for number in 1...4 {
            policy.rule("r\(number)", nil, .accept)
            _ = try apply(policy, [UInt8](repeating: UInt8(number), count: 140_000), instance)
        }
        #expect(try instance.generations().map(\.isKept) == [true, true, false, false])
        #expect(try instance.generations().map(\.generation) == [4, 3, 2, 1])
        #expect(try instance.textFolder.names.count == 2)
        let error = #expect(throws: DatapathError.self) { try instance.keptPolicy(1) }
        #expect(error?.message.contains("are not kept: they were too large") == true)
        // Too large to be read into the history at all.
        policy.rule("r5", nil, .accept)
        #expect(try apply(policy, nil, instance).warnings.first?.contains("cannot bring generation 5 back") == true)
        #expect(try instance.generations().map(\.isKept) == [false, true, true, false, false])
    }

    /// A text that somebody changed is not taken for a policy.
    @Test func aChangedTextIsRefused() throws {
        let lab = try GuestLab()
        _ = try apply(lab.policy, Array("one".utf8), lab.instance)
        let folder = lab.instance.textFolder
        let name = try #require(try folder.names.first)
        try folder.unpin(name)
        #expect(try lab.instance.generations().map(\.isKept) == [false])
        try PinnedBytes.keep(Array("two".utf8), as: name, in: folder)
        let error = #expect(throws: DatapathError.self) { try lab.instance.keptPolicy(1) }
        #expect(error?.message.contains("were changed") == true)
        // A record of nonsense is none.
        try PinnedBytes.keep(Array("{}".utf8), as: "7", in: lab.instance.historyFolder)
        #expect(try lab.instance.generations().map(\.generation) == [1])
    }

    @Test(arguments: [("4294967295", nil), ("1000", 1000), ("0\n", 0), ("", nil)] as [(String, UInt32?)])
    func theLoginUserIsTheKernels(text: String, expected: UInt32?) {
        #expect(Operator.loginUID(text) == expected)
    }
}
