// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Control
import Network
import Rendering
import Requests
import Wire

struct DropsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "drops",
        abstract: "Stream every drop as it happens.",
        discussion: """
            The stream starts with the next packet and ends with Ctrl-C. Filters work in the kernel, so a flood of \
            other drops cannot crowd out what was asked for. Up to four streams may run at once; each sees everything \
            that it asks for. A new policy does not end a stream. `detach --all` does, with status 1 and a message: \
            what is applied afterwards is another instance. Standard error names ports that have no drops because \
            their packets pass unjudged.

            With several options, a packet is shown if each of them selects it. Values of one option that is repeated \
            are alternatives.

            Times are local; one of another day has its date. In a capture each packet has its device, its direction \
            as the device sees it, and as its comment the verdict, the reason, the rule and the line that decided.

            Example:
              bulkhead drops
              bulkhead drops --port db-1 --reason default --json | jq -r .src
              bulkhead drops --host 203.0.113.0/24 --service tcp/22 --count 100 --pcap drops.pcapng
            """)

    @Flag(help: "Show accepted packets too, if their rule has `log: true`.")
    var all = false
    @Option(help: ArgumentHelp("End after this many events.", valueName: "n"))
    var count: Int?
    @Option(
        help: ArgumentHelp("Only at this port: an entry, entry/device or a device. Repeatable.", valueName: "port"),
        completion: .names(.ports))
    var port: [String] = []
    @Option(help: ArgumentHelp("Only for this reason, such as rule or default. Repeatable.", valueName: "reason"))
    var reason: [Reason] = []
    @Option(
        help: ArgumentHelp("Only what this rule decides. Repeatable, up to 16 times.", valueName: "rule"),
        completion: .names(.rules))
    var rule: [String] = []
    @Option(
        help: ArgumentHelp("Only packets from or to this address or prefix.", valueName: "address"),
        transform: Prefix.init(argument:))
    var host: Prefix?
    @Option(
        help: ArgumentHelp(
            "Only packets to this service, such as tcp/443, dns or one of the policy's. Repeatable.",
            valueName: "service"),
        completion: .names(.services))
    var service: [String] = []
    @Option(
        help: ArgumentHelp(
            "Write the start of each packet to a pcapng file; - is standard output.", valueName: "file"),
        completion: .file())
    var pcap: String?
    @OptionGroup var instance: InstanceOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        if let count, count < 1 { throw ValidationError("--count is a number from 1") }
        if pcap == "-", output.isJSON { throw ValidationError("standard output takes --json or --pcap -, not both") }
    }

    func run() throws {
        Interruption.catchSignals()
        let question = EventQuestion(
            ports: port, reasons: reason, rules: rule, host: host, services: service, accepts: all, count: count)
        if let socket = instance.socket {
            guard pcap == nil else { return try instance.requireKernel(for: "drops --pcap") }
            return try socket.show(question.target, output.look)
        }
        var sink = try EventSink(pcap: pcap, isJSON: output.isJSON)
        let controller = try instance.controller
        let notices = CoverageNotices(controller)
        let stream = try controller.events(question) { notices.tell() }
        try stream.read(until: Interruption.isRequested || StandardOutput.isClosed) { event in
            try sink.put(EventWords(event))
        }
    }
}

extension Reason: ExpressibleByArgument {}
