// SPDX-License-Identifier: Apache-2.0
import Control
import Datapath
import Network
import Rendering
import Wire

/// What can be asked of an instance, by a command or through the control socket of its agent. Either way the answer is
/// the same.
package enum Question: Sendable, Hashable {
    /// - Parameter checks: Whether a port that is not enforced as the policy wants it makes another status.
    case status(checks: Bool)
    /// - Parameter watches: Whether there is one reading after the other, until who asks is gone; the agent's matter.
    case counters(watches: Bool)
    case flows(FlowQuestion)
    /// nil: all of them, without their members.
    case groups(String?)
    /// The text of a generation; nil: of that in force.
    case policy(UInt32?)
    case generations
}

extension Question {
    /// The status of a command whose answer is that not all is as the policy wants it.
    package static let notEnforced: Int32 = 3

    /// Hands over the answer, in pieces.
    package func answer(
        of controller: Controller, instance: String, _ look: Presentation, _ put: (Piece) throws -> Void
    ) throws {
        func show(_ json: @autoclosure () -> JSON, or words: @autoclosure () -> Words) throws {
            try put(.output(look.isJSON ? "\(json())\n" : words().text))
        }
        switch self {
        case .status(let checks):
            let status = try controller.status()
            try show(status.json, or: status.words(look.palette))
            if checks, !status.isAsIntended { try put(.status(Self.notEnforced)) }
        case .counters:
            let counters = try controller.counters()
            for warning in (try? controller.warnings()) ?? [] { try put(.notice("warning: \(warning)")) }
            try show(counters.json, or: counters.words)
        case .flows(let question): try Self.show(try controller.flows(question), look, put)
        case .groups(let name):
            let groups = try controller.groups(name)
            guard name != nil, let found = groups.first else {
                return try show(["instance": .string(instance), "groups": groups.json], or: groups.words)
            }
            try show(found.json(instance), or: found.words)
        case .policy(let generation):
            let policy = try controller.policyText(generation)
            try show(policy.json, or: policy.words(isTerminal: look.isTerminal))
        case .generations:
            let generations = try controller.generations()
            try show(generations.json, or: generations.words)
        }
    }

    /// A table of flows may be long: of JSON only some are in memory at once.
    private static func show(_ flows: [ListedFlow], _ look: Presentation, _ put: (Piece) throws -> Void) throws {
        guard look.isJSON else { return try put(.output(flows.words(fitting: look.width).text)) }
        for start in stride(from: 0, to: flows.count, by: 256) {
            let part = flows[start..<min(start + 256, flows.count)]
            try put(.output(part.map { "\($0.json)\n" }.joined()))
        }
    }
}
