// SPDX-License-Identifier: Apache-2.0
import Control
import Glibc
import Rendering
import SystemPackage
import UnixSockets

/// The control socket of an instance's agent, as commands use it who may not touch the kernel's objects themselves.
package struct ControlSocket: Sendable {
    /// Where an agent serves it unless it is told otherwise.
    package static func path(instance: String) -> String { "/run/bulkhead/\(instance).control" }

    private let path: String

    /// The socket to ask in place of the kernel; nil: there is none, or this process may look into the instance itself.
    package static func instead(ofInstance name: String) -> ControlSocket? {
        guard geteuid() != 0 else { return nil }
        let folder = "\(Controller.root)/\(name)"
        guard unsafe faccessat(AT_FDCWD, folder, X_OK, AT_EACCESS) != 0, errno == EACCES || errno == EPERM else {
            return nil
        }
        let path = path(instance: name)
        return unsafe access(path, F_OK) == 0 ? ControlSocket(path: path) : nil
    }

    /// Asks, and hands over the answer as it comes.
    ///
    /// - Parameter isEnded: Whether nothing more is wanted; asked when a signal comes.
    /// - Throws: ``Refusal`` if the agent refuses, or does not answer.
    package func ask(
        _ method: String = "GET", _ target: Target, _ look: Presentation, body: [UInt8] = [],
        until isEnded: @autoclosure () -> Bool = false, _ put: (Piece) throws -> Void
    ) throws {
        let socket = try connected()
        defer { try? socket.close() }
        var asked = target
        asked.query += look.parameters
        // In 1.0 what goes on has no chunks, and ends with the connection.
        let head =
            "\(method) \(asked.text) HTTP/1.0\r\nAccept: \(Piece.contentType)\r\nContent-Length: \(body.count)\r\n\r\n"
        // Whoever is refused may be told before all is sent.
        _ = try? socket.writeAll(Array(head.utf8) + body)
        var answer = ControlAnswer(socket)
        let status = try answer.readHead(until: isEnded)
        var isWhole = false
        while let line = try answer.line(until: isEnded) {
            guard status == 200, let piece = Piece(line: line) else {
                if status != 200 { throw ControlAnswer.refusal(line, status) }
                throw Self.strange
            }
            isWhole = true
            try put(piece)
        }
        guard isWhole || isEnded() || status == 200 else { throw ControlAnswer.refusal([], status) }
    }

    static let strange = Refusal(
        "the agent answered what this command does not understand",
        advice: "see that both are of one version: bulkhead --version, bulkhead-agent --version")

    private func connected() throws -> FileDescriptor {
        let value = Glibc.socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard value >= 0 else { throw Refusal("cannot make a socket: \(Errno(rawValue: errno))") }
        let socket = FileDescriptor(rawValue: value)
        do {
            try connect(socket)
            return socket
        } catch {
            try? socket.close()
            throw error
        }
    }

    /// Whoever serves there must be root: what it says is shown as it is.
    private func connect(_ socket: FileDescriptor) throws(Refusal) {
        guard let address = UnixAddress(path) else { throw Refusal("the path \(path) is too long for a socket") }
        guard address.connect(socket.rawValue) else {
            throw Refusal(
                "this needs root, or the agent, which does not answer at \(path): \(Errno(rawValue: errno))",
                advice: "run it as root, or see that the agent runs: systemctl status bulkhead-agent")
        }
        let server = PeerCredentials(of: socket.rawValue)
        guard server?.user == 0 else {
            throw Refusal(
                "who serves at \(path) is user \(server?.user ?? .max), not root", advice: "ask root who put it there")
        }
    }
}
