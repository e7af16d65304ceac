// SPDX-License-Identifier: Apache-2.0
import Host
import Policy
import TestSupport
import Testing

@testable import Datapath

/// What is kept of the past: ten policies, and no more bytes than there may be.
@Suite struct HistoryBoundsTests {
    /// The newest first: each policy is a letter with a number of bytes.
    private static func records(_ policies: [(name: String, bytes: Int)]) -> [GenerationRecord] {
        policies.enumerated().map { index, policy in
            GenerationRecord(
                generation: UInt32(policies.count - index), time: 0, rules: 0, sha256: policy.name,
                file: "policy.yaml", note: ApplyNote(person: Operator(name: "root", uid: 0)),
                files: [
                    .init(path: "policy.yaml", isList: false, size: policy.bytes, text: policy.name, offset: 0)
                ])
        }
    }

    @Test func theNewestPoliciesAreKept() {
        let all = Self.records("abcdefghijkl".map { ("\($0)", 1) })
        let kept = HistoryBounds.standard.kept(of: all)
        #expect(kept.records.map(\.generation) == Array((3...12).reversed()))
        #expect(kept.texts.sorted() == "abcdefghij".map { "\($0)" })
    }

    /// An agent that applies a policy for each new device does not push other policies out.
    @Test func repetitionsCountAsOnePolicy() {
        let all = Self.records(
            Array(repeating: ("a", 1), count: 50) + [("b", 1)] + Array(repeating: ("a", 1), count: 3) + [("c", 1)])
        let kept = HistoryBounds(policies: 3, bytes: 100).kept(of: all)
        #expect(kept.records.map(\.generation) == [55, 6, 5, 4, 2])
        #expect(kept.texts == ["a", "b"])
    }

    /// Texts are shared; a record that has no room for its own loses it, and one that is newer never for an older one.
    @Test func textsBeyondTheBytesGo() {
        let all = Self.records([("a", 40), ("b", 50), ("a", 40), ("c", 20), ("d", 10)])
        let kept = HistoryBounds(policies: 10, bytes: 100).kept(of: all)
        #expect(kept.records.count == 5)
        #expect(kept.texts == ["a", "b", "d"])
        #expect(HistoryBounds(policies: 10, bytes: 30).kept(of: all).texts == ["c", "d"])
    }

    /// Small files share a text, large ones have their own, and each is found again.
    @Test func filesArePackedAndFound() throws {
        let large = [UInt8](repeating: 7, count: PolicyTexts.smallest)
        let read = [
            RecordingFiles.File(path: "policy.yaml", bytes: Array("one".utf8)),
            .init(path: "list.txt", bytes: large), .init(path: "empty.txt", bytes: []),
            .init(path: "more.yaml", bytes: Array("two".utf8)),
        ]
        let packed = PolicyTexts(read, documents: ["policy.yaml", "more.yaml"])
        #expect(packed.texts.count == 2)
        #expect(packed.files.map(\.isList) == [false, true, true, false])
        for (file, original) in zip(packed.files, read) {
            let text = try #require(packed.texts[file.text])
            #expect(Array(text[file.offset..<file.offset + file.size]) == original.bytes)
        }
    }

    /// Beyond the limit nothing is kept, and all is still read.
    @Test func whatIsReadIsRecorded() throws {
        let disk = MemoryFiles(["a": "12345", "b": "67890"])
        for (limit, expected) in [(10, ["a", "b"]), (9, nil)] as [(Int, [String]?)] {
            let files = RecordingFiles(disk, limit: limit)
            for path in ["a", "b", "a"] { #expect(try files.read(path, limit: 100, from: .regularFile).count == 5) }
            #expect(files.kept?.map(\.path) == expected)
        }
    }
}
