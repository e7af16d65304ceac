// SPDX-License-Identifier: Apache-2.0
import Foundation
import Network
import TestSupport
import Testing

/// A real sshd in a namespace of a lab, and its client.
final class SecureShell: Sendable {
    private let lab: Lab
    private let server: Command
    private let folder: String
    private let port: UInt16

    /// Starts the server on all addresses of a namespace.
    init(_ lab: Lab, in namespace: Namespace, port: UInt16 = 22) throws {
        self.lab = lab
        self.port = port
        let config = try lab.file(
            "sshd_config",
            """
            Port \(port)
            ListenAddress 0.0.0.0
            ListenAddress ::
            HostKey FOLDER/host
            AuthorizedKeysFile FOLDER/user.pub
            PidFile none
            StrictModes no
            UsePAM no
            PermitRootLogin yes
            UseDNS no
            LogLevel ERROR

            """)
        folder = URL(filePath: config).deletingLastPathComponent().path
        let text = try String(contentsOfFile: config, encoding: .utf8).replacing("FOLDER", with: folder)
        try text.write(toFile: config, atomically: true, encoding: .utf8)
        for key in ["host", "user"] {
            try Shell.check("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "\(folder)/\(key)")
        }
        try FileManager.default.createDirectory(atPath: "/run/sshd", withIntermediateDirectories: true)
        server = try Command(namespace.command(["/usr/sbin/sshd", "-D", "-e", "-f", config]))
        let sockets = ["ss", "-ltnH", "sport", "=", "\(port)"]
        let isUp = try poll(seconds: 10) { try !Shell.run(namespace.command(sockets)).output.isEmpty }
        try #require(isUp, "sshd did not start: \(server.errors)")
    }

    /// The words that run a command over a session from a namespace.
    ///
    /// - Parameter onTerminal: Whether it gets a terminal of its own.
    func command(
        from client: Namespace, to address: String, onTerminal: Bool = false, _ script: String
    ) -> [String] {
        var words = ["ssh", "-F", "none", "-i", "\(folder)/user", "-p", "\(port)"]
        let options = [
            "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR", "ConnectTimeout=9",
        ]
        for option in options { words += ["-o", option] }
        words += onTerminal ? ["-tt"] : ["-T"]
        return client.command(words + ["root@\(address)", script])
    }

    func run(
        from client: Namespace, to address: String, onTerminal: Bool = false, _ script: String
    ) throws -> CommandResult {
        try Shell.run(command(from: client, to: address, onTerminal: onTerminal, script), seconds: 60)
    }
}

extension [String] {
    /// As words of a shell.
    var quoted: String { map { "'" + $0.replacing("'", with: "'\\''") + "'" }.joined(separator: " ") }
}
