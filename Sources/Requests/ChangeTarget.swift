// SPDX-License-Identifier: Apache-2.0
import Control
import Network
import Policy

extension Change {
    /// How it is sent.
    package var request: (method: String, target: Target, body: [UInt8]) {
        switch self {
        case .quarantine(let port): ("POST", Target(["quarantine"], [.init("port", port)]), [])
        case .release(let port): ("DELETE", Target(["quarantine"], port.map { [.init("port", $0)] } ?? [.all]), [])
        case .add(let prefixes, let group, let seconds):
            ("POST", .members(group, seconds.map { [.init("for", "\($0)")] } ?? []), Self.lines(prefixes))
        case .delete(let prefixes, let group): ("DELETE", .members(group, []), Self.lines(prefixes))
        case .flush(let group): ("DELETE", .members(group, [.all]), [])
        case .confirm(let generation): ("POST", Target(["confirm"], Self.parameter(generation)), [])
        case .rollback(let generation, let terms):
            ("POST", Target(["rollback"], Self.parameter(generation) + terms.parameters), [])
        case .endTrial(let generation): ("POST", Target(["rollback"], [.init("trial", "\(generation)")]), [])
        case .detach(let ports): ("DELETE", Target(["ports"], ports.map { .init("port", $0) }), [])
        case .detachAll: ("DELETE", Target(["ports"], [.all]), [])
        case .endFlows(let question): ("DELETE", Target(["flows"], question.parameters), [])
        case .apply(let policy, let trial, let terms):
            (
                "POST",
                Target(["policy"], (trial.map { [.init("trial", "\($0)")] } ?? []) + terms.parameters),
                policy.document
            )
        }
    }

    private static func parameter(_ generation: UInt32?) -> [Target.Parameter] {
        generation.map { [.init("generation", "\($0)")] } ?? []
    }

    private static func lines(_ prefixes: [Prefix]) -> [UInt8] { Array(prefixes.map { "\($0)\n" }.joined().utf8) }

    /// - Returns: nil if nothing is changed so.
    package init?(
        _ method: String, _ path: [String], _ parameters: inout Parameters, body: [UInt8]
    ) throws(BadRequest) {
        switch (method, path.count, path.first, path.last) {
        case ("POST", 1, "quarantine", _):
            guard let port = try parameters.one("port") else { throw BadRequest("'port' is missing") }
            self = .quarantine(port)
        case ("DELETE", 1, "quarantine", _):
            let port = try parameters.one("port")
            guard try parameters.flag("all") == (port == nil) else { throw BadRequest("give 'port' or 'all=true'") }
            self = .release(port)
        case ("POST", 3, "groups", "members"):
            let seconds = try parameters.number("for", in: 1...DynamicGroup.longestTimeout)
            self = .add(try Self.prefixes(body), to: path[1], seconds: seconds)
        case ("DELETE", 3, "groups", "members"):
            self = try parameters.flag("all") ? .flush(path[1]) : .delete(try Self.prefixes(body), from: path[1])
        case ("POST", 1, "confirm", _): self = .confirm(try parameters.generation())
        case ("POST", 1, "rollback", _):
            if let trial = try parameters.generation("trial") {
                self = .endTrial(trial)
                return
            }
            self = .rollback(try parameters.generation(), try Terms(&parameters))
        case ("POST", 1, "policy", _):
            guard let policy = SentPolicy(body) else {
                throw BadRequest("the body is no {\"files\": [{\"name\", \"text\"}]}, the policy's own file first")
            }
            self = .apply(policy, trial: try parameters.number("trial", in: 1...7 * 86400), try Terms(&parameters))
        case ("DELETE", 1, "ports", _):
            let ports = parameters.all("port")
            guard try parameters.flag("all") == ports.isEmpty else { throw BadRequest("give 'port' or 'all=true'") }
            self = ports.isEmpty ? .detachAll : .detach(ports)
        case ("DELETE", 1, "flows", _):
            let question = try FlowQuestion(&parameters)
            guard !question.isEmpty else { throw BadRequest("give 'port', 'host', 'service' or 'state'") }
            self = .endFlows(question)
        default: return nil
        }
    }

    /// One a line.
    private static func prefixes(_ body: [UInt8]) throws(BadRequest) -> [Prefix] {
        var prefixes: [Prefix] = []
        for (number, line) in body.split(separator: UInt8(ascii: "\n")).enumerated() {
            guard let prefix = try? Prefix(parsing: String(decoding: line, as: UTF8.self)) else {
                throw BadRequest("line \(number + 1) of the body is no address or prefix; nothing was changed")
            }
            prefixes.append(prefix)
        }
        guard !prefixes.isEmpty else { throw BadRequest("the body has no addresses, one a line") }
        return prefixes
    }
}

extension Change.Terms {
    fileprivate var parameters: [Target.Parameter] {
        (message.map { [.init("message", $0)] } ?? []) + (isForced ? [.init("force", "true")] : [])
            + (session.map { [.init("session", $0)] } ?? [])
    }

    fileprivate init(_ parameters: inout Parameters) throws(BadRequest) {
        self.init(
            message: try parameters.one("message"), isForced: try parameters.flag("force"),
            session: try parameters.one("session"))
    }
}

extension Target {
    fileprivate static func members(_ group: String, _ query: [Parameter]) -> Target {
        Target(["groups", group, "members"], query)
    }
}

extension Target.Parameter {
    fileprivate static let all = Self("all", "true")
}
