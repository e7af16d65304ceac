// SPDX-License-Identifier: Apache-2.0
import Control
import Foundation
import Host
import Network
import Rendering
import TestSupport
import Testing

extension Integration {
    /// What `explain` says of a packet against what becomes of a real one, in random networks from a seed.
    @Suite(.serialized) struct ExplainPropertyTests {
        /// `BULKHEAD_EXPLAIN_CASES` sets how many packets are sent, `BULKHEAD_SEED` the first network. Without them the
        /// same few are tried each time, so that a change is held against what went right before.
        @Test func aRealPacketFaresAsExplained() throws {
            let first = Seed.first(usual: 30000)
            let cases = Seed.count("BULKHEAD_EXPLAIN_CASES", usual: 20)
            print("explain property test: BULKHEAD_SEED=\(first), \(cases) packets")
            var tally: [String: Int] = [:]
            for seed in stride(from: 0, to: cases, by: ExplainTrial.packets).map({ first &+ UInt64($0) }) {
                for (word, count) in try ExplainTrial(seed: seed).run() { tally[word, default: 0] += count }
            }
            print("explain property test: \(tally.map { "\($0.key) \($0.value)" }.sorted().joined(separator: ", "))")
            #expect(tally.values.reduce(0, +) >= cases)
            // What cannot be known must stay rare.
            if cases >= 100 {
                #expect(tally["unknown", default: 0] * 20 <= cases)
                // How many networks are drawn of which the host alone is seen is chance.
                let outOfSight = tally.filter { $0.key.hasSuffix("out of sight") }.values.reduce(0, +)
                #expect(tally["unknown out of sight", default: 0] * 2 <= outOfSight)
            }
        }
    }
}

/// One random network, and some packets in it.
private struct ExplainTrial {
    static let packets = 10

    private let world: ExplainWorld
    private let seed: UInt64
    private let judge: PolicyJudge
    private let policy: String

    init(seed: UInt64) throws {
        self.seed = seed
        world = try ExplainWorld(seed: seed)
        // Who sees the host alone knows no more than its tables do.
        if !world.random.once(in: world.isAllVisible ? 2 : 6) { Self.warmUp(world) }
        policy = world.policy()
        try world.bulkhead.apply(try world.lab.file("policy.yaml", policy))
        let controller = try Controller(instance: world.bulkhead.instance)
        judge = try Self.inside(world.host) { try controller.judge(policy: nil) }
    }

    /// Everybody sends to somebody, so that bridges and hosts know their neighbours.
    private static func warmUp(_ world: ExplainWorld) {
        for one in world.parties {
            for source in one.addresses {
                let others = world.parties.filter { $0.namespace != one.namespace }.flatMap(\.addresses)
                let target = world.random.pick(others.filter { $0.family == source.family })
                let socket = try? IPSocket.connected(one.namespace, .udp, target, 6999, at: source)
                try? socket?.send([0])
            }
        }
    }

    /// Runs `body` with the calling thread in a namespace.
    private static func inside<Value>(_ namespace: Namespace, _ body: () throws -> Value) throws -> Value {
        var result: Result<Value, any Error>?
        try NetworkNamespace.with(namespace.name) { () throws(HostError) in result = Result { try body() } }
        return try #require(result).get()
    }

    func run() throws -> [String: Int] {
        var tally: [String: Int] = [:]
        var late: [(receiver: Receiver, words: String)] = []
        for number in 0..<Self.packets {
            let (verdict, open) = try send(number)
            tally[verdict, default: 0] += 1
            if let open { late.append(open) }
        }
        for (receiver, words) in late {
            let came = try receiver.hears(milliseconds: 1)
            #expect(!came, "explained as dropped, and came late:\n\(words)")
        }
        return tally
    }

    /// Asks for a packet, and sends it. Returns the verdict, and the receiver of one that did not come.
    private func send(_ number: Int) throws -> (String, (Receiver, String)?) {
        let random = { (range: ClosedRange<Int>) in self.world.random.number(range) }
        let sender = world.random.pick(
            world.parties.filter { world.isAllVisible || $0.namespace != world.routerOfBoth })
        let source = world.random.pick(sender.addresses)
        let others = world.parties.filter { isAsked($0, from: sender) }
        let receiver = world.isAllVisible && world.random.once(in: 12) ? nil : world.random.pick(others)
        let candidates = (receiver?.addresses ?? world.strangers).filter { $0.family == source.family }
        let target = world.random.pick(candidates)
        let (port, sourcePort) = (UInt16(random(7000...7003)), UInt16(41_000 + number))
        let kind: IPSocket.Kind = world.random.once(in: 2) ? .tcp : .udp
        let question = ExplainQuestion(
            from: "\(source)", to: "\(target)", service: "\(kind)/\(port)", sourcePort: sourcePort)
        let (ends, said) = try Self.inside(world.host) { try question.answer(by: judge, network()) }
        // A device that is down has lost its IPv6 addresses.
        let waiting = receiver.flatMap { try? Receiver(kind, $0.namespace, target, port, from: sourcePort, number) }
        // A connection is given up at once; the packet that opens it is on its way by then.
        if let sending = try? IPSocket.connected(
            sender.namespace, kind, target, port, from: sourcePort, at: source, milliseconds: 0)
        {
            try? sending.send(Receiver.payload(number))
        }
        let milliseconds: Int32 = said.verdict == .accept ? 3000 : 300
        let came = try waiting?.hears(milliseconds: milliseconds) == true
        let words = """
            BULKHEAD_SEED=\(seed), packet \(number), \(sender.namespace.name) to \
            \(receiver?.namespace.name ?? "nobody"), \(world.isAllVisible ? "all in sight" : "the host alone in sight")
            \(question.service) from \(sourcePort): came \(came), said \(said.words(ends, .plain))
            \(policy)
            """
        switch said.verdict {
        case .accept: #expect(came, "explained as accepted, and did not come:\n\(words)")
        case .drop, .reject: #expect(!came, "explained as dropped, and came:\n\(words)")
        case .unknown:
            let possible = said.ways.contains { ($0.verdict == .accept) == came || $0.verdict == .unknown }
            #expect(possible, "no way explains it:\n\(words)")
        }
        let isLate = !came && (said.verdict == .drop || said.verdict == .reject)
        let word = world.isAllVisible ? said.verdict.rawValue : "\(said.verdict.rawValue) out of sight"
        return (word, waiting.flatMap { isLate ? ($0, words) : nil })
    }

    /// Who sees the host alone can tell nothing of packets that others lose before they come to it.
    private func isAsked(_ receiver: ExplainWorld.Party, from sender: ExplainWorld.Party) -> Bool {
        guard receiver.namespace != sender.namespace else { return false }
        if world.isAllVisible { return true }
        let areBeyond = world.beyondBoth.isSuperset(of: [sender.namespace, receiver.namespace])
        return receiver.island == sender.island && !areBeyond
    }

    private func network() -> KernelNetwork {
        let inSight = world.isAllVisible ? NetworkNamespace.names.filter { $0.hasPrefix(world.lab.id + "-") } : []
        return KernelNetwork(seeing: inSight + world.policyNamespaces)
    }
}

/// Who waits for a datagram, or for a segment that opens a connection.
private enum Receiver {
    case datagrams(IPSocket, payload: [UInt8])
    case segments(SegmentSocket, from: UInt16, to: UInt16)

    init(
        _ kind: IPSocket.Kind, _ namespace: Namespace, _ address: IPAddress, _ port: UInt16, from source: UInt16,
        _ number: Int
    ) throws {
        self =
            switch kind {
            case .udp:
                .datagrams(
                    try IPSocket.bound(namespace, .udp, address, port), payload: Receiver.payload(number))
            case .tcp: .segments(try SegmentSocket(namespace, address), from: source, to: port)
            }
    }

    static func payload(_ number: Int) -> [UInt8] { [UInt8(number), 1, 2, 3] }

    func hears(milliseconds: Int32) throws -> Bool {
        switch self {
        case .datagrams(let socket, let payload): try socket.receive(milliseconds: milliseconds) == payload
        case .segments(let socket, let source, let port):
            try socket.hears(from: source, to: port, milliseconds: milliseconds)
        }
    }
}
