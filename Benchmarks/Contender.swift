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

/// The limit: a program that counts and drops.
struct Bare: Contender {
    let name = "bare program"
    let receivesPackets: Bool

    var hook: String { receivesPackets ? "tc" : "XDP" }

    func install(at place: Place, of lab: Lab) throws {
        let object = try Object(EmbeddedObject.traffic.bytes, name: EmbeddedObject.traffic.name)
        let name = receivesPackets ? "bare_tc" : "bare"
        object.select(programs: [name])
        let program = try object.load().program(name)
        let path = "/sys/fs/bpf/\(place.namespace.name)-bare"
        try place.namespace.inside {
            let link = try Link(
                attaching: program, to: receivesPackets ? .tcxIngress : .xdpNative,
                interface: unsafe if_nametoindex(Place.device))
            try link.pin(at: path)
        }
        lab.atEnd { _ = unsafe unlink(path) }
    }
}

/// Bulkhead on a host's NIC, through the command line.
struct Bulkhead: Contender {
    let name = "bulkhead"
    /// The executable.
    let executable: String
    let rules: [Rule]
    /// `xdp` or `tc`.
    let mode: String
    var defaults = "{ in: drop, out: accept, adopt: 0s }"

    var hook: String { mode == "tc" ? "tc" : "XDP" }
    var receivesPackets: Bool { mode == "tc" }

    func install(at place: Place, of lab: Lab) throws {
        let instance = "\(place.namespace.name)"
        let policy = PolicyText(
            ports: [
                "nic: { interface: \(Place.device), netns: \(place.namespace.name), protects: host, mode: \(mode) }"
            ], defaults: defaults, rules: rules)
        let file = try lab.file("\(instance).yaml", policy.text)
        lab.atEnd { [executable] in
            _ = try? Shell.run([executable, "detach", "--all", "--instance", instance])
        }
        try Shell.check(executable, "apply", file, "--instance", instance, seconds: 120)
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
