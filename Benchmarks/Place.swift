// SPDX-License-Identifier: Apache-2.0
import CBenchmark
import Glibc
import Network
import TestSupport

/// Why a measurement could not be made.
struct Failure: Error, CustomStringConvertible {
    var description: String

    init(_ description: String) { self.description = description }

    /// `result`, if the system did not refuse.
    @discardableResult
    static func check(_ result: Int32, _ operation: String) throws(Failure) -> Int32 {
        if result < 0 { throw Failure("cannot \(operation): \(unsafe String(cString: strerror(-result)))") }
        return result
    }
}

extension Namespace {
    /// Does something with the calling thread in this namespace.
    func inside<Result>(_ body: () throws -> Result) throws -> Result {
        let own = try Failure.check(bench_open_namespace(nil), "open the own network namespace")
        defer { close(own) }
        let other = try Failure.check(unsafe bench_open_namespace(path), "open network namespace \(name)")
        defer { close(other) }
        try Failure.check(bench_enter_namespace(other), "enter network namespace \(name)")
        defer { _ = bench_enter_namespace(own) }
        return try body()
    }
}

/// The text of a small file, of /proc too.
func readFile(_ path: String) throws(Failure) -> String {
    guard let file = unsafe fopen(path, "re") else { throw Failure("cannot read \(path)") }
    defer { unsafe fclose(file) }
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65_536)
    while true {
        let count = unsafe fread(&buffer, 1, buffer.count, file)
        guard count > 0 else { break }
        bytes += buffer.prefix(count)
    }
    return String(decoding: bytes, as: UTF8.self)
}

/// Where one filter stands: a namespace whose device `nic0`, or devices `nic0`, `nic1` and so on, hang at the
/// generator's.
final class Place: Sendable {
    static let device = "nic0"

    let namespace: Namespace
    /// The generator's end of the first cable; those of the others follow it.
    let source: UInt32
    /// Cables.
    let count: Int

    /// - Parameters:
    ///   - generator: where the other ends of the cables are, called by `number`.
    ///   - namespace: where it stands.
    init(from generator: Namespace, number: Int, count: Int = 1, in namespace: Namespace) throws {
        self.namespace = namespace
        self.count = count
        var lines: [String] = []
        for index in 0..<count {
            let near = "g\(number)-\(index)"
            lines.append(
                "link add \(near) address \(Frame.guest) type veth peer name nic\(index) address \(Frame.peer) "
                    + "netns \(namespace.name)")
            lines.append("link set \(near) up")
        }
        try Place.configure(generator, lines)
        try Place.configure(namespace, (0..<count).map { "link set nic\($0) up" })
        source = try generator.inside { unsafe if_nametoindex("g\(number)-0") }
    }

    private static func configure(_ namespace: Namespace, _ lines: [String]) throws {
        try Shell.check("ip", "-netns", namespace.name, "-batch", "-", input: lines.joined(separator: "\n") + "\n")
    }

    /// Packets that have come so far.
    var received: Int {
        get throws {
            let table = try namespace.inside { try readFile("/proc/thread-self/net/dev") }
            return table.split(separator: "\n").reduce(0) { sum, line in
                let words = line.split { $0 == " " || $0 == ":" }
                guard words.count > 2, words[0].hasPrefix("nic") else { return sum }
                return sum + (Int(words[2]) ?? 0)
            }
        }
    }

    /// An skb receiver drops redirected frames before any hook unless it polls, which GRO makes it do.
    func receiveAsPackets() throws {
        let lines = (0..<count).map { "ethtool -K nic\($0) gro on" }
        try namespace.run("sh", "-ec", lines.joined(separator: "\n"))
    }
}
