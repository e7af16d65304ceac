// SPDX-License-Identifier: Apache-2.0

/// Some of an entry's devices, which rules tell from its others.
public struct PortPart: Sendable, Hashable {
    /// The index of the entry whose devices they are.
    public var entry: Int
    /// The name of that entry.
    public var entryName: String
    /// What rules call the devices: names and patterns. Each device has all of these, and no others that rules use.
    public var words: Set<String>

    public init(entry: Int, entryName: String, words: Set<String>) {
        self.entry = entry
        self.entryName = entryName
        self.words = words
    }
}

extension PortPart {
    /// What a port of it may be called.
    public var example: String {
        entryName + "/" + (words.filter { !Glob.isPattern($0) }.min() ?? words.min() ?? "")
    }
}

extension PortPart {
    /// Those of some names and patterns that a device has.
    ///
    /// - Parameter names: All of the device's names.
    static func words(of names: [String], among words: Set<String>) -> Set<String> {
        words.filter { word in
            if names.contains(word) { return true }
            guard Glob.isPattern(word), let glob = Glob(word) else { return false }
            return names.contains(where: glob.matches)
        }
    }
}
