// SPDX-License-Identifier: Apache-2.0
import Compiler
import Policy

/// The files of a policy as they are kept: in a few texts, each named by its SHA-256. A large file is a text of its
/// own, so that generations that read the same list of addresses share it.
struct PolicyTexts {
    private(set) var files: [GenerationRecord.File] = []
    /// By their names.
    private(set) var texts: [String: [UInt8]] = [:]

    /// Files below this size are kept together in one text, because each text takes a map.
    static let smallest = 64 << 10

    /// - Parameter documents: The files of the policy's text; all others are lists of addresses.
    init(_ read: [RecordingFiles.File], documents: [String]) {
        let documents = Set(documents)
        var joined: [UInt8] = []
        for file in read {
            var entry = GenerationRecord.File(
                path: file.path, isList: !documents.contains(file.path), size: file.bytes.count, text: "", offset: 0)
            if file.bytes.count < PolicyTexts.smallest {
                entry.offset = joined.count
                joined += file.bytes
            } else {
                entry.text = PolicyTexts.name(of: file.bytes)
                texts[entry.text] = file.bytes
            }
            files.append(entry)
        }
        let name = PolicyTexts.name(of: joined)
        if files.contains(where: { $0.text.isEmpty }) { texts[name] = joined }
        for index in files.indices where files[index].text.isEmpty { files[index].text = name }
    }

    static func name(of text: [UInt8]) -> String { SHA256.digest(of: text).hexadecimal }
}

extension [UInt8] {
    /// Two digits for each byte.
    var hexadecimal: String { map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined() }
}
