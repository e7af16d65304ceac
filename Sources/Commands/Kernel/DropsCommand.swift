// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Control
import Network
import Rendering
import Wire

struct DropsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "drops",
        abstract: "Stream every drop as it happens.",
        discussion: """
            The stream starts with the next packet and ends with Ctrl-C. Filters work in the kernel, so a flood of \
            other drops cannot crowd out what was asked for. Up to four streams may run at once; each sees everything \
            that it asks for.

            Example:
              bulkhead drops
              bulkhead drops --port db-1 --reason default --json | jq -r .src
              bulkhead drops --host 203.0.113.9 --count 100 --pcap drops.pcap
            """)

    @Flag(help: "Show accepted packets too, if their rule has `log: true`.")
    var all = false
    @Option(help: ArgumentHelp("End after this many events.", valueName: "n"))
    var count: Int?
    @Option(
        help: ArgumentHelp("Only at this port: an entry, entry/device or a device. Repeatable.", valueName: "port")
    )
    var port: [String] = []
    @Option(help: ArgumentHelp("Only for this reason, such as rule or default. Repeatable.", valueName: "reason"))
    var reason: [Reason] = []
    @Option(help: ArgumentHelp("Only what this rule decides.", valueName: "rule"))
    var rule: String?
    @Option(help: ArgumentHelp("Only packets from or to this address.", valueName: "address"))
    var host: IPAddress?
    @Option(
        help: ArgumentHelp("Write the start of each packet to a pcap file; - is standard output.", valueName: "file"))
    var pcap: String?
    @OptionGroup var instance: InstanceOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        if let count, count < 1 { throw ValidationError("--count is a number from 1") }
        if pcap == "-", output.isJSON { throw ValidationError("standard output takes --json or --pcap -, not both") }
    }

    func run() throws {
        Interruption.catchSignals()
        var sink = try EventSink(pcap: pcap, isJSON: output.isJSON)
        let question = EventQuestion(
            ports: port, reasons: reason, rule: rule, host: host, accepts: all, count: count)
        let stream = try instance.controller.events(question)
        try stream.read(until: Interruption.isRequested || StandardOutput.isClosed) { event in
            try sink.put(EventWords(event))
        }
    }
}

extension Reason: ExpressibleByArgument {}

extension IPAddress: ExpressibleByArgument {
    public init?(argument: String) { self.init(argument) }
}
