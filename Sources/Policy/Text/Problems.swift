// SPDX-License-Identifier: Apache-2.0

/// Collects the errors and warnings about a policy, so that one run reports them all.
package final class Problems {
    private(set) var diagnostics: [Diagnostic] = []
    private(set) var errorCount = 0
    package var hasErrors: Bool { errorCount > 0 }
    /// The name of the rule that is being read, which diagnostics carry.
    var rule: String?

    /// What was reported so far. A part of a document with an anchor is read at each of its aliases, but reported once.
    private var seen: Set<Diagnostic> = []
    private var searches = 0
    /// The most bytes of one message, most of which are quoted from the policy.
    private static let messageLimit = 4096

    package init() {}

    package func error(_ location: SourceLocation, _ message: String) {
        errorCount += 1
        add(Diagnostic(.error, at: location, message, rule: rule))
    }

    func warning(_ location: SourceLocation, _ message: String, _ finding: Finding? = nil) {
        add(Diagnostic(.warning, at: location, message, rule: rule, finding: finding))
    }

    func note(_ location: SourceLocation, _ message: String, _ finding: Finding) {
        add(Diagnostic(.note, at: location, message, rule: rule, finding: finding))
    }

    /// The words "; did you mean ...?" with the nearest of `names`, or "" if none is near. Only the first hundred names
    /// of a run are looked up, because each search is linear in the policy's size.
    func suggestion(for name: String, among names: some Sequence<String>) -> String {
        guard searches < 100 else { return "" }
        searches += 1
        guard let nearest = NearestName.of(name, among: names) else { return "" }
        return "; did you mean \"\(nearest)\"?"
    }

    /// All diagnostics, sorted by file, line and column.
    package var sorted: [Diagnostic] { diagnostics.byPlace { $0 } }

    /// The first `limit` bytes of a text, and "..." if it is longer. Counted in bytes, because a single character may
    /// be as long as a file.
    static func cut(_ text: String, to limit: Int) -> String {
        guard text.utf8.count > limit else { return text }
        var end = text.utf8.index(text.startIndex, offsetBy: limit)
        while end.samePosition(in: text.unicodeScalars) == nil { end = text.utf8.index(before: end) }
        return String(text.unicodeScalars.prefix(upTo: end)) + "..."
    }

    private func add(_ diagnostic: Diagnostic) {
        var diagnostic = diagnostic
        diagnostic.message = Problems.cut(diagnostic.message, to: Problems.messageLimit)
        guard seen.insert(diagnostic).inserted else { return }
        diagnostics.append(diagnostic)
    }
}

extension SourceLocation: CustomStringConvertible {
    /// `file:line:column`
    public var description: String { "\(file):\(line):\(column)" }
}
