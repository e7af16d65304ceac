// SPDX-License-Identifier: Apache-2.0

/// Words of this host, such as names of devices and programs, as a policy may have them.
struct PolicyWords {
    private var taken: Set<String> = []

    /// Whether it can stand in a policy as it is.
    static func isPlain(_ word: String) -> Bool {
        !word.isEmpty && word.unicodeScalars.allSatisfy { isPlain($0) }
    }

    private static func isPlain(_ scalar: Unicode.Scalar) -> Bool {
        ("a"..."z").contains(scalar) || ("A"..."Z").contains(scalar) || ("0"..."9").contains(scalar)
            || ["-", "_", "."].contains(scalar)
    }

    /// The word with a dash for what a policy cannot have there.
    static func plain(_ word: String) -> String {
        let scalars = word.unicodeScalars.map { isPlain($0) ? Character($0) : "-" }
        return scalars.isEmpty ? "unnamed" : String(scalars)
    }

    /// A name that was not given before.
    mutating func name(_ word: String) -> String {
        let plain = PolicyWords.plain(word)
        var name = plain
        var number = 2
        while !taken.insert(name).inserted {
            name = "\(plain)-\(number)"
            number += 1
        }
        return name
    }
}
