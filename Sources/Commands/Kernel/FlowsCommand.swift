// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Control
import Network
import Rendering
import Requests
import Wire

struct FlowsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "flows",
        abstract: "List the connections that the kernel keeps track of, or end some of them.",
        discussion: """
            Each flow takes one line, or one JSON object: its port (for a host, the entry), the direction of its \
            opening packet, its protocol, who opened it, to whom, its state, how long it has been idle, and the rule \
            that accepted it. They are sorted by port, then by who opened them. Flows in the states `opening` and \
            `answered` are half-open. On a terminal that is too narrow, columns that matter less are left out and \
            lines are cut.

            With several options, a flow is meant if each of them selects it. Values of one option that is repeated \
            are alternatives.

            With --kill the flows that the options select are ended: the next packet of each is judged as if there \
            had been no connection. So an open TCP connection is cut off (`invalid-state`), and a new one needs a \
            rule that accepts it. Neither end is told. To keep the peer out, change the policy or a dynamic group \
            first.

            Example:
              bulkhead flows --port web-1 --state established
              bulkhead flows --json | jq -c 'select(.dport == 443)'
              bulkhead flows --kill --host 203.0.113.0/24 --service tcp/22
            """)

    @Option(
        help: ArgumentHelp(
            "Only at this port: an entry, entry/device or a device; of a host entry, all its flows. Repeatable.",
            valueName: "port"),
        completion: .names(.ports))
    var port: [String] = []
    @Option(
        help: ArgumentHelp("Only from or to this address or prefix.", valueName: "address"),
        transform: Prefix.init(argument:))
    var host: Prefix?
    @Option(
        help: ArgumentHelp(
            "Only connections to this service, such as tcp/443, dns or one of the policy's. Repeatable.",
            valueName: "service"),
        completion: .names(.services))
    var service: [String] = []
    @Option(help: ArgumentHelp("Only in this state. Repeatable.", valueName: "state"))
    var state: [FlowState] = []
    @Flag(help: "End these flows, and say how many there were.")
    var kill = false
    @OptionGroup var instance: InstanceOptions
    @OptionGroup var output: OutputOptions

    private var question: FlowQuestion { FlowQuestion(ports: port, host: host, services: service, states: state) }

    func validate() throws {
        if kill, question.isEmpty {
            throw ValidationError(
                "--kill ends the flows that --port, --host, --service or --state selects: give at least one of them")
        }
    }

    func run() throws {
        if kill { return try instance.make(.endFlows(question), output) }
        try instance.show(.flows(question), output)
    }
}

extension FlowState: ExpressibleByArgument {}
