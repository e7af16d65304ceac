// SPDX-License-Identifier: Apache-2.0

/// A new text of a policy that only changes what some of its rules do or are called. What its rules match, and all
/// else, is as in the old text.
public struct PolicyRevision: Sendable {
    public let edits: [RuleEdit]
    public let text: [UInt8]
    /// The bytes of the new text that hold its rules, one on each line.
    public let rulesText: Range<Int>

    /// Larger texts are read as a whole, because they may have more values than a policy may.
    private static let sizeLimit = 16 << 20

    /// nil if more than that may differ, so that the policy must be read as a whole.
    ///
    /// - Parameter rulesText: The bytes of the old text that hold its rules, see ``Ruleset/rulesText``.
    public init?(of old: [UInt8], rulesText: Range<Int>, to new: [UInt8]) {
        guard new.count <= PolicyRevision.sizeLimit, rulesText.upperBound <= old.count else { return nil }
        text = new
        let difference = TextDifference(old, new)
        if difference.old.isEmpty, difference.new.isEmpty {
            edits = []
            self.rulesText = rulesText
            return
        }
        guard difference.old.lowerBound >= rulesText.lowerBound, difference.old.upperBound <= rulesText.upperBound,
            let edits = PolicyRevision.edits(old, new, difference)
        else { return nil }
        self.edits = edits
        self.rulesText = rulesText.lowerBound..<rulesText.upperBound + new.count - old.count
    }

    /// The edits line by line; nil if a line was added or removed, or holds no rule.
    private static func edits(_ old: [UInt8], _ new: [UInt8], _ difference: TextDifference) -> [RuleEdit]? {
        var line = 1
        for byte in old[..<difference.old.lowerBound] where byte == newline { line += 1 }
        var editor = RuleEditor()
        var edits: [RuleEdit] = []
        var (before, after) = (old[difference.old], new[difference.new])
        while true {
            let (oldEnd, newEnd) = (before.firstIndex(of: newline), after.firstIndex(of: newline))
            guard (oldEnd == nil) == (newEnd == nil) else { return nil }
            let oldLine = before[..<(oldEnd ?? before.endIndex)]
            let newLine = after[..<(newEnd ?? after.endIndex)]
            if oldLine != newLine {
                guard let edit = editor.edit(line: line, from: oldLine, to: newLine) else { return nil }
                edits.append(edit)
            }
            guard let oldEnd, let newEnd else { return edits }
            before = before[(oldEnd + 1)...]
            after = after[(newEnd + 1)...]
            line += 1
        }
    }

    private static let newline = UInt8(ascii: "\n")

    /// The policy without its rules, in the same lines.
    public var frame: [UInt8] {
        let lines = text[rulesText].lazy.filter { $0 == PolicyRevision.newline }.count
        return text[..<rulesText.lowerBound] + [UInt8](repeating: PolicyRevision.newline, count: lines)
            + text[rulesText.upperBound...]
    }

    /// Where the rules on these lines start.
    public func locations(ofLines lines: Set<Int>, file: String) -> [Int: SourceLocation] {
        if lines.isEmpty { return [:] }
        var result: [Int: SourceLocation] = [:]
        var line = 1
        var start = 0
        for (index, byte) in text.enumerated() {
            if byte == UInt8(ascii: "{"), lines.contains(line), result[line] == nil {
                result[line] = SourceLocation(file: file, line: line, column: index - start + 1)
            }
            guard byte == PolicyRevision.newline else { continue }
            line += 1
            start = index + 1
        }
        return result
    }
}
