// SPDX-License-Identifier: Apache-2.0
import Compiler
import Policy

/// A policy's text, as it is or was in force.
public struct PolicyText: Sendable, Hashable {
    public var generation: UInt32
    /// The policy's own file first.
    public var files: [SourceFile]
    /// SHA-256 of the bytes of all its files, one after the other, in hexadecimal: of a single file what `sha256sum`
    /// says of it.
    public var sha256: String

    public init(generation: UInt32, files: [SourceFile], sha256: String) {
        self.generation = generation
        self.files = files
        self.sha256 = sha256
    }

    init(of image: LiveImage) {
        let files = image.view.files
        self.init(generation: image.generation, files: files, sha256: Self.hash(of: files))
    }

    static func hash(of files: [SourceFile]) -> String {
        var hash = SHA256()
        for file in files { hash.update(Array(file.text.utf8)) }
        return hash.digest().hexadecimal
    }
}
