import ArgumentParser
import Datapath
import Glibc

/// The `bulkhead` command.
public struct Bulkhead: ParsableCommand {
    public static let configuration = CommandConfiguration(
        commandName: "bulkhead",
        abstract: "A firewall inside the host's own virtual switch.",
        discussion: """
            One policy file says which packets may cross each NIC, bridge port, tap and veth. The kernel enforces it; \
            nothing has to keep running.

            Example:
              bulkhead check policy.yaml
              bulkhead apply policy.yaml
              bulkhead drops

            Not supported yet: \(LaterCommand.names.joined(separator: ", ")).
            """,
        version: "0.1.0",
        subcommands: [
            CheckCommand.self, ApplyCommand.self, ShowCommand.self, StatusCommand.self, CountersCommand.self,
            FlowsCommand.self, DropsCommand.self, ExplainCommand.self, ReplayCommand.self,
            GroupCommand.self, QuarantineCommand.self, ReleaseCommand.self, DetachCommand.self,
        ])

    public init() {}

    /// Runs the command that `arguments` name (the process's own where nil) and ends the process with its exit code: 0 done, an
    /// interrupted stream and a closed pipe included; 1 refused or failed; 64 usage.
    public static func main(_ arguments: [String]?) {
        Interruption.ignoreBrokenPipe()
        do {
            try LaterCommand.refuse(arguments ?? Array(CommandLine.arguments.dropFirst()))
            var command = try parseAsRoot(arguments)
            try command.run()
        } catch is ClosedPipe {
            Glibc.exit(EXIT_SUCCESS)
        } catch is Interrupted {
            Glibc.exit(EXIT_SUCCESS)
        } catch let error as DatapathError {
            exit(withError: Refusal(error))
        } catch {
            exit(withError: error)
        }
    }
}
