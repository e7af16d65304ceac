// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Control
import Rendering

struct DiffCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "diff",
        abstract: "Say what changes if one policy takes the place of another.",
        discussion: """
            With one policy file, it is compared with the policy in force; with two, the second is compared with the \
            first. Says which rules and ports are added, removed, moved or changed, and which traffic changes its \
            verdict, exactly, over all packets that open a connection: a new name or a new order without effect \
            changes no traffic. Each change has a packet that shows it. Where a port comes or goes, traffic changes as \
            well, because everything passes a device that no port has.

            Compared with the policy in force, the flows that are open now are judged by the new policy, and those \
            that would end are shown. --flows takes them from a file that `bulkhead flows --json` wrote.

            Example:
              bulkhead diff policy.yaml
              bulkhead diff --exit-code old.yaml new.yaml
              bulkhead flows --json > flows.json; bulkhead diff --flows flows.json old.yaml new.yaml
            """)

    @Argument(
        help: ArgumentHelp("The new policy file, or an old and a new one.", valueName: "policy"),
        completion: .file(extensions: ["yaml", "yml"]))
    var policies: [String]
    @Flag(help: "Exit with 2 where traffic changes, or may.")
    var exitCode = false
    @Option(
        help: ArgumentHelp("Judge the flows of this file instead of those that are open.", valueName: "file"),
        completion: .file(extensions: ["json"]))
    var flows: String?
    @OptionGroup var instance: InstanceOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        if !(1...2).contains(policies.count) { throw ValidationError("give one policy file, or an old and a new one") }
    }

    func run() throws {
        let difference = try instance.controller.compare(
            policies.count == 2 ? policies[0] : nil, with: policies[policies.count - 1], flows: flows)
        Notices.show(difference.diagnostics)
        try output.show(difference.json, or: difference.words)
        if exitCode, difference.changesTraffic { throw ExitCode(ExitStatus.different.rawValue) }
    }
}
