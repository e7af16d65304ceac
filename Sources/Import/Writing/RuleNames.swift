// SPDX-License-Identifier: Apache-2.0

/// Names for rules and groups: from what their authors wrote, or from what they say.
enum RuleNames {
    private static let longest = 48

    /// Letters, digits and dashes; nil if nothing is left.
    static func slug(_ text: String) -> String? {
        var result = ""
        for scalar in text.unicodeScalars {
            if result.utf8.count >= longest { break }
            let isWord = scalar.isASCII && (scalar.properties.isAlphabetic || scalar.properties.numericType != nil)
            if isWord || scalar == "." || scalar == "_" {
                result.unicodeScalars.append(scalar)
            } else if !result.isEmpty, result.last != "-" {
                result += "-"
            }
        }
        while result.last == "-" || result.last == "." { result.removeLast() }
        return result.isEmpty || result.allSatisfy({ $0.isNumber || $0 == "." }) ? nil : result.lowercased()
    }
}

/// Names that are given out one after another, each once.
struct NameTable {
    private var taken: Set<String> = []
    private var numbers: [String: Int] = [:]

    mutating func unique(_ name: String) -> String {
        if taken.insert(name).inserted { return name }
        var number = numbers[name] ?? 2
        while !taken.insert("\(name)-\(number)").inserted { number += 1 }
        numbers[name] = number + 1
        return "\(name)-\(number)"
    }
}
