// SPDX-License-Identifier: Apache-2.0
import Compiler
import Foundation
import Network
import Policy
import Simulation
import TestSupport
import Testing
import Wire

extension PacketTables {
    /// The policies in `Examples/` do what their comments say: each line under `Tried` is judged by the real programs.
    @Suite struct ExampleReplayTests {
        private static let folder = URL(filePath: #filePath).deletingLastPathComponent().path + "/../../Examples"

        private static let names: [String] = {
            let files = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
            return files.filter { $0.hasSuffix(".yaml") }.sorted()
        }()

        @Test(arguments: names) func doesWhatItSays(name: String) throws {
            let text = try String(contentsOfFile: "\(Self.folder)/\(name)", encoding: .utf8)
            let example = TriedExample(text)
            guard !example.lines.isEmpty else { return }
            let loaded = try example.load("\(Self.folder)/\(name)")
            #expect(loaded.diagnostics.map(\.description) == [])
            let ruleset = try #require(loaded.ruleset)
            try FlowSimulator.use(try Compiler().compile(ruleset), adopts: false) { simulator throws in
                // Each packet is judged by itself.
                simulator.keepsFlows = false
                defer { simulator.keepsFlows = true }
                try simulator.setOwn(Set(example.host.map { Prefix($0) }))
                for (group, prefixes) in example.members { try simulator.add(prefixes, to: group, seconds: nil) }
                for line in example.lines { try check(line, loaded, ruleset, simulator) }
            }
        }

        private func check(
            _ line: TriedExample.Line, _ loaded: LoadedPolicy, _ ruleset: Ruleset, _ simulator: Simulator
        ) throws {
            if let time = line.time { simulator.time = time }
            guard let probe = line.probe else { return #expect(line.time != nil, "cannot be read: \(line.text)") }
            func binding(_ name: String) throws -> PortBinding {
                try #require(loaded.bindings.first { $0.port.name == name }, "no port \(name): \(line.text)")
            }
            func record(_ binding: PortBinding) throws -> Int {
                try Compiler().compile(ruleset).portRecord(
                    entry: binding.entry, protects: binding.port.protects, unknownToDrop: binding.isUnknownToDrop)
            }
            let port = try binding(probe.port)
            let origin: Simulator.Origin =
                switch probe.via {
                case nil: .elsewhere
                case "host"?: .host
                case let via?: .port(record: try record(try binding(via)))
                }
            let frame = probe.frame(ruleset.entries[port.entry], port.port.protects)
            let outcome = try simulator.judge(
                frame: frame.bytes, portRecord: try record(port), direction: probe.direction, from: origin)
            let cause = outcome.ruleName ?? outcome.reason?.rawValue ?? "-"
            #expect("\(outcome.verdict.rawValue) \(cause)" == probe.expected, "\(line.text)")
        }

        /// Thirty kinds of policy, each with a comment, and all of them tried. The demo tries its own.
        @Test func areThere() throws {
            let texts = try Self.names.map { try String(contentsOfFile: "\(Self.folder)/\($0)", encoding: .utf8) }
            #expect(texts.count >= 30)
            #expect(texts.allSatisfy { $0.hasPrefix("#") })
            let untried = zip(Self.names, texts).filter { TriedExample($0.1).lines.isEmpty }.map(\.0)
            #expect(untried == ["lab.yaml"])
        }
    }
}

/// What the comment at the head of an example says of packets.
struct TriedExample {
    struct Probe {
        var direction: Direction
        var port: String
        var source: IPAddress
        var destination: IPAddress
        var service: String
        var via: String?
        var vlan: UInt16?
        var hops: UInt8?
        /// The verdict, and the rule or the reason.
        var expected: String
    }

    struct Line {
        var text: String
        var probe: Probe?
        /// From here on, in nanoseconds since 1970.
        var time: UInt64?
    }

    private(set) var lines: [Line] = []
    private(set) var host: [IPAddress] = []
    private(set) var members: [(group: String, prefixes: [Prefix])] = []

    init(_ text: String) {
        for line in text.split(separator: "\n").prefix(while: { $0.hasPrefix("#") }) {
            let words = line.dropFirst().split(separator: " ").map(String.init)
            switch words.first {
            case "Host:": host = words.dropFirst().compactMap { try? Prefix(parsing: $0).address }
            case "Member:" where words.count > 2:
                members.append((words[1], words.dropFirst(2).compactMap { try? Prefix(parsing: $0) }))
            case "time" where words.count == 2:
                lines.append(Line(text: String(line), time: TriedExample.nanoseconds(words[1])))
            case "in", "out":
                if line.hasPrefix("#   ") { lines.append(Line(text: String(line), probe: TriedExample.probe(words))) }
            default: break
            }
        }
    }

    private static func nanoseconds(_ text: String) -> UInt64? {
        (try? Date(text, strategy: .iso8601)).map { UInt64($0.timeIntervalSince1970) * 1_000_000_000 }
    }

    /// `in PORT SOURCE > DESTINATION SERVICE [via PORT] [vlan TAG] [hops N] VERDICT CAUSE`
    private static func probe(_ words: [String]) -> Probe? {
        guard words.count >= 8, words[3] == ">", let direction = Direction(rawValue: words[0]),
            let source = try? Prefix(parsing: words[2]).address,
            let destination = try? Prefix(parsing: words[4]).address
        else { return nil }
        var probe = Probe(
            direction: direction, port: words[1], source: source, destination: destination, service: words[5],
            expected: words.suffix(2).joined(separator: " "))
        let options = Array(words[6..<words.count - 2])
        for index in stride(from: 0, to: options.count - 1, by: 2) {
            switch options[index] {
            case "via": probe.via = options[index + 1]
            case "vlan": probe.vlan = UInt16(options[index + 1])
            case "hops": probe.hops = UInt8(options[index + 1])
            default: return nil
            }
        }
        return probe
    }

    /// Loads the policy on a host that has its devices.
    func load(_ path: String) throws -> LoadedPolicy {
        let entries = PolicyLoader().load(path, requiresDevices: false, host: { _ in .empty }).ruleset?.entries ?? []
        var devices: [HostInterface] = []
        func add(_ name: String, _ entry: PortEntry) {
            guard !devices.contains(where: { $0.name == name }) else { return }
            devices.append(
                HostInterface(
                    name: name, index: UInt32(devices.count + 2), kind: entry.protects == .host ? .other : .tap))
        }
        let bridges = Set(entries.compactMap { if case .bridge(let name) = $0.selector { name } else { nil } })
        for bridge in bridges.sorted() {
            let index = UInt32(devices.count + 2)
            devices += [
                HostInterface(name: bridge, index: index, kind: .bridge),
                HostInterface(name: bridge + "-member", index: index + 1, kind: .tap, bridge: bridge),
            ]
        }
        for entry in entries where entry.part == nil {
            if case .interfaces(let names) = entry.selector {
                for name in names {
                    // A line may name a device that a pattern means.
                    let start = entry.name + "/" + name.prefix { $0 != "*" }
                    let isNamed = lines.contains { $0.probe?.port.hasPrefix(start) ?? false }
                    if !name.contains("*") || !isNamed { add(name.replacing("*", with: "0"), entry) }
                }
            }
            for line in lines {
                let words = (line.probe?.port ?? "").split(separator: "/").map(String.init)
                if words.count == 2, words[0] == entry.name { add(words[1], entry) }
            }
        }
        let inventory = HostInventory(namespaces: [nil: NamespaceInventory(inode: 1, interfaces: devices)])
        return PolicyLoader().load(path, host: { _ in inventory })
    }
}

extension TriedExample.Probe {
    /// As the port sees it: from or to a MAC address that is bound to it.
    func frame(_ entry: PortEntry, _ protects: Protects) -> Frame {
        let words = service.split(separator: "/").map(String.init)
        let number = UInt16(words.last ?? "") ?? 0
        let segment: Segment =
            switch words[0] {
            case "tcp": .tcp(40000, number)
            case "udp": .udp(40000, number)
            case "icmp": .icmp(UInt8(truncatingIfNeeded: number))
            case "icmpv6": .icmpv6(UInt8(truncatingIfNeeded: number))
            case "ping": .ping(source.family)
            default: Segment(number: UInt8(truncatingIfNeeded: number), bytes: [UInt8](repeating: 0, count: 8))
            }
        let datagram = Datagram(source, destination, segment) { if let hops { $0.hopLimit = hops } }
        let own = entry.claimedMACs.first ?? Frame.guest
        let (from, to) = protects == .workload && direction == .out ? (own, Frame.peer) : (Frame.peer, own)
        return Frame(datagram, from: from, to: to, tags: vlan.map { [Frame.Tag($0)] } ?? [])
    }
}
