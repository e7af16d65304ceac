// SPDX-License-Identifier: Apache-2.0
import Foundation
import Network
import Synchronization

/// A network namespace of a lab.
public struct Namespace: Sendable, Hashable {
    /// The name that `ip netns` knows.
    public let name: String

    public var path: String { "/run/netns/\(name)" }

    /// The words before a command that run it inside. Unlike `ip netns exec`, this keeps /sys, and with it the BPF file
    /// system, visible.
    public func command(_ words: [String]) -> [String] { ["nsenter", "--net=\(path)"] + words }

    @discardableResult
    public func run(_ words: String..., input: String? = nil) throws -> String {
        let result = try Shell.run(command(words), input: input)
        guard result.status == 0 else {
            throw CommandFailure(description: "\(words.joined(separator: " ")): \(result.status): \(result.errors)")
        }
        return result.output
    }
}

extension Namespace {
    /// The MAC address of an interface.
    public func mac(of interface: String) throws -> MACAddress {
        let link = try Shell.check("ip", "-netns", name, "-brief", "link", "show", interface)
        guard let mac = link.split(separator: " ").lazy.compactMap({ MACAddress(String($0)) }).first else {
            throw CommandFailure(description: "\(interface) has no MAC address: \(link)")
        }
        return mac
    }
}

/// Network namespaces, veth pairs and bridges of one test. Their names hold the process id, so that labs never collide.
/// Everything is removed with the lab, even if the test fails.
public final class Lab: Sendable {
    private static let serial = Mutex(0)

    /// Unique to this lab; also usable as the name of a bulkhead instance.
    public let id: String
    private let namespaces = Mutex<[Namespace]>([])
    private let cleanups = Mutex<[@Sendable () -> Void]>([])

    /// Throws, with an explanation, unless run by root.
    public init() throws {
        guard geteuid() == 0 else {
            throw CommandFailure(
                description: "this test makes network namespaces and loads BPF programs: run it as root")
        }
        let number = Lab.serial.withLock { serial in
            serial += 1
            return serial
        }
        id = "bh-\(ProcessInfo.processInfo.processIdentifier)-\(number)"
    }

    deinit {
        for cleanup in cleanups.withLock({ $0 }).reversed() { cleanup() }
        for namespace in namespaces.withLock({ $0 }) {
            _ = try? Shell.run(["ip", "netns", "delete", namespace.name])
        }
    }

    /// What to do when the lab goes, before its namespaces go; last in, first out.
    public func atEnd(_ cleanup: @escaping @Sendable () -> Void) { cleanups.withLock { $0.append(cleanup) } }

    /// A new, quiet namespace: no IPv6 address is generated, solicited or checked for duplicates unless a test asks for
    /// it.
    public func namespace(_ suffix: String) throws -> Namespace {
        let namespace = Namespace(name: "\(id)-\(suffix)")
        try Shell.check("ip", "netns", "add", namespace.name)
        namespaces.withLock { $0.append(namespace) }
        let settings = ["default/accept_dad=0", "default/addr_gen_mode=1", "default/router_solicitations=0"]
        let script = settings.map { setting in
            let parts = setting.split(separator: "=")
            return "echo \(parts[1]) > /proc/sys/net/ipv6/conf/\(parts[0])"
        }
        try namespace.run("sh", "-ec", (script + ["ip link set lo up"]).joined(separator: "\n"))
        return namespace
    }

    /// A veth pair between two namespaces; both ends are up.
    public func veth(_ left: (Namespace, String), _ right: (Namespace, String)) throws {
        try Shell.check(
            "ip", "-netns", left.0.name, "link", "add", left.1, "type", "veth", "peer", "name", right.1, "netns",
            right.0.name)
        for end in [left, right] {
            try Shell.check("ip", "-netns", end.0.name, "link", "set", end.1, "up")
        }
    }

    /// Waits until the kernel has taken a device apart, which it does some time after the name of the namespace of its
    /// other end is gone, and only when nobody holds that open. Returns whether it has.
    public func isGone(_ namespace: Namespace, _ device: String) throws -> Bool {
        try poll(seconds: 20) {
            try Shell.run(["ip", "-netns", namespace.name, "link", "show", device]).status != 0
        }
    }

    /// A bridge that forwards at once and does not snoop multicast.
    public func bridge(_ namespace: Namespace, _ name: String, ports: [String]) throws {
        let lines =
            ["link add \(name) type bridge mcast_snooping 0 forward_delay 0", "link set \(name) up"]
            + ports.map { "link set \($0) master \(name)" }
        try Shell.check("ip", "-netns", namespace.name, "-batch", "-", input: lines.joined(separator: "\n") + "\n")
    }

    /// Adds addresses such as `192.0.2.1/24`, usable at once.
    public func address(_ namespace: Namespace, _ interface: String, _ addresses: String...) throws {
        let lines = addresses.map { "addr add \($0) dev \(interface)" + ($0.contains(":") ? " nodad" : "") }
        try Shell.check("ip", "-netns", namespace.name, "-batch", "-", input: lines.joined(separator: "\n") + "\n")
    }

    /// Makes a folder in that of this lab, and returns its path.
    public func folder(_ name: String) throws -> String {
        let path = try file("\(name).kept", "").dropLast(5)
        try FileManager.default.createDirectory(atPath: String(path), withIntermediateDirectories: true)
        return String(path)
    }

    /// Writes a file in a folder of this lab, and returns its path.
    public func file(_ name: String, _ text: String) throws -> String {
        let folder = FileManager.default.temporaryDirectory.appending(path: id)
        if !FileManager.default.fileExists(atPath: folder.path) {
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            atEnd { try? FileManager.default.removeItem(at: folder) }
        }
        let file = folder.appending(path: name)
        try text.write(to: file, atomically: true, encoding: .utf8)
        return file.path
    }
}
