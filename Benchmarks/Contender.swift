// SPDX-License-Identifier: Apache-2.0
import Glibc
import Libbpf
import Network
import Policy
import TestSupport

/// A filter that is measured.
protocol Contender {
    /// Who it is, such as `nft set`.
    var name: String { get }
    /// Where it runs, such as `XDP`.
    var hook: String { get }
    /// Whether what it receives are packets (skb) or, before there are any, frames.
    var receivesPackets: Bool { get }
    /// Puts it in force at `nic0` of the place; what outlives the place is undone at the lab's end.
    func install(at place: Place, of lab: Lab) throws
}

/// The limit: a program that counts, and drops or, at tc, passes.
struct Bare: Contender {
    let name = "bare program"
    let receivesPackets: Bool
    var passes = false

    var hook: String { receivesPackets ? "tc" : "XDP" }

    func install(at place: Place, of lab: Lab) throws {
        let object = try Object(EmbeddedObject.traffic.bytes, name: EmbeddedObject.traffic.name)
        let name = passes ? "bare_pass" : receivesPackets ? "bare_tc" : "bare"
        object.select(programs: [name])
        let program = try object.load().program(name)
        try place.namespace.inside {
            for index in 0..<place.count {
                let pin = Pin("\(place.namespace.name)-bare\(index)", in: try OpenFolder(path: "/sys/fs/bpf"))
                let link = try Link(
                    attaching: program, to: receivesPackets ? .tcxIngress : .xdpNative,
                    interface: unsafe if_nametoindex("nic\(index)"))
                try link.pin(at: pin)
                lab.atEnd { try? pin.folder.unpin(pin.name) }
            }
        }
    }
}

/// Bulkhead on a host's NICs, through the command line: one instance for all its places, for making one takes seconds.
struct Bulkhead {
    enum Mode: String {
        case xdp = "XDP"
        case tc
    }

    /// The executable.
    let executable: String
    let rules: [Rule]
    /// More keys of the ports.
    var extra = ""
    /// How long connections from before are adopted.
    var adopt = "0s"

    func install(at places: [(place: Place, mode: Mode)], of lab: Lab) throws {
        guard let instance = places.first.map({ Bulkhead.instance(at: $0.place) }) else { return }
        let file = try lab.file("\(instance).yaml", policy(at: places, rules).text)
        detachAtEnd(instance, of: lab)
        try apply(file, to: instance)
    }

    func apply(_ file: String, to instance: String) throws {
        try Shell.check(executable, "apply", file, "--instance", instance, seconds: 120)
    }

    func detachAtEnd(_ instance: String, of lab: Lab) {
        lab.atEnd { [executable] in
            _ = try? Shell.run([executable, "detach", "--all", "--instance", instance], seconds: 120)
            // Where there is a log of changes, it has this instance's too.
            _ = unsafe unlink("/var/log/bulkhead/\(instance).changes")
        }
    }

    /// The name of the instance whose first place this is.
    static func instance(at place: Place) -> String { place.namespace.name }

    /// Rules as a policy for all devices of these places.
    func policy(at places: [(place: Place, mode: Mode)], _ rules: [Rule]) -> PolicyText {
        let ports = places.enumerated().map { index, port in
            "port\(index): { interface: \"nic*\", netns: \(port.place.namespace.name), protects: host, "
                + "mode: \(port.mode == .tc ? "tc" : "xdp")\(extra) }"
        }
        return PolicyText(ports: ports, defaults: "{ in: drop, out: accept, adopt: \(adopt) }", rules: rules)
    }
}

extension Arena {
    /// Puts one instance of Bulkhead in place, once a mode, to be measured under the same packets.
    func add(
        _ bulkhead: Bulkhead, _ modes: [Bulkhead.Mode], section: String, set: String, rules: Int?,
        generator: Generator, devices: Int = 1
    ) throws {
        try Interruption.check()
        let places = try modes.map { mode in (place: try place(devices: devices), mode: mode) }
        let labels = modes.map { mode in
            Label(section: section, filter: "bulkhead", hook: mode.rawValue, rules: rules, set: set)
        }
        do {
            for (place, mode) in places where mode == .tc { try place.receiveAsPackets() }
            try bulkhead.install(at: places, of: lab)
            for (label, port) in zip(labels, places) {
                add(Entry(label: label, place: port.place, generator: generator))
            }
        } catch {
            for label in labels { addAbsent(label, "\(error)") }
        }
    }
}

/// xdp-filter of xdp-tools, which knows addresses and ports, each by itself, and no prefix.
struct XDPFilter: Contender {
    let name = "xdp-filter"
    let hook = "XDP"
    let receivesPackets = false
    /// Addresses that it lets pass.
    let addresses: [IPAddress]

    func install(at place: Place, of lab: Lab) throws {
        var lines = ["mount -t bpf bpf /sys/fs/bpf", "xdp-filter load -p deny -f ipv4,udp \(Place.device)"]
        lines += addresses.map { "xdp-filter ip -m src \($0)" }
        // Its pins are found by a fixed path: it gets a BPF file system of its own, which ends with the shell.
        try place.namespace.run("unshare", "--mount", "sh", "-ec", lines.joined(separator: "\n"))
    }
}
