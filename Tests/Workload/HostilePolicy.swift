// SPDX-License-Identifier: Apache-2.0
import Compiler
import Foundation
import Network
import Policy
import Simulation
import TestSupport

/// A policy made so that bitmaps cost the most: every word of one source's bitmap has bits, and only the last ones
/// match a packet.
struct HostilePolicy {
    /// Rules in bitmaps.
    var rules: Int
    /// How many of the last ones have a limit that the packet is over.
    var tries: Int

    static let source: IPAddress = "198.51.100.1"
    static let destination: IPAddress = "198.51.100.2"

    var ruleset: Ruleset {
        let location = SourceLocation(file: "policy.yaml", line: 1, column: 1)
        let port = PortEntry(
            name: "port", location: location, selector: .interfaces(["port"]),
            defaults: .init(in: .drop, out: .drop, essentials: false, inLocation: location, outLocation: location))
        let (from, last) = (AddressSet([Prefix(Self.source)]), AddressSet([Prefix(Self.destination)]))
        let list = (0..<rules).map { rank in
            let isLast = rank >= rules - max(tries, 1)
            let other = AddressSet([Prefix(IPAddress(v4: 0xc612_0000 + UInt32(rank)))])
            return Rule(
                name: "r\(rank)", location: location, ends: [.init(from: from, to: isLast ? last : other)],
                services: [.ports(protocol: 6, destination: [443...443], source: [0...UInt16.max])], action: .drop,
                limit: tries > 0 && isLast ? RuleLimit(rate: 1, period: .minute) : nil)
        }
        return Ruleset(
            files: [SourceFile(name: "policy.yaml", text: "\n")], entries: [port], groups: [], rules: list)
    }

    /// Microseconds of a packet that no rule stops: the median of many.
    func microseconds(inBitmaps: Bool) throws -> Double {
        let image = try (inBitmaps ? Compiler(cellsBeforeBitmaps: 0) : Compiler()).compile(ruleset)
        let simulator = try Simulator(image: image)
        let frame = Frame(Datagram(Self.source, Self.destination, .tcp(40_000, 443))).bytes
        let record = image.portRecord(entry: 0, protects: .host)
        for _ in 0..<64 { _ = try simulator.judge(frame: frame, portRecord: record, direction: .in) }
        let clock = ContinuousClock()
        let times = try (0..<2_000).map { _ in
            try clock.measure { _ = try simulator.judge(frame: frame, portRecord: record, direction: .in) }
                / .nanoseconds(1)
        }
        return times.sorted()[times.count / 2] / 1_000
    }

    static func table() throws -> String {
        var text =
            "| rules in bitmaps | limits that the packet is over | bitmaps, µs | cells, µs |\n"
            + "| --- | --- | --- | --- |\n"
        for (rules, tries) in [(64, 0), (1_024, 0), (16_384, 0), (64, 16), (1_024, 16), (16_384, 16)] {
            let policy = HostilePolicy(rules: rules, tries: tries)
            let (bits, cells) = (try policy.microseconds(inBitmaps: true), try policy.microseconds(inBitmaps: false))
            text += String(format: "| %d | %d | %.1f | %.1f |\n", rules, tries, bits, cells)
        }
        return text
    }
}
