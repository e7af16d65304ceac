import ArgumentParser
import Compiler
import Datapath
import Network
import Policy
import Wire

struct ExplainCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "explain",
        abstract: "Say what becomes of a packet at each port on its way, and why.",
        discussion: """
            FROM and TO are addresses or ports; SERVICE is one that a single packet carries, such as tcp/443, udp/53, \
            icmp/echo-request or ping. The packet that opens such a connection is judged by the real program, `out` at the port that FROM \
            is bound to and `in` at that of TO; an end bound nowhere lies beyond the host ports. Nothing is sent.

            Example:
              bulkhead explain web-1 db-1 tcp/5432
              bulkhead explain 203.0.113.9 198.51.100.10 tcp/443 --policy policy.yaml
              bulkhead explain 203.0.113.9 198.51.100.10 ping --at uplink --direction in
            """)

    @Argument(help: "An address, or a port by its entry, entry/device or device.")
    var from: String
    @Argument(help: "Likewise.")
    var to: String
    @Argument(
        help: "tcp/N, udp/N, sctp/N, icmp/TYPE[/CODE], icmpv6/TYPE[/CODE], proto/N, ping or a service of the policy.")
    var service: String
    @Option(help: "A policy's file instead of the policy in force.", completion: .file(extensions: ["yaml", "yml"]))
    var policy: String?
    @Option(help: "Judge at this port alone; with --direction.")
    var at: String?
    @Option(help: "The direction at that port: in or out.")
    var direction: Direction?
    @Option(help: "The source port of TCP, UDP and SCTP; 40000 if the service names none.")
    var sourcePort: UInt16?
    @Option(help: "The packet's VLAN tag, 1 to 4094.")
    var vlan: UInt16?
    @OptionGroup var instance: InstanceOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        if (at == nil) != (direction == nil) { throw ValidationError("--at and --direction go together") }
        if service.contains("/"), ConcreteService(service) == nil {
            throw ValidationError(
                "'\(service)' is no service that a single packet carries, such as tcp/443, icmp/echo-request or proto/47"
            )
        }
        if let vlan, !(1...4094).contains(vlan) { throw ValidationError("--vlan is a tag from 1 to 4094") }
    }

    func run() throws {
        let judge = try PolicyJudge(policy: policy, instance: Instance(instance.name))
        let service = try concreteService(judge.services)
        let ends = try ExplainedEnds(from: from, to: to, service: service, judge.names, judge.route)
        guard let carried = service.probe(ends.family) else {
            throw Refusal(
                "an IP\(ends.family) packet carries no such ICMP message",
                advice: "use icmp/ with IPv4 addresses, icmpv6/ with IPv6, or ping with both")
        }
        let probe = ProbeFrame(
            source: ends.source.address, destination: ends.destination.address, sourceMAC: MACAddress(0x0200_0000_0001),
            destinationMAC: MACAddress(0x0200_0000_0002), service: carried,
            sourcePort: sourcePort ?? service.sourcePort ?? 40000, vlan: vlan)
        var hops: [Explanation.Hop] = []
        for (port, direction) in try crossed(ends, judge) {
            let frame = probe.crossing(judge.route.ports[port], direction).bytes
            let outcome = try judge.judge(frame, length: frame.count, at: port, direction)
            hops.append(
                Explanation.Hop(port: judge.names[port].name, direction, outcome, judge.notes[outcome.ruleName]))
        }
        let explanation = Explanation(hops: hops, generation: judge.generation)
        if output.isJSON {
            try StandardOutput.line(explanation.json)
        } else {
            try StandardOutput.write(explanation.words(ends, Palette.standardOutput))
        }
    }

    /// What is asked about: a service in a policy's words, or the policy's own by its name.
    private func concreteService(_ named: [String: [Service]]) throws(Refusal) -> ConcreteService {
        if let service = ConcreteService(service) { return service }
        guard let alternatives = named[service] else {
            let names = named.keys.sorted().prefix(20).joined(separator: ", ")
            throw Refusal(
                "there is no service '\(service)'",
                advice: names.isEmpty ? "write it as tcp/443 or ping" : "the policy's services are \(names)")
        }
        guard let service = ConcreteService(alternatives) else {
            throw Refusal(
                "the service '\(service)' stands for packets that differ",
                advice: "ask for one of them, such as tcp/443, and give --source-port where it matters")
        }
        return service
    }

    /// The ports to judge at, in the packet's order.
    private func crossed(_ ends: ExplainedEnds, _ judge: PolicyJudge) throws -> [(Int, Direction)] {
        if let at, let direction { return [(try judge.port(at), direction)] }
        let hops = judge.route.hops(from: ends.source, to: ends.destination)
        guard !hops.isEmpty else {
            throw Refusal(
                "the policy has no port between \(ends.source.address) and \(ends.destination.address)",
                advice: "name the port to judge at: --at PORT --direction in|out")
        }
        return hops.map { ($0.port, $0.direction) }
    }
}
