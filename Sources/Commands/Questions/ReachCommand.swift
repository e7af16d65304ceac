// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Control
import Rendering

struct ReachCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "reach",
        abstract: "Say who can reach whom, through which ports, by which rules.",
        discussion: """
            Answers over all packets that open a connection: each row is what all ports on the way accept. Ends are \
            groups, ports, addresses, `any` or `host`; the answer is in the names of the policy's groups and ports. \
            Without --policy the policy in force is asked.

            Example:
              bulkhead reach --to db
              bulkhead reach --to db --from web --service tcp/5432
              bulkhead reach --to host --service tcp/22 --policy policy.yaml
            """)

    @Option(
        help: ArgumentHelp("Whom: a group, a port, an address or prefix, any or host.", valueName: "group"),
        completion: .names(.ends))
    var to: String
    @Option(
        help: ArgumentHelp("Who; if left out, anybody.", valueName: "group"), completion: .names(.ends))
    var from: String?
    @Option(
        help: ArgumentHelp("By what, such as tcp/22; if left out, any.", valueName: "service"),
        completion: .names(.services))
    var service: String?
    @Option(
        help: ArgumentHelp("Use this policy file instead of the policy in force.", valueName: "file"),
        completion: .file(extensions: ["yaml", "yml"]))
    var policy: String?
    @OptionGroup var instance: InstanceOptions
    @OptionGroup var output: OutputOptions

    func run() throws {
        let reach = try instance.controller.reach(
            ReachQuestion(to: to, from: from, service: service), policy: policy)
        try output.show(reach.json, or: reach.words)
    }
}
