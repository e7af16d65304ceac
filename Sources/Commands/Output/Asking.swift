// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Control
import Glibc
import Host
import Rendering
import Requests

extension OutputOptions {
    /// For the standard output of this command.
    var look: Presentation {
        Presentation(
            isJSON: isJSON, isColoured: Palette.standardOutput.isColoured, isTerminal: StandardOutput.isTerminal,
            width: StandardOutput.size?.width)
    }
}

extension InstanceOptions {
    /// The agent's socket, where this user may not look into the instance.
    var socket: ControlSocket? { ControlSocket.instead(ofInstance: name) }

    /// Shows the answer to a question: the kernel's or, where this user may not ask that, the agent's.
    func show(_ question: Question, _ output: OutputOptions) throws {
        if let socket {
            try socket.show(question.target, output.look)
        } else {
            try question.answer(of: controller, instance: name, output.look) { try $0.show() }
        }
    }

    /// Makes a change, or has the agent make it where this user may not.
    func make(_ change: Change, _ output: OutputOptions) throws {
        if try self.change(output, { change }) { return }
        try noting(change.deed, change.object, change.terms) {
            try change.perform(on: controller, instance: name, by: .current, output.look) { try $0.show() }
        }
    }

    /// Has the agent make a change, where this user may not.
    ///
    /// - Returns: false where this process is to make it itself.
    func change(_ output: OutputOptions, _ change: () throws -> Change) throws -> Bool {
        guard let socket else { return false }
        try socket.make(try change(), output)
        return true
    }

    /// What is on trial now: the kernel's or, where this user may not ask that, the agent's word.
    func trialNow() throws -> TrialNow {
        if let socket { return try socket.trialNow(until: Interruption.isRequested || StandardOutput.isClosed) }
        return try TrialNow(of: controller)
    }

    /// Notes a change that this command makes itself, where there is a log of changes.
    func noting(
        _ deed: String, _ object: String?, _ terms: Change.Terms? = nil, _ body: () throws -> Void
    ) throws {
        guard unsafe access(ChangeLog.folder, W_OK) == 0 else { return try body() }
        let author = ChangeLog.Author(person: .current, process: getpid(), isThroughAgent: false)
        let controller = try controller
        // root's own command is not kept from cutting a port off by a disk that is full.
        func unnoted(_ refusal: Refusal) throws {
            Notices.warn(["\(refusal.cause)"])
            try body()
        }
        let log: ChangeLog
        do throws(Refusal) { log = try ChangeLog(instance: name) } catch { return try unnoted(error) }
        let entry: ChangeLog.Entry
        do throws(Refusal) {
            entry = try log.begin(deed, object, terms, by: author, on: controller)
        } catch {
            return try unnoted(error)
        }
        var failure: (any Error)?
        do { try body() } catch { failure = error }
        if let warning = log.end(entry, on: controller, failure) { Notices.warn([warning]) }
        if let failure { throw failure }
    }

    /// - Throws: ``Refusal`` if this user is not root and may not look into the instance, because the agent cannot do
    ///   what is asked.
    func requireKernel(for deed: String) throws {
        guard socket != nil else { return }
        throw Refusal("the agent cannot do this for a user who is not root: \(deed)", advice: "run it as root")
    }
}

extension ControlSocket {
    /// Has the agent make a change.
    ///
    /// - Returns: the generation whose trial has begun.
    @discardableResult
    func make(_ change: Change, _ output: OutputOptions) throws -> UInt32? {
        let request = change.request
        var begun: UInt32?
        try show(request.target, output.look, method: request.method, body: request.body) { piece in
            if case .trial(let generation) = piece { begun = generation }
            try piece.show()
        }
        return begun
    }

    /// Asks the agent, and shows what it says as it comes.
    ///
    /// - Parameter isEnded: Whether nothing more is wanted, besides where this command is interrupted.
    func show(
        _ target: Target, _ look: Presentation, method: String = "GET", body: [UInt8] = [],
        until isEnded: @autoclosure () -> Bool = false, _ put: (Piece) throws -> Void = { try $0.show() }
    ) throws {
        do {
            try ask(
                method, target, look, body: body,
                until: isEnded() || Interruption.isRequested || StandardOutput.isClosed, put)
        } catch let refused as RefusedRequest {
            for notice in refused.notices { StandardError.line(notice) }
            throw refused.refusal
        }
    }
}

extension Piece {
    func show() throws {
        switch self {
        case .output(let text): try StandardOutput.write(Words(verbatim: text))
        case .notice(let words): StandardError.line(words)
        case .status(let status): throw ExitCode(status)
        case .trial: break
        case .failure(let words):
            StandardError.line("Error: \(words)")
            throw ExitCode.failure
        }
    }
}
