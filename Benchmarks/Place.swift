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

    /// Packets that a device has received.
    func received(by device: String) throws -> Int {
        let table = try inside { try readFile("/proc/thread-self/net/dev") }
        for line in table.split(separator: "\n") {
            let words = line.split { $0 == " " || $0 == ":" }
            if words.first == device[...], words.count > 2, let packets = Int(words[2]) { return packets }
        }
        throw Failure("network namespace \(name) has no device \(device)")
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

/// Where one filter stands: a namespace of its own, whose device `nic0` hangs at the generator's.
final class Place: Sendable {
    static let device = "nic0"

    let namespace: Namespace
    /// The generator's end of the cable.
    let source: UInt32

    init(_ lab: Lab, from generator: Namespace, number: Int) throws {
        namespace = try lab.namespace("p\(number)")
        let name = "g\(number)"
        try lab.veth((generator, name), (namespace, Place.device))
        try Shell.check("ip", "-netns", generator.name, "link", "set", name, "address", "\(Frame.guest)")
        try namespace.run("ip", "link", "set", Place.device, "address", "\(Frame.peer)")
        source = try generator.inside { unsafe if_nametoindex(name) }
    }

    /// An skb receiver drops redirected frames before any hook unless it polls, which GRO makes it do.
    func receiveAsPackets() throws { try namespace.run("ethtool", "-K", Place.device, "gro", "on") }
}
