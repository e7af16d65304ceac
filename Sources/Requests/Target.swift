// SPDX-License-Identifier: Apache-2.0
import Control
import Network
import Wire

/// The path and the query of a request to the control socket.
package struct Target: Sendable, Hashable {
    package struct Parameter: Sendable, Hashable {
        package var name: String
        package var value: String

        package init(_ name: String, _ value: String) {
            self.name = name
            self.value = value
        }
    }

    /// Its parts, not escaped.
    package var path: [String]
    package var query: [Parameter]

    package init(_ path: [String], _ query: [Parameter] = []) {
        self.path = path
        self.query = query
    }

    /// As a request's line has it.
    package var text: String {
        let parts = path.map { "/" + Self.escaped($0) }.joined()
        let fields = query.map { "\($0.name)=\(Self.escaped($0.value))" }.joined(separator: "&")
        return "/v1\(parts)" + (fields.isEmpty ? "" : "?\(fields)")
    }

    private static func escaped(_ text: String) -> String {
        var result = ""
        for byte in text.utf8 {
            let character = Character(Unicode.Scalar(byte))
            if byte < 0x80, character.isLetter || character.isNumber || "-._~".contains(character) {
                result.append(character)
            } else {
                let digits = String(byte, radix: 16, uppercase: true)
                result += "%" + (digits.count == 1 ? "0" : "") + digits
            }
        }
        return result
    }

    /// The part of a path behind `/v1/`, split and not escaped any more.
    ///
    /// - Parameter decoded: Takes escapes away; nil: it cannot.
    package static func parts(of path: String, decoded: (Substring) -> String?) -> [String]? {
        guard path.hasPrefix("/v1/") else { return nil }
        let parts = path.dropFirst(4).split(separator: "/", omittingEmptySubsequences: false).map(decoded)
        return parts.contains { $0 == nil || $0 == "" } ? nil : parts.compactMap(\.self)
    }
}

/// What is wrong with the parameters of a request.
package struct BadRequest: Error, Sendable, Hashable {
    package var words: String

    package init(_ words: String) { self.words = words }
}

/// Takes parameters one by one; what is left at the end is unknown.
package struct Parameters {
    private var left: [Target.Parameter]

    package init(_ query: [Target.Parameter]) { left = query }

    package mutating func all(_ name: String) -> [String] {
        let found = left.filter { $0.name == name }
        left.removeAll { $0.name == name }
        return found.map(\.value)
    }

    package mutating func one(_ name: String) throws(BadRequest) -> String? {
        let values = all(name)
        guard values.count < 2 else { throw BadRequest("'\(name)' is given twice") }
        return values.first
    }

    /// A whole number from `range`.
    package mutating func number(_ name: String, in range: ClosedRange<Int>) throws(BadRequest) -> Int? {
        guard let text = try one(name) else { return nil }
        guard let value = Int(text), range.contains(value), text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else {
            throw BadRequest("'\(name)' is a number from \(range.lowerBound) to \(range.upperBound)")
        }
        return value
    }

    package mutating func generation(_ name: String = "generation") throws(BadRequest) -> UInt32? {
        try number(name, in: 1...Int(UInt32.max)).map { UInt32($0) }
    }

    /// `true` or `false`.
    package mutating func flag(_ name: String) throws(BadRequest) -> Bool {
        switch try one(name) {
        case nil, "false": false
        case "true": true
        default: throw BadRequest("'\(name)' is true or false")
        }
    }

    package mutating func prefix(_ name: String) throws(BadRequest) -> Prefix? {
        guard let text = try one(name) else { return nil }
        guard let prefix = try? Prefix(parsing: text) else {
            throw BadRequest("'\(name)' is an address or prefix, without host bits")
        }
        return prefix
    }

    package mutating func words<Word: RawRepresentable<String>>(
        _ name: String, as type: Word.Type
    ) throws(BadRequest) -> [Word] {
        var words: [Word] = []
        for value in all(name) {
            guard let word = Word(rawValue: value) else { throw BadRequest("'\(name)' has no such value") }
            words.append(word)
        }
        return words
    }

    package func end() throws(BadRequest) {
        if let unknown = left.first { throw BadRequest("there is no parameter '\(unknown.name)' here") }
    }
}

extension Question {
    /// Where it is asked.
    package var target: Target {
        switch self {
        case .status(let checks): Target(["status"], checks ? [.init("check", "true")] : [])
        case .counters(let watches): Target(["counters"], watches ? [.init("watch", "true")] : [])
        case .flows(let question): Target(["flows"], question.parameters)
        case .groups(let name): Target(["groups"] + (name.map { [$0] } ?? []))
        case .policy(let generation): Target(["policy"], generation.map { [.init("generation", "\($0)")] } ?? [])
        case .generations: Target(["generations"])
        }
    }

    /// - Returns: nil if there is no such question.
    package init?(_ path: [String], _ parameters: inout Parameters) throws(BadRequest) {
        switch path {
        case ["status"]: self = .status(checks: try parameters.flag("check"))
        case ["counters"]: self = .counters(watches: try parameters.flag("watch"))
        case ["flows"]: self = .flows(try FlowQuestion(&parameters))
        case ["groups"]: self = .groups(nil)
        case _ where path.count == 2 && path[0] == "groups": self = .groups(path[1])
        case ["policy"]: self = .policy(try parameters.generation())
        case ["generations"]: self = .generations
        default: return nil
        }
    }
}

extension FlowQuestion {
    var parameters: [Target.Parameter] {
        ports.map { .init("port", $0) } + (host.map { [.init("host", "\($0)")] } ?? [])
            + services.map { .init("service", $0) } + states.map { .init("state", $0.rawValue) }
    }

    init(_ parameters: inout Parameters) throws(BadRequest) {
        self.init(
            ports: parameters.all("port"), host: try parameters.prefix("host"), services: parameters.all("service"),
            states: try parameters.words("state", as: FlowState.self))
    }
}

extension EventQuestion {
    package var target: Target {
        var query = ports.map { Target.Parameter("port", $0) }
        query += reasons.map { .init("reason", $0.rawValue) } + rules.map { .init("rule", $0) }
        query += (host.map { [.init("host", "\($0)")] } ?? []) + services.map { .init("service", $0) }
        query += (accepts ? [.init("all", "true")] : []) + (count.map { [.init("count", "\($0)")] } ?? [])
        return Target(["drops"], query)
    }

    package init(_ parameters: inout Parameters) throws(BadRequest) {
        self.init(
            ports: parameters.all("port"), reasons: try parameters.words("reason", as: Reason.self),
            rules: parameters.all("rule"), host: try parameters.prefix("host"), services: parameters.all("service"),
            accepts: try parameters.flag("all"), count: try parameters.number("count", in: 1...Int(Int32.max)))
    }
}

extension Presentation {
    package var parameters: [Target.Parameter] {
        [.init("json", "\(isJSON)"), .init("colour", "\(isColoured)"), .init("terminal", "\(isTerminal)")]
            + (width.map { [.init("width", "\($0)")] } ?? []) + (height.map { [.init("height", "\($0)")] } ?? [])
    }

    package init(_ parameters: inout Parameters) throws(BadRequest) {
        self.init(
            isJSON: try parameters.flag("json"), isColoured: try parameters.flag("colour"),
            isTerminal: try parameters.flag("terminal"), width: try parameters.number("width", in: 1...65535),
            height: try parameters.number("height", in: 1...65535))
    }
}
