// SPDX-License-Identifier: Apache-2.0

/// A file to import.
public struct ImportSource: Sendable, Hashable {
    /// As messages call it.
    public var name: String
    public var text: String

    public init(name: String, text: String) {
        self.name = name
        self.text = text
    }
}
