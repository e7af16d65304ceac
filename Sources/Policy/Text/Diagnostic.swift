// SPDX-License-Identifier: Apache-2.0

/// A place in a policy's text; lines and columns count from 1.
public struct SourceLocation: Sendable, Hashable {
    private let name: FileName
    private let lineNumber: UInt32
    private let columnNumber: UInt32

    public init(file: String, line: Int, column: Int) { self.init(FileName(file), line: line, column: column) }

    init(_ file: FileName, line: Int, column: Int) {
        name = file
        lineNumber = UInt32(clamping: line)
        columnNumber = UInt32(clamping: column)
    }

    /// A path that can be opened: the policy's own file as the user named it, an included file as it is reached from
    /// there.
    public var file: String { name.text }
    public func isInSameFile(as other: SourceLocation) -> Bool { name == other.name }
    public var line: Int { Int(lineNumber) }
    public var column: Int { Int(columnNumber) }
}

/// Something with a name in a policy's text, and where it stands.
public struct NamedPlace: Sendable, Hashable {
    public var name: String
    public var location: SourceLocation

    public init(name: String, location: SourceLocation) {
        self.name = name
        self.location = location
    }
}

/// One error or warning about a policy.
public struct Diagnostic: Sendable, Hashable {
    public enum Severity: String, Sendable, Hashable {
        case error
        case warning
        /// Worth a look; never a reason to refuse a policy.
        case note
    }

    public var severity: Severity
    public var location: SourceLocation
    /// What is wrong, what was expected, and the nearest name where there is one.
    public var message: String
    /// The name of the rule that the message is about, if any.
    public var rule: String?
    /// What kind of finding it is, if it follows from the policy's meaning rather than its text.
    public var finding: Finding?

    public init(
        _ severity: Severity, at location: SourceLocation, _ message: String, rule: String? = nil,
        finding: Finding? = nil
    ) {
        self.severity = severity
        self.location = location
        self.message = message
        self.rule = rule
        self.finding = finding
    }
}

extension [Diagnostic] {
    /// By file, in the order of a key of its name, then by line and column. What is at one place stays in order.
    package func byPlace<Key: Comparable>(_ key: (String) -> Key) -> [Diagnostic] {
        enumerated().sorted { left, right in
            let (a, b) = (left.element.location, right.element.location)
            let (one, two) = (key(a.file), key(b.file))
            if one != two { return one < two }
            return (a.line, a.column, left.offset) < (b.line, b.column, right.offset)
        }.map(\.element)
    }
}

extension Diagnostic: CustomStringConvertible {
    /// `file:line:column: severity: message`
    public var description: String {
        "\(location.file):\(location.line):\(location.column): \(severity.rawValue): \(message)"
    }
}
