// SPDX-License-Identifier: Apache-2.0
import Control
import Datapath
import Host
import Network
import Policy
import Rendering

/// What can be changed of an instance through the control socket of its agent, in the words of the commands.
package enum Change: Sendable, Hashable {
    case quarantine(String)
    /// nil: everything.
    case release(String?)
    case add([Prefix], to: String, seconds: Int?)
    case delete([Prefix], from: String)
    case flush(String)
    /// nil: whichever generation is on trial.
    case confirm(UInt32?)
    /// nil: ends the trial, or else goes back to the latest generation with another policy.
    case rollback(UInt32?, Terms)
    /// Ends the trial of this generation, and does nothing else: whoever waits for its end may be late.
    case endTrial(UInt32)
    /// - Parameter trial: For so many seconds.
    case apply(SentPolicy, trial: Int?, Terms)
    /// The ports of these names pass everything.
    case detach([String])
    /// The instance leaves the kernel.
    case detachAll
    /// Ends the flows that are asked for.
    case endFlows(FlowQuestion)

    /// How a policy is put in force.
    package struct Terms: Sendable, Hashable {
        package var message: String?
        /// Whether a policy that cuts the session is put in force all the same.
        package var isForced: Bool
        /// The login that the change is made over, as `SSH_CONNECTION` has it.
        package var session: String?

        package init(message: String?, isForced: Bool, session: String?) {
            self.message = message
            self.isForced = isForced
            self.session = session
        }
    }
}

extension Change {
    /// Its name in the log.
    package var deed: String {
        switch self {
        case .quarantine: "quarantine"
        case .release: "release"
        case .add: "group add"
        case .delete: "group delete"
        case .flush: "group flush"
        case .confirm: "confirm"
        case .rollback, .endTrial: "rollback"
        case .apply(_, let trial, _): trial == nil ? "apply" : "apply --trial"
        case .detach, .detachAll: "detach"
        case .endFlows: "flows --kill"
        }
    }

    /// What it is done to, for the log.
    package var object: String? {
        switch self {
        case .quarantine(let port): port
        case .release(let port): port ?? "all"
        case .add(let prefixes, let group, _), .delete(let prefixes, let group):
            "\(group): \(prefixes.prefix(64).map(\.description).joined(separator: " "))"
                + (prefixes.count > 64 ? " and \(prefixes.count - 64) more" : "")
        case .flush(let group): group
        case .confirm(let generation): generation.map { "\($0)" }
        case .rollback(let generation, _): generation.map { "\($0)" }
        case .endTrial(let generation): "trial \(generation)"
        case .apply(let policy, _, _): policy.files.first?.name
        case .detach(let ports): ports.joined(separator: " ")
        case .detachAll: "all"
        case .endFlows(let question):
            question.parameters.map { "\($0.name)=\($0.value)" }.joined(separator: " ")
        }
    }

    package var terms: Terms? {
        switch self {
        case .rollback(_, let terms), .apply(_, _, let terms): terms
        default: nil
        }
    }

    /// Does it, and hands over what the command says.
    package func perform(
        on controller: Controller, instance: String, by person: Operator, _ look: Presentation,
        _ put: (Piece) throws -> Void
    ) throws {
        try withoutActuallyEscaping(put) { put in
            try perform(on: controller, by: person, Teller(instance: instance, look: look, put: put))
        }
    }

    private func perform(on controller: Controller, by person: Operator, _ teller: Teller) throws {
        let instance = teller.instance
        switch self {
        case .quarantine(let port):
            let report = try controller.quarantine(port)
            try teller.warn(report.warnings)
            try teller.show(report.json(instance, "quarantined"), or: report.wordsOfQuarantine)
        case .release(let port):
            let report = try port.map { try controller.release($0) } ?? controller.releaseAll()
            try teller.warn(report.warnings)
            let words = report.names.isEmpty ? "nothing was in quarantine\n" : report.wordsOfRelease
            try teller.show(report.json(instance, "released"), or: words)
        case .add(let prefixes, let group, let seconds):
            try teller.added(try controller.add(prefixes, to: group, seconds: seconds))
        case .delete(let prefixes, let group): try teller.deleted(try controller.delete(prefixes, from: group))
        case .flush(let group): try teller.flushed(try controller.flush(group))
        case .confirm(let generation):
            let report = try controller.confirm(generation)
            try teller.ended(report)
        case .rollback(nil, let terms):
            if let ended = try controller.endTrial() { return try teller.ended(ended) }
            try Self.goBack(nil, terms, controller, person, teller)
        case .rollback(let generation, let terms): try Self.goBack(generation, terms, controller, person, teller)
        case .endTrial(let generation):
            guard let ended = try controller.endTrial(of: generation) else {
                throw Refusal(
                    "generation \(generation) is not on trial",
                    advice: "'bulkhead log' tells what became of the last trial")
            }
            try teller.ended(ended)
        case .apply(let policy, let trial, let terms):
            let prepared = try controller.prepare(policy.recorded)
            try Self.apply(prepared, trial: trial, rollbackOf: nil, terms, controller, person, teller)
        case .detach(let ports): try teller.detached(try controller.detach(ports: ports))
        case .detachAll: try teller.detached(try controller.detachAll(), isAll: true)
        case .endFlows(let question):
            let count = try controller.endFlows(question)
            try teller.show(
                ["instance": .string(instance), "killed": JSON(count)], or: "\(counted(count, "flow")) ended\n")
        }
    }

    private static func goBack(
        _ generation: UInt32?, _ terms: Terms, _ controller: Controller, _ person: Operator, _ teller: Teller
    ) throws {
        let past = try controller.past(generation)
        try apply(
            PreparedPolicy(past.source), trial: nil, rollbackOf: past.generation, terms, controller, person, teller)
    }

    private static func apply(
        _ prepared: PreparedPolicy, trial: Int?, rollbackOf generation: UInt32?, _ terms: Terms,
        _ controller: Controller, _ person: Operator, _ teller: Teller
    ) throws {
        try teller.tell(prepared.source.loaded.diagnostics + prepared.findings)
        try teller.warn(controller.quarantineWarnings(prepared.source))
        // A trial goes back by itself.
        if trial == nil, !terms.isForced, let session = terms.session {
            switch controller.lockout(prepared, session: session) {
            case .none: break
            case .cuts(let refusal): throw refusal
            case .unknown(let warning): try teller.warn([warning])
            }
        } else if trial == nil, !terms.isForced {
            try teller.warn(["no SSH_CONNECTION names a login, so none is checked to outlive this"])
        }
        let report = try controller.apply(
            prepared, because: terms.message, rollbackOf: generation, trial: trial, by: person)
        try teller.warn(report.warnings)
        if report.trial == nil { try teller.warn([controller.keep(prepared)].compactMap(\.self)) }
        try teller.show(
            report.json(compiling: prepared.compileTime),
            or: report.words(compiling: prepared.compileTime, isRehearsal: false))
        if report.trial != nil { try teller.put(.trial(report.generation)) }
    }
}

/// Says what a command says of a change.
private struct Teller {
    let instance: String
    let look: Presentation
    let put: (Piece) throws -> Void

    func show(_ json: @autoclosure () -> JSON, or words: @autoclosure () -> Words) throws {
        try put(.output(look.isJSON ? "\(json())\n" : words().text))
    }

    func warn(_ warnings: [String]) throws {
        for warning in warnings { try put(.notice("warning: \(warning)")) }
    }

    func tell(_ diagnostics: [Diagnostic]) throws {
        for diagnostic in diagnostics where diagnostic.severity != .note { try put(.notice("\("\(diagnostic)")")) }
    }

    func ended(_ report: TrialReport) throws {
        try warn(report.warnings)
        try show(report.json, or: report.words)
    }

    func detached(_ report: DetachReport, isAll: Bool = false) throws {
        try warn(report.warnings)
        try show(report.json(instance), or: report.words(outOfKernel: isAll ? instance : nil))
    }

    func added(_ change: GroupChange) throws {
        let refreshed: Words = change.others == 0 ? "" : ", \(change.others) got a new time"
        try show(
            change.json(instance, [("added", JSON(change.changed)), ("refreshed", JSON(change.others))]),
            or: "\(change.group): \(counted(change.changed, "member")) added\(refreshed)\n")
    }

    func deleted(_ change: GroupChange) throws {
        let absent: Words = change.others == 0 ? "" : ", \(change.others) not in it"
        for prefix in look.isJSON ? [] : change.covered.prefix(10) {
            try put(
                .notice("warning: \("\(prefix)") is in the group all the same: a shorter prefix is a member"))
        }
        try show(
            change.json(
                instance,
                [
                    ("deleted", JSON(change.changed)), ("absent", JSON(change.others)),
                    ("covered", JSON(change.covered.map(\.description))),
                ]),
            or: "\(change.group): \(counted(change.changed, "member")) deleted\(absent)\n")
    }

    func flushed(_ change: GroupChange) throws {
        try show(
            change.json(instance, [("deleted", JSON(change.changed))]),
            or: "\(change.group): \(counted(change.changed, "member")) deleted\n")
    }
}
