// SPDX-License-Identifier: Apache-2.0
import Control
import FoundationEssentials
import Policy
import Rendering

/// A policy with all of its files, as one document: what `show --json` prints can be sent back. The agent reads nothing
/// else for it, least of all files of its own host that the sender may not read.
package struct SentPolicy: Sendable, Hashable, Decodable {
    package struct File: Sendable, Hashable, Decodable {
        package var name: String
        package var text: String
    }

    /// The policy's own first.
    package var files: [File]

    /// - Returns: nil if the document is something else.
    package init?(_ document: [UInt8]) {
        guard let read = try? JSONDecoder().decode(SentPolicy.self, from: Data(document)), !read.files.isEmpty,
            read.files.allSatisfy({ Self.mayBeName($0.name) })
        else { return nil }
        self = read
    }

    /// A path, and not the name by which the controller knows a policy of its own.
    private static func mayBeName(_ name: String) -> Bool {
        !name.isEmpty && name.utf8.count <= 4096 && name != ClosedPolicy.name
    }

    package init(_ files: [RecordingFiles.File]) {
        self.files = files.map { File(name: $0.path, text: String(decoding: $0.bytes, as: UTF8.self)) }
    }

    package var document: [UInt8] {
        let json: JSON = ["files": .array(files.map { ["name": .string($0.name), "text": .string($0.text)] })]
        return Array("\(json)\n".utf8)
    }

    var recorded: [RecordingFiles.File] {
        files.map { RecordingFiles.File(path: $0.name, bytes: Array($0.text.utf8)) }
    }
}
