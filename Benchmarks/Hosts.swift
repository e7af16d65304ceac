// SPDX-License-Identifier: Apache-2.0
import Network
import Policy
import TestSupport

/// A host as a whole: what comes in at its uplink goes over a bridge to one of its guests, through the uplink's port
/// and the guest's, whose addresses are guarded.
struct Hosts: Section {
    static let name = "hosts"
    private static let title = "A bridge with guests: accepted UDP from the uplink to a guest, one CPU for all of it"
    private static let guests = 16

    let settings: Settings
    let lab: Lab

    func run(_ report: inout Report) throws {
        settings.say("hosts: an uplink, a bridge and \(Hosts.guests) guests")
        let arena = try Arena(lab)
        let generator = try arena.generator(Hosts.frames)
        try add("no filter", to: arena, generator) { _ in }
        try add("bulkhead", to: arena, generator) { place in
            let file = try lab.file("\(place.namespace.name).yaml", Hosts.policy(place.namespace).text)
            let contender = Bulkhead(executable: settings.bulkhead, rules: [])
            contender.detachAtEnd(place.namespace.name, of: lab)
            try contender.apply(file, to: place.namespace.name)
        }
        for (name, match) in [("nft on the bridge", ""), ("nft on the bridge, conntrack", "ct state new ")] {
            try add(name, to: arena, generator) { place in
                let file = try lab.file("\(place.namespace.name).nft", Hosts.script(match))
                try place.namespace.run("nft", "-f", file)
            }
        }
        let outcomes = try arena.measure(rounds: settings.rounds, milliseconds: settings.burstMilliseconds)
        report.rows += arena.rows(outcomes, beside: outcomes.first, called: "no filter") + arena.absences
    }

    private func add(
        _ filter: String, to arena: Arena, _ generator: Generator, _ install: (Place) throws -> Void
    ) throws {
        try Interruption.check()
        let label = Arena.Label(
            section: Hosts.title, filter: filter, hook: "", rules: nil, set: "\(Hosts.guests) guests")
        let place = try arena.place()
        do {
            try place.receiveAsPackets()
            let taps = (0..<Hosts.guests).map { "tap\($0)" }
            for (number, tap) in taps.enumerated() {
                let inside = try lab.namespace("\(place.namespace.name.suffix(2))g\(number)")
                try lab.veth((inside, "eth0"), (place.namespace, tap))
                try inside.run("ip", "link", "set", "eth0", "address", "\(Hosts.mac(number))")
            }
            // A bridge takes no frames for its own ports' addresses.
            try place.namespace.run("ip", "link", "set", Place.device, "address", "52:54:00:00:00:09")
            try lab.bridge(place.namespace, "br0", ports: [Place.device] + taps)
            try install(place)
            arena.add(Arena.Entry(label: label, place: place, generator: generator))
        } catch {
            arena.addAbsent(label, "\(error)")
        }
    }

    private static func mac(_ guest: Int) -> MACAddress { MACAddress("52:54:00:00:01:\(guest + 10)") ?? Frame.peer }

    private static func address(_ guest: Int) -> IPAddress { IPAddress(v4: 0xc633_6400 + UInt32(guest) + 10) }

    /// As many flows as a trace has frames.
    private static var frames: [Frame] {
        (0..<Trace.length).map { number in
            let guest = number % guests
            let datagram = Datagram(
                IPAddress(v4: 0xc612_0000 + UInt32(number)), address(guest), .udp(UInt16(1024 + number), 53))
            return Frame(datagram, to: mac(guest))
        }
    }

    private static func policy(_ host: Namespace) -> PolicyText {
        let ports = (0..<guests).map { guest in
            "guest\(guest): { interface: tap\(guest), netns: \(host.name), mac: \"\(mac(guest))\", "
                + "addresses: [\(address(guest))] }"
        }
        let uplink = "uplink: { interface: \(Place.device), netns: \(host.name), protects: host, mode: tc }"
        var rules = RuleSet.synthetic(1000).rules
        rules.append(
            Rule(
                name: "serve", location: SourceLocation(file: "bench", line: 1, column: 1),
                services: [.ports(protocol: 17, destination: [53...53], source: [0...UInt16.max])], action: .accept))
        return PolicyText(ports: [uplink] + ports, rules: rules)
    }

    private static func script(_ match: String) -> String {
        """
        table bridge bench {
          chain forward {
            type filter hook forward priority 0; policy drop;
            \(match.isEmpty ? "" : "ct state established,related accept")
            ip daddr 198.51.100.0/24 udp dport 53 \(match)accept
          }
        }

        """
    }
}
