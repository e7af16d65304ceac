// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Control
import Rendering

struct FlowsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "flows",
        abstract: "List the connections that the kernel keeps track of.",
        discussion: """
            Each flow takes one line, or one JSON object: its port (for a host, the entry), who opened it, to whom, \
            its state, and the rule that accepted it. Flows in the states `opening` and `answered` are half-open.

            Example:
              bulkhead flows
              bulkhead flows --json | jq -c 'select(.dport == 443)'
            """)

    @OptionGroup var instance: InstanceOptions
    @OptionGroup var output: OutputOptions

    func run() throws {
        let flows = try instance.controller.flows()
        guard !output.isJSON else {
            for (port, rule, flow) in flows { try StandardOutput.line(flow.json(port: port, rule: rule)) }
            return
        }
        var table = Table([
            .init("PORT"), .init("DIR"), .init("PROTOCOL"), .init("FROM"), .init("TO"), .init("STATE"),
            .init("IDLE", .right), .init("RULE"),
        ])
        for (port, rule, flow) in flows { table.append(flow.words(port: port, rule: rule)) }
        try StandardOutput.write(table.text)
    }
}
