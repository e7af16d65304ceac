// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Control
import Network
import Policy
import Rendering
import Wire

struct ExplainCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "explain",
        abstract: "Say what becomes of a packet at each port on its way, and why.",
        discussion: """
            FROM and TO are addresses or ports. SERVICE is one that a single packet has, such as tcp/443, udp/53, \
            icmp/echo-request or ping. The first packet of such a connection is followed as the kernel would carry it \
            now: by its routes, its neighbours, its bridges and their forwarding databases, in each network namespace \
            that has a name. At each port on the way the kernel's own program judges it. Nothing is sent.

            Where no table says which way it goes, each possible way is shown with its own verdict; the verdict is \
            `unknown` where they differ. A packet that no port drops may still not arrive: the end of the way says \
            why. --live names what else on the way can drop it: XDP and tc programs of others, chains of nftables \
            and iptables that drop, also where a bridge hands packets to them (bridge-nf-call-iptables), isolated \
            members of bridges, rp_filter and ip_forward. It says what it could not look at.

            The ports of a policy that is another host's are asked by the policy alone: `out` at the port that FROM is \
            bound to, and `in` at that of TO. An address that is bound to no port lies beyond a host port.

            Example:
              bulkhead explain web-1 db-1 tcp/5432
              bulkhead explain 203.0.113.9 198.51.100.10 tcp/443 --policy policy.yaml
              bulkhead explain 203.0.113.9 198.51.100.10 ping --at uplink --direction in
              bulkhead explain web-1 203.0.113.9 udp/53 --live
            """)

    @Argument(
        help: "The sender: an address, or a port (an entry, entry/device or a device).", completion: .names(.ports))
    var from: String
    @Argument(
        help: "The receiver: an address, or a port (an entry, entry/device or a device).", completion: .names(.ports))
    var to: String
    @Argument(
        help: "tcp/N, udp/N, sctp/N, icmp/TYPE[/CODE], icmpv6/TYPE[/CODE], proto/N, ping or a service of the policy.",
        completion: .names(.services))
    var service: String
    @Option(
        help: ArgumentHelp("Use this policy file instead of the policy in force.", valueName: "file"),
        completion: .file(extensions: ["yaml", "yml"]))
    var policy: String?
    @Option(
        help: ArgumentHelp("Judge at this port alone; needs --direction.", valueName: "port"),
        completion: .names(.ports))
    var at: String?
    @Option(help: "The direction at that port.")
    var direction: Direction?
    @Option(
        help: ArgumentHelp(
            "Where a packet that the host sends at that port came from: a port, or host.", valueName: "port"),
        completion: .names(.ports))
    var via: String?
    @Option(
        help: ArgumentHelp("The source port of TCP, UDP or SCTP; 40000 if the service names none.", valueName: "number")
    )
    var sourcePort: UInt16?
    @Option(help: ArgumentHelp("The packet's VLAN tag, 1 to 4094.", valueName: "tag"))
    var vlan: UInt16?
    @Flag(help: "Name what else on the way can drop the packet.")
    var live = false
    @OptionGroup var instance: InstanceOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        if (at == nil) != (direction == nil) { throw ValidationError("--at and --direction go together") }
        if via != nil, at == nil { throw ValidationError("--via goes with --at; without, the way tells") }
        if service.contains("/"), ConcreteService(service) == nil {
            throw ValidationError(
                "'\(service)' is no service that a single packet carries, such as tcp/443, icmp/echo-request or "
                    + "proto/47"
            )
        }
        if live, at != nil { throw ValidationError("--live looks along the way, and --at has none") }
        if let vlan, !(1...4094).contains(vlan) { throw ValidationError("--vlan is a tag from 1 to 4094") }
    }

    func run() throws {
        let judge = try instance.controller.judge(policy: policy)
        Notices.show(judge.diagnostics)
        let question = ExplainQuestion(
            from: from, to: to, service: service, at: at.flatMap { at in direction.map { (at, $0) } },
            sourcePort: sourcePort, vlan: vlan, via: via)
        let (ends, explanation) = try instance.controller.explain(question, by: judge, isLive: live)
        try output.show(explanation.json, or: explanation.words(ends, Palette.standardOutput))
    }
}
