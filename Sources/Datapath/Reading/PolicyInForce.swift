// SPDX-License-Identifier: Apache-2.0
import Compiler
import Policy

/// The policy that the kernel holds, read from its map.
public struct PolicyInForce: Sendable {
    public var generation: UInt32
    /// The policy's own file first.
    public var files: [SourceFile]
    /// SHA-256 of the bytes of all its files, one after the other, in hexadecimal: of a single file what `sha256sum`
    /// says of it.
    public var sha256: String
    /// Seconds since 1970.
    public var loadedAt: UInt64
    /// By rank.
    public var rules: [ImageView.RuleRecord]
}

extension PolicyInForce {
    static func hash(of files: [SourceFile]) -> String {
        var hash = SHA256()
        for file in files { hash.update(Array(file.text.utf8)) }
        return hash.digest().map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }
}
