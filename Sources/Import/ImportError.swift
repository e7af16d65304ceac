// SPDX-License-Identifier: Apache-2.0

/// Why a rule set cannot be imported at all.
public struct ImportError: Error, Sendable, Hashable, CustomStringConvertible {
    /// What is wrong, and where: `file:line: ...` if it is a line's fault.
    public var description: String

    public init(_ description: String) { self.description = OneLine.text(description, most: 800) }

    init(_ file: String, _ line: Int, _ words: String) { self.init("\(file):\(line): \(words)") }
}
