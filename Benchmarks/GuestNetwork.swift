// SPDX-License-Identifier: Apache-2.0
import Network
import Policy
import TestSupport

/// A host with a bridge, a guest on it, a client beside it, and a cable on which the generator may send.
final class GuestNetwork {
    static let guestAddress = "198.51.100.10"
    static let streamPort: UInt16 = 5201
    static let answerPort: UInt16 = 5202

    let client: Namespace
    let host: Namespace
    let guest: Namespace
    private let servers: [TCPServer]

    var streams: TCPServer { servers[0] }
    var answers: TCPServer { servers[1] }

    init(_ lab: Lab, _ name: String) throws {
        client = try lab.namespace("\(name)-client")
        host = try lab.namespace("\(name)-host")
        guest = try lab.namespace("\(name)-guest")
        try lab.veth((client, "eth0"), (host, "cable"))
        try lab.veth((guest, "eth0"), (host, "tap0"))
        try guest.run("ip", "link", "set", "eth0", "address", "\(Frame.peer)")
        try lab.bridge(host, "br0", ports: ["cable", "tap0"])
        try lab.address(client, "eth0", "198.51.100.2/24")
        try lab.address(guest, "eth0", "\(GuestNetwork.guestAddress)/24")
        // What was closed is to be forgotten at once, or a client soon runs out of ports.
        try client.run("sysctl", "-qw", "net.ipv4.tcp_max_tw_buckets=1024", "net.ipv4.ip_local_port_range=1024 65000")
        servers = [
            try TCPServer(guest, GuestNetwork.guestAddress, GuestNetwork.streamPort, answers: false),
            try TCPServer(guest, GuestNetwork.guestAddress, GuestNetwork.answerPort, answers: true),
        ]
    }

    /// The generator's cable to the bridge; its interface in `namespace`.
    func place(from generator: Namespace, number: Int) throws -> Place {
        let place = try Place(from: generator, number: number, in: host)
        try place.receiveAsPackets()
        // Not the guest's own address, which every place has.
        try host.run("ip", "link", "set", Place.device, "address", "52:54:00:00:00:09", "master", "br0")
        return place
    }

    /// A stateful policy of `count` rules for the guest's port, its own among them as the last.
    func policy(_ count: Int, maxFlows: Int? = nil) -> PolicyText {
        let location = SourceLocation(file: "bench", line: 1, column: 1)
        var rules = RuleSet.synthetic(max(count - 1, 1)).rules
        rules.append(
            Rule(
                name: "serve", location: location,
                ends: [Rule.Ends(from: nil, to: AddressSet([Prefix(IPAddress(GuestNetwork.guestAddress)!)]))],
                services: [
                    .ports(
                        protocol: 6, destination: [GuestNetwork.streamPort...GuestNetwork.answerPort],
                        source: [0...UInt16.max])
                ], action: .accept))
        let share = maxFlows.map { ", maxFlows: \($0)" } ?? ""
        return PolicyText(
            ports: [
                "guest: { interface: tap0, netns: \(host.name), mac: \"\(Frame.peer)\", "
                    + "addresses: [\(GuestNetwork.guestAddress)]\(share) }"
            ], defaults: "{ in: drop, out: accept, adopt: 0s }", rules: rules)
    }

    func enforce(_ policy: PolicyText, with bulkhead: String, of lab: Lab) throws -> String {
        let instance = host.name
        let file = try lab.file("\(instance).yaml", policy.text)
        lab.atEnd { _ = try? Shell.run([bulkhead, "detach", "--all", "--instance", instance]) }
        try Shell.check(bulkhead, "apply", file, "--instance", instance, seconds: 120)
        return instance
    }
}
