// SPDX-License-Identifier: Apache-2.0
import Compiler
import Datapath
import Network
import Policy
import Reference
import TestSupport

/// Two hosts that talk TCP through a filter, over a network that loses, repeats and reorders segments. On each side is
/// a stranger who knows their addresses and ports but no sequence number. The model, too, judges every segment that
/// reaches the filter.
struct TCPTalk {
    struct Setting: Sendable {
        var isStrict: Bool
        /// The connection is older than the filter.
        var isAdopted: Bool
        /// Rules accept a SYN from the server's side too.
        var acceptsBoth: Bool
        var client: Side
        var family: AddressFamily

        static func draw(_ random: inout RandomNumbers) -> Setting {
            Setting(
                isStrict: random.once(in: 2), isAdopted: random.once(in: 5), acceptsBoth: random.once(in: 4),
                client: random.pick([.outside, .inside]), family: random.pick([.v4, .v6]))
        }

        /// `name` gives another text of the same meaning.
        func policy(_ name: String) -> String {
            let direction = acceptsBoth ? "both" : client == .outside ? "in" : "out"
            let service = acceptsBoth ? "tcp/*" : "tcp/80"
            return """
                version: 1
                ports:
                  web: { interface: tap0, protects: workload, vlans: any, tcp: \(isStrict ? "strict" : "liberal") }
                defaults: { in: drop, out: drop }
                rules:
                  - { name: \(name), service: \(service), direction: \(direction), action: accept }
                """
        }
    }

    /// Segments on their way to the filter.
    private struct Flying {
        var from: Side
        var sent: TCPEndpoint.Sent
        var isHonest: Bool
    }

    enum Event {
        case segment(TCPSegment, from: Side, Frame, TCPJudge.Ruling)
        case pass(seconds: Int)
        case swap
    }

    static let initials: [UInt32] = [0, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff]

    let setting: Setting
    private(set) var judge: TCPJudge
    private var ends: [Side: TCPEndpoint] = [:]
    private var flying: [Flying] = []
    private var inHand: Flying?
    private(set) var log: [String] = []

    init(_ setting: Setting, _ random: inout RandomNumbers) {
        self.setting = setting
        let accepted: Set<Side> = setting.acceptsBoth ? [.inside, .outside] : [setting.client]
        judge = TCPJudge(isStrict: setting.isStrict, adopts: setting.isAdopted, accepts: accepted)
        for side in Side.allCases {
            var manner = TCPEndpoint.Manner(
                listens: side != setting.client, scale: random.pick([nil, 0, 2, 7, 14]),
                buffer: random.pick([1000, 4000, 20000, 65535, 200_000]))
            manner.hasSACK = !random.once(in: 3)
            manner.takesFastOpen = random.once(in: 3)
            manner.refusesSYNAlone = random.once(in: 3)
            if side != setting.client, !setting.isAdopted {
                manner.usesCookies = random.once(in: 8)
                manner.splitsHandshake = setting.acceptsBoth && random.once(in: 3)
            }
            ends[side] = TCPEndpoint(manner, initial: Self.initial(&random))
        }
        if setting.isAdopted { meet(&random) }
    }

    private static func initial(_ random: inout RandomNumbers) -> UInt32 {
        random.once(in: 3) ? UInt32.random(in: 0...UInt32.max, using: &random) : random.pick(initials)
    }

    /// The hosts connect and talk before the filter is there.
    private mutating func meet(_ random: inout RandomNumbers) {
        ends[setting.client]?.connect()
        for _ in 0..<random.number(8...30) {
            for side in Side.allCases {
                for sent in ends[side]?.takeOutbox() ?? [] { ends[side.other]?.receive(sent.segment) }
                if random.once(in: 2) { ends[side]?.write(random.number(1...1400)) }
                if random.once(in: 3) { ends[side]?.read(random.number(1...4000)) }
            }
        }
        for side in Side.allCases { _ = ends[side]?.takeOutbox() }
    }

    // MARK: What happens

    /// The next event at the filter. After a segment, call ``note(passed:_:)`` with the filter's verdict.
    mutating func next(_ random: inout RandomNumbers) -> Event {
        while true {
            switch random.number(0...99) {
            case 0..<55:
                guard let event = arrive(&random) else { continue }
                return event
            case 55..<85:
                act(random.pick(Side.allCases), &random)
            case 85..<94:
                guard let event = interfere(&random) else { continue }
                return event
            case 94..<98:
                return pass(random.pick([1, 1, 5, 5, 21, 47, 93, 151, 401, 3601, 7201, 8009]))
            default:
                guard !setting.isAdopted else { continue }
                log.append("swap")
                return .swap
            }
        }
    }

    private mutating func pass(_ seconds: Int) -> Event {
        // No segment stays in the network that long.
        if seconds > 60 { flying = [] }
        judge.pass(seconds: seconds)
        for side in Side.allCases { ends[side]?.pass(seconds: seconds) }
        log.append("\(seconds) s later")
        return .pass(seconds: seconds)
    }

    private mutating func arrive(_ random: inout RandomNumbers) -> Event? {
        guard !flying.isEmpty else { return nil }
        let index = random.once(in: 6) ? random.number(0...flying.count - 1) : 0
        let next = flying[index]
        if !random.once(in: 20) { flying.remove(at: index) }
        // Lost before it reaches the filter.
        if random.once(in: 12) { return nil }
        return present(next)
    }

    private mutating func present(_ next: Flying) -> Event? {
        guard let receiver = ends[next.from.other] else { return nil }
        inHand = next
        let ruling = judge.rule(
            next.sent.segment, from: next.from, sender: identity(next), isHonest: next.isHonest, to: receiver)
        let who = next.isHonest ? "\(next.from)" : "stranger \(next.from)"
        let segment = next.sent.segment
        log.append(
            "\(who) \(next.from == setting.client ? ">" : "<") \(describe(segment)) "
                + "[receiver \(receiver.state) \(describe(receiver))]: \(ruling)")
        return .segment(segment, from: next.from, frame(segment, next.from), ruling)
    }

    func state(of side: Side) -> TCPEndpoint.State { ends[side]?.state ?? .closed }

    private func describe(_ segment: TCPSegment) -> String {
        let names = ["F", "S", "R", "P", "A"].enumerated().filter { segment.flags.rawValue & 1 << $0.offset != 0 }
        let sack = segment.selective.map { " sack \($0.left)-\($0.right)" }.joined()
        return names.map(\.element).joined()
            + " \(segment.sequence)+\(segment.payload) ack \(segment.acknowledgement) win \(segment.window)"
            + (segment.scale.map { " scale \($0)" } ?? "") + sack
    }

    private func describe(_ end: TCPEndpoint) -> String {
        end.isSynchronized ? "takes \(end.peerSpace.wire(end.rcvNxt))..\(end.peerSpace.wire(end.rcvEdge))" : ""
    }

    private func identity(_ next: Flying) -> (own: UInt32, peer: UInt32?)? {
        next.sent.own.map { ($0, next.sent.peer) }
    }

    /// What the filter did with the last segment.
    mutating func note(passed: Bool, because reason: String = "", _ random: inout RandomNumbers) {
        guard let next = inHand, let receiver = ends[next.from.other] else { return }
        log[log.count - 1] += (passed ? " passes " : " dropped ") + reason
        guard passed else { return }
        judge.notePassed(
            next.sent.segment, from: next.from, sender: identity(next), isHonest: next.isHonest, to: receiver,
            trueScale: next.sent.scale)
        // Lost after the filter.
        if random.once(in: 12) {
            log[log.count - 1] += ", lost"
            return
        }
        ends[next.from.other]?.choose(initial: Self.initial(&random))
        ends[next.from.other]?.receive(next.sent.segment, acknowledges: !random.once(in: 3))
        send(next.from.other)
    }

    private mutating func send(_ side: Side) {
        flying += (ends[side]?.takeOutbox() ?? []).map { Flying(from: side, sent: $0, isHonest: true) }
    }

    // MARK: What the hosts do

    private mutating func act(_ side: Side, _ random: inout RandomNumbers) {
        guard var end = ends[side] else { return }
        switch end.state {
        case .closed:
            if side == setting.client || setting.acceptsBoth, flying.count < 4, random.once(in: 2) {
                end.choose(initial: Self.initial(&random))
                end.connect(payload: random.once(in: 8) ? random.number(1...500) : 0)
            }
        case .listen:
            if setting.acceptsBoth, random.once(in: 12) {
                end.choose(initial: Self.initial(&random))
                end.connect()
            }
        case .synSent, .synReceived: if random.once(in: 2) { end.retransmit() }
        default: converse(&end, &random)
        }
        ends[side] = end
        send(side)
    }

    private func converse(_ end: inout TCPEndpoint, _ random: inout RandomNumbers) {
        switch random.number(0...39) {
        case 0..<14: for _ in 0..<random.number(1...4) { end.write(random.number(1...1400)) }
        case 14..<22: end.read(random.number(1...8000))
        case 22..<29: end.retransmit(limit: random.pick([1, 100, 1400]))
        case 29..<32: end.acknowledge()
        case 32: end.keepAlive(withByte: random.once(in: 2))
        case 33, 34: end.probe()
        case 35, 36: end.close()
        case 37: if random.once(in: 3) { end.abort() }
        case 38: if random.once(in: 3) { end.forget() }
        default: end.acknowledge()
        }
    }

    // MARK: What strangers do

    private mutating func interfere(_ random: inout RandomNumbers) -> Event? {
        // That a stranger's segment is adopted cannot be helped.
        if setting.isAdopted, !judge.hasHeardBoth { return nil }
        let side = random.pick(Side.allCases)
        let flags = random.pick(
            [
                [.rst], [.rst, .ack], [.rst], [.ack], [.ack, .psh], [.ack, .fin], [.syn], [.syn, .ack], [.syn, .fin],
                [.syn, .rst],
            ]
                as [TCPSegment.Flags])
        func number() -> UInt32 {
            random.once(in: 3) ? random.pick(Self.initials) : UInt32.random(in: 0...UInt32.max, using: &random)
        }
        var segment = TCPSegment(
            flags, sequence: number(), acknowledgement: flags.contains(.ack) ? number() : 0,
            window: random.pick([0, 1000, 65535]), payload: flags.contains(.psh) ? random.number(1...1400) : 0,
            scale: flags.contains(.syn) ? random.pick([nil, 0, 14]) : nil)
        // A lucky guess, with a reset only.
        if flags.contains(.rst), !flags.contains(.syn), random.once(in: 4), let end = ends[side.other],
            end.isSynchronized
        {
            let edge = random.pick([end.rcvNxt, end.rcvNxt, end.rcvEdge])
            segment.sequence = end.peerSpace.wire(edge + random.number(-3...3))
        }
        return present(Flying(from: side, sent: .init(segment: segment), isHonest: false))
    }

    private func frame(_ segment: TCPSegment, _ side: Side) -> Frame {
        let (client, server) = (Ends.client(setting.family), Ends.server(setting.family))
        let isClient = side == setting.client
        return Frame(
            Datagram(
                isClient ? client : server, isClient ? server : client,
                .tcp(
                    isClient ? 40000 : 80, isClient ? 80 : 40000, flags: segment.flags.rawValue,
                    sequence: segment.sequence, acknowledgement: segment.acknowledgement, window: segment.window,
                    options: segment.options, payload: [UInt8](repeating: 1, count: segment.payload))))
    }
}
