// SPDX-License-Identifier: Apache-2.0

/// A shell pattern (`*`, `?`, `[a-z]`, `[!a-z]`), matched byte by byte.
public struct Glob: Sendable, Hashable {
    private enum Token: Sendable, Hashable {
        case byte(UInt8)
        case any
        case star
        case set([ClosedRange<UInt8>], negated: Bool)
    }

    private let tokens: [Token]

    /// nil if a bracket is not closed, is empty, or has a range that runs backwards.
    public init?(_ pattern: String) {
        var tokens: [Token] = []
        var rest = Array(pattern.utf8)[...]
        while let byte = rest.popFirst() {
            switch byte {
            case UInt8(ascii: "*"): if tokens.last != .star { tokens.append(.star) }
            case UInt8(ascii: "?"): tokens.append(.any)
            case UInt8(ascii: "["):
                guard let set = Glob.set(&rest) else { return nil }
                tokens.append(set)
            default: tokens.append(.byte(byte))
            }
        }
        self.tokens = tokens
    }

    /// Whether a text has characters of a pattern.
    public static func isPattern(_ text: String) -> Bool {
        text.utf8.contains { $0 == UInt8(ascii: "*") || $0 == UInt8(ascii: "?") || $0 == UInt8(ascii: "[") }
    }

    /// Linear time except for stars: after a mismatch only the last star is extended.
    public func matches(_ text: String) -> Bool {
        let bytes = Array(text.utf8)
        var (token, byte) = (0, 0)
        var retry: (token: Int, byte: Int)?
        while byte < bytes.count {
            if token < tokens.count, tokens[token] == .star {
                retry = (token, byte)
                token += 1
            } else if token < tokens.count, Glob.matches(tokens[token], bytes[byte]) {
                token += 1
                byte += 1
            } else if let last = retry {
                retry = (last.token, last.byte + 1)
                (token, byte) = (last.token + 1, last.byte + 1)
            } else {
                return false
            }
        }
        return tokens[token...].allSatisfy { $0 == .star }
    }

    /// A text that it matches, and that `isFree`; nil where none is found. Stars and question marks stand for
    /// themselves, so no name that a policy writes out is taken.
    public func example(where isFree: (String) -> Bool) -> String? {
        let members = tokens.map { token -> [UInt8] in
            switch token {
            case .byte(let byte): [byte]
            case .any: [UInt8(ascii: "?")]
            case .star: [UInt8(ascii: "*")]
            case .set: (UInt8(ascii: "!")...126).filter { Glob.matches(token, $0) }
            }
        }
        guard !members.contains([]) else { return nil }
        return (0..<94).lazy.map { number in
            String(decoding: members.map { $0[number % $0.count] }, as: UTF8.self)
        }.first(where: isFree)
    }

    private static func matches(_ token: Token, _ byte: UInt8) -> Bool {
        switch token {
        case .byte(let wanted): wanted == byte
        case .any: true
        case .star: false
        case .set(let ranges, let negated): ranges.contains { $0.contains(byte) } != negated
        }
    }

    private static func set(_ rest: inout ArraySlice<UInt8>) -> Token? {
        let negated = rest.first == UInt8(ascii: "!")
        if negated { rest.removeFirst() }
        var ranges: [ClosedRange<UInt8>] = []
        while let low = rest.popFirst() {
            if low == UInt8(ascii: "]"), !ranges.isEmpty { return .set(ranges, negated: negated) }
            var high = low
            if rest.first == UInt8(ascii: "-"), let end = rest.dropFirst().first, end != UInt8(ascii: "]") {
                rest.removeFirst(2)
                high = end
            }
            guard low <= high else { return nil }
            ranges.append(low...high)
        }
        return nil
    }
}
