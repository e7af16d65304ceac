// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Control
import Glibc
import Rendering

/// The `bulkhead` command.
public struct Bulkhead: ParsableCommand {
    public static let configuration = CommandConfiguration(
        commandName: "bulkhead",
        abstract: "A firewall inside the host's own virtual switch.",
        discussion: """
            One policy file says which packets may cross each NIC, bridge port, tap and veth. The kernel enforces it; \
            no process has to keep running.

            Example:
              bulkhead check policy.yaml
              bulkhead apply policy.yaml
              bulkhead drops

            Not supported yet: \(LaterCommand.names.joined(separator: ", ")).
            """,
        version: Version.current,
        subcommands: [
            CheckCommand.self, DiffCommand.self, ApplyCommand.self, ConfirmCommand.self, RollbackCommand.self,
            LogCommand.self, ShowCommand.self, StatusCommand.self, CountersCommand.self, FlowsCommand.self,
            DropsCommand.self, ShadowCommand.self, ExplainCommand.self, ReachCommand.self, ReplayCommand.self,
            ImportCommand.self, InitCommand.self, SchemaCommand.self, GroupCommand.self, QuarantineCommand.self,
            ReleaseCommand.self, DetachCommand.self, AdmitCommand.self, AgentCommand.self,
            ManualCommand<Bulkhead>.self,
        ])

    public init() {}

    /// Runs the command that `arguments` name, without the program's own name, and ends the process with its
    /// ``ExitStatus``.
    public static func main(_ arguments: [String]) {
        StandardDescriptors.fill()
        Interruption.ignoreBrokenPipe()
        do {
            try LaterCommand.refuse(arguments)
            let commands = configuration.subcommands.compactMap { $0.configuration.commandName }
            try UnknownCommand.refuse(arguments, commands: commands)
            var command = try parseAsRoot(arguments)
            try command.run()
        } catch is ClosedPipe {
            Glibc.exit(ExitStatus.done.rawValue)
        } catch is Interrupted {
            Glibc.exit(ExitStatus.done.rawValue)
        } catch {
            if let refusal = error as? Refusal { Notices.show(refusal.diagnostics) }
            if let words = Words(failure: error) { fail(words) }
            end(with: error, arguments)
        }
    }

    private static func fail(_ words: Words) -> Never {
        StandardError.line("Error: \(words)")
        Glibc.exit(ExitStatus.failed.rawValue)
    }

    /// Ends the process as `exit(withError:)` does, with text that is safe for a terminal. Only the parser's words and
    /// ours may take several lines: arguments are escaped.
    private static func end(with error: any Error, _ arguments: [String]) -> Never {
        var message = fullMessage(for: error)
        for argument in arguments where argument != Words.escaped(argument) {
            message = message.replacing(argument, with: Words.escaped(argument))
        }
        let code = exitCode(for: error)
        if message.isEmpty { Glibc.exit(code.rawValue) }
        if code.isSuccess {
            try? StandardOutput.line(Words(lines: message))
        } else {
            StandardError.line(Words(lines: message))
        }
        Glibc.exit(code.rawValue)
    }
}
